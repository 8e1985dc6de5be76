#include "experiments/study_report.h"

#include <string>
#include <vector>

#include "experiments/finished_record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

FoundRecord Found(const Cell& cell, double iou) {
  ArmRecord record = FinishedRecord(cell);
  if (cell.policy != "fp16") {
    record.layer_means = {{"sqnr_db/activations", 10 + iou}};
  }
  record.metrics = {{"loss", "val loss", "", 1 - iou, false},
                    {"mean_iou", "mIoU", "", iou, true, true}};
  record.train_seconds = 10;
  record.cpu = "CPU <A>";
  record.device = "cpu";
  record.threads = 2;
  record.git_revision = "abc";
  return {"/out/cells/" + cell.arm + "/arm.json", record, cell.condition};
}

// Differences of -0.01, -0.02 and -0.06: mean -0.03, deviation 0.0264575, and
// an interval of -0.03 +- 4.302653 * 0.0264575 / sqrt(3).
StudyResult Worked(int cells) {
  StudyResult result;
  result.name = "toy_study";
  result.spec.experiment.arms = {"fp16", "nvfp4"};
  result.spec.seeds = {1, 2, 3};
  const double iou[] = {0.80, 0.79, 0.82, 0.80, 0.84, 0.78};
  const std::vector<Cell> all = Cells(result.spec);
  for (int i = 0; i < cells; ++i) {
    result.cells.push_back(Found(all[i], iou[i]));
  }
  return result;
}

TEST(StudyReport, MarkdownHasTheWorkedExample) {
  const std::string text = StudyMarkdown(Worked(6));
  EXPECT_THAT(text, HasSubstr("# toy_study\n\n6 of 6 cells are done."));
  EXPECT_THAT(text, HasSubstr("0.8200 ± 0.0200"));
  EXPECT_THAT(text, HasSubstr("0.7900 ± 0.0100"));
  // n, mean, deviation, interval.
  EXPECT_THAT(text, ::testing::ContainsRegex("mIoU *\\| *nvfp4 *\\| *3 *\\| "
                                             "*-0\\.0300 *\\| *0\\.0265 *\\| "
                                             "*-0\\.0957 *\\| *0\\.0357"));
  EXPECT_THAT(text, HasSubstr("Student's distribution"));
  EXPECT_THAT(text, HasSubstr("Training took 1m in all, on CPU <A> (device "
                              "cpu, threads 2)."));
  EXPECT_THAT(text, HasSubstr("Git revisions: abc."));
}

TEST(StudyReport, JsonHasStableKeys) {
  const auto json = nlohmann::json::parse(StudyJson(Worked(6), "/out"));
  EXPECT_EQ(json["schema_version"], 1);
  EXPECT_EQ(json["study"], "toy_study");
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["cells_total"], 6);
  EXPECT_EQ(json["first_arm"], "fp16");
  EXPECT_EQ(json["confidence"], 0.95);
  EXPECT_EQ(json["train_seconds"], 60);
  EXPECT_EQ(json["metrics"]["mean_iou"]["headline"], true);
  const auto& first = json["arms"][0]["metrics"]["mean_iou"];
  EXPECT_EQ(first["n"], 3);
  EXPECT_FALSE(first.contains("difference_to_first_arm"));
  const auto& difference =
      json["arms"][1]["metrics"]["mean_iou"]["difference_to_first_arm"];
  EXPECT_NEAR(difference["mean"], -0.03, 1e-12);
  EXPECT_NEAR(difference["standard_deviation"], 0.0264575, 1e-7);
  EXPECT_NEAR(difference["low"], -0.0957242, 1e-7);
  EXPECT_NEAR(difference["high"], 0.0357242, 1e-7);
  EXPECT_EQ(difference["pairs"][1]["seed"], 2);
  EXPECT_NEAR(difference["pairs"][1]["difference"], -0.02, 1e-12);
  EXPECT_EQ(json["cells"][0]["path"], "cells/fp16/arm.json");
}

TEST(StudyReport, ConditionsAreSectionsOfTheirOwn) {
  StudyResult result = Worked(0);
  result.spec.seeds = {1, 2};
  result.spec.conditions = *ParseConditions(
      {"narrow:net.model_scale_factor=0.125", "wide:net.model_scale_factor=1"});
  // Of seed 1 and 2: narrow fp16, nvfp4, wide fp16, nvfp4.
  const double iou[] = {0.80, 0.79, 0.90, 0.86, 0.82, 0.80, 0.92, 0.86};
  const std::vector<Cell> cells = Cells(result.spec);
  for (size_t i = 0; i < cells.size(); ++i) {
    result.cells.push_back(Found(cells[i], iou[i]));
  }
  const std::string text = StudyMarkdown(result);
  EXPECT_THAT(text, HasSubstr("8 of 8 cells are done."));
  const size_t wide = text.find("## wide");
  ASSERT_NE(wide, std::string::npos);
  EXPECT_LT(text.find("## narrow"), wide);
  EXPECT_LT(text.find("-0.0150"), wide);
  EXPECT_THAT(text.substr(wide), HasSubstr("-0.0500"));
  EXPECT_THAT(text, HasSubstr("Condition wide: net.model_scale_factor=1."));
  EXPECT_THAT(text, HasSubstr("Training took 1m20s in all"));
  const auto json = nlohmann::json::parse(StudyJson(result, "/out"));
  EXPECT_FALSE(json.contains("arms"));
  EXPECT_EQ(json["cells_total"], 8);
  ASSERT_EQ(json["conditions"].size(), 2u);
  EXPECT_EQ(json["conditions"][1]["name"], "wide");
  EXPECT_NEAR(json["conditions"][1]["arms"][1]["metrics"]["mean_iou"]
                  ["difference_to_first_arm"]["mean"],
              -0.05, 1e-12);
  const std::string page = StudyHtml(result);
  EXPECT_THAT(page, HasSubstr("Condition narrow"));
  EXPECT_THAT(page, HasSubstr("Condition wide"));
}

TEST(StudyReport, WhatIsMissingIsSaidAndAbsent) {
  const StudyResult result = Worked(3);  // Seed 2 has no nvfp4.
  EXPECT_THAT(StudyMarkdown(result),
              HasSubstr("Incomplete: 3 of 6 cells are done."));
  const auto json = nlohmann::json::parse(StudyJson(result, "/out"));
  EXPECT_EQ(json["complete"], false);
  const auto& difference =
      json["arms"][1]["metrics"]["mean_iou"]["difference_to_first_arm"];
  EXPECT_EQ(difference["n"], 1);
  EXPECT_FALSE(difference.contains("low"));
  EXPECT_FALSE(difference.contains("standard_deviation"));
}

TEST(StudyReport, NothingIsSaidOfWhatIsNotTrained) {
  const std::string text = StudyMarkdown(Worked(0));
  EXPECT_THAT(text, HasSubstr("0 of 6 cells"));
  EXPECT_THAT(text, HasSubstr("Student's distribution"));
  EXPECT_THAT(text, Not(HasSubstr("Training took")));
  EXPECT_THAT(StudyHtml(Worked(0)), Not(HasSubstr("Training took")));
}

TEST(StudyReport, OneArmIsComparedWithNothing) {
  StudyResult result = Worked(0);
  result.spec.experiment.arms = {"fp16"};
  for (const Cell& cell : Cells(result.spec)) {
    result.cells.push_back(Found(cell, 0.8));
  }
  const std::string text = StudyMarkdown(result);
  EXPECT_THAT(text, HasSubstr("0.8000 ± 0.0000"));
  const std::string page = StudyHtml(result);
  for (const char* word : {"aired differences", "Student", "pairs"}) {
    EXPECT_THAT(text, Not(HasSubstr(word)));
    EXPECT_THAT(page, Not(HasSubstr(word)));
  }
  EXPECT_THAT(StudyHtml(Worked(6)), HasSubstr("Paired differences"));
}

TEST(StudyReport, ThePageIsByItselfAndEscaped) {
  const std::string page = StudyHtml(Worked(6));
  EXPECT_THAT(page, HasSubstr("mIoU less that of fp16"));
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("CPU &lt;A&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("CPU <A>")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"http")));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
  // Without a finished cell there is nothing to draw.
  EXPECT_THAT(StudyHtml(Worked(0)), Not(HasSubstr("<svg")));
}

}  // namespace
}  // namespace cnn_fp4::experiments
