#include "nn/conv_precision.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;

TEST(FindConvPrecision, KnowsEveryListedName) {
  const std::vector<std::string> names = ConvPrecisionNames();
  ASSERT_FALSE(names.empty());
  for (const std::string& name : names) {
    const auto precision = FindConvPrecision(name);
    ASSERT_TRUE(precision.ok()) << precision.status();
    EXPECT_EQ(precision->name, name);
  }
}

TEST(FindConvPrecision, AnUnknownNameListsTheKnownOnes) {
  const auto precision = FindConvPrecision("fp3");
  ASSERT_FALSE(precision.ok());
  for (const std::string& name : ConvPrecisionNames()) {
    EXPECT_THAT(precision.status().message(), HasSubstr(name));
  }
}

TEST(ConvPrecision, SeedTilesAlongWAndFlattensWeights) {
  const ConvPrecision seed = *FindConvPrecision("nvfp4_seed");
  ASSERT_NE(seed.fprop_x.recipe(), nullptr);
  EXPECT_EQ(seed.fprop_x.recipe()->name, "pow2_1x16");
  EXPECT_EQ(seed.fprop_x.blocking, Blocking::kLastDimension);
  EXPECT_EQ(seed.fprop_w.blocking, Blocking::kFlattened);
  EXPECT_FALSE(seed.dgrad_w.has_value());
  EXPECT_FALSE(seed.wgrad_x.has_value());
}

TEST(ConvPrecision, SaysWhatKindItIs) {
  EXPECT_TRUE(FindConvPrecision("fp32")->full_precision());
  const ConvPrecision fp16 = *FindConvPrecision("fp16");
  EXPECT_FALSE(fp16.full_precision());
  EXPECT_FALSE(fp16.quantized());
  EXPECT_TRUE(fp16.needs_loss_scaling());
  const ConvPrecision nvfp4 = *FindConvPrecision("nvfp4");
  EXPECT_TRUE(nvfp4.quantized());
  EXPECT_FALSE(nvfp4.needs_loss_scaling());
  // One FP16 operand is enough not to be full precision.
  ConvPrecision almost = *FindConvPrecision("fp32");
  almost.wgrad_x = OperandFormat{PlainFormat::kFloat16, {}};
  EXPECT_FALSE(almost.full_precision());
}

}  // namespace
}  // namespace cnn_fp4::nn
