#ifndef QUANT_TESTING_REFERENCE_BITS_H_
#define QUANT_TESTING_REFERENCE_BITS_H_

// The fast quantiser against the reference, bit for bit.

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "quant/block_grid.h"
#include "quant/packed_tensor.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant {

// Equal bits, or both NaN.
::testing::AssertionResult SameBits(const std::vector<float>& expected,
                                    const std::vector<float>& actual);

// Expects the same codes, scales and tensor scales.
void ExpectSamePacked(const PackedTensor& expected, const PackedTensor& actual);

// Expects what quant/quantizer.h makes of x to be what quant/reference does:
// values, also in place, operand, codes, scales, the way back, or the same
// error. Input and output begin `shift` elements after where vectors begin, 16
// bytes aligned. Returns whether x was quantised.
bool ExpectReferenceBits(const Recipe& recipe, const BlockGrid& grid,
                         const std::vector<float>& x,
                         const QuantizeOptions& options, int64_t shift = 0);

}  // namespace cnn_fp4::quant

#endif  // QUANT_TESTING_REFERENCE_BITS_H_
