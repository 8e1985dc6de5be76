// The probe's numbers against an independent computation.

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "quant/testing/nearest_by_search.h"
#include "train/layer_probe_fixture.h"

namespace cnn_fp4::train {
namespace {

// An independent NVFP4 in double and by search, of blocks of 16 along dimension
// 1: the statistics that a probe must find. Not bit-exact: it decides ties and
// the last bit of scales differently, which moves a handful of values.
struct Expected {
  double sqnr_db = 0;
  double sqnr_centered_db = 0;
  double codes_used = 0;
  double amax = 0;
};

Expected Nvfp4AlongDimension1(const at::Tensor& tensor) {
  const at::Tensor x = tensor.detach().to(at::kDouble);
  const double amax = x.abs().max().item<double>();
  const at::Tensor rows =
      x.transpose(0, 1).reshape({x.size(1), -1}).t().contiguous();
  const at::Tensor dequantized = at::zeros_like(rows);
  auto dequantized_values = dequantized.accessor<double, 2>();
  std::set<double> values;
  double signal = 0, noise = 0;
  for (int64_t row = 0; row < rows.size(0); ++row) {
    const double* const begin =
        rows.const_data_ptr<double>() + row * rows.size(1);
    for (int64_t block = 0; block < rows.size(1); block += 16) {
      const int64_t end = std::min(block + 16, rows.size(1));
      double block_amax = 0;
      for (int64_t i = block; i < end; ++i) {
        block_amax = std::max(block_amax, std::abs(begin[i]));
      }
      const double scale =
          quant::NearestE4m3BySearch(block_amax / 6 * (2688 / amax)) * amax /
          2688;
      for (int64_t i = block; i < end; ++i) {
        const double q =
            scale == 0 ? 0 : quant::NearestE2m1BySearch(begin[i] / scale);
        values.insert(q == 0 ? 0 : q);
        signal += begin[i] * begin[i];
        noise += (begin[i] - q * scale) * (begin[i] - q * scale);
        dequantized_values[row][i] = q * scale;
      }
    }
  }
  const at::Tensor error =
      (dequantized.t().reshape(x.transpose(0, 1).sizes()).transpose(0, 1) - x)
          .square()
          .flatten(1)
          .mean(1);
  const at::Tensor spread = x.flatten(1).var(1, /*unbiased=*/false);
  return {10 * std::log10(signal / noise),
          10 * std::log10((spread / error).min().item<double>()),
          static_cast<double>(values.size()), amax};
}

// In dB: what a handful of differently rounded values can move.
constexpr double kSqnrTolerance = 0.05;
// The same of one filter or image, which has fewer values.
constexpr double kLowestSqnrTolerance = 10 * kSqnrTolerance;
// Relative, of moments: FP64 sums in another order over FP32 values.
constexpr double kMomentTolerance =
    1e4 * std::numeric_limits<double>::epsilon();

TEST(LayerProbe, AgreesWithAnIndependentComputation) {
  const TestNet test = MakeTestNet("nvfp4_forward_all");
  const Numbers numbers = ByKey(Probe(test));
  for (const nn::NamedLayer& layer : nn::QuantLayers(*test.net)) {
    if (layer.info.role == nn::LayerRole::kOutput) continue;
    const std::string& name = layer.info.name;
    // fprop sums over the input channels.
    const at::Tensor kernel = layer.layer->kernel();
    const at::Tensor gradient = kernel.grad();
    const bool transposed = layer.info.transposed;
    const at::Tensor w = transposed ? kernel.transpose(0, 1) : kernel;
    const at::Tensor dw = transposed ? gradient.transpose(0, 1) : gradient;
    const Expected weight = Nvfp4AlongDimension1(w);
    EXPECT_NEAR(numbers.at("sqnr_db/weights/quantized/" + name), weight.sqnr_db,
                kSqnrTolerance)
        << name;
    EXPECT_EQ(numbers.at("codes_used/weights/quantized/" + name),
              weight.codes_used)
        << name;
    if (!transposed) {
      EXPECT_NEAR(numbers.at("sqnr_centered_db/weights/quantized/" + name),
                  weight.sqnr_centered_db, kLowestSqnrTolerance)
          << name;
    }
    EXPECT_EQ(numbers.at("amax/weights/prequantize/" + name), weight.amax);
    const double norm = gradient.to(at::kDouble).norm().item<double>();
    EXPECT_NEAR(numbers.at("norm/gradients/" + name), norm,
                norm * kMomentTolerance);
    // The largest value is 6 times the largest scale, but for rounding to E4M3.
    EXPECT_NEAR(numbers.at("scale_max/weights/quantized/" + name),
                weight.amax / 6, weight.amax / 6 / 16);
    EXPECT_GT(numbers.at("block_range_bits/weights/quantized/" + name), 1);
    EXPECT_LT(numbers.at("p25/weights/prequantize/" + name), 0);
    EXPECT_GT(numbers.at("p75/weights/prequantize/" + name), 0);
    EXPECT_EQ(numbers.at("amax/weights/quantized/" + name), 6.0);
    EXPECT_NEAR(numbers.at("sqnr_db/gradients/" + name),
                Nvfp4AlongDimension1(dw).sqnr_db, kSqnrTolerance)
        << name;
    const at::Tensor x = kernel.detach().to(at::kDouble);
    const double std = x.std(/*unbiased=*/false).item<double>();
    EXPECT_NEAR(numbers.at("std/weights/prequantize/" + name), std,
                std * kMomentTolerance);
  }
  // The first layer's input is the batch of images.
  const Expected images = Nvfp4AlongDimension1(Images());
  EXPECT_NEAR(numbers.at("sqnr_db/activations/enc1.conv1"), images.sqnr_db,
              kSqnrTolerance);
  EXPECT_NEAR(numbers.at("sqnr_centered_db/activations/enc1.conv1"),
              images.sqnr_centered_db, kLowestSqnrTolerance);
  EXPECT_EQ(numbers.at("amax/activations/enc1.conv1"), images.amax);
}

// im2col by torch itself: [C * kh * kw, K] of the positions of each image, one
// after the other.
at::Tensor Im2colOfTorch(const at::Tensor& x, int64_t kernel) {
  return at::im2col(x, {kernel, kernel}, {1, 1}, {kernel / 2, kernel / 2},
                    {1, 1})
      .transpose(0, 1)
      .flatten(1);
}

// The rotation as a product with a matrix: signs, then Sylvester's H16 / 4.
at::Tensor RotatedByMatrix(const at::Tensor& rows) {
  at::Tensor h = at::ones({1, 1}, at::kDouble);
  while (h.size(0) < 16) {
    h = at::cat({at::cat({h, h}, 1), at::cat({h, -h}, 1)}, 0);
  }
  constexpr double kSigns[] = {1,  1,  1,  -1, 1,  -1, -1, -1,
                               -1, -1, -1, 1,  -1, 1,  -1, -1};
  const at::Tensor signs = at::empty({16}, at::kDouble);
  for (int i = 0; i < 16; ++i) signs[i] = kSigns[i];
  return at::matmul(rows.to(at::kDouble).reshape({-1, 16}) * signs, h / 4)
      .reshape(rows.sizes());
}

// The images in the first layer: their operand of wgrad is im2col of them,
// rotated in groups of 16 positions.
TEST(LayerProbe, TheOperandOfWgradAgreesWithAnIndependentComputation) {
  for (const bool rotates : {true, false}) {
    const TestNet test = MakeTestNet(
        rotates ? "nvfp4_all" : "nvfp4_all:*/wgrad_x=nvfp4:*/wgrad_dy=nvfp4");
    const Numbers numbers = ByKey(Probe(test));
    const at::Tensor matrix = Im2colOfTorch(Images(), 3);
    const at::Tensor operand = rotates ? RotatedByMatrix(matrix) : matrix;
    // The computation above has its blocks along dimension 1 of [N, C, ...].
    const Expected expected = Nvfp4AlongDimension1(operand);
    EXPECT_NEAR(numbers.at("sqnr_db/wgrad/activations/enc1.conv1"),
                expected.sqnr_db, kSqnrTolerance);
    EXPECT_NEAR(numbers.at("amax/wgrad/activations/enc1.conv1"), expected.amax,
                1e-5 * expected.amax);
    EXPECT_EQ(numbers.at("codes_used/wgrad/activations/enc1.conv1"),
              expected.codes_used);
  }
}

}  // namespace
}  // namespace cnn_fp4::train
