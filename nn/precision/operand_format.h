#ifndef NN_PRECISION_OPERAND_FORMAT_H_
#define NN_PRECISION_OPERAND_FORMAT_H_

// The text of one operand's format, as policies have it (policy.h):
//
//   fp32, fp16 or bf16                 a plain format
//   nvfp4+sr                           a recipe of quant::FindRecipe
//   nvfp4_1level+sr+scaled             ... scaled by a power of two
//   nvfp4+lsq, fp4_per_tensor+pact     ... whose scale is learnt

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/precision/conv_precision.h"

namespace cnn_fp4::nn {

// InvalidArgument for a text that is none, for a recipe that the operand cannot
// have (a rotation outside wgrad, a scale for each row, square blocks of other
// operands than weights), and for a scale that cannot be learnt.
absl::StatusOr<OperandFormat> ParseOperandFormat(absl::string_view text,
                                                 Operand operand);

}  // namespace cnn_fp4::nn

#endif  // NN_PRECISION_OPERAND_FORMAT_H_
