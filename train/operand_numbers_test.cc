#include "train/operand_numbers.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "gtest/gtest.h"
#include "nn/gemm/tensor_span.h"
#include "quant/quantizer.h"

namespace cnn_fp4::train {
namespace {

using telemetry::TensorKind;

nn::QuantizedOperand Quantized(const at::Tensor& x, const std::string& name) {
  const quant::Recipe recipe = *quant::FindRecipe(name);
  const auto grid = quant::BlockGrid::Along(x.sizes().vec(), 1, recipe);
  return {x, *quant::Quantize(recipe, *grid, nn::Values(x))};
}

absl::Status Measured(const nn::QuantizedOperand& quantized, int64_t slices,
                      std::vector<float>* y, OperandNumbers* numbers) {
  return MeasureOperand(TensorKind::kActivations, nn::Values(quantized.source),
                        quantized, slices, y, numbers);
}

class Threads {
 public:
  explicit Threads(int count) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(1); }
};

// More than a part, no whole parts, and an odd number of elements.
at::Tensor Source() {
  torch::manual_seed(5);
  return at::randn({3, 19, 41, 47}) + 0.25;
}

TEST(OperandNumbers, AreThoseOfTheWholeTensor) {
  const at::Tensor x = Source();
  const nn::QuantizedOperand quantized = Quantized(x, "nvfp4");
  std::vector<float> y;
  OperandNumbers numbers;
  ASSERT_TRUE(Measured(quantized, 3, &y, &numbers).ok());

  quant::DistortionStats whole;
  ASSERT_TRUE(whole.Add(nn::Values(x), quantized.packed).ok());
  // In another order of additions.
  EXPECT_NEAR(numbers.distortion.SqnrDb(), whole.SqnrDb(), 1e-12);
  EXPECT_EQ(numbers.distortion.underflow(), whole.underflow());
  EXPECT_EQ(numbers.distortion.saturated(), whole.saturated());
  EXPECT_EQ(numbers.distortion.count(), x.numel());
  EXPECT_EQ(numbers.code_counts, whole.code_counts());
  EXPECT_EQ(numbers.centered, quant::LowestCenteredSqnrDb(nn::Values(x), y, 3));
  EXPECT_EQ(
      numbers.blocks.scale_mean,
      quant::ComputeBlockStats(nn::Values(x), quantized.packed)->scale_mean);

  const ValueNumbers values =
      MeasureValues(TensorKind::kActivations, nn::Values(x));
  EXPECT_EQ(values.stats.m4, numbers.raw.stats.m4);
  EXPECT_EQ(values.exponents.counts, numbers.raw.exponents.counts);
  EXPECT_EQ(values.quantiles, numbers.raw.quantiles);
  EXPECT_EQ(values.quantiles, telemetry::SampleQuantiles(nn::Values(x)));
  const auto stats = telemetry::ComputeTensorStats(nn::Values(x));
  EXPECT_NEAR(values.stats.mean, stats.mean, 1e-12);
  EXPECT_NEAR(values.stats.kurtosis(), stats.kurtosis(), 1e-12);
  EXPECT_EQ(values.stats.count, stats.count);
  telemetry::LayerHistogram exponents;
  exponents.tensor = TensorKind::kActivations;
  telemetry::CountExponents(nn::Values(x), &exponents);
  EXPECT_EQ(values.exponents.counts, exponents.counts);
  EXPECT_EQ(values.exponents.first, exponents.first);
}

// Many small slices go into one task: the filters of a weight.
TEST(OperandNumbers, TheLowestOfManySlicesIsFound) {
  at::Tensor x = Source().reshape({-1});
  x = x.slice(0, 0, 108000).reshape({4000, 27}).contiguous();
  // A dark slice near its mean.
  x[3777] = 1.0 + 0.01 * x[3777];
  const nn::QuantizedOperand quantized = Quantized(x, "mxfp4");
  std::vector<float> y;
  OperandNumbers numbers;
  ASSERT_TRUE(Measured(quantized, 4000, &y, &numbers).ok());
  EXPECT_EQ(numbers.centered,
            quant::LowestCenteredSqnrDb(nn::Values(x), y, 4000));
  EXPECT_EQ(numbers.centered,
            quant::LowestCenteredSqnrDb(
                nn::Values(x).subspan(3777 * 27, 27),
                absl::MakeConstSpan(y).subspan(3777 * 27, 27), 1));
}

TEST(OperandNumbers, DoNotDependOnTheNumberOfThreads) {
  const at::Tensor x = Source();
  const nn::QuantizedOperand quantized = Quantized(x, "nvfp4");
  std::vector<float> y;
  OperandNumbers one, three;
  ValueNumbers values_one, values_three;
  {
    const Threads threads(1);
    ASSERT_TRUE(Measured(quantized, 3, &y, &one).ok());
    values_one = MeasureValues(TensorKind::kActivations, nn::Values(x));
  }
  {
    const Threads threads(3);
    ASSERT_TRUE(Measured(quantized, 3, &y, &three).ok());
    values_three = MeasureValues(TensorKind::kActivations, nn::Values(x));
  }
  EXPECT_EQ(one.distortion.SqnrDb(), three.distortion.SqnrDb());
  EXPECT_EQ(one.centered, three.centered);
  EXPECT_EQ(one.blocks.scale_std, three.blocks.scale_std);
  EXPECT_EQ(values_one.stats.mean, values_three.stats.mean);
  EXPECT_EQ(values_one.stats.m4, values_three.stats.m4);
}

TEST(OperandNumbers, NothingHasNumbers) {
  const ValueNumbers none = MeasureValues(TensorKind::kGradients, {});
  EXPECT_EQ(none.stats.count, 0);
  EXPECT_EQ(none.exponents.counts.size(), 30u);
  EXPECT_EQ(none.exponents.first, -40);
}

TEST(OperandNumbers, MomentsOfCodesAreThoseOfTheirValues) {
  std::array<int64_t, 16> counts = {};
  counts[0] = 3, counts[8] = 1, counts[2] = 2, counts[15] = 4;
  // 0 0 0 -0 1 1 -6 -6 -6 -6
  const std::vector<float> values = {0, 0, 0, -0.0f, 1, 1, -6, -6, -6, -6};
  const telemetry::TensorStats stats = StatsOfCodes(counts);
  const telemetry::TensorStats expected = telemetry::ComputeTensorStats(values);
  EXPECT_EQ(stats.count, 10);
  EXPECT_EQ(stats.zero_count, 4);
  EXPECT_DOUBLE_EQ(stats.mean, expected.mean);
  EXPECT_DOUBLE_EQ(stats.std(), expected.std());
  EXPECT_DOUBLE_EQ(stats.kurtosis(), expected.kurtosis());
  EXPECT_EQ(stats.amax(), 6);
}

}  // namespace
}  // namespace cnn_fp4::train
