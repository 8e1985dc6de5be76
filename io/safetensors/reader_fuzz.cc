// Any bytes as a safetensors file: an error or a file that is what it says,
// never a crash.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "glog/logging.h"
#include "io/safetensors/fuzz_input.h"
#include "io/safetensors/reader.h"

namespace cnn_fp4::safetensors {
namespace {

void ReadAll(absl::Span<const uint8_t> bytes) {
  const auto reader = Reader::FromBytes("input", bytes);
  if (!reader.ok()) {
    CHECK(!reader.status().message().empty());
    return;
  }
  int64_t covered = 0;
  uint8_t sum = 0;
  Header header;
  header.metadata = reader->metadata();
  for (const TensorInfo& info : reader->tensors()) {
    CHECK_EQ(info.begin, covered);
    covered = info.end;
    CHECK_EQ(*NumBytes(info.dtype, info.shape), info.num_bytes());
    CHECK(reader->Find(info.name) == &info);
    for (const uint8_t byte : reader->Data(info)) sum ^= byte;
    header.tensors.push_back(info);
  }
  volatile uint8_t sink = sum;
  static_cast<void>(sink);
  // What was read can be written, and reads the same.
  const auto text = SerializeHeader("again", header);
  CHECK(text.ok()) << text.status();
  const auto again = ParseHeader("again", text->substr(kLengthBytes), covered);
  CHECK(again.ok()) << again.status();
  CHECK_EQ(again->tensors.size(), header.tensors.size());
  CHECK(again->metadata == header.metadata);
}

}  // namespace
}  // namespace cnn_fp4::safetensors

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cnn_fp4::safetensors::WithLengthOfHeader;
  const absl::Span<const uint8_t> bytes(data, size);
  cnn_fp4::safetensors::ReadAll(bytes);
  const std::vector<uint8_t> mended = WithLengthOfHeader(bytes);
  cnn_fp4::safetensors::ReadAll(mended);
  return 0;
}
