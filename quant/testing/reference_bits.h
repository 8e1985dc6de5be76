#ifndef QUANT_TESTING_REFERENCE_BITS_H_
#define QUANT_TESTING_REFERENCE_BITS_H_

// The fast quantiser against the reference, bit for bit.

#include <vector>

#include "gtest/gtest.h"
#include "quant/block_grid.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant {

// Equal bits, or both NaN.
::testing::AssertionResult SameBits(const std::vector<float>& expected,
                                    const std::vector<float>& actual);

// Expects what quant/cpu makes of x to be what quant/reference does: values,
// also in place, operand, codes, scales, the way back, or the same error.
// Returns whether x was quantised.
bool ExpectReferenceBits(const Recipe& recipe, const BlockGrid& grid,
                         const std::vector<float>& x,
                         const QuantizeOptions& options);

}  // namespace cnn_fp4::quant

#endif  // QUANT_TESTING_REFERENCE_BITS_H_
