#ifndef TOOLS_FP4_CODE_USE_H_
#define TOOLS_FP4_CODE_USE_H_

// How a quantised tensor uses the values of its element format and its scales.

#include <cstdint>

#include "absl/status/statusor.h"
#include "io/safetensors/reader.h"
#include "quant/code_counts.h"
#include "tools/fp4/quantized_file.h"

namespace cnn_fp4::fp4 {

struct CodeUse {
  quant::CodeCounts codes;  // Of every element.
  // Stored block scales, before the tensor scale; NaNs are only counted.
  int64_t num_scales = 0;
  int64_t nan_scales = 0;
  int64_t zero_scales = 0;
  float min_scale = 0.0f;  // Of those that are neither NaN nor zero; 0: none.
  float max_scale = 0.0f;
};

absl::StatusOr<CodeUse> CountCodes(const safetensors::Reader& reader,
                                   const QuantizedTensor& tensor);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_CODE_USE_H_
