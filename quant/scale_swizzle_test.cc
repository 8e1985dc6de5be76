#include "quant/scale_swizzle.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::quant {
namespace {

TEST(ScaleSwizzle, OffsetsOfTheFirstTiles) {
  std::vector<uint8_t> scales(256 * 8, 0);
  scales[0 * 8 + 1] = 1;    // Next column.
  scales[1 * 8 + 0] = 2;    // Next row: 16 bytes on.
  scales[32 * 8 + 0] = 3;   // Next group of 32 rows: 4 bytes on.
  scales[0 * 8 + 4] = 4;    // Next tile.
  scales[128 * 8 + 0] = 5;  // Next row of tiles.
  scales[127 * 8 + 7] = 6;  // Last byte of the second tile.
  const auto swizzled = SwizzleScales(scales, 256, 8);
  ASSERT_TRUE(swizzled.ok());
  EXPECT_EQ((*swizzled)[1], 1);
  EXPECT_EQ((*swizzled)[16], 2);
  EXPECT_EQ((*swizzled)[4], 3);
  EXPECT_EQ((*swizzled)[512], 4);
  EXPECT_EQ((*swizzled)[1024], 5);
  EXPECT_EQ((*swizzled)[1023], 6);
}

TEST(ScaleSwizzle, InverseAndZeroPadding) {
  for (const int64_t rows : {1, 31, 128, 129, 300}) {
    for (const int64_t cols : {1, 3, 4, 5, 12}) {
      std::vector<uint8_t> scales(rows * cols);
      for (size_t i = 0; i < scales.size(); ++i) scales[i] = i % 255 + 1;
      const auto swizzled = SwizzleScales(scales, rows, cols);
      ASSERT_TRUE(swizzled.ok());
      EXPECT_EQ(static_cast<int64_t>(swizzled->size()),
                SwizzledSize(rows, cols));
      EXPECT_EQ(UnswizzleScales(*swizzled, rows, cols).value(), scales);
      EXPECT_EQ(std::accumulate(swizzled->begin(), swizzled->end(), 0),
                std::accumulate(scales.begin(), scales.end(), 0));
    }
  }
}

TEST(ScaleSwizzle, RefusesOtherSizes) {
  EXPECT_FALSE(SwizzleScales({1, 2, 3}, 2, 2).ok());
  EXPECT_FALSE(UnswizzleScales({1, 2, 3, 4}, 2, 2).ok());
}

TEST(ScaleSwizzle, RefusesExtentsWhoseProductOverflows) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  // 2^62 * 4 wraps to 0, which is how many bytes there are.
  EXPECT_EQ(SwizzledSize(kHuge, 4), -1);
  EXPECT_FALSE(SwizzleScales({}, kHuge, 4).ok());
  EXPECT_FALSE(UnswizzleScales({}, kHuge, 4).ok());
  EXPECT_EQ(SwizzledSize(-1, 4), -1);
  EXPECT_FALSE(SwizzleScales({}, -1, 0).ok());
  // No columns: nothing to do, however many rows.
  EXPECT_TRUE(SwizzleScales({}, kHuge, 0).ok());
}

}  // namespace
}  // namespace cnn_fp4::quant
