#ifndef QUANT_TENSOR_VIEW_H_
#define QUANT_TENSOR_VIEW_H_

// A dense tensor of FP32, FP16 or BF16 elements that someone else owns, in the
// memory of the device that it names. The narrow types are passed as their
// bits.
//
//   TensorView::Bfloat16(bits)            absl::Span<const uint16_t>
//   MutableTensorView::Float32(values)    absl::Span<float>
//   TensorView{DType::kFloat32, pointer, size, Device::kCuda}

#include <cstdint>

#include "absl/types/span.h"
#include "quant/dtype.h"

namespace cnn_fp4::quant {

// Whose memory a pointer belongs to. Functions that are given views of a device
// run there, if an implementation is linked (quant/device_quantizer.h).
enum class Device { kCpu, kCuda };

struct TensorView {
  DType dtype = DType::kFloat32;
  const void* data = nullptr;
  int64_t size = 0;  // Elements.
  Device device = Device::kCpu;

  static TensorView Float32(absl::Span<const float> x) {
    return {DType::kFloat32, x.data(), static_cast<int64_t>(x.size()),
            Device::kCpu};
  }
  static TensorView Float16(absl::Span<const uint16_t> x) {
    return {DType::kFloat16, x.data(), static_cast<int64_t>(x.size()),
            Device::kCpu};
  }
  static TensorView Bfloat16(absl::Span<const uint16_t> x) {
    return {DType::kBfloat16, x.data(), static_cast<int64_t>(x.size()),
            Device::kCpu};
  }
};

struct MutableTensorView {
  DType dtype = DType::kFloat32;
  void* data = nullptr;
  int64_t size = 0;  // Elements.
  Device device = Device::kCpu;

  static MutableTensorView Float32(absl::Span<float> x) {
    return {DType::kFloat32, x.data(), static_cast<int64_t>(x.size()),
            Device::kCpu};
  }
  static MutableTensorView Float16(absl::Span<uint16_t> x) {
    return {DType::kFloat16, x.data(), static_cast<int64_t>(x.size()),
            Device::kCpu};
  }
  static MutableTensorView Bfloat16(absl::Span<uint16_t> x) {
    return {DType::kBfloat16, x.data(), static_cast<int64_t>(x.size()),
            Device::kCpu};
  }
};

// The parts of a quantised tensor (quant/packed_tensor.h) in memory that
// someone else owns: where Quantize writes them and Dequantize reads them.
struct QuantizedView {
  uint8_t* codes = nullptr;  // (size + 1) / 2 bytes.
  // One a block, in the format that the recipe has: bits of E4M3 or E8M0, or
  // FP32. The other is null.
  uint8_t* scales = nullptr;
  float* scales_float32 = nullptr;
  float* tensor_scales = nullptr;  // One, or one a row.
  // Scales lie in the 128x4 order of quant/scale_swizzle.h, with its padding.
  bool swizzled = false;
  Device device = Device::kCpu;
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_TENSOR_VIEW_H_
