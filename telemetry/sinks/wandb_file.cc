#include "telemetry/sinks/wandb_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::telemetry {
namespace {

// ":W&B", W&B's magic number 0xbee1, version 0.
constexpr absl::string_view kHeader{":W&B\xe1\xbe\0", 7};

constexpr size_t kBlockSize = 32768;
constexpr size_t kChunkHeaderSize = 7;

enum ChunkType : char { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

void AppendChunk(ChunkType type, absl::string_view data, std::string* out) {
  const std::string checked = absl::StrCat(std::string(1, type), data);
  const uint32_t crc =
      crc32(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
  for (int i = 0; i < 4; ++i) out->push_back(static_cast<char>(crc >> 8 * i));
  out->push_back(static_cast<char>(data.size()));
  out->push_back(static_cast<char>(data.size() >> 8));
  absl::StrAppend(out, checked);
}

}  // namespace

absl::StatusOr<std::unique_ptr<WandbFile>> WandbFile::Create(
    const std::string& path) {
  const int fd = ::open(
      path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("creating ", path));
  }
  std::unique_ptr<WandbFile> file(new WandbFile(path, fd));
  if (absl::Status status = file->Write(kHeader); !status.ok()) return status;
  return file;
}

WandbFile::~WandbFile() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status WandbFile::Append(absl::string_view record) {
  std::string bytes;
  bool first = true;
  do {
    size_t room = kBlockSize - (size_ + bytes.size()) % kBlockSize;
    if (room < kChunkHeaderSize) {
      bytes.append(room, '\0');
      room = kBlockSize;
    }
    const absl::string_view part = record.substr(0, room - kChunkHeaderSize);
    record.remove_prefix(part.size());
    const bool last = record.empty();
    AppendChunk(first ? (last ? kFull : kFirst) : (last ? kLast : kMiddle),
                part, &bytes);
    first = false;
  } while (!record.empty());
  return Write(bytes);
}

absl::Status WandbFile::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
    }
    size_ += static_cast<size_t>(n);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status WandbFile::Close() {
  if (fd_ < 0) return absl::OkStatus();
  const size_t room = kBlockSize - size_ % kBlockSize;
  absl::Status status;
  if (room < kChunkHeaderSize) status = Write(std::string(room, '\0'));
  if (::close(std::exchange(fd_, -1)) != 0) {
    status.Update(absl::ErrnoToStatus(errno, absl::StrCat("closing ", path_)));
  }
  return status;
}

}  // namespace cnn_fp4::telemetry
