#include "telemetry/run.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/console.h"

namespace cnn_fp4::telemetry {
namespace {

// May give way to another record when the queue is full.
bool IsExpendable(const Record& record) {
  return std::holds_alternative<Text>(record.payload) ||
         std::holds_alternative<TableRecord>(record.payload);
}

}  // namespace

Run::Run(std::vector<std::unique_ptr<Sink>> sinks, RunOptions options)
    : options_(options),
      sinks_(std::move(sinks)),
      writer_([this] { WriteLoop(); }) {}

Run::~Run() { Close(); }

void Run::Log(Record record) {
  if (record.time == absl::InfinitePast()) record.time = absl::Now();
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  if (queue_.size() >= options_.max_queued) {
    ++lost_;
    if (expendable_ == 0) return;
    queue_.erase(std::find_if(queue_.begin(), queue_.end(), IsExpendable));
    --expendable_;
  }
  if (IsExpendable(record)) ++expendable_;
  queue_.push_back(std::move(record));
}

void Run::Flush() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return queue_.empty() && !writing_;
  };
  mutex_.Await(absl::Condition(&idle));
}

absl::Status Run::Finish(int exit_code) {
  {
    absl::MutexLock lock(&mutex_);
    // Past the limit of the queue: the exit record is never lost.
    if (!closed_) queue_.push_back({Exit{exit_code}, "", absl::Now()});
  }
  Close();
  return first_error_;
}

int64_t Run::lost() const {
  absl::MutexLock lock(&mutex_);
  return lost_;
}

void Run::Close() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    closed_ = true;
  }
  writer_.join();
  for (size_t i = 0; i < sinks_.size(); ++i) {
    if (sinks_[i] == nullptr) continue;
    const absl::Status status = sinks_[i]->Finish();
    if (!status.ok()) Drop(i, status);
  }
  sinks_.clear();
  if (const int64_t n = lost(); n > 0) {
    base::Console::Stderr().Line(
        absl::StrCat("telemetry: ", n,
                     " records lost: a sink was slower than the training"));
  }
}

void Run::WriteLoop() {
  for (;;) {
    Record record;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !queue_.empty() || closed_;
      };
      mutex_.Await(absl::Condition(&ready));
      if (queue_.empty()) return;
      record = std::move(queue_.front());
      queue_.pop_front();
      if (IsExpendable(record)) --expendable_;
      writing_ = true;
    }
    Deliver(record);
  }
}

void Run::Deliver(const Record& record) {
  for (size_t i = 0; i < sinks_.size(); ++i) {
    if (sinks_[i] == nullptr) continue;
    const absl::Status status = sinks_[i]->Write(record);
    if (!status.ok()) Drop(i, status);
  }
}

void Run::Drop(size_t index, const absl::Status& status) {
  base::Console::Stderr().Line(absl::StrCat(
      "telemetry: ", sinks_[index]->name(), " stopped: ", status.message()));
  if (first_error_.ok()) first_error_ = status;
  sinks_[index].reset();
}

}  // namespace cnn_fp4::telemetry
