#include "experiments/runs/comparison.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "experiments/written_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ComparisonTest : public ::testing::Test {
 protected:
  ComparisonTest()
      : root_(::testing::TempDir() + "/" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(root_);
  }

  // A run with these arms, which end with these scores.
  SavedRun Run(const std::string& experiment,
               const std::vector<std::pair<std::string, double>>& arms,
               int64_t steps = 40) {
    ExperimentSpec spec;
    spec.arms.clear();
    for (const auto& [arm, iou] : arms) spec.arms.push_back(arm);
    spec.train.steps = steps;
    const RunDirectory directory = WrittenRun(root_, experiment, spec, 3);
    for (const auto& [arm, iou] : arms) EndArm(directory, arm, iou);
    auto run = ReadRun(directory.path());
    EXPECT_TRUE(run.ok()) << run.status();
    return *std::move(run);
  }

  const std::string root_;
};

TEST_F(ComparisonTest, ListsTheFieldsThatDifferAndNoOthers) {
  const SavedRun a = Run("a", {{"fp16", 0.5}});
  SavedRun b = Run("b", {{"fp16", 0.5}}, 80);
  EXPECT_EQ(ConfigDifferences(a, a).rows().size(), 0u);
  b.facts.cpu = "another";
  const base::Table table = ConfigDifferences(a, b);
  ASSERT_EQ(table.rows().size(), 3u) << table.ToText();
  EXPECT_EQ(table.rows()[0][0].text(), "train.steps");
  EXPECT_EQ(table.rows()[0][1].text(), "40");
  EXPECT_EQ(table.rows()[0][2].text(), "80");
  EXPECT_EQ(table.rows()[1][0].text(), "digest");
  EXPECT_EQ(table.rows()[2][2].text(), "another");
}

TEST_F(ComparisonTest, ResultsOfArmsThatBothHave) {
  const SavedRun a = Run("a", {{"fp16", 0.5}, {"nvfp4", 0.25}});
  const SavedRun b = Run("b", {{"mxfp4", 0.5}, {"nvfp4", 0.75}});
  EXPECT_EQ(ResultDifferences(a, b).ToText(),
            "arm    metric           A       B   B - A\n"
            "-----  ----------  ------  ------  ------\n"
            "nvfp4  train loss  0.7500  0.7500  0.0000\n"
            "nvfp4  mIoU        0.2500  0.7500  0.5000\n"
            "nvfp4  steps/s       2.00    2.00    0.00\n");
}

TEST_F(ComparisonTest, TwoSingleArmsAreComparedWhateverTheyAre) {
  const base::Table table =
      ResultDifferences(Run("a", {{"fp16", 0.5}}), Run("b", {{"nvfp4", 0.25}}));
  ASSERT_EQ(table.rows().size(), 3u);
  EXPECT_EQ(table.rows()[1][0].text(), "fp16, nvfp4");
  EXPECT_EQ(table.rows()[1][4].text(), "-0.2500");
  // But not one of several.
  EXPECT_EQ(ResultDifferences(Run("c", {{"fp16", 0.5}}),
                              Run("d", {{"nvfp4", 0.5}, {"mxfp4", 0.5}}))
                .rows()
                .size(),
            0u);
}

TEST_F(ComparisonTest, ThePageOverlaysTheCurvesOfBoth) {
  const SavedRun a = Run("a", {{"fp16", 0.5}, {"nvfp4", 0.25}});
  const SavedRun b = Run("b", {{"nvfp4", 0.75}});
  const auto page = ComparisonPage(a, b);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, HasSubstr("A fp16 ends at 0.5. A nvfp4 ends at 0.5. B "
                               "nvfp4 ends at 0.5."));
  EXPECT_THAT(*page, AllOf(HasSubstr("<title>mIoU</title>"),
                           HasSubstr("<td>arms</td><td>fp16,nvfp4</td>"),
                           HasSubstr(a.directory.path())));
  EXPECT_THAT(*page, Not(AnyOf(HasSubstr("{{"), HasSubstr("http"),
                               HasSubstr("Resolved configuration"))));
}

TEST_F(ComparisonTest, ThePageSaysSoWhereNothingDiffers) {
  SavedRun a = Run("a", {{"fp16", 0.5}});
  a.result.arms.clear();
  const auto page = ComparisonPage(a, a);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, HasSubstr("The runs were made alike."));
  EXPECT_THAT(*page, HasSubstr("no finished arm in common"));
}

}  // namespace
}  // namespace cnn_fp4::experiments
