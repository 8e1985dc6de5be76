#include "telemetry/weight_sample.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::ElementsAre;

TEST(WeightSample, ASmallWeightIsWhole) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::vector<uint8_t> codes = {0, 1, 2, 3, 4, 5};
  const std::vector<float> scales = {.5, .5, .5, 2, 2, 2};
  const WeightSample sample = SampleWeight(7, "a", 2, {values, codes, scales});
  EXPECT_EQ(sample.step, 7);
  EXPECT_EQ(sample.layer, "a");
  EXPECT_EQ(sample.rows, 2);
  EXPECT_EQ(sample.columns, 3);
  EXPECT_EQ(sample.values, values);
  EXPECT_EQ(sample.codes, codes);
  EXPECT_EQ(sample.scales, scales);
  EXPECT_EQ(sample.Thinning(), "");
}

TEST(WeightSample, ALargeOneIsThinned) {
  constexpr int64_t kRows = 65, kColumns = 97;
  std::vector<float> values(kRows * kColumns);
  std::iota(values.begin(), values.end(), 0.0f);
  const std::vector<uint8_t> codes(values.size(), 1);
  const std::vector<float> scales(values.size(), 2);
  const WeightSample sample =
      SampleWeight(1, "a", kRows, {values, codes, scales});
  // The least strides with which 65 and 97 fit in 32 and 48.
  EXPECT_EQ(sample.row_stride, 3);
  EXPECT_EQ(sample.column_stride, 3);
  EXPECT_EQ(sample.kept_rows(), 22);
  EXPECT_EQ(sample.kept_columns(), 33);
  ASSERT_EQ(sample.values.size(), 22 * 33);
  EXPECT_EQ(sample.values[1], 3);
  EXPECT_EQ(sample.values[33], 3 * 97);
  EXPECT_EQ(sample.values.back(), 63 * 97 + 96);
  EXPECT_EQ(sample.codes.size(), sample.values.size());
  EXPECT_EQ(sample.scales.size(), sample.values.size());
  EXPECT_EQ(sample.Thinning(),
            "every 3rd of 65 filters, every 3rd of 97 places");
}

TEST(WeightSample, ThinningIsEnglish) {
  WeightSample sample;
  sample.rows = 32;
  sample.columns = 2304;
  for (const auto& [stride, text] : {std::pair<int64_t, std::string>{2, "2nd"},
                                     {12, "12th"},
                                     {21, "21st"},
                                     {48, "48th"},
                                     {113, "113th"}}) {
    sample.column_stride = stride;
    EXPECT_EQ(sample.Thinning(), "every " + text + " of 2304 places");
  }
}

}  // namespace
}  // namespace cnn_fp4::telemetry
