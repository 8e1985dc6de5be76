#ifndef QUANT_DTYPE_H_
#define QUANT_DTYPE_H_

// The element types of tensors that the quantiser reads and writes. For
// host and device.

#include <cstdint>

#include "quant/formats/host_device.h"

namespace cnn_fp4::quant {

enum class DType { kFloat32, kFloat16, kBfloat16 };

// Bytes of an element.
CNN_FP4_HOST_DEVICE constexpr int64_t SizeOf(DType dtype) {
  return dtype == DType::kFloat32 ? 4 : 2;
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_DTYPE_H_
