#ifndef QUANT_TENSOR_VIEW_H_
#define QUANT_TENSOR_VIEW_H_

// A dense tensor of FP32, FP16 or BF16 elements that someone else owns. The
// narrow types are passed as their bits.
//
//   TensorView::Bfloat16(bits)            absl::Span<const uint16_t>
//   MutableTensorView::Float32(values)    absl::Span<float>

#include <cstdint>

#include "absl/types/span.h"

namespace cnn_fp4::quant {

enum class DType { kFloat32, kFloat16, kBfloat16 };

// Bytes of an element.
constexpr int64_t SizeOf(DType dtype) {
  return dtype == DType::kFloat32 ? 4 : 2;
}

struct TensorView {
  DType dtype = DType::kFloat32;
  const void* data = nullptr;
  int64_t size = 0;  // Elements.

  static TensorView Float32(absl::Span<const float> x) {
    return {DType::kFloat32, x.data(), static_cast<int64_t>(x.size())};
  }
  static TensorView Float16(absl::Span<const uint16_t> x) {
    return {DType::kFloat16, x.data(), static_cast<int64_t>(x.size())};
  }
  static TensorView Bfloat16(absl::Span<const uint16_t> x) {
    return {DType::kBfloat16, x.data(), static_cast<int64_t>(x.size())};
  }
};

struct MutableTensorView {
  DType dtype = DType::kFloat32;
  void* data = nullptr;
  int64_t size = 0;  // Elements.

  static MutableTensorView Float32(absl::Span<float> x) {
    return {DType::kFloat32, x.data(), static_cast<int64_t>(x.size())};
  }
  static MutableTensorView Float16(absl::Span<uint16_t> x) {
    return {DType::kFloat16, x.data(), static_cast<int64_t>(x.size())};
  }
  static MutableTensorView Bfloat16(absl::Span<uint16_t> x) {
    return {DType::kBfloat16, x.data(), static_cast<int64_t>(x.size())};
  }
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_TENSOR_VIEW_H_
