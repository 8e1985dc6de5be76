#ifndef TELEMETRY_RUN_H_
#define TELEMETRY_RUN_H_

// The trainer's end of telemetry: Log() puts a record into a queue and returns;
// one thread hands it to every sink.
//
// The first sink is the journal (metrics.jsonl), the run's record. When it
// fails, its record is tried again for some seconds. What is lost all the same
// is counted by a Gap record as soon as the journal can be written, and
// Finish() returns an error. A journal that was removed ends the run: the
// trainer asks journal_status() before each step.
//
// Of the other sinks training neither waits nor dies:
//   - A sink that fails says so on stderr, and at the end how many records it
//     lacks; between the two it gets nothing more.
//   - Log() never blocks on a sink. When `max_queued_bytes` wait (a disk that
//     hangs), the oldest record that is no scalar, statistic of a layer,
//     configuration or end gives way to the new record; when only these wait,
//     the new record is lost and is a gap of the journal.
// Flush() and Finish() do wait for the sinks, a hanging one included.
//
//   std::vector<std::unique_ptr<Sink>> others;
//   others.push_back(std::move(heatmaps));
//   Run run(*std::move(jsonl), std::move(others));
//   run.Log({Scalars{step, {{"loss", loss}}}, "fp16"});
//   absl::Status status = run.Finish(/*exit_code=*/0);

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "telemetry/record.h"
#include "telemetry/sink.h"

namespace cnn_fp4::telemetry {

struct RunOptions {
  size_t max_queued_bytes = size_t{64} << 20;
  // How long a record is tried again that the journal could not write.
  absl::Duration retry_for = absl::Seconds(5);
};

// Thread-safe.
class Run {
 public:
  explicit Run(std::unique_ptr<Sink> journal,
               std::vector<std::unique_ptr<Sink>> others = {},
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

  // Logs Exit{exit_code}, writes everything, closes the sinks. An error if the
  // journal has a gap, could not be closed, or is gone; later calls return the
  // same. Exit has code 1 then.
  absl::Status Finish(int exit_code);

  // Not OK once the journal was removed, so that nobody will find what is
  // measured from now on.
  absl::Status journal_status() const;

  // Records lost so far because the queue was full.
  int64_t lost() const;

 private:
  struct Destination {
    std::unique_ptr<Sink> sink;  // nullptr: it has failed.
    std::string name;
    int64_t missed = 0;  // Records since then.
  };

  void WriteLoop();
  void Close();
  // Whether the journal now has the record.
  bool WriteToJournal(const Record& record);
  // Counts records that the journal lacks, and writes Gap if it can.
  void WriteGap(int64_t newly_lost);
  void Deliver(const Record& record, int64_t lost_before);
  void Drop(Destination& destination, const absl::Status& status);

  const RunOptions options_;

  // Touched by the writer thread only, until it has been joined.
  std::unique_ptr<Sink> journal_;
  std::vector<Destination> others_;
  bool journal_fails_ = false;  // Since its last record.
  int64_t gap_ = 0;             // Records since then.
  int64_t missing_ = 0;         // Records in all.
  absl::Status finish_status_;

  mutable absl::Mutex mutex_;
  absl::Status journal_status_ ABSL_GUARDED_BY(mutex_);
  std::deque<Record> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t expendable_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of those, not yet told to the writer thread.
  int64_t newly_lost_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread writer_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_RUN_H_
