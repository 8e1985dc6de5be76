#include "telemetry/fp4_values.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Fp4Values, AreThoseOfE2m1) {
  EXPECT_EQ(Fp4Value(0), 0);
  EXPECT_EQ(Fp4Value(1), 0.5);
  EXPECT_EQ(Fp4Value(7), 6);
  EXPECT_EQ(Fp4Value(9), -0.5);
  EXPECT_EQ(Fp4Value(15), -6);
  EXPECT_THAT(Fp4ValueNames(),
              ElementsAre("−6", "−4", "−3", "−2", "−1.5", "−1", "−0.5", "0",
                          "0.5", "1", "1.5", "2", "3", "4", "6"));
}

TEST(Fp4Values, SharesAddBothZeros) {
  // Codes 0, 7 and 8, 15: +0, 6, -0, -6.
  EXPECT_THAT(Fp4Shares({1, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 2}),
              ElementsAre(0.25, 0, 0, 0, 0, 0, 0, 0.25, 0, 0, 0, 0, 0, 0, 0.5));
}

TEST(Fp4Values, NothingCountedHasNoShares) {
  EXPECT_THAT(Fp4Shares(std::vector<int64_t>(16, 0)), IsEmpty());
  EXPECT_THAT(Fp4Shares({1, 2}), IsEmpty());
}

}  // namespace
}  // namespace cnn_fp4::telemetry
