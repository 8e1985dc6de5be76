#include "quant/formats/e2m1_aligned.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e2m1_rounding.h"

namespace cnn_fp4::quant {
namespace {

// Magnitudes of every exponent, dense around the grid's values and midpoints.
std::vector<float> Magnitudes() {
  std::vector<float> m;
  for (uint64_t bits = 0; bits <= 0x7F800000u; bits += 4093) {
    m.push_back(BitCast<float>(static_cast<uint32_t>(bits)));
  }
  m.push_back(BitCast<float>(uint32_t{0x7F800000}));
  for (int eighths = 0; eighths <= 64; ++eighths) {
    const uint32_t middle = BitCast<uint32_t>(eighths / 8.0f);
    for (uint32_t ulps = 0; ulps <= 40; ++ulps) {
      m.push_back(BitCast<float>(middle + ulps));
      if (middle >= ulps) m.push_back(BitCast<float>(middle - ulps));
    }
  }
  return m;
}

// Random words at and beside the bounds that they are compared with.
std::vector<uint32_t> Words() {
  std::vector<uint32_t> words;
  for (const uint32_t w :
       {0u, 1u, 0x3FFFFFFFu, 0x40000000u, 0x40000001u, 0x7FFFFFFFu, 0x80000000u,
        0x80000001u, 0xFFFFFF00u, 0xFFFFFFFFu, 0x12345678u, 0xDEADBEEFu}) {
    words.push_back(w);
  }
  return words;
}

void ExpectSame(uint8_t expected, const AlignedE2m1& actual, float x) {
  ASSERT_EQ(expected, actual.code | E2m1SignBit(x)) << x;
  ASSERT_EQ(BitCast<uint32_t>(DecodeE2m1(expected)),
            BitCast<uint32_t>(E2m1CopySign(actual.magnitude, x)))
      << x;
}

TEST(E2m1Aligned, NearestIsTheDefinition) {
  for (const float m : Magnitudes()) {
    ASSERT_NO_FATAL_FAILURE(ExpectSame(EncodeE2m1(m), AlignNearest(m), m));
    ASSERT_NO_FATAL_FAILURE(ExpectSame(EncodeE2m1(-m), AlignNearest(-m), -m));
  }
}

TEST(E2m1Aligned, StochasticIsTheDefinition) {
  for (const float m : Magnitudes()) {
    for (const uint32_t word : Words()) {
      for (const float x : {m, -m}) {
        ASSERT_NO_FATAL_FAILURE(ExpectSame(EncodeE2m1Stochastic(x, word),
                                           AlignStochastic(x, word), x));
        const uint8_t byte = static_cast<uint8_t>(word >> 7);
        ASSERT_NO_FATAL_FAILURE(ExpectSame(EncodeE2m1Stochastic8(x, byte),
                                           AlignStochastic8(x, byte), x));
      }
    }
  }
}

// A random word beside the very bound of a value decides there.
TEST(E2m1Aligned, StochasticAtItsBound) {
  for (int i = 0; i < 4096; ++i) {
    const float m = static_cast<float>(i) * (6.0f / 4096.0f) + 1.0e-4f;
    const float low = DecodeE2m1(E2m1FloorCode(m));
    const double fraction = (double{m} - low) / E2m1Step(m);
    const auto bound = static_cast<uint64_t>(fraction * 4294967296.0);
    for (int64_t d = -2; d <= 2; ++d) {
      const auto word = static_cast<uint32_t>(bound + d);
      ASSERT_NO_FATAL_FAILURE(ExpectSame(EncodeE2m1Stochastic(m, word),
                                         AlignStochastic(m, word), m));
    }
  }
}

}  // namespace
}  // namespace cnn_fp4::quant
