#ifndef TOOLS_FP4_FLOAT_SOURCE_H_
#define TOOLS_FP4_FLOAT_SOURCE_H_

// The elements of an F32, F16 or BF16 tensor of a file, as floats or as they
// are. Both conversions are exact. F32 that is aligned is not copied.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "io/safetensors/reader.h"
#include "quant/tensor_view.h"

namespace cnn_fp4::fp4 {

// Exact, subnormals and NaN payloads (shifted to the top) included.
void Float16ToFloat32(absl::Span<const uint8_t> half, absl::Span<float> out);
void Bfloat16ToFloat32(absl::Span<const uint8_t> half, absl::Span<float> out);

// Whether FloatSource can read the type.
bool IsFloatSource(safetensors::DType dtype);

enum class NonFinite {
  kKeep,      // As they are.
  kSaturate,  // NaN -> 0, +-Inf -> +-FLT_MAX.
};

class FloatSource {
 public:
  // `reader` and `info`, of which IsFloatSource holds, have to outlive this.
  FloatSource(const safetensors::Reader& reader,
              const safetensors::TensorInfo& info, NonFinite nonfinite)
      : reader_(&reader), info_(&info), nonfinite_(nonfinite) {}

  // Elements [begin, begin + size); valid until the next call.
  absl::Span<const float> Read(int64_t begin, int64_t size);

  // The same elements in the file's own type, as they are there, where they are
  // aligned for it; else as Read gives them.
  quant::TensorView View(int64_t begin, int64_t size);

  // InvalidArgument naming tensor, index and remedy for the first NaN or
  // infinity among these elements, under kKeep. Slow: to explain a refusal.
  absl::Status CheckFinite(int64_t begin, int64_t size);

  // Gives the memory of these elements' file pages back.
  void Release(int64_t begin, int64_t size) const;

 private:
  const safetensors::Reader* reader_;
  const safetensors::TensorInfo* info_;
  NonFinite nonfinite_;
  std::vector<float> buffer_;
};

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_FLOAT_SOURCE_H_
