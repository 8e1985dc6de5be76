#ifndef TOOLS_FP4_COPY_H_
#define TOOLS_FP4_COPY_H_

// Unchanged tensors, and floats as the bytes of a file.

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "io/safetensors/reader.h"
#include "io/safetensors/writer.h"

namespace cnn_fp4::fp4 {

// Copies the tensor in pieces; `advance` is told the bytes of each.
absl::Status CopyTensor(const safetensors::Reader& reader,
                        const safetensors::TensorInfo& info,
                        safetensors::Writer& writer,
                        const std::function<void(int64_t)>& advance);

absl::Span<const uint8_t> AsBytes(absl::Span<const float> values);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_COPY_H_
