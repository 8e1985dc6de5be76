// Every pinned experiment: its configuration parses, says what its name says,
// and is what it has always been. And the rules by which a pin holds.

#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "experiments/experiment_spec.h"
#include "experiments/pinned_config.h"
#include "experiments/run_options.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// A changed digest is another experiment: give it another name, or say in the
// commit why results under the old name no longer compare.
const std::map<std::string, std::string>& GoldenDigests() {
  static const auto* const digests = new std::map<std::string, std::string>{
      {"coco_mini_fp16_vs_nvfp4_s025", "0c531576"},
      {"fp16_vs_nvfp4_s0125", "e00cb791"},
      {"fp16_vs_nvfp4_s025", "b9fded1b"},
      {"fp16_vs_nvfp4_s050", "5923c211"},
      {"fp16_vs_nvfp4_s100", "f9c21daa"},
      {"fp16_vs_nvfp4_seed_s0125", "5767faa9"},
      {"fp16_vs_nvfp4_seed_s025", "506987e3"},
      {"fp16_vs_nvfp4_seed_s050", "91b97f5a"},
      {"fp16_vs_nvfp4_seed_s100", "677d90b9"},
      {"magnetic_tile_fp16_vs_nvfp4_s025", "ca85d494"},
      {"mvtec_screw_fp16_vs_nvfp4_s025", "2c366622"},
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

TEST(PinnedExperiments, NamesSayWhatTheConfigurationsAre) {
  for (const auto& [name, spec] : AllSpecs()) {
    EXPECT_TRUE(CheckName(name, spec).ok()) << CheckName(name, spec);
  }
}

TEST(PinnedExperiments, DigestsAreTheOldOnes) {
  std::map<std::string, std::string> digests;
  for (const auto& [name, spec] : AllSpecs()) digests[name] = Digest(spec);
  EXPECT_EQ(digests, GoldenDigests());
}

TEST(PinnedExperiments, RoundTrip) {
  for (const auto& [name, spec] : AllSpecs()) {
    const auto again = ParseExperimentSpec(base::ToJson(spec));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(Digest(*again), Digest(spec)) << name;
  }
}

// Paths of the fields in which two pinned experiments differ.
std::vector<std::string> Differences(const std::string& a,
                                     const std::string& b) {
  auto specs = AllSpecs();
  const auto x = base::Fields(specs.at(a));
  const auto y = base::Fields(specs.at(b));
  std::vector<std::string> paths;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i].value() != y[i].value()) paths.push_back(x[i].path);
  }
  return paths;
}

TEST(PinnedExperiments, PairsDifferInNothingElse) {
  EXPECT_THAT(Differences("fp16_vs_nvfp4_s025", "fp16_vs_nvfp4_s100"),
              ElementsAre("net.model_scale_factor"));
  EXPECT_THAT(Differences("fp16_vs_nvfp4_s025", "fp16_vs_nvfp4_seed_s025"),
              ElementsAre("arms"));
  EXPECT_THAT(
      Differences("fp16_vs_nvfp4_s025", "coco_mini_fp16_vs_nvfp4_s025"),
      ElementsAre("data.dataset", "train.steps", "train.validate_every"));
}

// As if the policy nvfp4_seed were rounded in another way from now on.
absl::StatusOr<std::string> WithAnotherSeedPolicy(
    const nn::Policy& policy, absl::Span<const nn::LayerInfo> layers) {
  absl::StatusOr<std::string> text = nn::SpellOut(policy, layers);
  if (text.ok() && policy.base().name == "nvfp4_seed") {
    json changed = json::parse(*text);
    changed["precisions"][0]["fprop_x"] = "rounded in another way";
    text = changed.dump();
  }
  return text;
}

TEST(Digest, APolicyThatChangesBreaksExactlyThoseThatUseIt) {
  int broken = 0;
  for (const auto& [name, spec] : AllSpecs()) {
    const bool uses = absl::StrContains(name, "nvfp4_seed");
    broken += uses;
    EXPECT_EQ(Digest(spec, WithAnotherSeedPolicy) != Digest(spec), uses)
        << name;
  }
  EXPECT_EQ(broken, 4);
}

TEST(Digest, CoversEveryField) {
  ExperimentSpec spec;
  const std::string before =
      DigestOf(base::ToJson(spec), Resolved(ExperimentSpec()));
  for (const base::SpecField& field : base::Fields(spec)) {
    const base::SpecValue value = field.value();
    const base::SpecValue others[] = {
        base::ToText(field) != "true", int64_t{12345}, 0.123,
        std::string("other"), std::vector<std::string>{"other"}};
    field.set_value(others[value.index()]);
    EXPECT_NE(DigestOf(base::ToJson(spec), Resolved(ExperimentSpec())), before)
        << field.path;
    field.set_value(value);
  }
}

// A later version of the specification: one field more.
struct LaterSpec {
  ExperimentSpec spec;
  int64_t added = 7;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    ExperimentSpec::VisitFields(self.spec, visit);
    visit("added", self.added, "A field of a later version.", 7);
  }
};

TEST(Digest, AFieldThatIsAddedWithItsNeutralValueBreaksNone) {
  for (const auto& [name, spec] : AllSpecs()) {
    const std::string resolved = Resolved(spec);
    EXPECT_EQ(DigestOf(base::ToJson(LaterSpec{spec, 7}), resolved),
              Digest(spec))
        << name;
    EXPECT_NE(DigestOf(base::ToJson(LaterSpec{spec, 8}), resolved),
              Digest(spec))
        << name;
    const auto read = base::FromJson<LaterSpec>(base::ToJson(spec));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->added, 7);
  }
}

TEST(ExperimentSpecTest, LastWordsOfPathsAreUniqueSinceTheyAreFlags) {
  ExperimentSpec spec;
  RunOptions options;
  std::set<std::string> leaves = {"models", "set"};
  for (const auto& fields : {base::Fields(spec), base::Fields(options)}) {
    for (const base::SpecField& field : fields) {
      EXPECT_TRUE(leaves.insert(field.leaf()).second) << field.path;
      EXPECT_THAT(field.help, ::testing::EndsWith(".")) << field.path;
    }
  }
}

TEST(ParseExperimentSpec, NamesThePath) {
  json object = json::parse(base::ToJson(ExperimentSpec()));
  object["train"]["stepz"] = 3;
  EXPECT_THAT(Message(ParseExperimentSpec(object.dump()).status()),
              HasSubstr("unknown key 'train.stepz'; known: adam_beta1"));
  object = json::parse(base::ToJson(ExperimentSpec()));
  object["train"].erase("steps");
  EXPECT_THAT(Message(ParseExperimentSpec(object.dump()).status()),
              HasSubstr("lacks the key 'train.steps'"));
  object["train"]["steps"] = 1.5;
  EXPECT_THAT(Message(ParseExperimentSpec(object.dump()).status()),
              HasSubstr("'train.steps' is not an integer"));
  object["train"]["steps"] = -1;
  EXPECT_THAT(Message(ParseExperimentSpec(object.dump()).status()),
              StartsWith("steps"));
}

TEST(CheckTest, NamesTheFieldThatIsWrong) {
  EXPECT_TRUE(Check(ExperimentSpec()).ok()) << Check(ExperimentSpec());
  const std::pair<const char*, const char*> wrong[] = {
      {"arms=", "arms must name at least one"},
      {"arms=fp16,fp16", "arms has 'fp16' twice"},
      {"arms=fp16,fp3", "arms: unknown policy 'fp3'"},
      {"arms=nvfp4:enc9.*=bf16", "arms: policy 'nvfp4:enc9.*=bf16'"},
      {"net.model_scale_factor=0.3", "model_scale_factor"},
      {"net.architecture=resnet", "architecture"},
      {"data.dataset=imagenet", "dataset"},
      {"batch.crop=100", "crop must be a multiple of 16"},
      {"batch.crop=20000", "crop is 20000"},
      {"batch.batch_size=100000", "batch_size"},
      {"batch.min_scale=2", "min_scale"},
      {"train.steps=0", "steps"},
      {"train.epochs=5", "steps and epochs"},
      {"train.learning_rate=-1", "learning_rate is -1"},
      {"train.learning_rate=1e38", "learning_rate is 1e+38"},
      {"train.weight_decay=1e300", "weight_decay is 1e+300"},
      {"train.adam_epsilon=0", "adam_epsilon is 0"},
      {"train.initial_loss_scale=1e-300", "initial_loss_scale is 1e-300"},
      {"train.loss_scale_growth_factor=0.5", "loss_scale_growth_factor is"},
      {"task.task=detection", "task"},
      {"task.dice_weight=1e38", "dice_weight is 1e+38"},
  };
  for (const auto& [assignment, message] : wrong) {
    ExperimentSpec spec;
    ASSERT_TRUE(base::SetByPath(base::Fields(spec), assignment).ok());
    EXPECT_THAT(Message(Check(spec)), StartsWith(message)) << assignment;
  }
}

TEST(CheckTest, RefusesNumbersThatJsonCannotHold) {
  ExperimentSpec spec;
  for (const base::SpecField& field : base::Fields(spec)) {
    if (!std::holds_alternative<double*>(field.pointer)) continue;
    const base::SpecValue value = field.value();
    field.set_value(std::numeric_limits<double>::infinity());
    EXPECT_THAT(Message(Check(spec)),
                StartsWith(field.path + ": the number must be finite"));
    field.set_value(value);
  }
}

TEST(RunOptionsTest, NamesTheFieldThatIsWrong) {
  EXPECT_TRUE(Check(RunOptions()).ok()) << Check(RunOptions());
  const std::pair<const char*, const char*> wrong[] = {
      {"threads=100000", "threads is 100000"},
      {"threads=-1", "threads is -1"},
      {"logf=-1", "logf is -1"},
      {"checkpoint_every=-1", "checkpoint_every is -1"},
      {"keep_checkpoints=0", "keep_checkpoints is 0"},
      {"keep_checkpoints=4294967296", "keep_checkpoints is 4294967296"},
      {"overlay_images=-1", "overlay_images is -1"},
      {"progress=loud", "progress: progress mode \"loud\""},
      {"loader.workers=-1", "workers is -1"},
      {"loader.prefetch=0", "prefetch is 0"},
  };
  for (const auto& [assignment, message] : wrong) {
    RunOptions options;
    ASSERT_TRUE(base::SetByPath(base::Fields(options), assignment).ok());
    EXPECT_THAT(Message(Check(options)), StartsWith(message)) << assignment;
  }
}

TEST(CheckName, RefusesANameThatSaysSomethingElse) {
  ExperimentSpec spec;
  EXPECT_TRUE(CheckName("fp16_vs_nvfp4_s025", spec).ok());
  EXPECT_TRUE(CheckName("my_tiles_fp16_vs_nvfp4_s025", spec).ok());
  EXPECT_FALSE(CheckName("fp16_vs_nvfp4_s050", spec).ok());
  EXPECT_FALSE(CheckName("nvfp4_s025", spec).ok());
  spec.net.model_scale_factor = 0.125;
  EXPECT_TRUE(CheckName("fp16_vs_nvfp4_s0125", spec).ok());
  spec.arms = {"fp16", "nvfp4:first=bf16"};
  EXPECT_FALSE(CheckName("fp16_vs_nvfp4_s0125", spec).ok());
  EXPECT_TRUE(
      CheckName(absl::StrCat("fp16_vs_", ArmKeys(spec)[1], "_s0125"), spec)
          .ok());
}

}  // namespace
}  // namespace cnn_fp4::experiments
