#include "io/safetensors/reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace cnn_fp4::safetensors {

class Reader::Mapping {
 public:
  Mapping(void* begin, size_t size) : begin_(begin), size_(size) {}
  ~Mapping() {
    if (size_ != 0) munmap(begin_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  absl::Span<const uint8_t> bytes() const {
    return {static_cast<const uint8_t*>(begin_), size_};
  }

 private:
  void* begin_;
  size_t size_;
};

absl::StatusOr<Reader> Reader::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  }
  const auto closer = absl::MakeCleanup([fd] { close(fd); });
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot stat"));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a regular file"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* begin = nullptr;
  // An empty mapping is an error; an empty file gets ReadHeader's message.
  if (size != 0) {
    begin = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (begin == MAP_FAILED) {
      return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot map"));
    }
    madvise(begin, size, MADV_SEQUENTIAL);
  }
  Reader reader;
  reader.name_ = path;
  reader.mapping_ = std::make_shared<const Mapping>(begin, size);
  const absl::Status status = reader.ReadHeader(reader.mapping_->bytes());
  if (!status.ok()) return status;
  return reader;
}

absl::StatusOr<Reader> Reader::FromBytes(std::string name,
                                         absl::Span<const uint8_t> bytes) {
  Reader reader;
  reader.name_ = std::move(name);
  const absl::Status status = reader.ReadHeader(bytes);
  if (!status.ok()) return status;
  return reader;
}

absl::Status Reader::ReadHeader(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": ", bytes.size(),
                     " bytes are too few for a safetensors file"));
  }
  uint64_t length = 0;
  for (int i = 0; i < kLengthBytes; ++i) length |= uint64_t{bytes[i]} << 8 * i;
  if (length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": header length ", length, " exceeds ",
                     kMaxHeaderBytes, "; not a safetensors file?"));
  }
  bytes.remove_prefix(kLengthBytes);
  if (length > bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": header length ", length, " exceeds the ",
                     bytes.size(), " bytes after it; is the file truncated?"));
  }
  data_ = bytes.subspan(length);
  const absl::string_view json(reinterpret_cast<const char*>(bytes.data()),
                               length);
  absl::StatusOr<Header> header =
      ParseHeader(name_, json, static_cast<int64_t>(data_.size()));
  if (!header.ok()) return header.status();
  header_ = *std::move(header);
  index_.reserve(header_.tensors.size());
  for (size_t i = 0; i < header_.tensors.size(); ++i) {
    index_[header_.tensors[i].name] = i;
  }
  return absl::OkStatus();
}

const TensorInfo* Reader::Find(absl::string_view tensor) const {
  const auto found = index_.find(tensor);
  return found == index_.end() ? nullptr : &header_.tensors[found->second];
}

absl::Span<const uint8_t> Reader::Data(const TensorInfo& info) const {
  CHECK_LE(static_cast<size_t>(info.end), data_.size()) << info.name;
  return data_.subspan(info.begin, info.num_bytes());
}

void Reader::Release(const TensorInfo& info, int64_t offset,
                     int64_t size) const {
  if (mapping_ == nullptr) return;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const absl::Span<const uint8_t> part = Data(info).subspan(offset, size);
  const auto address = reinterpret_cast<uintptr_t>(part.data());
  const uintptr_t begin = (address + page - 1) / page * page;
  const uintptr_t end = (address + part.size()) / page * page;
  if (begin >= end) return;
  // Advice: a refusal costs memory, not correctness.
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace cnn_fp4::safetensors
