#include "telemetry/sinks/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::telemetry {
namespace {

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0u);
    }
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();

// Least significant byte first.
template <typename T>
void AppendLittleEndian(T value, std::string* out) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out->push_back(static_cast<char>(value >> (8 * i) & 255));
  }
}

}  // namespace

uint32_t Crc32c(absl::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc = kTable[(crc ^ static_cast<uint8_t>(c)) & 255] ^ crc >> 8;
  }
  return ~crc;
}

uint32_t MaskedCrc32c(absl::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

absl::StatusOr<std::unique_ptr<EventFile>> EventFile::Create(
    const std::string& path) {
  const int fd = ::open(
      path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("creating ", path));
  }
  return std::unique_ptr<EventFile>(new EventFile(path, fd));
}

EventFile::~EventFile() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status EventFile::Append(absl::string_view record) {
  std::string frame;
  frame.reserve(record.size() + 16);
  AppendLittleEndian<uint64_t>(record.size(), &frame);
  AppendLittleEndian<uint32_t>(MaskedCrc32c(frame), &frame);
  absl::StrAppend(&frame, record);
  AppendLittleEndian<uint32_t>(MaskedCrc32c(record), &frame);
  absl::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status EventFile::Close() {
  const int fd = std::exchange(fd_, -1);
  if (fd < 0 || ::close(fd) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("closing ", path_));
}

}  // namespace cnn_fp4::telemetry
