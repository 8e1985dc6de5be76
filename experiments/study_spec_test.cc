#include "experiments/study_spec.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "experiments/finished_record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseSeeds, ANumberIsACountAndMoreAreAList) {
  EXPECT_THAT(*ParseSeeds({"3"}), ElementsAre(1, 2, 3));
  EXPECT_THAT(*ParseSeeds({"3", "8", "5"}), ElementsAre(3, 8, 5));
  EXPECT_THAT(*ParseSeeds({"0", "7"}), ElementsAre(0, 7));
}

TEST(ParseSeeds, ARangeNamesItsSeeds) {
  EXPECT_THAT(*ParseSeeds({"7..7"}), ElementsAre(7));
  EXPECT_THAT(*ParseSeeds({"6..8"}), ElementsAre(6, 7, 8));
  EXPECT_THAT(*ParseSeeds({"6..8", "2", "0..1"}),
              ElementsAre(6, 7, 8, 2, 0, 1));
}

TEST(ParseSeeds, ErrorsSayWhatIsWrong) {
  const auto error = [](const std::vector<std::string>& texts) {
    const auto seeds = ParseSeeds(texts);
    EXPECT_EQ(seeds.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(seeds.status().message());
  };
  EXPECT_THAT(error({"x"}), HasSubstr("seeds: 'x' is no seed"));
  EXPECT_THAT(error({"-1"}), HasSubstr("seeds is -1"));
  EXPECT_THAT(error({"2", "-1"}), HasSubstr("'-1' is no seed"));
  EXPECT_THAT(error({"4", "5", "4"}), HasSubstr("seeds has 4 twice"));
  EXPECT_THAT(error({}), HasSubstr("must not be empty"));
  EXPECT_THAT(error({"0"}), HasSubstr("seeds"));
  EXPECT_THAT(error({"10001"}), HasSubstr("10000"));
  EXPECT_THAT(error({"1..10001"}), HasSubstr("more than 10000"));
  EXPECT_THAT(error({"0..9223372036854775807"}), HasSubstr("more than 10000"));
  EXPECT_THAT(error({"1..6000", "6001..12000"}), HasSubstr("more than 10000"));
  EXPECT_THAT(error({"3..5", "4"}), HasSubstr("seeds has 4 twice"));
  // What could be meant for one seed alone is not taken for a count.
  for (const char* text : {"8..6", "-1..2", "1..", "..2", "1..2..3", "1.5"}) {
    EXPECT_THAT(error({text}), HasSubstr("is no seed")) << text;
  }
  EXPECT_THAT(error({"7", ""}), HasSubstr("'' is no seed"));
}

StudySpec Study() {
  StudySpec study;
  study.experiment.arms = {"fp16", "nvfp4:last=fp32"};
  study.seeds = {4, 2};
  return study;
}

TEST(Cells, SeedsAreTheOuterLoop) {
  const std::vector<Cell> cells = Cells(Study());
  std::vector<std::string> order;
  for (const Cell& cell : cells) {
    order.push_back(absl::StrCat(cell.seed(), " ", cell.policy));
    EXPECT_THAT(cell.spec.arms, ElementsAre(cell.policy));
    EXPECT_EQ(cell.digest, Digest(cell.spec));
    EXPECT_EQ(cell.name(),
              absl::StrCat(cell.arm, "-s", cell.seed(), "-", cell.digest));
  }
  EXPECT_THAT(order, ElementsAre("4 fp16", "4 nvfp4:last=fp32", "2 fp16",
                                 "2 nvfp4:last=fp32"));
  EXPECT_EQ(cells[0].arm, "fp16");
  EXPECT_NE(cells[0].digest, cells[2].digest);
  // What an experiment's own seed was does not matter.
  StudySpec other = Study();
  other.experiment.train.seed = 99;
  EXPECT_EQ(Cells(other)[3].digest, cells[3].digest);
}

TEST(StudySpec, TheJsonHasSeedsAndNoSeed) {
  const auto json = nlohmann::json::parse(ToJson(Study()));
  EXPECT_EQ(json["seeds"].dump(), "[4,2]");
  EXPECT_FALSE(json["experiment"]["train"].contains("seed"));
  EXPECT_EQ(json["experiment"]["arms"].dump(),
            "[\"fp16\",\"nvfp4:last=fp32\"]");
}

TEST(StudySpec, EverySeedIsChecked) {
  EXPECT_TRUE(Check(Study()).ok()) << Check(Study());
  StudySpec study = Study();
  study.seeds.push_back(-1);
  EXPECT_THAT(std::string(Check(study).message()), HasSubstr("seed"));
  study = Study();
  study.experiment.arms.push_back("fp3");
  EXPECT_THAT(std::string(Check(study).message()), HasSubstr("fp3"));
  study = Study();
  study.experiment.arms.push_back("fp16");
  EXPECT_THAT(std::string(Check(study).message()),
              HasSubstr("arms has 'fp16' twice"));
}

TEST(StudySpec, ThereIsASeedAndNoneTwice) {
  StudySpec study = Study();
  study.seeds.push_back(4);
  EXPECT_THAT(std::string(Check(study).message()),
              HasSubstr("seeds has 4 twice"));
  study.seeds.clear();
  EXPECT_THAT(std::string(Check(study).message()),
              HasSubstr("seeds must not be empty"));
}

std::vector<Condition> Conditions(const std::vector<std::string>& texts) {
  const auto conditions = ParseConditions(texts);
  EXPECT_TRUE(conditions.ok()) << conditions.status();
  return *conditions;
}

TEST(Conditions, AreNamesAndFieldsOfTheExperiment) {
  const std::vector<Condition> conditions =
      Conditions({"narrow:net.model_scale_factor=0.125",
                  "screw:data.dataset=mvtec;data.category=screw;data_root=/d"});
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(conditions[0].name, "narrow");
  EXPECT_THAT(conditions[0].settings,
              ElementsAre("net.model_scale_factor=0.125"));
  EXPECT_EQ(conditions[0].data_root, "");
  EXPECT_THAT(conditions[1].settings,
              ElementsAre("data.dataset=mvtec", "data.category=screw"));
  EXPECT_EQ(conditions[1].data_root, "/d");
}

TEST(Conditions, EachHasItsCellsWithinASeed) {
  StudySpec study = Study();
  study.conditions = Conditions(
      {"narrow:net.model_scale_factor=0.125", "short:train.steps=7"});
  ASSERT_TRUE(Check(study).ok()) << Check(study);
  std::vector<std::string> order;
  for (const Cell& cell : Cells(study)) {
    order.push_back(absl::StrCat(
        cell.seed(), " ", cell.condition, " ", cell.arm.substr(0, 4), " ",
        cell.spec.net.model_scale_factor, " ", cell.spec.train.steps));
    EXPECT_EQ(cell.digest, Digest(cell.spec));
  }
  EXPECT_THAT(order, ElementsAre("4 0 fp16 0.125 120", "4 0 nvfp 0.125 120",
                                 "4 1 fp16 0.25 7", "4 1 nvfp 0.25 7",
                                 "2 0 fp16 0.125 120", "2 0 nvfp 0.125 120",
                                 "2 1 fp16 0.25 7", "2 1 nvfp 0.25 7"));
  const auto json = nlohmann::json::parse(ToJson(study));
  EXPECT_EQ(json["conditions"][1].dump(),
            "{\"name\":\"short\",\"settings\":[\"train.steps=7\"]}");
  EXPECT_FALSE(nlohmann::json::parse(ToJson(Study())).contains("conditions"));
}

TEST(Conditions, MistakesAreNamed) {
  const auto parse_error = [](const std::string& text) {
    return std::string(ParseConditions({text}).status().message());
  };
  EXPECT_THAT(parse_error("narrow"), HasSubstr("is not NAME:PATH=VALUE"));
  EXPECT_THAT(parse_error("a b:train.steps=3"), HasSubstr("is not NAME:"));
  EXPECT_THAT(parse_error("a:train.seed=3"), HasSubstr("sets train.seed"));
  EXPECT_THAT(parse_error("a:arms=fp16"), HasSubstr("sets arms"));
  const auto error = [](const std::vector<std::string>& texts) {
    StudySpec study = Study();
    study.conditions = Conditions(texts);
    return std::string(Check(study).message());
  };
  EXPECT_THAT(error({"a:train.stops=3"}), HasSubstr("conditions: a: "));
  EXPECT_THAT(error({"a:train.steps=3", "b:train.steps=-3"}),
              HasSubstr("conditions: b: steps"));
  EXPECT_THAT(error({"a:train.steps=3", "a:train.steps=4"}),
              HasSubstr("the name a is there twice"));
  EXPECT_THAT(
      error({"a:train.steps=3;data_root=/a", "b:train.steps=3;data_root=/b"}),
      HasSubstr("b is the same experiment as a"));
}

FoundRecord Found(const Cell& cell, const std::string& cpu,
                  const std::string& path) {
  ArmRecord record = FinishedRecord(cell);
  record.cpu = cpu;
  record.device = "cpu";
  return {path, record};
}

std::vector<std::string> Paths(const std::vector<FoundRecord>& records) {
  std::vector<std::string> paths;
  for (const FoundRecord& found : records) paths.push_back(found.path);
  return paths;
}

TEST(ChooseRecords, OneACellFromTheMachineWithTheFirstArm) {
  const std::vector<Cell> cells = Cells(Study());
  // Seed 4: CPU A has both arms, B the second one only.
  // Seed 2: B has the first arm; A has the second one.
  const std::vector<FoundRecord> records = {
      Found(cells[1], "B", "b1"), Found(cells[0], "A", "a0"),
      Found(cells[1], "A", "a1"), Found(cells[3], "A", "a3"),
      Found(cells[2], "B", "b2"), Found(cells[3], "B", "b3")};
  EXPECT_THAT(Paths(ChooseRecords(cells, records)),
              ElementsAre("a0", "a1", "b2", "b3"));
  EXPECT_THAT(Paths(ChooseRecords(cells, {records[3]})), ElementsAre("a3"));
}

TEST(ChooseRecords, OthersDoNotCount) {
  const std::vector<Cell> cells = Cells(Study());
  FoundRecord digest = Found(cells[0], "A", "digest");
  digest.record.digest = "00000000";
  FoundRecord seed = Found(cells[0], "A", "seed");
  seed.record.seed = 7;
  FoundRecord policy = Found(cells[0], "A", "policy");
  policy.record.policy = "fp32";
  EXPECT_TRUE(ChooseRecords(cells, {digest, seed, policy}).empty());
}

TEST(FindRecords, FindsFinishedOnesAndNamesTheUnreadable) {
  const std::string root = ::testing::TempDir() + "/find_records";
  fs::remove_all(root);
  for (const std::string name : {"a/b", "c", "d"}) {
    fs::create_directories(root + "/" + name);
  }
  const Cell cell = Cells(Study())[0];
  FoundRecord finished = Found(cell, "A", "");
  ASSERT_TRUE(
      base::WriteFileAtomically(root + "/a/b/arm.json", ToJson(finished.record))
          .ok());
  finished.record.finished = false;
  ASSERT_TRUE(
      base::WriteFileAtomically(root + "/c/arm.json", ToJson(finished.record))
          .ok());
  std::ofstream(root + "/d/arm.json") << "{";
  // One directory below another does not count twice.
  const auto found = FindRecords({root, root + "/a"});
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->records.size(), 1u);
  EXPECT_THAT(found->records[0].path, HasSubstr("/a/b/arm.json"));
  EXPECT_TRUE(IsOf(found->records[0].record, cell));
  ASSERT_EQ(found->unreadable.size(), 1u);
  EXPECT_THAT(found->unreadable[0], HasSubstr("/d/arm.json: "));
  const auto missing = FindRecords({root + "/none"});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("/none"));
}

}  // namespace
}  // namespace cnn_fp4::experiments
