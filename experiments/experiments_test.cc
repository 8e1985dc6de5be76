// Every pinned experiment: its configuration parses, says what its name says,
// and is what it has always been.

#include <map>
#include <string>

#include "experiments/experiment_spec.h"
#include "experiments/pinned_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// A changed digest is another experiment: give it another name, or say in the
// commit why results under the old name no longer compare.
const std::map<std::string, std::string>& GoldenDigests() {
  static const auto* const digests = new std::map<std::string, std::string>{
      {"coco_mini_fp16_vs_nvfp4_s025", "a1e03bc5"},
      {"fp16_vs_nvfp4_s0125", "5e71f3f2"},
      {"fp16_vs_nvfp4_s025", "7a5eff7d"},
      {"fp16_vs_nvfp4_s050", "70d78dd8"},
      {"fp16_vs_nvfp4_s100", "c8f8807c"},
      {"fp16_vs_nvfp4_seed_s0125", "7bd27eb3"},
      {"fp16_vs_nvfp4_seed_s025", "c04b0633"},
      {"fp16_vs_nvfp4_seed_s050", "adb1b647"},
      {"fp16_vs_nvfp4_seed_s100", "c57172a1"},
      {"magnetic_tile_fp16_vs_nvfp4_s025", "cc6256b4"},
      {"mvtec_screw_fp16_vs_nvfp4_s025", "ca082ed8"},
  };
  return *digests;
}

std::map<std::string, ExperimentSpec> AllSpecs() {
  std::map<std::string, ExperimentSpec> specs;
  for (int i = 0; i < kNumPinnedConfigs; ++i) {
    const PinnedConfig& config = kAllPinnedConfigs[i];
    const auto spec = ParseExperimentSpec(config.json);
    EXPECT_TRUE(spec.ok()) << config.name << ": " << spec.status();
    if (spec.ok()) specs[config.name] = *spec;
  }
  return specs;
}

TEST(PinnedExperiments, AreThere) {
  const auto specs = AllSpecs();
  for (const char* name :
       {"fp16_vs_nvfp4_s0125", "fp16_vs_nvfp4_s025", "fp16_vs_nvfp4_s050",
        "fp16_vs_nvfp4_s100", "fp16_vs_nvfp4_seed_s025",
        "mvtec_screw_fp16_vs_nvfp4_s025", "magnetic_tile_fp16_vs_nvfp4_s025",
        "coco_mini_fp16_vs_nvfp4_s025"}) {
    EXPECT_EQ(specs.count(name), 1u) << name;
  }
}

TEST(PinnedExperiments, NamesSayWhatTheConfigurationsAre) {
  for (const auto& [name, spec] : AllSpecs()) {
    EXPECT_TRUE(CheckName(name, spec).ok()) << CheckName(name, spec);
  }
}

TEST(PinnedExperiments, DigestsAreTheOldOnes) {
  const auto specs = AllSpecs();
  EXPECT_EQ(specs.size(), GoldenDigests().size());
  for (const auto& [name, spec] : specs) {
    const auto golden = GoldenDigests().find(name);
    EXPECT_EQ(Digest(spec),
              golden == GoldenDigests().end() ? "(none)" : golden->second)
        << name;
  }
}

TEST(PinnedExperiments, RoundTrip) {
  for (const auto& [name, spec] : AllSpecs()) {
    const auto again = ParseExperimentSpec(ToJson(spec));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(ToJson(*again), ToJson(spec)) << name;
  }
}

// Fields in which two pinned experiments differ.
std::vector<std::string> Differences(const std::string& a,
                                     const std::string& b) {
  const auto specs = AllSpecs();
  const json x = json::parse(ToJson(specs.at(a)));
  const json y = json::parse(ToJson(specs.at(b)));
  std::vector<std::string> fields;
  for (const auto& [key, value] : x.items()) {
    if (value != y[key]) fields.push_back(key);
  }
  return fields;
}

TEST(PinnedExperiments, PairsDifferInNothingElse) {
  EXPECT_THAT(Differences("fp16_vs_nvfp4_s025", "fp16_vs_nvfp4_s100"),
              ::testing::ElementsAre("model_scale_factor"));
  EXPECT_THAT(Differences("fp16_vs_nvfp4_s025", "fp16_vs_nvfp4_seed_s025"),
              ::testing::ElementsAre("models"));
}

std::string Changed(const std::string& key, const json& value) {
  json object = json::parse(ToJson(ExperimentSpec()));
  object[key] = value;
  return object.dump();
}

TEST(ParseExperimentSpec, RefusesUnknownMissingAndMistypedKeys) {
  EXPECT_TRUE(ParseExperimentSpec(ToJson(ExperimentSpec())).ok());
  EXPECT_THAT(ParseExperimentSpec(Changed("stepz", 3)).status().message(),
              HasSubstr("stepz"));
  for (const std::string& name : FieldNames()) {
    json object = json::parse(ToJson(ExperimentSpec()));
    object.erase(name);
    EXPECT_THAT(ParseExperimentSpec(object.dump()).status().message(),
                HasSubstr("'" + name + "'"));
  }
  EXPECT_THAT(ParseExperimentSpec(Changed("steps", "many")).status().message(),
              HasSubstr("steps"));
  EXPECT_THAT(ParseExperimentSpec(Changed("steps", 2.5)).status().message(),
              HasSubstr("steps"));
  EXPECT_FALSE(ParseExperimentSpec("{").ok());
}

TEST(Validate, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, json>> wrong = {
      {"models", json::array()},
      {"models", {"fp16", "fp16"}},
      {"model_scale_factor", 0},
      {"crop", 100},
      {"steps", 0},
      {"batch_size", 0},
      {"learning_rate", -1},
      {"weight_decay", -0.5},
      {"task", "detection"},
      {"keep_checkpoints", 0}};
  for (const auto& [key, value] : wrong) {
    EXPECT_THAT(ParseExperimentSpec(Changed(key, value)).status().message(),
                HasSubstr(key))
        << key;
  }
  EXPECT_THAT(
      ParseExperimentSpec(Changed("models", {"fp3"})).status().message(),
      HasSubstr("nvfp4_seed"));
}

TEST(CheckName, RefusesANameThatSaysSomethingElse) {
  ExperimentSpec spec;
  EXPECT_TRUE(CheckName("fp16_vs_nvfp4_s025", spec).ok());
  EXPECT_TRUE(CheckName("my_tiles_fp16_vs_nvfp4_s025", spec).ok());
  EXPECT_FALSE(CheckName("fp16_vs_nvfp4_s050", spec).ok());
  EXPECT_FALSE(CheckName("nvfp4_s025", spec).ok());
  spec.model_scale_factor = 0.125;
  EXPECT_TRUE(CheckName("fp16_vs_nvfp4_s0125", spec).ok());
}

}  // namespace
}  // namespace cnn_fp4::experiments
