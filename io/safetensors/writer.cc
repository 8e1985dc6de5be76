#include "io/safetensors/writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace cnn_fp4::safetensors {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string TemporaryPattern(const std::string& path) {
  const size_t slash = path.rfind('/');
  const size_t base = slash == std::string::npos ? 0 : slash + 1;
  return absl::StrCat(path.substr(0, base), ".", path.substr(base), ".XXXXXX");
}

// The permissions of the file that is replaced, or those of a new file.
absl::StatusOr<mode_t> ModeFor(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0) {
    if (!S_ISREG(info.st_mode)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": exists and is not a regular file"));
    }
    return info.st_mode & 07777;
  }
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

// Lays the tensors out and fills in their offsets.
absl::StatusOr<Header> Layout(const std::string& path,
                              std::vector<TensorSpec> tensors,
                              const Metadata& metadata) {
  Header header;
  header.metadata = metadata;
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const TensorSpec& a, const TensorSpec& b) {
                     return DTypeBits(a.dtype) > DTypeBits(b.dtype);
                   });
  int64_t offset = 0;
  for (TensorSpec& spec : tensors) {
    const auto bad = [&](absl::string_view message) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor ", QuoteName(spec.name), ": ", message));
    };
    if (spec.name == kMetadataKey) return bad("the name is reserved");
    const absl::StatusOr<int64_t> bytes = NumBytes(spec.dtype, spec.shape);
    if (!bytes.ok()) return bad(bytes.status().message());
    TensorInfo info;
    info.begin = offset;
    if (__builtin_add_overflow(offset, *bytes, &offset)) {
      return bad("the file would exceed 64 bits");
    }
    info.end = offset;
    info.dtype = spec.dtype;
    info.shape = std::move(spec.shape);
    info.name = std::move(spec.name);
    header.tensors.push_back(std::move(info));
  }
  return header;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Writer>> Writer::Create(
    const std::string& path, std::vector<TensorSpec> tensors,
    const Metadata& metadata) {
  const absl::StatusOr<Header> header =
      Layout(path, std::move(tensors), metadata);
  if (!header.ok()) return header.status();
  auto writer = absl::WrapUnique(new Writer);
  writer->path_ = path;
  absl::StatusOr<std::string> text = SerializeHeader(path, *header);
  if (!text.ok()) return text.status();
  const auto data_begin = static_cast<int64_t>(text->size());
  int64_t size = data_begin;
  for (const TensorInfo& info : header->tensors) {
    const Progress progress = {data_begin + info.begin, info.num_bytes(), 0};
    if (!writer->tensors_.emplace(info.name, progress).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": two tensors are named ", QuoteName(info.name)));
    }
    size += info.num_bytes();
  }
  absl::Status status = writer->Open(size);
  if (!status.ok()) return status;
  status = writer->WriteAt(
      0, {reinterpret_cast<const uint8_t*>(text->data()), text->size()});
  if (!status.ok()) return status;
  return writer;
}

absl::Status Writer::Open(int64_t size) {
  const absl::StatusOr<mode_t> mode = ModeFor(path_);
  if (!mode.ok()) return mode.status();
  std::string name = TemporaryPattern(path_);
  fd_ = mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot create"));
  }
  temporary_ = std::move(name);
  if (fchmod(fd_, *mode) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot chmod"));
  }
  // A full disk is better noticed now than after the work. Not every file
  // system can reserve.
  if (fallocate(fd_, 0, 0, size) != 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat(path_, ": cannot reserve ", size, " bytes"));
  }
  return absl::OkStatus();
}

Writer::~Writer() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status Writer::Write(absl::string_view tensor, int64_t offset,
                           absl::Span<const uint8_t> bytes) {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": no tensor ", QuoteName(tensor)));
  }
  Progress& progress = found->second;
  const auto size = static_cast<int64_t>(bytes.size());
  if (offset < 0 || offset > progress.size || size > progress.size - offset) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": tensor ", QuoteName(tensor), ": bytes [", offset,
                     ", +", size, ") are outside its ", progress.size));
  }
  const absl::Status status = WriteAt(progress.begin + offset, bytes);
  if (status.ok()) progress.written += size;
  return status;
}

absl::Status Writer::WriteAt(int64_t position,
                             absl::Span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = pwrite(fd_, bytes.data(), bytes.size(), position);
    if (done < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot write"));
    }
    bytes.remove_prefix(done);
    position += done;
  }
  return absl::OkStatus();
}

absl::Status Writer::Finish() {
  for (const auto& [name, progress] : tensors_) {
    if (progress.written != progress.size) {
      return absl::FailedPreconditionError(absl::StrCat(
          path_, ": tensor ", QuoteName(name), ": ", progress.written, " of ",
          progress.size, " bytes were written"));
    }
  }
  const auto error = [&](absl::string_view what) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot ", what));
  };
  if (fsync(fd_) != 0) return error("sync");
  if (close(std::exchange(fd_, -1)) != 0) return error("close");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return error("rename");
  temporary_.clear();
  // The rename is durable once its directory is.
  const int directory = open(DirectoryOf(path_).c_str(), O_RDONLY | O_CLOEXEC);
  if (directory < 0) return error("open the directory");
  const auto closer = absl::MakeCleanup([directory] { close(directory); });
  // Some file systems cannot sync a directory; they say EINVAL.
  if (fsync(directory) != 0 && errno != EINVAL) {
    return error("sync the directory");
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::safetensors
