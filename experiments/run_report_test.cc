#include "experiments/run_report.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "experiments/saved_run.h"
#include "experiments/written_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// report.html of the run as it is now.
std::string Report(const RunDirectory& directory) {
  const auto run = ReadRun(directory.path());
  EXPECT_TRUE(run.ok()) << run.status();
  const auto lacking = WriteRunReport(run->result, run->facts.started,
                                      run->facts.device, directory);
  EXPECT_TRUE(lacking.ok()) << lacking.status();
  std::ifstream in(directory.Report());
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(RunReport, AnUnfinishedRunHasCurvesBeforeItHasATable) {
  const std::string root = ::testing::TempDir() + "/unfinished";
  fs::remove_all(root);
  ExperimentSpec spec;
  spec.arms = {"fp16", "nvfp4"};
  const RunDirectory directory = WrittenRun(root, "test", spec, 3);
  const std::string before = Report(directory);
  EXPECT_THAT(before, HasSubstr("2026-02-03 04:05 UTC, cpu</p>"));
  EXPECT_THAT(before, AllOf(HasSubstr("fp16 ends at 0.5. nvfp4 ends at 0.5."),
                            HasSubstr("<title>val/mean_iou</title>")));
  EXPECT_THAT(before, Not(HasSubstr("<h2>Result</h2>")));

  EndArm(directory, "fp16", 0.75);
  const std::string after = Report(directory);
  EXPECT_THAT(after, HasSubstr("<h2>Result</h2>"));
  EXPECT_THAT(after, HasSubstr("<td class=\"number\">0.7500</td>"));
  EXPECT_THAT(after, HasSubstr("<title>mIoU</title>"));
}

TEST(RunReport, WhatItCostStandsWhereItIsKnown) {
  ExperimentResult result;
  EXPECT_EQ(CostLine(result, "cpu"), "cpu");
  result.wall_seconds = 57.4;
  result.peak_memory_bytes = 830'000'000;
  EXPECT_EQ(CostLine(result, "cpu"), "57 s, peak memory 0.83 GB, cpu");
}

}  // namespace
}  // namespace cnn_fp4::experiments
