#include "quant/testing/reference_bits.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/types/span.h"
#include "quant/formats/host_device.h"
#include "quant/quantizer.h"
#include "quant/reference/reference_quantizer.h"
#include "quant/testing/vector_state.h"

namespace cnn_fp4::quant {

::testing::AssertionResult SameBits(const std::vector<float>& expected,
                                    const std::vector<float>& actual) {
  if (expected.size() != actual.size()) {
    return ::testing::AssertionFailure() << "expected " << expected.size()
                                         << " elements, got " << actual.size();
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const bool both_nan = std::isnan(expected[i]) && std::isnan(actual[i]);
    if (!both_nan &&
        BitCast<uint32_t>(expected[i]) != BitCast<uint32_t>(actual[i])) {
      return ::testing::AssertionFailure()
             << "element " << i << ": expected " << expected[i] << ", got "
             << actual[i];
    }
  }
  return ::testing::AssertionSuccess();
}

void ExpectSamePacked(const PackedTensor& expected,
                      const PackedTensor& actual) {
  EXPECT_EQ(expected.codes, actual.codes) << "codes";
  EXPECT_EQ(expected.scales, actual.scales) << "scales";
  EXPECT_TRUE(SameBits(expected.scales_float32, actual.scales_float32));
  EXPECT_TRUE(SameBits(expected.tensor_scales, actual.tensor_scales));
}

bool ExpectReferenceBits(const Recipe& recipe, const BlockGrid& grid,
                         const std::vector<float>& values,
                         const QuantizeOptions& options, int64_t shift) {
  std::vector<float> shifted(shift);
  shifted.insert(shifted.end(), values.begin(), values.end());
  const absl::Span<const float> x = absl::MakeSpan(shifted).subspan(shift);
  std::vector<float> written(shifted.size());
  const absl::Span<float> y = absl::MakeSpan(written).subspan(shift);
  const auto same = [&](const std::vector<float>& expected) {
    return SameBits(expected, std::vector<float>(y.begin(), y.end()));
  };
  const auto expected = reference::Quantize(recipe, grid, x, options);
  const absl::Status status = FakeQuantize(recipe, grid, x, y, options);
  EXPECT_FALSE(UpperHalvesInUse());
  EXPECT_EQ(status, expected.status());
  const auto packed = Quantize(recipe, grid, x, options);
  EXPECT_EQ(packed.status(), expected.status());
  if (!expected.ok() || !packed.ok()) return false;
  EXPECT_TRUE(same(expected->values)) << "values";
  if (recipe.tensor_scale != TensorScale::kPerRow) {
    const auto scale = QuantizeOperand(recipe, grid, x, y, options);
    EXPECT_TRUE(scale.ok());
    EXPECT_TRUE(same(expected->operand)) << "operand";
    const auto unpacked = OperandValues(*packed, y);
    EXPECT_TRUE(unpacked.ok());
    EXPECT_TRUE(same(expected->operand)) << "operand from codes";
    EXPECT_TRUE(SameBits({*scale}, {*unpacked})) << "scale of the operand";
  }
  ExpectSamePacked(expected->packed, *packed);
  EXPECT_TRUE(Dequantize(*packed, y).ok());
  EXPECT_TRUE(same(expected->values)) << "dequantised";
  std::copy(x.begin(), x.end(), y.begin());
  EXPECT_TRUE(FakeQuantize(recipe, grid, y, y, options).ok());
  EXPECT_TRUE(same(expected->values)) << "in place";
  EXPECT_FALSE(UpperHalvesInUse());
  return true;
}

}  // namespace cnn_fp4::quant
