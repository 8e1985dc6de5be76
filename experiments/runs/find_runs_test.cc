#include "experiments/runs/find_runs.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "experiments/written_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A finished run of the second day, one of the first day that ends after its
// first arm, a study with a run among its cells, and what is no run.
std::string Runs() {
  const std::string root =
      fs::path(::testing::TempDir()).parent_path().string() + "/" +
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(root);
  ExperimentSpec spec;
  spec.arms = {"fp16", "nvfp4"};
  const RunDirectory later = WrittenRun(root, "b", spec, 2);
  EndArm(later, "fp16", 0.5);
  EndArm(later, "nvfp4", 0.25);
  std::ofstream(later.Done()) << "";
  const RunDirectory earlier = WrittenRun(root, "a", spec, 1);
  EndArm(earlier, "fp16", 0.125);
  StudyResult study;
  study.name = "toy";
  study.spec.experiment = spec;
  study.spec.seeds = {1, 2};
  EXPECT_TRUE(WriteStudy(study, root + "/toy").ok());
  WrittenRun(root + "/toy/cells", "c", spec, 3);
  fs::create_directories(root + "/broken");
  std::ofstream(root + "/broken/run.json") << "{}";
  return fs::canonical(root).string();
}

TEST(FindRuns, AtAnyDepthByTimeAndNotBelowStudiesOrThroughLinks) {
  const std::string root = Runs();
  const auto found = FindRuns({root, root + "/b/latest"});
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->runs.size(), 2u);
  EXPECT_EQ(found->runs[0].result.experiment, "a");
  EXPECT_EQ(found->runs[1].result.experiment, "b");
  ASSERT_EQ(found->studies.size(), 1u);
  EXPECT_EQ(found->studies[0].directory, root + "/toy");
  EXPECT_THAT(found->unreadable, ElementsAre(HasSubstr("broken/run.json")));
  const auto cells = FindRuns({root + "/toy/cells"});
  ASSERT_TRUE(cells.ok()) << cells.status();
  EXPECT_EQ(cells->runs.size(), 1u);
}

TEST(FindRuns, ADirectoryThatIsMissingIsNamed) {
  const absl::Status status = FindRuns({"/nonexistent/runs"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nonexistent/runs"));
}

TEST(RunsTable, ARowForEachArmAndThePathOnce) {
  const std::string root = Runs();
  const auto found = FindRuns({root});
  ASSERT_TRUE(found.ok()) << found.status();
  const base::Table table = RunsTable(found->runs, root);
  ASSERT_EQ(table.rows().size(), 3u);
  const auto row = [&](size_t i) {
    std::string text;
    for (const base::Cell& cell : table.rows()[i]) text += cell.text() + "|";
    return text.substr(text.find('|'));
  };
  EXPECT_EQ(table.columns().back(), "mIoU");
  EXPECT_THAT(table.rows()[0][0].text(), ::testing::StartsWith("a/20260201T"));
  EXPECT_EQ(row(0), "|2026-02-01 04:05|stopped|40|fp16|0.7500|0.1250|");
  EXPECT_EQ(row(1), "|2026-02-02 04:05|finished|40|fp16|0.7500|0.5000|");
  EXPECT_EQ(table.rows()[2][0].text(), "");
  EXPECT_EQ(row(2), "|||40|nvfp4|0.7500|0.2500|");
  // From elsewhere the path is whole.
  EXPECT_THAT(RunsTable(found->runs, "/usr").rows()[0][0].text(),
              ::testing::StartsWith(root));
}

TEST(StudiesTable, SaysHowMuchIsDone) {
  const std::string root = Runs();
  const auto found = FindRuns({root});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(StudiesTable(found->studies, root).ToText(),
              HasSubstr("toy    0 of 4      fp16 nvfp4  1 2"));
}

}  // namespace
}  // namespace cnn_fp4::experiments
