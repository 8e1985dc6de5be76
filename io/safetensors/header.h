#ifndef IO_SAFETENSORS_HEADER_H_
#define IO_SAFETENSORS_HEADER_H_

// The JSON header of a safetensors file: names, types, shapes, offsets and
// free-form metadata.
//
// A file is: the header's length N (8 bytes, little endian), N bytes of JSON
// (padded with spaces), and the data, which the tensors' [begin, end) ranges
// cover exactly: no overlap and no hole. Reading is strict, as the format's
// specification demands, since such files come from strangers: every deviation
// is an InvalidArgument of one line that names the file and the tensor.
//
//   {"__metadata__": {"format": "pt"},
//    "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "io/safetensors/dtype.h"

namespace cnn_fp4::safetensors {

using Metadata = std::map<std::string, std::string>;

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // Empty: a scalar.
  // Bytes in the data section.
  int64_t begin = 0;
  int64_t end = 0;

  int64_t num_bytes() const { return end - begin; }
};

struct Header {
  std::vector<TensorInfo> tensors;  // By `begin`.
  Metadata metadata;
};

// The length field before the header.
constexpr int64_t kLengthBytes = 8;
// Longer headers are refused, as the reference implementation does.
constexpr int64_t kMaxHeaderBytes = 100'000'000;
// Key of the metadata; no tensor can have this name.
inline constexpr absl::string_view kMetadataKey = "__metadata__";

// Product of the extents; 1 for a scalar. InvalidArgument for a negative extent
// or a product over int64.
absl::StatusOr<int64_t> NumElements(absl::Span<const int64_t> shape);

// Bytes of such a tensor. InvalidArgument as above, and when the elements of a
// type below 8 bits do not fill whole bytes.
absl::StatusOr<int64_t> NumBytes(DType dtype, absl::Span<const int64_t> shape);

// Quotes a name for a message: one line, whatever the bytes.
std::string QuoteName(absl::string_view name);

// Parses the N bytes of JSON. `file` is only for messages; `data_bytes` is the
// size of the data section, which the tensors have to cover.
absl::StatusOr<Header> ParseHeader(absl::string_view file,
                                   absl::string_view json, int64_t data_bytes);

// The length field and the JSON, padded so that the data begin at a multiple of
// 8. InvalidArgument for names or metadata that are not UTF-8 and for a header
// over kMaxHeaderBytes. Offsets are taken as they are.
absl::StatusOr<std::string> SerializeHeader(absl::string_view file,
                                            const Header& header);

}  // namespace cnn_fp4::safetensors

#endif  // IO_SAFETENSORS_HEADER_H_
