#include "quant/testing/reference_bits.h"

#include <cmath>
#include <cstdint>

#include "quant/cpu/cpu_quantizer.h"
#include "quant/formats/host_device.h"
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

bool ExpectReferenceBits(const Recipe& recipe, const BlockGrid& grid,
                         const std::vector<float>& x,
                         const QuantizeOptions& options) {
  const auto expected = reference::Quantize(recipe, grid, x, options);
  std::vector<float> y(x.size());
  const absl::Status status =
      cpu::FakeQuantize(recipe, grid, x, absl::MakeSpan(y), options);
  EXPECT_FALSE(UpperHalvesInUse());
  EXPECT_EQ(status, expected.status());
  const auto packed = cpu::Quantize(recipe, grid, x, options);
  EXPECT_EQ(packed.status(), expected.status());
  if (!expected.ok() || !packed.ok()) return false;
  EXPECT_TRUE(SameBits(expected->values, y)) << "values";
  std::vector<float> in_place = x;
  EXPECT_TRUE(cpu::FakeQuantize(recipe, grid, in_place,
                                absl::MakeSpan(in_place), options)
                  .ok());
  EXPECT_TRUE(SameBits(expected->values, in_place)) << "in place";
  if (recipe.tensor_scale != TensorScale::kPerRow) {
    const auto scale =
        cpu::QuantizeOperand(recipe, grid, x, absl::MakeSpan(y), options);
    EXPECT_TRUE(scale.ok());
    EXPECT_TRUE(SameBits(expected->operand, y)) << "operand";
    const auto unpacked = cpu::OperandValues(*packed, absl::MakeSpan(y));
    EXPECT_TRUE(unpacked.ok());
    EXPECT_TRUE(SameBits(expected->operand, y)) << "operand from codes";
    EXPECT_TRUE(SameBits({*scale}, {*unpacked})) << "scale of the operand";
  }
  EXPECT_EQ(expected->packed.codes, packed->codes) << "codes";
  EXPECT_EQ(expected->packed.scales, packed->scales) << "scales";
  EXPECT_TRUE(
      SameBits(expected->packed.scales_float32, packed->scales_float32));
  EXPECT_EQ(expected->packed.tensor_scales, packed->tensor_scales);
  EXPECT_TRUE(cpu::Dequantize(*packed, absl::MakeSpan(y)).ok());
  EXPECT_TRUE(SameBits(expected->values, y)) << "dequantised";
  EXPECT_FALSE(UpperHalvesInUse());
  return true;
}

}  // namespace cnn_fp4::quant
