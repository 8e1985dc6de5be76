#ifndef TELEMETRY_RUN_H_
#define TELEMETRY_RUN_H_

// The trainer's end of telemetry: Log() puts a record into a bounded queue and
// returns; one thread hands it to every sink.
//
// Training neither waits for telemetry nor dies of it:
//   - A sink that fails says so once on stderr and gets nothing more.
//   - Log() never blocks on a sink. When `max_queued` records wait (a disk that
//     hangs), the oldest text or table gives way to the new record; when only
//     other records wait, the new record is lost. Both are counted and said on
//     stderr at Finish().
// Flush() and Finish() do wait for the sinks, a hanging one included.
//
//   std::vector<std::unique_ptr<Sink>> sinks;
//   sinks.push_back(*std::move(jsonl));
//   Run run(std::move(sinks));
//   run.Log({Scalars{step, {{"loss", loss}}}, "fp16"});
//   absl::Status status = run.Finish(/*exit_code=*/0);

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "telemetry/record.h"
#include "telemetry/sink.h"

namespace cnn_fp4::telemetry {

struct RunOptions {
  size_t max_queued = 65536;
};

// Thread-safe.
class Run {
 public:
  explicit Run(std::vector<std::unique_ptr<Sink>> sinks,
               RunOptions options = {});

  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Writes what is queued and closes the sinks. Without Finish() no exit record
  // is written: the reader sees a run that was cut off.
  ~Run();

  // Records after Finish() are ignored.
  void Log(Record record);

  // Returns when everything logged so far has been written. Call it before a
  // checkpoint takes its final name, so that a resumed run has no gap.
  void Flush();

  // Logs Exit{exit_code}, writes everything, closes the sinks. Returns the
  // first error that any sink had during the run; later calls return the same.
  absl::Status Finish(int exit_code);

  // Records lost so far because the queue was full.
  int64_t lost() const;

 private:
  void WriteLoop();
  void Close();
  // Writes to every sink that is still alive.
  void Deliver(const Record& record);
  void Drop(size_t index, const absl::Status& status);

  const RunOptions options_;

  // Touched by the writer thread only, until it has been joined.
  std::vector<std::unique_ptr<Sink>> sinks_;
  absl::Status first_error_;

  mutable absl::Mutex mutex_;
  std::deque<Record> queue_ ABSL_GUARDED_BY(mutex_);
  size_t expendable_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread writer_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_RUN_H_
