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
         std::holds_alternative<TableRecord>(record.payload) ||
         std::holds_alternative<Image>(record.payload) ||
         std::holds_alternative<Html>(record.payload) ||
         std::holds_alternative<Figure>(record.payload) ||
         std::holds_alternative<WeightSample>(record.payload) ||
         std::holds_alternative<SystemStats>(record.payload) ||
         std::holds_alternative<LayerHistogram>(record.payload);
}

void Say(absl::string_view text) {
  base::Console::Stderr().Line(absl::StrCat("telemetry: ", text));
}

// Whether another try may help: not if the file is gone, and not if the record
// itself is at fault.
bool MayPass(const absl::Status& status) {
  return !absl::IsNotFound(status) && !absl::IsInvalidArgument(status);
}

}  // namespace

Run::Run(std::unique_ptr<Sink> journal,
         std::vector<std::unique_ptr<Sink>> others, RunOptions options)
    : options_(options), journal_(std::move(journal)) {
  for (std::unique_ptr<Sink>& sink : others) {
    std::string name = sink->name();
    others_.push_back({std::move(sink), std::move(name)});
  }
  writer_ = std::thread([this] { WriteLoop(); });
}

Run::~Run() { Close(); }

void Run::Log(Record record) {
  if (record.time == absl::InfinitePast()) record.time = absl::Now();
  const size_t bytes = Bytes(record);
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  while (queued_bytes_ + bytes > options_.max_queued_bytes && !queue_.empty()) {
    ++lost_;
    ++newly_lost_;
    if (expendable_ == 0) return;
    const auto oldest =
        std::find_if(queue_.begin(), queue_.end(), IsExpendable);
    queued_bytes_ -= Bytes(*oldest);
    queue_.erase(oldest);
    --expendable_;
  }
  if (IsExpendable(record)) ++expendable_;
  queued_bytes_ += bytes;
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
  return finish_status_;
}

absl::Status Run::journal_status() const {
  absl::MutexLock lock(&mutex_);
  return journal_status_;
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
  if (journal_ != nullptr) finish_status_ = journal_->Finish();
  if (missing_ > 0) {
    finish_status_.Update(absl::DataLossError(absl::StrCat(
        missing_, " records are missing from the record of the run, ",
        journal_ == nullptr ? "which is gone" : journal_->name())));
  }
  for (Destination& other : others_) {
    if (other.sink != nullptr) {
      if (const absl::Status status = other.sink->Finish(); !status.ok()) {
        Drop(other, status);
      }
    } else {
      Say(absl::StrCat(other.name, " lacks the last ", other.missed,
                       " records"));
    }
  }
  others_.clear();
  if (const int64_t n = lost(); n > 0) {
    Say(absl::StrCat(n, " records lost: a sink was slower than the training"));
  }
}

void Run::WriteLoop() {
  for (;;) {
    Record record;
    int64_t lost_before;
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
      const bool is_exit = std::holds_alternative<Exit>(record.payload);
      if (!is_exit) queued_bytes_ -= Bytes(record);
      if (IsExpendable(record)) --expendable_;
      lost_before = std::exchange(newly_lost_, 0);
      writing_ = true;
    }
    Deliver(record, lost_before);
  }
}

bool Run::WriteToJournal(const Record& record) {
  // A journal that has failed for `retry_for` is asked once a record: the
  // queue behind it must go on.
  const absl::Time give_up =
      absl::Now() +
      (journal_fails_ ? absl::ZeroDuration() : options_.retry_for);
  absl::Duration wait = absl::Milliseconds(50);
  for (;;) {
    const absl::Status status = journal_->Write(record);
    if (status.ok()) {
      journal_fails_ = false;
      return true;
    }
    if (MayPass(status) && absl::Now() + wait <= give_up) {
      absl::SleepFor(wait);
      wait *= 2;
      continue;
    }
    if (!journal_fails_) {
      Say(absl::StrCat(journal_->name(), ": ", status.message()));
    }
    if (absl::IsNotFound(status)) {
      absl::MutexLock lock(&mutex_);
      journal_status_ = status;
      journal_.reset();
    } else if (MayPass(status)) {
      journal_fails_ = true;
    }
    return false;
  }
}

void Run::WriteGap(int64_t newly_lost) {
  gap_ += newly_lost;
  missing_ += newly_lost;
  if (gap_ > 0 && journal_ != nullptr &&
      WriteToJournal({Gap{gap_}, "", absl::Now()})) {
    gap_ = 0;
  }
}

void Run::Deliver(const Record& record, int64_t lost_before) {
  WriteGap(lost_before);
  const auto* exit = std::get_if<Exit>(&record.payload);
  if (journal_ != nullptr && gap_ == 0) {
    // Nothing of a run whose record has a gap says that all went well.
    const bool failed = exit != nullptr && exit->code == 0 && missing_ > 0;
    if (!WriteToJournal(failed ? Record{Exit{1}, "", record.time} : record)) {
      WriteGap(1);
    }
  } else {
    ++gap_;
    ++missing_;
  }
  for (Destination& other : others_) {
    if (other.sink == nullptr) {
      ++other.missed;
    } else if (const absl::Status status = other.sink->Write(record);
               !status.ok()) {
      Drop(other, status);
      other.missed = 1;
    }
  }
}

void Run::Drop(Destination& destination, const absl::Status& status) {
  Say(absl::StrCat(destination.name, " stopped: ", status.message()));
  destination.sink.reset();
}

}  // namespace cnn_fp4::telemetry
