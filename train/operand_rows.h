#ifndef TRAIN_OPERAND_ROWS_H_
#define TRAIN_OPERAND_ROWS_H_

// A part of an operand of wgrad that stands for the whole, with its source in
// the basis in which it was quantised.
//
// Such an operand may be three windows of its source, or nine, and often is
// rotated (quant/hadamard.h), so that its source says nothing of its codes.

#include <cstdint>

#include "absl/status/statusor.h"
#include "nn/gemm/gemm_operand.h"

namespace cnn_fp4::train {

// So many elements tell SQNR to some hundredths of a dB.
inline constexpr int64_t kMaxRowElements = int64_t{1} << 17;

// Rows that lie equally far apart, of `max_elements` elements together or
// little more, or all; the source is rotated if the recipe rotates. An operand
// whose blocks do not lie in rows of memory is taken whole. Errors: the
// quantiser's.
absl::StatusOr<nn::QuantizedOperand> OperandRows(
    const nn::QuantizedOperand& quantized,
    int64_t max_elements = kMaxRowElements);

}  // namespace cnn_fp4::train

#endif  // TRAIN_OPERAND_ROWS_H_
