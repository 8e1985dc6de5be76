#include "telemetry/statistics.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::Optional;

// The words stand in the files of runs that are already on disk.
TEST(StatisticsTest, KeysInOrderOfDisplay) {
  std::string keys;
  for (const StatInfo& info : Statistics()) {
    keys += std::string(info.key) + " ";
  }
  EXPECT_EQ(keys,
            "mean std kurtosis amax norm p01 p25 p50 p75 p99 sqnr_db "
            "sqnr_centered_db underflow_pct saturation_pct codes_used "
            "entropy_bits scale_mean scale_std scale_min scale_max "
            "block_range_bits codes_flipped_pct update_ratio nonfinite "
            "learned_scale ");
}

TEST(StatisticsTest, DirectoriesAndFilesOfTheTensorKinds) {
  std::string paths;
  for (const TensorKindInfo& info : TensorKinds()) {
    paths += std::string(info.directory) + ":" + std::string(info.file) + " ";
  }
  EXPECT_EQ(paths,
            "weights/prequantize:weights weights/quantized:weights "
            "weights/dequantized:weights activations:activations "
            "gradients:gradients output_gradients:output_gradients "
            "wgrad/activations:activations "
            "wgrad/output_gradients:output_gradients ");
}

TEST(StatisticsTest, WordsFindTheirEnum) {
  EXPECT_THAT(FindStatistic("codes_used"), Optional(StatId::kCodesUsed));
  EXPECT_THAT(FindStatistic("nonfinite"), Optional(StatId::kNonfinite));
  EXPECT_EQ(FindStatistic("sqnr"), std::nullopt);
  EXPECT_EQ(FindStatistic(""), std::nullopt);
  EXPECT_THAT(FindTensorKind("weights/quantized"),
              Optional(TensorKind::kWeightsQuantized));
  EXPECT_EQ(FindTensorKind("weights"), std::nullopt);
}

TEST(StatisticsTest, InfoIsOfTheEnum) {
  EXPECT_EQ(Info(StatId::kSqnrDb).title, "SQNR");
  EXPECT_EQ(Info(StatId::kSqnrDb).unit, "dB");
  EXPECT_EQ(Info(StatId::kUnderflowPct).scale, StatScale::kPercent);
  EXPECT_EQ(Info(TensorKind::kGradients).title, "weight gradients");
}

}  // namespace
}  // namespace cnn_fp4::telemetry
