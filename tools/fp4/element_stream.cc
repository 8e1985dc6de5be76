#include "tools/fp4/element_stream.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "quant/quantizer.h"

namespace cnn_fp4::fp4 {

using safetensors::Reader;
using safetensors::TensorInfo;

ElementStream::ElementStream(const Reader& reader, const TensorInfo& plain)
    : reader_(&reader), plain_(FloatSource(reader, plain, NonFinite::kKeep)) {
  const int64_t width = safetensors::DTypeBits(plain.dtype) / 8;
  size_ = plain.num_bytes() / width;
}

absl::StatusOr<ElementStream> ElementStream::Create(
    const Reader& reader, const QuantizedTensor& tensor,
    int64_t chunk_elements) {
  absl::StatusOr<std::vector<Chunk>> chunks =
      tensor.geometry.Chunks(chunk_elements);
  if (!chunks.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        reader.name(), ": tensor ", safetensors::QuoteName(tensor.record.name),
        ": ", chunks.status().message()));
  }
  ElementStream stream;
  stream.reader_ = &reader;
  stream.quantized_ = &tensor;
  stream.size_ = tensor.geometry.size();
  stream.chunks_ = *std::move(chunks);
  return stream;
}

absl::Status ElementStream::Load() {
  loaded_begin_ = position_;
  if (plain_) {
    const int64_t count = std::min(kChunkElements, size_ - position_);
    loaded_ = plain_->Read(position_, count);
    return absl::OkStatus();
  }
  const Chunk& chunk = chunks_[next_chunk_++];
  CHECK_EQ(chunk.begin, position_);
  buffer_.resize(chunk.size);
  packed_ = LoadChunk(*reader_, *quantized_, chunk);
  const absl::Status status =
      quant::Dequantize(packed_, absl::MakeSpan(buffer_));
  if (!status.ok()) {
    return absl::Status(
        status.code(),
        absl::StrCat(reader_->name(), ": tensor ",
                     safetensors::QuoteName(quantized_->record.name), ": ",
                     status.message()));
  }
  reader_->Release(*quantized_->codes,
                   quantized_->geometry.CodesOffset(chunk.begin),
                   quantized_->geometry.CodesBytes(chunk.begin, chunk.size));
  loaded_ = buffer_;
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> ElementStream::Next() {
  if (position_ == size_) return absl::Span<const float>();
  if (position_ == loaded_begin_ + static_cast<int64_t>(loaded_.size())) {
    const absl::Status status = Load();
    if (!status.ok()) return status;
  }
  return loaded_.subspan(position_ - loaded_begin_);
}

void ElementStream::Codes(absl::Span<uint8_t> codes) const {
  CHECK(quantized_ != nullptr);
  const int64_t offset = position_ - loaded_begin_;
  CHECK_LE(offset + static_cast<int64_t>(codes.size()),
           static_cast<int64_t>(loaded_.size()));
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = quant::CodeAt(packed_, offset + static_cast<int64_t>(i));
  }
}

void ElementStream::Skip(int64_t n) {
  position_ += n;
  const int64_t end = loaded_begin_ + static_cast<int64_t>(loaded_.size());
  CHECK_LE(position_, end);
  if (plain_ && position_ == end) {
    plain_->Release(loaded_begin_, loaded_.size());
  }
}

}  // namespace cnn_fp4::fp4
