#ifndef BASE_PROGRESS_H_
#define BASE_PROGRESS_H_

// Progress of a long loop, on stderr.
//
//   bar    one line that redraws itself, at most ten times a second:
//          fp16:  45%|####5     | 72/160 [00:31<00:38, 2.31step/s, loss=0.41]
//   lines  a complete line at the start, at most every 10 s, at each
//   Milestone()
//          and at the end; no '\r', no colour: for files, Slurm, Kubernetes:
//          2026-08-21 22:02:13 fp16 72/160 45% elapsed=00:31 eta=00:38
//          rate=2.31step/s loss=0.41                      (on one line)
//   json   the same moments as lines, an object each, for programs:
//          {"time":1787349733.5,"description":"fp16","done":72,"total":160,...}
//          What else is said is still text; an object begins with '{'.
//   off    nothing but Message().
//   auto   bar, or lines where CI is set.
//
// Without a terminal, or with TERM=dumb, a bar becomes lines.
//
// Update() stores numbers; a thread of its own draws, so the loop never waits
// for a slow terminal. The rate is an exponential moving average (0.3, as
// tqdm), and the estimate of the time left stays "?" for the first three steps.
//
//   Progress progress(ProgressMode::kAuto, "fp16", /*total=*/160);
//   for (int64_t step = 1; step <= 160; ++step) {
//     progress.Update(step, {{"loss", loss}});
//     if (validated) progress.Milestone({{"mIoU", miou}});
//   }
//   progress.Finish();

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/console.h"
#include "base/progress_format.h"

namespace cnn_fp4::base {

enum class ProgressMode { kAuto, kBar, kLines, kJson, kOff };

// "auto", "bar", "lines", "json", "off". InvalidArgument, listing these, for
// others.
absl::StatusOr<ProgressMode> ParseProgressMode(absl::string_view name);

// kBar, kLines, kJson or kOff: what the mode means on this console.
ProgressMode ResolveProgressMode(ProgressMode mode, const Console& console);

struct ProgressOptions {
  // Of one item: "step", "image", "B".
  std::string unit = "step";
  // Counts and rate with SI prefixes: "412MB/s".
  bool unit_scale = false;
  // Items done before this process started (a resumed run): not part of the
  // rate.
  int64_t initial = 0;
  absl::Duration redraw_interval = absl::Milliseconds(100);
  absl::Duration line_interval = absl::Seconds(10);
  // Where to draw; not owned. nullptr: Console::Stderr().
  Console* console = nullptr;
};

// Thread-safe. One bar at a time on one console: the newest is drawn.
class Progress {
 public:
  // total <= 0: unknown; count and rate only.
  Progress(ProgressMode mode, absl::string_view description, int64_t total,
           ProgressOptions options = {});

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Finishes.
  ~Progress();

  // n items are done. A field keeps its value until it is set again; fields
  // show in the order of their first use.
  void Update(int64_t n, std::vector<ProgressField> fields = {});

  // Something worth a line of its own in a log: a validation. In lines mode the
  // line is written before this returns.
  void Milestone(std::vector<ProgressField> fields = {});

  // A line of text above the bar, or just a line.
  void Message(absl::string_view line);

  // Draws the last state and leaves it. Nothing is drawn afterwards.
  void Finish();

 private:
  void DrawLoop();
  // kLines or kJson.
  bool WritesLines() const;
  void SetFields(std::vector<ProgressField> fields)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ProgressState Snapshot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DrawBar(const ProgressState& state);
  void WriteLine(const ProgressState& state);

  const ProgressOptions options_;
  Console* const console_;
  const ProgressMode mode_;
  const absl::Time start_;

  absl::Mutex mutex_;
  ProgressState state_ ABSL_GUARDED_BY(mutex_);
  RateEstimate rate_ ABSL_GUARDED_BY(mutex_);
  // Up to where rate_ has counted.
  int64_t rated_ ABSL_GUARDED_BY(mutex_);
  absl::Time rated_at_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_line_ ABSL_GUARDED_BY(mutex_);
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread drawer_;
};

}  // namespace cnn_fp4::base

#endif  // BASE_PROGRESS_H_
