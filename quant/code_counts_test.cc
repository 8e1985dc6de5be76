#include "quant/code_counts.h"

#include "gtest/gtest.h"

namespace cnn_fp4::quant {
namespace {

TEST(CodeCounts, TheTwoZerosAreOneValue) {
  CodeCounts use;
  use.counts[0] = use.counts[8] = use.counts[3] = use.counts[7] = 5;
  use.counts[15] = 20;
  EXPECT_EQ(use.total(), 40);
  EXPECT_EQ(use.CodesUsed(), 4);  // 0, 1.5, 6, -6.
  // Shares of 1/4, 1/8, 1/8 and 1/2.
  EXPECT_DOUBLE_EQ(use.EntropyBits(), 1.75);
  EXPECT_DOUBLE_EQ(use.ZeroShare(), 0.25);
  EXPECT_DOUBLE_EQ(use.LargestShare(), 0.625);
  use.counts[0] = 0;
  EXPECT_EQ(use.CodesUsed(), 4);  // -0 alone.
}

TEST(CodeCounts, AllSixteenCodesAreFifteenValues) {
  CodeCounts use;
  use.counts.fill(1);
  EXPECT_EQ(use.CodesUsed(), kNumE2m1Values);
  // 14/16 * 4 + 2/16 * 3.
  EXPECT_DOUBLE_EQ(use.EntropyBits(), 3.875);
}

TEST(CodeCounts, EmptyIsDefined) {
  const CodeCounts use;
  EXPECT_EQ(use.CodesUsed(), 0);
  EXPECT_EQ(use.EntropyBits(), 0.0);
  EXPECT_EQ(use.ZeroShare(), 0.0);
  EXPECT_EQ(use.LargestShare(), 0.0);
}

TEST(CodeCounts, MergeIsAddition) {
  CodeCounts a, b;
  a.counts[2] = 1;
  b.counts[2] = 2;
  b.counts[9] = 5;
  a.Merge(b);
  EXPECT_EQ(a.counts[2], 3);
  EXPECT_EQ(a.counts[9], 5);
  EXPECT_EQ(a.total(), 8);
}

}  // namespace
}  // namespace cnn_fp4::quant
