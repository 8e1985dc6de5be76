// Any bytes as a quantised safetensors file, of ours or of either layout: an
// error or values, never a crash.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "glog/logging.h"
#include "io/safetensors/fuzz_input.h"
#include "io/safetensors/reader.h"
#include "tools/fp4/code_use.h"
#include "tools/fp4/element_stream.h"
#include "tools/fp4/quantized_file.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::Reader;

void DequantizeTensor(const Reader& reader, const QuantizedTensor& tensor,
                      int64_t chunk_elements) {
  auto stream = ElementStream::Create(reader, tensor, chunk_elements);
  if (!stream.ok()) return;
  int64_t count = 0;
  while (true) {
    const auto values = stream->Next();
    if (!values.ok()) return;
    if (values->empty()) break;
    count += static_cast<int64_t>(values->size());
    stream->Skip(static_cast<int64_t>(values->size()));
  }
  CHECK_EQ(count, tensor.geometry.size());
  const auto use = CountCodes(reader, tensor);
  if (use.ok()) CHECK_EQ(use->codes.total(), count);
}

void DequantizeAll(absl::Span<const uint8_t> bytes) {
  const auto reader = Reader::FromBytes("input", bytes);
  if (!reader.ok()) return;
  const std::optional<Layout> layouts[] = {std::nullopt, Layout::kModelOpt,
                                           Layout::kCompressedTensors};
  for (const auto& layout : layouts) {
    const auto contents = ReadContents(*reader, layout);
    if (!contents.ok()) continue;
    for (const QuantizedTensor& tensor : contents->quantized) {
      DequantizeTensor(*reader, tensor, kChunkElements);
      DequantizeTensor(*reader, tensor, /*chunk_elements=*/32);
    }
  }
}

}  // namespace
}  // namespace cnn_fp4::fp4

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::Span<const uint8_t> bytes(data, size);
  cnn_fp4::fp4::DequantizeAll(bytes);
  cnn_fp4::fp4::DequantizeAll(cnn_fp4::safetensors::WithLengthOfHeader(bytes));
  return 0;
}
