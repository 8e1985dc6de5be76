#include "train/arm_state.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::train {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

ArmState RoundTrip(const ArmState& state) {
  ArmState back;
  const absl::Status status = ArmStateFromJson(ArmStateToJson(state), &back);
  EXPECT_TRUE(status.ok()) << status;
  return back;
}

TEST(ArmState, ReadsBackToTheSameBits) {
  ArmState state;
  state.steps_done = 40;
  state.scaler = {1.0 / 3, 7, 2};
  state.losses = {0.1, 1e-300, 2.0 / 3};
  state.step_times.plain = {0.25, 1.0 / 7};
  state.step_times.measured = {0.5};
  state.train_seconds = 12.345678901234567;
  state.best_mean_iou = 0.1 + 0.2;
  state.validation = ValidationScore{0.3, 0.4, 0.5, {0.6, 0.7}, {0.8, 0.9}};
  const ArmState back = RoundTrip(state);
  EXPECT_EQ(back.steps_done, 40);
  EXPECT_EQ(back.scaler.scale, 1.0 / 3);
  EXPECT_EQ(back.scaler.good_steps, 7);
  EXPECT_EQ(back.scaler.skipped_steps, 2);
  EXPECT_THAT(back.losses, ElementsAre(0.1, 1e-300, 2.0 / 3));
  EXPECT_THAT(back.step_times.plain, ElementsAre(0.25, 1.0 / 7));
  EXPECT_THAT(back.step_times.measured, ElementsAre(0.5));
  EXPECT_EQ(back.train_seconds, 12.345678901234567);
  EXPECT_EQ(back.best_mean_iou, 0.1 + 0.2);
  ASSERT_TRUE(back.validation.has_value());
  EXPECT_EQ(back.validation->loss, 0.3);
  EXPECT_EQ(back.validation->mean_iou, 0.4);
  EXPECT_EQ(back.validation->mean_dice, 0.5);
  EXPECT_THAT(back.validation->iou, ElementsAre(0.6, 0.7));
  EXPECT_THAT(back.validation->dice, ElementsAre(0.8, 0.9));
}

TEST(ArmState, WhatWasNeverMeasuredStaysAbsent) {
  const ArmState back = RoundTrip(ArmState());
  EXPECT_FALSE(back.validation.has_value());
  EXPECT_FALSE(back.best_mean_iou.has_value());
}

TEST(ArmState, NanAndInfinitySurvive) {
  ArmState state;
  state.losses = {kNan};
  state.scaler.scale = kInfinity;
  state.validation = ValidationScore{kNan, kInfinity, kNan, {kNan}, {0.5}};
  const ArmState back = RoundTrip(state);
  EXPECT_TRUE(std::isnan(back.losses[0]));
  EXPECT_EQ(back.scaler.scale, kInfinity);
  ASSERT_TRUE(back.validation.has_value());
  EXPECT_TRUE(std::isnan(back.validation->loss));
  EXPECT_EQ(back.validation->mean_iou, kInfinity);
  EXPECT_TRUE(std::isnan(back.validation->iou[0]));
}

TEST(ArmState, RefusesWhatItDidNotWrite) {
  ArmState state;
  const json good = json::parse(ArmStateToJson(ArmState()));
  for (const char* key : {"steps_done", "losses", "validation", "scale"}) {
    json bad = good;
    bad.erase(key);
    EXPECT_FALSE(ArmStateFromJson(bad.dump(), &state).ok()) << key;
    bad[key] = "forty";
    EXPECT_FALSE(ArmStateFromJson(bad.dump(), &state).ok()) << key;
  }
  const absl::Status status = ArmStateFromJson("{", &state);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("metadata"));
}

TEST(StepTimes, DoNotGrowAndPreferPlainSteps) {
  StepTimes times;
  EXPECT_EQ(times.Median(), 0);
  for (int i = 0; i < 10; ++i) times.Add(9, /*was_measured=*/true);
  EXPECT_EQ(times.Median(), 9);
  for (size_t i = 0; i < StepTimes::kWindow + 100; ++i) {
    times.Add(static_cast<double>(i), /*was_measured=*/false);
  }
  EXPECT_EQ(times.plain.size(), StepTimes::kWindow);
  EXPECT_EQ(times.plain.front(), 100);
  EXPECT_EQ(times.Median(), 100 + StepTimes::kWindow / 2);
}

}  // namespace
}  // namespace cnn_fp4::train
