// A stratified part of the 2^32 floats; exhaustive.cc does all.

#include "quant/formats/cuda_conversions.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace cnn_fp4::quant {
namespace {

// Every sign, exponent and leading 8 mantissa bits, with low mantissa bits on
// both sides of every tie that any of the formats can have.
TEST(CudaConversions, AgreeOnAStratifiedSample) {
  int64_t compared = 0;
  for (uint32_t high = 0; high < 1u << 17; ++high) {
    for (const uint32_t low :
         {0u, 1u, 2u, 0x1234u, 0x3FFFu, 0x4000u, 0x4001u, 0x7FFEu, 0x7FFFu}) {
      const uint32_t bits = high << 15 | low;
      ASSERT_TRUE(AgreesWithCuda(bits)) << std::hex << bits;
      ++compared;
    }
  }
  EXPECT_EQ(compared, int64_t{9} << 17);
}

// A walk with a stride prime to 2^32 that no pattern of bits escapes.
TEST(CudaConversions, AgreeOnAWalk) {
  uint32_t bits = 12345;
  for (int i = 0; i < 4000000; ++i) {
    ASSERT_TRUE(AgreesWithCuda(bits)) << std::hex << bits;
    bits += 2654435769u;
  }
}

}  // namespace
}  // namespace cnn_fp4::quant
