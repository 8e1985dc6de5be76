#ifndef TELEMETRY_SINKS_WANDB_FILE_H_
#define TELEMETRY_SINKS_WANDB_FILE_H_

// The framing of W&B's run files (run-ID.wandb): LevelDB's log in blocks of 32
// KiB, after a header of 7 bytes that belongs to the first block, with plain
// CRC-32. A file that was cut off anywhere is read up to its last whole record.
//
//   auto file = WandbFile::Create(directory + "/run-abcd1234.wandb");
//   absl::Status status = (*file)->Append(record.SerializeAsString());

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::telemetry {

class WandbFile {
 public:
  // A new file with its header. AlreadyExists if there is one.
  static absl::StatusOr<std::unique_ptr<WandbFile>> Create(
      const std::string& path);

  ~WandbFile();

  // Written is flushed: one write(2) of a whole record.
  absl::Status Append(absl::string_view record);

  // Fills a last block that has less room than a chunk's header: one of W&B's
  // readers takes such an end for damage.
  absl::Status Close();

 private:
  WandbFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  absl::Status Write(absl::string_view bytes);

  const std::string path_;
  int fd_;
  size_t size_ = 0;  // Of the file.
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_WANDB_FILE_H_
