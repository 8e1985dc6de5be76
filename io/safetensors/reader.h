#ifndef IO_SAFETENSORS_READER_H_
#define IO_SAFETENSORS_READER_H_

// A safetensors file, memory-mapped: opening costs the header, and a tensor's
// pages are read when they are touched, so a file may be larger than memory.
//
//   absl::StatusOr<Reader> reader = Reader::Open("model.safetensors");
//   for (const TensorInfo& info : reader->tensors()) {
//     Use(reader->Data(info));
//     reader->Release(info);  // Gives the pages back.
//   }
//
// Limits: the file must not shrink while it is open (the kernel answers with
// SIGBUS). Data are not aligned beyond what the file happens to have.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "io/safetensors/header.h"

namespace cnn_fp4::safetensors {

class Reader {
 public:
  // NotFound, PermissionDenied, ... for a file that cannot be read;
  // InvalidArgument, naming file and tensor, for one that is not well-formed.
  static absl::StatusOr<Reader> Open(const std::string& path);

  // The same over bytes that the caller keeps alive. `name` is for messages.
  static absl::StatusOr<Reader> FromBytes(std::string name,
                                          absl::Span<const uint8_t> bytes);

  Reader(Reader&&) = default;
  Reader& operator=(Reader&&) = default;

  const std::string& name() const { return name_; }
  const Metadata& metadata() const { return header_.metadata; }
  // In the order of their data.
  absl::Span<const TensorInfo> tensors() const { return header_.tensors; }
  // nullptr if there is none. Valid as long as the reader.
  const TensorInfo* Find(absl::string_view tensor) const;

  // The tensor's bytes. `info` is one of tensors().
  absl::Span<const uint8_t> Data(const TensorInfo& info) const;

  // Tells the kernel that the bytes [offset, offset + size) of the tensor will
  // not be needed soon: they no longer count as this process's memory. Reading
  // them again is correct, but slow. Partial pages at the ends are kept.
  void Release(const TensorInfo& info, int64_t offset, int64_t size) const;
  void Release(const TensorInfo& info) const {
    Release(info, 0, info.num_bytes());
  }

 private:
  // A mapping; empty for FromBytes.
  class Mapping;

  Reader() = default;
  absl::Status ReadHeader(absl::Span<const uint8_t> bytes);

  std::string name_;
  std::shared_ptr<const Mapping> mapping_;
  Header header_;
  absl::Span<const uint8_t> data_;
  absl::flat_hash_map<std::string, size_t> index_;
};

}  // namespace cnn_fp4::safetensors

#endif  // IO_SAFETENSORS_READER_H_
