// The scale chains of quant/scale_rules.h, written out once more, over data on
// which another order of operations gives other bits. Each test also checks
// that it does: a test that cannot tell them apart would prove nothing.

#include "quant/scale_rules.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "quant/testing/tie_values.h"

namespace cnn_fp4::quant {
namespace {

constexpr float kSixth = 1.0f / 6.0f;

// Calls check(A, a) for block amaxes on E4M3's midpoints.
template <class Check>
void ForEachTie(const Check& check) {
  for (const float amax : TieAmaxes()) {
    const std::vector<float> x = TieValues(amax);
    for (size_t b = 0; b < x.size(); b += 16) check(amax, std::fabs(x[b]));
  }
}

BlockFactors Factors(ScaleRule rule, float tensor_amax, float amax) {
  const TensorFactors t = MakeTensorFactors(rule, Rounding::kNearestEven,
                                            448.0f, true, tensor_amax);
  return MakeBlockFactors(rule, t, amax);
}

TEST(ScaleRules, TransformerEngine) {
  int other_scale = 0;
  int other_inverse = 0;
  ForEachTie([&](float A, float a) {
    const BlockFactors b = Factors(ScaleRule::kTransformerEngine, A, a);
    const float S = 2688.0f / A;
    const float product = a * (S * kSixth);
    ASSERT_EQ(b.code, EncodeE4m3(product)) << A << " " << a;
    other_scale += EncodeE4m3(a / 6.0f * S) != b.code;
    if (b.code == 0) return;
    const float reciprocal = 1.0f / S;
    ASSERT_EQ(b.factor, 1.0f / (b.stored * reciprocal));
    ASSERT_EQ(b.dequantize, b.stored * (A / 2688.0f));
    other_inverse += S / b.stored != b.factor;
  });
  EXPECT_GT(other_scale, 0);
  EXPECT_GT(other_inverse, 0);
}

TEST(ScaleRules, FourOverSixTakesTheQuotientFirst) {
  int other = 0;
  ForEachTie([&](float A, float a) {
    const TensorFactors t = MakeTensorFactors(
        ScaleRule::kFourOverSixMse, Rounding::kNearestEven, 448.0f, true, A);
    const float base = a / 6.0f * (2688.0f / A);
    ASSERT_EQ(FourOverSixCodes(t, a).six, EncodeE4m3(base));
    ASSERT_EQ(FourOverSixCodes(t, a).four,
              EncodeE4m3(std::fmin(1.5f * base, 448.0f)));
    other += EncodeE4m3(a * (2688.0f / A * kSixth)) != EncodeE4m3(base);
  });
  EXPECT_GT(other, 0);
}

TEST(ScaleRules, TorchAo) {
  int other = 0;
  ForEachTie([&](float A, float a) {
    const BlockFactors b = Factors(ScaleRule::kTorchAo, A, a);
    const float s2 = A / 2688.0f;
    const float ratio = a / 6.0f / s2;
    ASSERT_EQ(b.code, EncodeE4m3(std::fmax(ratio, 0x1p-6f)));
    const float reciprocal = 1.0f / s2;
    ASSERT_EQ(b.factor, reciprocal / b.stored);
    other += 1.0f / (b.stored * s2) != b.factor;
  });
  EXPECT_GT(other, 0);
}

TEST(ScaleRules, ModelOpt) {
  int other = 0;
  ForEachTie([&](float A, float a) {
    const BlockFactors b = Factors(ScaleRule::kModelOpt, A, a);
    const float s2 = A / 2688.0f;
    const float unit = 6.0f * s2;
    const float ratio = a == 0.0f ? 1.0f : a / unit;
    ASSERT_EQ(b.code, EncodeE4m3(std::fmax(ratio, 0x1p-9f)));
    ASSERT_EQ(b.factor, b.stored * s2);
    other += EncodeE4m3(std::fmax(a / 6.0f / s2, 0x1p-9f)) != b.code;
  });
  EXPECT_GT(other, 0);
}

TEST(ScaleRules, CompressedTensors) {
  int other = 0;
  ForEachTie([&](float A, float a) {
    const BlockFactors b = Factors(ScaleRule::kCompressedTensors, A, a);
    const float reciprocal = 1.0f / A;
    const float g = 2688.0f * reciprocal;
    const float sixth = a / 6.0f;
    const uint8_t code = EncodeE4m3(g * sixth);
    ASSERT_EQ(b.code, code == 0 ? EncodeE4m3(0.125f) : code);
    ASSERT_EQ(b.factor, b.stored / g);
    other += EncodeE4m3(2688.0f / A * sixth) != code;
  });
  EXPECT_GT(other, 0);
}

}  // namespace
}  // namespace cnn_fp4::quant
