#ifndef TOOLS_FP4_ELEMENT_STREAM_H_
#define TOOLS_FP4_ELEMENT_STREAM_H_

// The elements of a tensor of a file as floats, in order, in pieces of bounded
// size: of a floating-point tensor as they are, of a quantised one
// de-quantised.
//
//   while (true) {
//     absl::StatusOr<absl::Span<const float>> next = stream.Next();
//     if (!next.ok()) return next.status();
//     if (next->empty()) break;
//     Use(*next);
//     stream.Skip(next->size());
//   }

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "io/safetensors/reader.h"
#include "quant/packed_tensor.h"
#include "tools/fp4/float_source.h"
#include "tools/fp4/quantized_file.h"

namespace cnn_fp4::fp4 {

// Elements that are read, quantised or de-quantised at a time: 4 MB of floats.
inline constexpr int64_t kChunkElements = 1 << 20;

class ElementStream {
 public:
  // Both arguments have to outlive the stream. The first takes a tensor of
  // which IsFloatSource holds.
  ElementStream(const safetensors::Reader& reader,
                const safetensors::TensorInfo& plain);
  static absl::StatusOr<ElementStream> Create(
      const safetensors::Reader& reader, const QuantizedTensor& tensor,
      int64_t chunk_elements = kChunkElements);

  int64_t size() const { return size_; }

  // What comes next and is at hand; empty at the end. Valid until Skip.
  absl::StatusOr<absl::Span<const float>> Next();
  // The E2M1 codes of the first elements of Next(), one a byte, as many as
  // `codes` holds. Of a quantised tensor only.
  void Codes(absl::Span<uint8_t> codes) const;
  // n <= Next().size().
  void Skip(int64_t n);

 private:
  ElementStream() = default;
  absl::Status Load();

  const safetensors::Reader* reader_ = nullptr;
  int64_t size_ = 0;
  int64_t position_ = 0;
  // The elements [loaded_begin_, loaded_begin_ + loaded_.size()).
  int64_t loaded_begin_ = 0;
  absl::Span<const float> loaded_;
  // One of the two.
  std::optional<FloatSource> plain_;
  const QuantizedTensor* quantized_ = nullptr;

  std::vector<Chunk> chunks_;
  size_t next_chunk_ = 0;
  quant::PackedTensor packed_;
  std::vector<float> buffer_;
};

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_ELEMENT_STREAM_H_
