// The scale chains of quant/scale_rules.h, written out once more, over data on
// which another order of operations gives other bits. Each test also checks
// that it does: a test that cannot tell them apart would prove nothing.

#include "quant/scale_rules.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "quant/choose_scale.h"
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

TEST(ScaleRules, StaticFour) {
  int other = 0;
  ForEachTie([&](float A, float a) {
    const BlockFactors b = Factors(ScaleRule::kStaticFour, A, a);
    const float S = 1792.0f / A;
    ASSERT_EQ(b.code, EncodeE4m3(a * (S * 0.25f))) << A << " " << a;
    other += EncodeE4m3(a * (2688.0f / A * 0.25f)) != b.code;
    if (b.code == 0) return;
    const float reciprocal = 1.0f / S;
    ASSERT_EQ(b.factor, 1.0f / (b.stored * reciprocal));
    ASSERT_EQ(b.dequantize, b.stored * (A / 1792.0f));
  });
  EXPECT_GT(other, 0);
}

// a/6 rounded once: FP64's quotient, rounded to FP32, is that of FP32.
float Sixth(float a) { return static_cast<float>(double{a} / 6.0); }

TEST(ScaleRules, OneLevelAndPerTensorDivideBySix) {
  int other_code = 0;
  int other_scale = 0;
  for (int i = 0; i < 4000; ++i) {
    const float a = 1.0f + 0.0007f * static_cast<float>(i);
    const BlockFactors whole = Factors(ScaleRule::kAmax, 1.0f, a);
    ASSERT_EQ(whole.stored, Sixth(a));
    ASSERT_EQ(whole.dequantize, Sixth(a));
    ASSERT_EQ(whole.factor, 1.0f / Sixth(a));
    other_scale += a * kSixth != whole.stored;
  }
  // Where a/6 is a midpoint of E4M3, the last bit decides.
  for (uint8_t code = 1; code < 0x7E; ++code) {
    const float middle = (DecodeE4m3(code) + DecodeE4m3(code + 1)) / 2.0f;
    for (const float a : {6.0f * middle, std::nextafter(6.0f * middle, 0.0f),
                          std::nextafter(6.0f * middle, 1e9f)}) {
      const BlockFactors one = Factors(ScaleRule::kOneLevel, 1.0f, a);
      ASSERT_EQ(one.code, EncodeE4m3(Sixth(a))) << a;
      ASSERT_EQ(one.dequantize, one.stored);
      ASSERT_EQ(one.factor, 1.0f / one.stored);
      other_code += EncodeE4m3(a * kSixth) != one.code;
    }
  }
  EXPECT_GT(other_scale, 0);
  EXPECT_GT(other_code, 0);
}

// The exponents of the power-of-two rules by real arithmetic: frexp gives
// a = m * 2^e, 1/2 <= m < 1.
TEST(ScaleRules, PowersOfTwo) {
  for (int i = 0; i < 2000; ++i) {
    for (const int exponent : {-120, -3, 0, 1, 90}) {
      const float a =
          std::ldexp(1.0f + static_cast<float>(i) / 2000.0f, exponent);
      int e = 0;
      const double m = std::frexp(double{a}, &e);
      const int floor = e - 1 - 2;
      // 6 * 2^k >= a for the least k.
      int rceil = floor - 1;
      while (6.0 * std::ldexp(1.0, rceil) < Sixth(a) * 6.0) ++rceil;
      const auto code = [a](ScaleRule rule) {
        return Factors(rule, 1.0f, a).code - 127;
      };
      ASSERT_EQ(code(ScaleRule::kPow2Floor), floor) << a;
      ASSERT_EQ(code(ScaleRule::kPow2Ceil), floor + (m > 0.5)) << a;
      ASSERT_EQ(code(ScaleRule::kPow2RoundUp), rceil) << a;
      // Rounded to one mantissa bit: from 1.75 on to the next power.
      ASSERT_EQ(code(ScaleRule::kPow2Even), floor + (2.0 * m >= 1.75)) << a;
      ASSERT_EQ(code(ScaleRule::kPow2MidMax), floor + (2.0 * m > 1.75)) << a;
      const BlockFactors b = Factors(ScaleRule::kPow2Floor, 1.0f, a);
      ASSERT_EQ(b.dequantize, std::ldexp(1.0f, floor));
      ASSERT_EQ(b.factor, std::ldexp(1.0f, -floor));
    }
  }
}

// Tiny tensors: S = 2688/A overflows and is the largest float.
TEST(ScaleRules, TinyTensorsHaveAFiniteS) {
  for (const float A : {1e-38f, 1e-40f, 1e-45f}) {
    const TensorFactors t = MakeTensorFactors(
        ScaleRule::kTransformerEngine, Rounding::kNearestEven, 448.0f, true, A);
    EXPECT_EQ(t.encode, kFloatMax);
    EXPECT_EQ(t.decode, A / 2688.0f);
  }
  const BlockFactors b = Factors(ScaleRule::kTransformerEngine, 1e-38f, 1e-38f);
  EXPECT_EQ(b.code, EncodeE4m3(1e-38f * (kFloatMax * kSixth)));
  EXPECT_LT(b.stored, 1.0f);
  EXPECT_EQ(MakeTensorFactors(ScaleRule::kTransformerEngine,
                              Rounding::kNearestEven, 448.0f, true, 0.0f)
                .encode,
            1.0f);
}

TEST(ScaleRules, ErrorUnits) {
  EXPECT_EQ(ErrorUnit(1.0f), 1.0f);
  EXPECT_EQ(ErrorUnit(3.99f), 0.5f);
  EXPECT_EQ(ErrorUnit(0x1p-20f), 0x1p20f);
  EXPECT_EQ(ErrorUnit(0.0f), 0x1p126f);
  EXPECT_EQ(ErrorUnit(0x1p-149f), 0x1p126f);
  EXPECT_EQ(ErrorUnit(kFloatMax), 0x1p-126f);
}

// The best of 126 once more: in FP64, from the file's values alone.
TEST(ScaleRules, BestOf126IsTheBest) {
  struct Block {
    std::vector<float> values;
    int64_t size() const { return static_cast<int64_t>(values.size()); }
    float x(int64_t i) const { return values[i]; }
    uint64_t index(int64_t i) const { return i; }
  };
  const float A = 6.0f;
  const TensorFactors t = MakeTensorFactors(
      ScaleRule::kBestOf126, Rounding::kNearestEven, 448.0f, true, A);
  for (int b = 0; b < 200; ++b) {
    Block block;
    float amax = 0.0f;
    for (int i = 0; i < 16; ++i) {
      const float x = std::ldexp(
          static_cast<float>((b * 131 + i * 71) % 199 - 99) / 99.0f, -(b % 9));
      block.values.push_back(x);
      amax = std::fmax(amax, std::fabs(x));
    }
    const auto error_of = [&](uint8_t code) {
      const double scale = double{DecodeE4m3(code)} * A / 2688.0;
      double error = 0.0;
      for (const float x : block.values) {
        // The nearest of the eight magnitudes.
        double best = 1e300;
        for (const double q : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0}) {
          best = std::fmin(best, std::fabs(std::fabs(double{x}) - q * scale));
        }
        error += best * best;
      }
      return error;
    };
    double least = 1e300;
    for (uint8_t code = 1; code <= 0x7E; ++code) {
      least = std::fmin(least, error_of(code));
    }
    const uint8_t chosen =
        ChooseFactors(ScaleRule::kBestOf126, {}, t, amax, block).code;
    EXPECT_LE(error_of(chosen), least * (1.0 + 1e-5)) << b;
  }
  // Nothing to choose by: the largest.
  EXPECT_EQ(ChooseFactors(ScaleRule::kBestOf126, {}, t, 0.0f,
                          Block{std::vector<float>(16, 0.0f)})
                .code,
            0x7E);
}

}  // namespace
}  // namespace cnn_fp4::quant
