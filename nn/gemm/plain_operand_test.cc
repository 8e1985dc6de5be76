// Operands in FP32, FP16 and BF16, which are rounded and not taken apart.

#include <torch/torch.h>

#include <limits>
#include <optional>
#include <utility>

#include "gtest/gtest.h"
#include "nn/gemm/gemm_operand.h"

namespace cnn_fp4::nn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(RoundTo, IsToNearestEvenAndOverflowsToInfinity) {
  const at::Tensor source =
      at::tensor({1 + 0x1p-11f, 1 + 0x3p-11f, -2049.0f, 65519.0f, 65520.0f,
                  0x1p-25f, 257.0f, 259.0f, std::numeric_limits<float>::max()});
  const at::Tensor half =
      at::tensor({1.0f, 1 + 0x1p-9f, -2048.0f, 65504.0f, kInfinity, 0.0f,
                  257.0f, 259.0f, kInfinity});
  const at::Tensor bfloat =
      at::tensor({1.0f, 1.0f, -2048.0f, 65536.0f, 65536.0f, 0x1p-25f, 256.0f,
                  260.0f, kInfinity});
  EXPECT_TRUE(at::equal(RoundTo(source, PlainFormat::kFloat32), source));
  EXPECT_TRUE(at::equal(RoundTo(source, PlainFormat::kFloat16), half));
  EXPECT_TRUE(at::equal(RoundTo(source, PlainFormat::kBfloat16), bfloat));
  const at::Tensor across = source.view({3, 3}).t();
  EXPECT_TRUE(
      at::equal(RoundTo(across, PlainFormat::kFloat16), half.view({3, 3}).t()));
}

TEST(GemmOperand, PlainFormatsRoundAndHaveNoScale) {
  const at::Tensor source = at::full({1, 2, 3, 4}, 1 + 0x1p-8f + 0x1p-11f);
  const std::pair<PlainFormat, float> expected[] = {
      {PlainFormat::kFloat32, 1 + 0x1p-8f + 0x1p-11f},
      {PlainFormat::kFloat16, 1 + 0x1p-8f},
      {PlainFormat::kBfloat16, 1 + 0x1p-7f}};
  for (const auto& [format, value] : expected) {
    for (const Operand operand : kOperands) {
      std::optional<QuantizedOperand> apart = QuantizedOperand{};
      const auto made =
          MakeGemmOperand(source, operand, {}, {format, {}}, {}, &apart);
      ASSERT_TRUE(made.ok()) << made.status();
      EXPECT_TRUE(at::equal(made->values, at::full_like(source, value)));
      EXPECT_FALSE(made->scale.defined());
      EXPECT_FALSE(apart.has_value());
    }
  }
}

}  // namespace
}  // namespace cnn_fp4::nn
