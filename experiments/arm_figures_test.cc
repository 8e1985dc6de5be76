#include "experiments/arm_figures.h"

#include <cmath>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using telemetry::StatId;
using telemetry::TensorKind;

ReportArm Arm() {
  ReportArm arm;
  arm.scalars["train/loss"] = {{1, 0.5}, {2, std::nan("")}, {3, 0.25}};
  arm.scalars["val/loss"] = {{3, 0.75}};
  const auto layer = [&arm](const std::string& name, double x, double w) {
    LayerNumbers& last = arm.At(name).last;
    last[TensorKind::kActivations][StatId::kSqnrCenteredDb] = x;
    last[TensorKind::kWeightsQuantized][StatId::kSqnrCenteredDb] = w;
  };
  layer("enc1", 20, 18);
  layer("enc2", 12, 19);
  const auto sample = [](int64_t step, const std::string& name) {
    return telemetry::WeightSample{
        step, name, 2, 2, 1, 1, {1, -2, 3, 4}, {2, 12, 7, 0}, {1, 1, .5, .5}};
  };
  arm.layers["enc1"].weights = {sample(1, "enc1"), sample(3, "enc1")};
  arm.layers["enc2"].weights = {sample(3, "enc2")};
  return arm;
}

nlohmann::json Find(const std::vector<ArmFigure>& figures,
                    const std::string& name) {
  for (const ArmFigure& figure : figures) {
    if (figure.name == name) return nlohmann::json::parse(figure.json);
  }
  ADD_FAILURE() << name << " is not there";
  return {};
}

TEST(ArmFigures, TheLossHasAGapWhereItIsNoNumber) {
  const auto figure = Find(ArmFigures("nvfp4", Arm()), "loss");
  ASSERT_EQ(figure["data"].size(), 2u);
  EXPECT_EQ(figure["data"][0]["x"], nlohmann::json({1.0, 2.0, 3.0}));
  EXPECT_EQ(figure["data"][0]["y"], nlohmann::json({0.5, nullptr, 0.25}));
  EXPECT_EQ(figure["data"][1]["name"], "validation");
  EXPECT_EQ(figure["layout"]["title"]["text"], "nvfp4: loss");
}

TEST(ArmFigures, LayersAreRankedByTheirWorseOperand) {
  const auto figure = Find(ArmFigures("nvfp4", Arm()), "layers");
  EXPECT_EQ(figure["data"][0]["y"], nlohmann::json({"enc2", "enc1"}));
  EXPECT_EQ(figure["data"][0]["x"], nlohmann::json({12.0, 20.0}));
  EXPECT_EQ(figure["data"][1]["x"], nlohmann::json({19.0, 18.0}));
}

TEST(ArmFigures, TheWeightIsTheLastSampleOfTheOneThatFp4CostsMost) {
  const auto figure = Find(ArmFigures("nvfp4", Arm()), "weight");
  EXPECT_EQ(figure["layout"]["title"]["text"],
            "nvfp4: weight of enc1 after step 3; before quantisation, in FP4, "
            "de-quantised");
  ASSERT_EQ(figure["data"].size(), 3u);
  EXPECT_EQ(figure["data"][0]["z"], nlohmann::json({{1., -2.}, {3., 4.}}));
  EXPECT_EQ(figure["data"][1]["z"], nlohmann::json({{1., -2.}, {6., 0.}}));
  EXPECT_EQ(figure["data"][2]["z"], nlohmann::json({{1., -2.}, {3., 0.}}));
  EXPECT_EQ(figure["data"][2]["scene"], "scene3");
  EXPECT_EQ(figure["layout"]["scene3"]["domain"]["x"][1], 1);
}

TEST(ArmFigures, WhatIsNotThereHasNoFigure) {
  EXPECT_TRUE(ArmFigures("fp16", ReportArm()).empty());
}

}  // namespace
}  // namespace cnn_fp4::experiments
