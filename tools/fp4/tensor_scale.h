#ifndef TOOLS_FP4_TENSOR_SCALE_H_
#define TOOLS_FP4_TENSOR_SCALE_H_

// The tensor scale is a factor in one layout and its divisor in the other, and
// quant::PackedTensor has a factor, or under the recipe that follows
// compressed-tensors a divisor. Mixing them up is the classic mistake between
// these two formats.

#include "io/safetensors/dtype.h"
#include "quant/recipe.h"
#include "tools/fp4/file_record.h"

namespace cnn_fp4::fp4 {

// The type of block scales in a file: E8M0 has a type of its own in the
// modelopt layout and is plain bytes in compressed-tensors'.
safetensors::DType ScaleDType(Layout layout, const quant::Recipe& recipe);

// Whether the file's number is the reciprocal of quant::PackedTensor's.
bool StoresReciprocal(Layout layout, const quant::Recipe& recipe);

// The recipe by which quant::Dequantize takes the file's number as it is and
// multiplies by it or divides by it, as the programs of that layout do: a
// reciprocal would be rounded once more.
quant::Recipe RecipeOfFile(Layout layout, quant::Recipe recipe);

// 1/scale, at most FLT_MAX: an infinity would make NaN of zero codes.
float Reciprocal(float scale);

// What a tensor with this amax is divided by in the compressed-tensors layout:
// M * E / amax (2688/amax for most recipes), at most FLT_MAX; 1 for amax 0.
float Divisor(const quant::Recipe& recipe, float amax);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_TENSOR_SCALE_H_
