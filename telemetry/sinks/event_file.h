#ifndef TELEMETRY_SINKS_EVENT_FILE_H_
#define TELEMETRY_SINKS_EVENT_FILE_H_

// The framing of TensorBoard's event files (TFRecord): for each record its
// length, a checksum of the length, the bytes, and a checksum of the bytes. The
// checksums are CRC-32C, masked. A file that was cut off anywhere is read up to
// its last whole record.
//
//   auto file = EventFile::Create(directory + "/events.out.tfevents.1.host");
//   absl::Status status = (*file)->Append(event.SerializeAsString());

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::telemetry {

class EventFile {
 public:
  // A new file. AlreadyExists if there is one.
  static absl::StatusOr<std::unique_ptr<EventFile>> Create(
      const std::string& path);

  ~EventFile();

  // Written is flushed: one write(2) of a whole record.
  absl::Status Append(absl::string_view record);

  absl::Status Close();

 private:
  EventFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  int fd_;
};

// CRC-32C (Castagnoli), and TFRecord's masked form of it.
uint32_t Crc32c(absl::string_view bytes);
uint32_t MaskedCrc32c(absl::string_view bytes);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_EVENT_FILE_H_
