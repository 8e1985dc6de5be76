// Every code of every format, every midpoint of neighbours and the floats next
// to it, and the tables of the conversions' edges.

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e2m1_rounding.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/formats/float16.h"

namespace cnn_fp4::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kQuietNan = std::numeric_limits<float>::quiet_NaN();

float Bits(uint32_t bits) { return BitCast<float>(bits); }
float Up(float x) { return std::nextafter(x, kInfinity); }
float Down(float x) { return std::nextafter(x, -kInfinity); }

// Constant expressions, as promised.
static_assert(EncodeE2m1(5.0f) == 6);
static_assert(DecodeE2m1(15) == -6.0f);
static_assert(EncodeE4m3(449.0f) == 0x7E);
static_assert(EncodeE8m0RoundUp(1.5f) == 128);
static_assert(EncodeHalf(65520.0f) == 0x7C00);

TEST(E2m1, ValuesOfAllCodes) {
  const std::vector<float> magnitudes = {0, .5f, 1, 1.5f, 2, 3, 4, 6};
  for (int code = 0; code < 16; ++code) {
    const float expected = code < 8 ? magnitudes[code] : -magnitudes[code - 8];
    EXPECT_EQ(BitCast<uint32_t>(DecodeE2m1(code)), BitCast<uint32_t>(expected))
        << code;
    EXPECT_EQ(EncodeE2m1(expected), code);
    EXPECT_EQ(EncodeE2m1TiesAway(expected), code);
    EXPECT_EQ(EncodeE2m1TiesToZero(expected), code);
    for (int r = 0; r < 256; ++r) {
      ASSERT_EQ(EncodeE2m1Stochastic8(expected, r), code);
    }
    EXPECT_EQ(EncodeE2m1Stochastic(expected, 0), code);
    EXPECT_EQ(EncodeE2m1Stochastic(expected, 0xFFFFFFFF), code);
  }
}

TEST(E2m1, MidpointsAndTheirNeighbours) {
  for (uint8_t low = 0; low < 7; ++low) {
    const float middle = (DecodeE2m1(low) + DecodeE2m1(low + 1)) / 2.0f;
    const uint8_t even = low % 2 == 0 ? low : low + 1;
    for (const uint8_t sign : {0, 8}) {
      const float s = sign == 0 ? 1.0f : -1.0f;
      EXPECT_EQ(EncodeE2m1(s * middle), even | sign);
      EXPECT_EQ(EncodeE2m1TiesAway(s * middle), (low + 1) | sign);
      EXPECT_EQ(EncodeE2m1TiesToZero(s * middle), low | sign);
      for (const auto encode :
           {EncodeE2m1, EncodeE2m1TiesAway, EncodeE2m1TiesToZero}) {
        EXPECT_EQ(encode(s * Up(middle)), (low + 1) | sign);
        EXPECT_EQ(encode(s * Down(middle)), low | sign);
      }
    }
  }
}

TEST(E2m1, EdgesKeepTheSign) {
  EXPECT_EQ(EncodeE2m1(-0.0f), 8);
  EXPECT_EQ(EncodeE2m1(-1e-40f), 8);
  EXPECT_EQ(EncodeE2m1(-0.25f), 8);
  for (const float huge : {7.0f, 8.0f, 1e30f, kInfinity}) {
    EXPECT_EQ(EncodeE2m1(huge), 7);
    EXPECT_EQ(EncodeE2m1(-huge), 15);
  }
}

// All 256 draws at the exact quarters: the number that goes up is known.
// up if and only if r < f * 2^32, in FP64, which holds both sides.
TEST(E2m1, StochasticComparesExactly) {
  int edges = 0;
  for (uint32_t i = 0; i < 200000; ++i) {
    // Magnitudes of all sizes, and those of few bits, where f * 2^32 is whole.
    const uint32_t bits = i % 2 == 0
                              ? 0x2F000000u + i * 2654435761u % 0x11C00000u
                              : 0x3E000000u + (i * 40503u % 1024u << 14);
    const float x = BitCast<float>(bits);
    if (x > 6.0f) continue;
    const uint8_t low = E2m1FloorCode(x);
    const double bound = (double{x} - DecodeE2m1(low)) / E2m1Step(x) * 0x1p32;
    const double near = std::floor(bound);
    for (const double r : {near - 1.0, near, near + 1.0, 0.0, 4294967295.0,
                           static_cast<double>(i * 2246822519u)}) {
      if (r < 0.0 || r > 4294967295.0) continue;
      const auto word = static_cast<uint32_t>(r);
      ASSERT_EQ(EncodeE2m1Stochastic(x, word), low + (low < 7 && r < bound))
          << x << " " << word;
      ASSERT_EQ(EncodeE2m1Stochastic(-x, word),
                8 + low + (low < 7 && r < bound));
      edges += r == bound;
    }
  }
  EXPECT_GT(edges, 1000);
}

TEST(E2m1, Stochastic8GoesUpAsOftenAsItShould) {
  for (uint8_t low = 0; low < 7; ++low) {
    const float begin = DecodeE2m1(low);
    const float step = DecodeE2m1(low + 1) - begin;
    for (const int quarters : {1, 2, 3}) {
      const float x = begin + step * 0.25f * static_cast<float>(quarters);
      int up = 0;
      int exact_up = 0;
      for (int r = 0; r < 256; ++r) {
        const uint8_t code = EncodeE2m1Stochastic8(x, r);
        ASSERT_TRUE(code == low || code == low + 1);
        up += code == low + 1;
        exact_up += EncodeE2m1Stochastic(x, uint32_t(r) << 24) == low + 1;
      }
      EXPECT_EQ(up, 64 * quarters) << x;
      EXPECT_EQ(exact_up, 64 * quarters) << x;
    }
  }
}

TEST(E4m3, AllCodesAndMidpoints) {
  for (int code = 0; code < 0x7F; ++code) {
    const float value = DecodeE4m3(code);
    EXPECT_EQ(EncodeE4m3(value), code);
    EXPECT_EQ(EncodeE4m3(-value), code | 0x80);
    if (code == 0x7E) break;
    const float middle = (value + DecodeE4m3(code + 1)) / 2.0f;
    EXPECT_EQ(EncodeE4m3(middle), code % 2 == 0 ? code : code + 1);
    EXPECT_EQ(EncodeE4m3(Up(middle)), code + 1);
    EXPECT_EQ(EncodeE4m3(Down(middle)), code);
  }
  EXPECT_EQ(DecodeE4m3(0x7E), 448.0f);
  EXPECT_EQ(DecodeE4m3(0x08), kE4m3MinNormal);
  EXPECT_EQ(DecodeE4m3(0x01), kE4m3MinPositive);
  EXPECT_TRUE(std::isnan(DecodeE4m3(0x7F)));
  EXPECT_TRUE(std::isnan(DecodeE4m3(0xFF)));
}

TEST(E4m3, Edges) {
  for (const float big : {448.0f, 449.0f, 464.0f, 465.0f, 1e30f, kInfinity}) {
    EXPECT_EQ(EncodeE4m3(big), 0x7E);
    EXPECT_EQ(EncodeE4m3(-big), 0xFE);
  }
  EXPECT_EQ(EncodeE4m3(kQuietNan), kE4m3Nan);
  EXPECT_EQ(EncodeE4m3(0x1p-9f), 0x01);
  EXPECT_EQ(EncodeE4m3(0x1p-10f), 0x00);
  EXPECT_EQ(EncodeE4m3(Up(0x1p-10f)), 0x01);
  EXPECT_EQ(EncodeE4m3(0x1.8p-9f), 0x02);
  EXPECT_EQ(EncodeE4m3(0x1.8p-10f), 0x01);
  EXPECT_EQ(EncodeE4m3(-0.0f), 0x80);
  EXPECT_EQ(EncodeE4m3(1.0625f), 0x38);
  EXPECT_EQ(EncodeE4m3(1.1875f), 0x3A);
}

TEST(E8m0, AllCodesAndTheFloatsBeside) {
  for (int code = 0; code <= kE8m0Max; ++code) {
    const float value = DecodeE8m0(code);
    EXPECT_EQ(std::ilogb(value), code - 127);
    EXPECT_EQ(EncodeE8m0RoundUp(value), code);
    if (code < kE8m0Max) {
      EXPECT_EQ(EncodeE8m0RoundUp(Up(value)), code + 1);
    }
    EXPECT_EQ(DecodeE8m0(code) * DecodeE8m0Reciprocal(code), 1.0f);
  }
  EXPECT_TRUE(std::isnan(DecodeE8m0(kE8m0Nan)));
}

// Bit patterns of torchao's RCEIL tests. Beyond 2^127 it gives 255, cuda_fp8.h
// and we the largest scale, 254.
TEST(E8m0, RoundUpTable) {
  const std::vector<std::pair<uint32_t, int>> table = {
      {0x00000000, 0},   {0x00000001, 0},   {0x00400000, 0},
      {0x00400001, 1},   {0x007FFFFF, 1},   {0x00800000, 1},
      {0x1F800000, 63},  {0x1F800001, 64},  {0x3F7FFFFF, 127},
      {0x3F800000, 127}, {0x3F800001, 128}, {0x5F800000, 191},
      {0x5F800001, 192}, {0x7F000000, 254}, {0x7F000001, 254},
      {0x7F7FFFFF, 254}, {0x7F800000, 254}, {0x7FC00000, 255},
      {0xBF800000, 127},
  };
  for (const auto& [bits, code] : table) {
    EXPECT_EQ(EncodeE8m0RoundUp(Bits(bits)), code) << std::hex << bits;
  }
}

TEST(Float16, AllCodesAndMidpoints) {
  for (uint32_t code = 0; code < 0x7C00; ++code) {
    const float value = DecodeHalf(code);
    ASSERT_EQ(EncodeHalf(value), code);
    ASSERT_EQ(EncodeHalf(-value), code | 0x8000);
    const float next = code == 0x7BFF ? 65536.0f : DecodeHalf(code + 1);
    const float middle = value / 2.0f + next / 2.0f;
    ASSERT_EQ(EncodeHalf(middle), code % 2 == 0 ? code : code + 1);
    ASSERT_EQ(EncodeHalf(Up(middle)), code + 1);
    ASSERT_EQ(EncodeHalf(Down(middle)), code);
  }
  EXPECT_EQ(EncodeHalf(kInfinity), 0x7C00);
  EXPECT_EQ(EncodeHalf(1e30f), 0x7C00);
  EXPECT_TRUE(std::isnan(DecodeHalf(EncodeHalf(kQuietNan))));
  EXPECT_TRUE(std::isnan(DecodeHalf(EncodeHalf(Bits(0x7F800001)))));
}

TEST(Bfloat16, AllCodesAndMidpoints) {
  for (uint32_t code = 0; code < 0x7F80; ++code) {
    const float value = DecodeBfloat16(code);
    ASSERT_EQ(EncodeBfloat16(value), code);
    const uint32_t middle = code << 16 | 0x8000;
    ASSERT_EQ(EncodeBfloat16(Bits(middle)), code % 2 == 0 ? code : code + 1);
    ASSERT_EQ(EncodeBfloat16(Bits(middle + 1)), code + 1);
    ASSERT_EQ(EncodeBfloat16(Bits(middle - 1)), code);
  }
  EXPECT_EQ(EncodeBfloat16(-kInfinity), 0xFF80);
  EXPECT_TRUE(std::isnan(DecodeBfloat16(EncodeBfloat16(Bits(0x7F800001)))));
}

}  // namespace
}  // namespace cnn_fp4::quant
