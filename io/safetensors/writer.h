#ifndef IO_SAFETENSORS_WRITER_H_
#define IO_SAFETENSORS_WRITER_H_

// Writes a safetensors file piece by piece, so that no tensor needs to be in
// memory as a whole.
//
//   auto writer = Writer::Create("out.safetensors",
//                                {{"w", DType::kF32, {2, 3}}}, {});
//   status = (*writer)->Write("w", 0, bytes);   // In any order and pieces.
//   status = (*writer)->Finish();
//
// The bytes go to a temporary file in the same directory, which Finish syncs
// and renames. Without a successful Finish the temporary file is removed and an
// existing file of the final name stays as it was. (A killed process leaves
// `.NAME.XXXXXX` behind.)

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "io/safetensors/header.h"

namespace cnn_fp4::safetensors {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
};

class Writer {
 public:
  // Reserves the space on disk and writes the header. Tensors of wider types
  // come first, so that each is aligned to its element size; otherwise the
  // order is kept. InvalidArgument for a name given twice or reserved, a shape
  // that overflows, or a path that exists and is not a regular file; the
  // system's error, naming the path, when it cannot be written.
  static absl::StatusOr<std::unique_ptr<Writer>> Create(
      const std::string& path, std::vector<TensorSpec> tensors,
      const Metadata& metadata);

  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Writes `bytes` at `offset` in the tensor's data. Every byte has to be
  // written once. InvalidArgument for an unknown name or a range outside it.
  absl::Status Write(absl::string_view tensor, int64_t offset,
                     absl::Span<const uint8_t> bytes);

  // FailedPrecondition if a tensor is not complete. To be called once.
  absl::Status Finish();

 private:
  struct Progress {
    int64_t begin;  // In the file.
    int64_t size;
    int64_t written;
  };

  Writer() = default;
  absl::Status Open(int64_t size);
  absl::Status WriteAt(int64_t position, absl::Span<const uint8_t> bytes);

  std::string path_;
  std::string temporary_;  // Empty: nothing to remove.
  int fd_ = -1;
  absl::flat_hash_map<std::string, Progress> tensors_;
};

}  // namespace cnn_fp4::safetensors

#endif  // IO_SAFETENSORS_WRITER_H_
