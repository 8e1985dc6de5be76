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
  state.best = 0.1 + 0.2;
  state.metrics = {{"loss", "val loss", "", 0.3, false},
                   {"mean_iou", "mIoU", "%", 1.0 / 7, true, true, false}};
  state.layer_means = {{"sqnr_db/activations", 1.0 / 3}};
  const ArmState back = RoundTrip(state);
  EXPECT_EQ(back.layer_means, state.layer_means);
  EXPECT_EQ(back.steps_done, 40);
  EXPECT_EQ(back.scaler.scale, 1.0 / 3);
  EXPECT_EQ(back.scaler.good_steps, 7);
  EXPECT_EQ(back.scaler.skipped_steps, 2);
  EXPECT_THAT(back.losses, ElementsAre(0.1, 1e-300, 2.0 / 3));
  EXPECT_THAT(back.step_times.plain, ElementsAre(0.25, 1.0 / 7));
  EXPECT_THAT(back.step_times.measured, ElementsAre(0.5));
  EXPECT_EQ(back.train_seconds, 12.345678901234567);
  EXPECT_EQ(back.best, 0.1 + 0.2);
  ASSERT_EQ(back.metrics.size(), 2u);
  EXPECT_EQ(back.metrics[0].key, "loss");
  EXPECT_EQ(back.metrics[0].title, "val loss");
  EXPECT_EQ(back.metrics[0].value, 0.3);
  EXPECT_FALSE(back.metrics[0].higher_is_better);
  EXPECT_FALSE(back.metrics[0].headline);
  EXPECT_TRUE(back.metrics[0].in_table);
  EXPECT_EQ(back.metrics[1].unit, "%");
  EXPECT_EQ(back.metrics[1].value, 1.0 / 7);
  EXPECT_TRUE(back.metrics[1].headline);
  EXPECT_FALSE(back.metrics[1].in_table);
}

TEST(ArmState, WhatWasNeverMeasuredStaysAbsent) {
  const ArmState back = RoundTrip(ArmState());
  EXPECT_TRUE(back.metrics.empty());
  EXPECT_FALSE(back.best.has_value());
}

TEST(ArmState, NanAndInfinitySurvive) {
  ArmState state;
  state.losses = {kNan};
  state.scaler.scale = kInfinity;
  state.metrics = {{"loss", "", "", kNan}, {"mean_iou", "", "", kInfinity}};
  const ArmState back = RoundTrip(state);
  EXPECT_TRUE(std::isnan(back.losses[0]));
  EXPECT_EQ(back.scaler.scale, kInfinity);
  ASSERT_EQ(back.metrics.size(), 2u);
  EXPECT_TRUE(std::isnan(back.metrics[0].value));
  EXPECT_EQ(back.metrics[1].value, kInfinity);
}

TEST(ArmState, RefusesWhatItDidNotWrite) {
  ArmState state;
  const json good = json::parse(ArmStateToJson(ArmState()));
  for (const char* key : {"steps_done", "losses", "metrics", "scale"}) {
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
