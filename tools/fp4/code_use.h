#ifndef TOOLS_FP4_CODE_USE_H_
#define TOOLS_FP4_CODE_USE_H_

// How a quantised tensor uses the sixteen codes and its scales.

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "tools/fp4/quantized_file.h"
#include "tools/safetensors/reader.h"

namespace cnn_fp4::fp4 {

struct CodeUse {
  std::array<int64_t, 16> counts = {};
  // Stored block scales, before the tensor scale; NaNs are only counted.
  int64_t num_scales = 0;
  int64_t nan_scales = 0;
  int64_t zero_scales = 0;
  float min_scale = 0.0f;  // Of those that are neither NaN nor zero; 0: none.
  float max_scale = 0.0f;

  int64_t total() const;
  int codes_used() const;
  // Of the codes' distribution, in bits an element: 0..4.
  double entropy() const;
  double zero_share() const;       // Codes 0 and 8, 0..1.
  double saturated_share() const;  // Codes 7 and 15: +-6, 0..1.
};

absl::StatusOr<CodeUse> CountCodes(const safetensors::Reader& reader,
                                   const QuantizedTensor& tensor);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_CODE_USE_H_
