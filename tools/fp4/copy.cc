#include "tools/fp4/copy.h"

#include <algorithm>

namespace cnn_fp4::fp4 {
namespace {

constexpr int64_t kPieceBytes = 4 << 20;

}  // namespace

absl::Status CopyTensor(const safetensors::Reader& reader,
                        const safetensors::TensorInfo& info,
                        safetensors::Writer& writer,
                        const std::function<void(int64_t)>& advance) {
  const absl::Span<const uint8_t> data = reader.Data(info);
  for (int64_t begin = 0; begin < info.num_bytes(); begin += kPieceBytes) {
    const int64_t size = std::min(kPieceBytes, info.num_bytes() - begin);
    const absl::Status status =
        writer.Write(info.name, begin, data.subspan(begin, size));
    if (!status.ok()) return status;
    reader.Release(info, begin, size);
    advance(size);
  }
  return absl::OkStatus();
}

absl::Span<const uint8_t> AsBytes(absl::Span<const float> values) {
  return {reinterpret_cast<const uint8_t*>(values.data()),
          values.size() * sizeof(float)};
}

}  // namespace cnn_fp4::fp4
