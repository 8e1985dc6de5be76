#include "train/statistics_history.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::train {
namespace {

using ::testing::ElementsAre;

StatisticsHistory Example() {
  StatisticsHistory history({"enc1.conv1", "enc1.conv2"});
  history.Set(TensorKind::kWeightsPrequantize, "std", 50, 0, 0.5);
  history.Set(TensorKind::kWeightsPrequantize, "std", 50, 1, 0.25);
  history.Set(TensorKind::kWeightsPrequantize, "std", 0, 0, 1.0);
  history.Set(TensorKind::kGradients, "mean", 0, 1,
              std::numeric_limits<double>::quiet_NaN());
  history.Set(TensorKind::kGradients, "mean", 0, 0,
              -std::numeric_limits<double>::infinity());
  return history;
}

TEST(StatisticsHistory, MakesLayersByStepsTables) {
  const auto artefacts = Example().Heatmaps("nvfp4", "semantic", "test");
  ASSERT_EQ(artefacts.size(), 2u);
  EXPECT_EQ(ArtefactStem(artefacts[0].kind, "semantic"),
            "weights/prequantize/semantic_weights");
  const viz::Heatmap& map = artefacts[0].heatmaps.statistics[0];
  EXPECT_EQ(map.statistic, "std");
  EXPECT_THAT(map.columns, ElementsAre(0, 50));
  // Layer 1 was not measured at step 0.
  EXPECT_THAT(map.values, ElementsAre(1.0, 0.5, std::nullopt, 0.25));
  EXPECT_TRUE(viz::ValidateHeatmapSet(artefacts[0].heatmaps).ok());
}

TEST(StatisticsHistory, SurvivesACheckpointWithNanAndInf) {
  const StatisticsHistory original = Example();
  const std::string text = original.ToJson().dump();
  StatisticsHistory copy({"enc1.conv1", "enc1.conv2"});
  ASSERT_TRUE(copy.FromJson(nlohmann::json::parse(text)).ok());
  EXPECT_EQ(copy.ToJson().dump(), text);
  const auto artefacts = copy.Heatmaps("m", "t", "e");
  const viz::Heatmap& gradients = artefacts[1].heatmaps.statistics[0];
  EXPECT_EQ(*gradients.values[0], -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*gradients.values[1]));
}

TEST(StatisticsHistory, RefusesAnotherNetsNumbers) {
  StatisticsHistory other({"enc1.conv1"});
  EXPECT_FALSE(other.FromJson(Example().ToJson()).ok());
  EXPECT_FALSE(other.FromJson(nlohmann::json::parse("{}")).ok());
}

TEST(ArtefactStem, IsTheDocumentedLayout) {
  EXPECT_EQ(ArtefactStem(TensorKind::kWeightsQuantized, "semantic"),
            "weights/quantized/semantic_weights");
  EXPECT_EQ(ArtefactStem(TensorKind::kWeightsDequantized, "semantic"),
            "weights/dequantized/semantic_weights");
  EXPECT_EQ(ArtefactStem(TensorKind::kGradients, "semantic"),
            "gradients/semantic_gradients");
  EXPECT_EQ(ArtefactStem(TensorKind::kActivations, "semantic"),
            "activations/semantic_activations");
}

}  // namespace
}  // namespace cnn_fp4::train
