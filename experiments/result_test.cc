#include "experiments/result.h"

#include <limits>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;

ArmRecord Arm(const std::string& policy, double iou) {
  ArmRecord arm;
  arm.arm = arm.policy = policy;
  arm.finished = true;
  arm.train_loss = 0.5;
  arm.metrics = {
      {"loss", "val loss", "", 0.25, false},
      {"mean_iou", "mIoU", "", iou, true, true},
      {"dice/background", "Dice background", "", 0.9, true, false, false}};
  arm.median_step_seconds = 0.25;
  return arm;
}

ExperimentResult TwoArms() {
  ExperimentResult result;
  result.experiment = "test";
  result.arms = {Arm("fp16", 0.8), Arm("nvfp4", 0.6)};
  return result;
}

TEST(ResultTable, ComparesTheArmsWithTheFirst) {
  EXPECT_EQ(ResultTable(TwoArms()).ToText(),
            "arm           train loss  val loss    mIoU  steps/s\n"
            "------------  ----------  --------  ------  -------\n"
            "fp16              0.5000    0.2500  0.8000     4.00\n"
            "nvfp4             0.5000    0.2500  0.6000     4.00\n"
            "nvfp4 / fp16       1.000     1.000   0.750    1.000\n");
}

TEST(ResultTable, WhatWasNeverMeasuredIsEmptyAndNotZero) {
  ExperimentResult result = TwoArms();
  result.arms[1].metrics.clear();
  result.arms[1].train_loss.reset();
  result.arms[1].median_step_seconds.reset();
  EXPECT_EQ(ResultTable(result).ToText(),
            "arm           train loss  val loss    mIoU  steps/s\n"
            "------------  ----------  --------  ------  -------\n"
            "fp16              0.5000    0.2500  0.8000     4.00\n"
            "nvfp4\n"
            "nvfp4 / fp16\n");
}

TEST(ResultTable, NanIsShownAndItsRatioToo) {
  ExperimentResult result = TwoArms();
  result.arms[1].metrics[1].value = std::numeric_limits<double>::quiet_NaN();
  const std::string text = ResultTable(result).ToText();
  EXPECT_NE(text.find("nvfp4             0.5000    0.2500     NaN     4.00\n"),
            std::string::npos)
      << text;
}

TEST(SummaryJson, HasTheArmsAndTheirRatios) {
  const json summary = json::parse(SummaryJson(TwoArms()));
  EXPECT_EQ(summary["schema_version"], 2);
  EXPECT_EQ(summary["finished"], true);
  ASSERT_EQ(summary["arms"].size(), 2u);
  const json& nvfp4 = summary["arms"][1];
  EXPECT_EQ(nvfp4["arm"], "nvfp4");
  EXPECT_EQ(nvfp4["metrics"]["mean_iou"]["value"], 0.6);
  EXPECT_EQ(nvfp4["ratio_to_first_arm"]["mean_iou"], 0.6 / 0.8);
  EXPECT_EQ(nvfp4["ratio_to_first_arm"]["steps_per_second"], 1.0);
}

TEST(SummaryJson, AMissingArmOrOneThatWasStoppedIsNotFinished) {
  ExperimentResult result = TwoArms();
  result.arms[0].finished = false;
  EXPECT_EQ(json::parse(SummaryJson(result))["finished"], false);
  result = TwoArms();
  result.arms.pop_back();
  EXPECT_EQ(json::parse(SummaryJson(result))["finished"], false);
}

}  // namespace
}  // namespace cnn_fp4::experiments
