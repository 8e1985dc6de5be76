#ifndef IO_SAFETENSORS_DTYPE_H_
#define IO_SAFETENSORS_DTYPE_H_

// The element types that a safetensors file can name, and their sizes.
//
// Sizes are in bits, since F4 and F6 elements are smaller than a byte; a tensor
// of them must still fill whole bytes. Source: the `Dtype` enumeration of the
// format's reference implementation (github.com/huggingface/safetensors).

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace cnn_fp4::safetensors {

enum class DType {
  kBool,
  kF4,
  kF6E2m3,
  kF6E3m2,
  kU8,
  kI8,
  kF8E5m2,
  kF8E4m3,
  kF8E8m0,
  kF8E4m3Fnuz,
  kF8E5m2Fnuz,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

// "F32", "F8_E4M3", ...: the name in the file.
absl::string_view DTypeName(DType dtype);

// nullopt for a name that is not one of the above. Case matters.
std::optional<DType> ParseDType(absl::string_view name);

// 4, 6, 8, 16, 32 or 64.
int64_t DTypeBits(DType dtype);

}  // namespace cnn_fp4::safetensors

#endif  // IO_SAFETENSORS_DTYPE_H_
