#include "experiments/study_statistics.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::experiments {
namespace {

using ::testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ArmRecord Record(const std::string& policy, int64_t seed, double iou,
                 const std::string& cpu = "CPU A") {
  ArmRecord record;
  record.arm = record.policy = policy;
  record.seed = seed;
  record.finished = true;
  record.metrics = {{"loss", "val loss", "", 1 - iou, false},
                    {"mean_iou", "mIoU", "", iou, true, true},
                    {"dice/x", "Dice x", "", 0.5, true, false, false}};
  record.train_seconds = 10;
  record.cpu = cpu;
  record.device = "cpu";
  record.threads = 1;
  record.git_revision = "abc";
  return record;
}

// Three decimals of the tables at the end of any textbook.
TEST(StudentQuantile, IsTheTextbooks) {
  const std::pair<int64_t, double> expected[] = {
      {1, 12.706}, {2, 4.303}, {4, 2.776}, {9, 2.262}, {30, 2.042}};
  for (const auto& [freedom, t] : expected) {
    EXPECT_NEAR(StudentQuantile(0.975, freedom), t, 0.0005) << freedom;
  }
  EXPECT_NEAR(StudentQuantile(0.95, 10), 1.812, 0.0005);
  EXPECT_NEAR(StudentQuantile(0.995, 1), 63.657, 0.0005);
  // The normal distribution's.
  EXPECT_NEAR(StudentQuantile(0.975, 10'000'000), 1.959964, 1e-6);
}

TEST(StudentQuantile, IsExactWhereThereIsAFormula) {
  EXPECT_NEAR(StudentQuantile(0.75, 1), 1.0, 1e-12);
  EXPECT_NEAR(StudentQuantile(0.975, 1), std::tan(M_PI * 0.475), 1e-9);
  EXPECT_NEAR(StudentQuantile(0.9, 2), 0.8 / std::sqrt(2 * 0.9 * 0.1), 1e-12);
}

TEST(SummarizeSample, DividesByOneLessThanN) {
  const SampleSummary summary = SummarizeSample({1, 2, 3, 4, 5});
  EXPECT_EQ(summary.n, 5);
  EXPECT_DOUBLE_EQ(*summary.mean, 3);
  EXPECT_DOUBLE_EQ(*summary.standard_deviation, std::sqrt(2.5));
}

TEST(SummarizeSample, WhatNeedsMoreValuesIsAbsent) {
  EXPECT_FALSE(SummarizeSample({}).mean.has_value());
  const SampleSummary one = SummarizeSample({7});
  EXPECT_EQ(*one.mean, 7);
  EXPECT_FALSE(one.standard_deviation.has_value());
  EXPECT_FALSE(ConfidenceInterval(one).has_value());
  EXPECT_FALSE(ConfidenceInterval(SummarizeSample({})).has_value());
}

TEST(ConfidenceInterval, OfAWorkedExample) {
  // 3 +- 2.776 * 1.5811 / sqrt(5).
  const auto interval = ConfidenceInterval(SummarizeSample({1, 2, 3, 4, 5}));
  EXPECT_NEAR(interval->low, 1.0368, 5e-5);
  EXPECT_NEAR(interval->high, 4.9632, 5e-5);
}

TEST(Summarize, ComparesWithinSeeds) {
  const ArmRecord records[] = {
      Record("nvfp4", 2, 0.78), Record("fp16", 1, 0.80),
      Record("nvfp4", 1, 0.79), Record("fp16", 2, 0.82)};
  const StudyStatistics s = Summarize({"fp16", "nvfp4"}, records);
  ASSERT_EQ(s.metrics.size(), 2u);  // dice/x is not in tables.
  EXPECT_EQ(s.metrics[0].key, "loss");
  EXPECT_EQ(s.metrics[1].key, "mean_iou");
  ASSERT_EQ(s.arms.size(), 2u);
  EXPECT_THAT(s.arms[1].seeds, ElementsAre(1, 2));
  EXPECT_DOUBLE_EQ(*s.arms[0].metrics[1].values.mean, 0.81);
  EXPECT_FALSE(s.arms[0].metrics[1].difference.has_value());
  const PairedDifference& iou = *s.arms[1].metrics[1].difference;
  ASSERT_EQ(iou.pairs.size(), 2u);
  EXPECT_EQ(iou.pairs[0].seed, 1);
  EXPECT_DOUBLE_EQ(iou.pairs[0].difference, 0.79 - 0.80);
  EXPECT_DOUBLE_EQ(iou.pairs[1].difference, 0.78 - 0.82);
  EXPECT_NEAR(*iou.summary.mean, -0.025, 1e-12);
  // 0.015 * sqrt(2), and t is 12.706.
  EXPECT_NEAR(*iou.summary.standard_deviation, 0.0212132, 1e-7);
  EXPECT_NEAR(iou.interval->low, -0.025 - 12.7062 * 0.015, 1e-6);
  EXPECT_NEAR(iou.interval->high, -0.025 + 12.7062 * 0.015, 1e-6);
  EXPECT_NEAR(*s.arms[1].metrics[0].difference->summary.mean, 0.025, 1e-12);
  EXPECT_DOUBLE_EQ(s.train_seconds, 40);
}

TEST(Summarize, TwoMachinesMakeNoPair) {
  const ArmRecord records[] = {
      Record("fp16", 1, 0.80, "CPU A"), Record("nvfp4", 1, 0.70, "CPU B"),
      Record("fp16", 2, 0.80, "CPU B"), Record("nvfp4", 2, 0.79, "CPU B")};
  const StudyStatistics s = Summarize({"fp16", "nvfp4"}, records);
  const MetricStatistics& iou = s.arms[1].metrics[1];
  EXPECT_EQ(iou.values.n, 2);
  ASSERT_EQ(iou.difference->pairs.size(), 1u);
  EXPECT_EQ(iou.difference->pairs[0].seed, 2);
  EXPECT_FALSE(iou.difference->interval.has_value());
  EXPECT_THAT(s.cpus, ElementsAre("CPU A", "CPU B"));
}

TEST(Summarize, AnotherDeviceMakesNoPairEither) {
  ArmRecord records[] = {Record("fp16", 1, 0.80), Record("nvfp4", 1, 0.70)};
  records[1].device = "cuda";
  const StudyStatistics s = Summarize({"fp16", "nvfp4"}, records);
  EXPECT_EQ(s.arms[1].metrics[1].difference->summary.n, 0);
}

TEST(Summarize, AnotherNumberOfThreadsMakesNoPairEither) {
  ArmRecord records[] = {Record("fp16", 1, 0.80), Record("nvfp4", 1, 0.70)};
  records[1].threads = 2;
  const StudyStatistics s = Summarize({"fp16", "nvfp4"}, records);
  EXPECT_EQ(s.arms[1].metrics[1].difference->summary.n, 0);
  EXPECT_THAT(s.threads, ElementsAre(1, 2));
  // Records of versions that did not write it are pairs among themselves.
  records[1].threads.reset();
  EXPECT_EQ(Summarize({"fp16", "nvfp4"}, records)
                .arms[1]
                .metrics[1]
                .difference->summary.n,
            0);
  records[0].threads.reset();
  EXPECT_EQ(Summarize({"fp16", "nvfp4"}, records)
                .arms[1]
                .metrics[1]
                .difference->summary.n,
            1);
}

TEST(Summarize, AnArmWithoutCellsIsThere) {
  const ArmRecord records[] = {Record("fp16", 1, 0.80)};
  const StudyStatistics s = Summarize({"fp16", "nvfp4"}, records);
  ASSERT_EQ(s.arms.size(), 2u);
  EXPECT_EQ(s.arms[1].metrics[1].values.n, 0);
  EXPECT_FALSE(s.arms[1].metrics[1].values.mean.has_value());
}

TEST(Summarize, NanIsNotDropped) {
  const ArmRecord records[] = {
      Record("fp16", 1, 0.80), Record("nvfp4", 1, kNan),
      Record("fp16", 2, 0.80), Record("nvfp4", 2, 0.79)};
  const StudyStatistics s = Summarize({"fp16", "nvfp4"}, records);
  EXPECT_TRUE(std::isnan(*s.arms[1].metrics[1].values.mean));
  EXPECT_EQ(s.arms[1].metrics[1].difference->summary.n, 2);
  EXPECT_TRUE(std::isnan(*s.arms[1].metrics[1].difference->summary.mean));
}

TEST(SummarizeDeathTest, ACellTwiceIsABug) {
  const ArmRecord records[] = {Record("fp16", 1, 0.80),
                               Record("fp16", 1, 0.80)};
  EXPECT_DEATH(Summarize({"fp16"}, records), "seed 1 twice");
}

}  // namespace
}  // namespace cnn_fp4::experiments
