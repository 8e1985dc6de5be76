#include "base/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace cnn_fp4::base {
namespace {

// A bar without news is still redrawn, so that its clock shows that the process
// is alive.
constexpr absl::Duration kIdleRedraw = absl::Seconds(1);

}  // namespace

absl::StatusOr<ProgressMode> ParseProgressMode(absl::string_view name) {
  if (name == "auto") return ProgressMode::kAuto;
  if (name == "bar") return ProgressMode::kBar;
  if (name == "lines") return ProgressMode::kLines;
  if (name == "json") return ProgressMode::kJson;
  if (name == "off") return ProgressMode::kOff;
  return absl::InvalidArgumentError(absl::StrCat(
      "progress mode \"", name, "\": use auto, bar, lines, json or off"));
}

ProgressMode ResolveProgressMode(ProgressMode mode, const Console& console) {
  if (mode == ProgressMode::kOff || mode == ProgressMode::kJson) return mode;
  const bool bar = mode == ProgressMode::kBar ||
                   (mode == ProgressMode::kAuto && !console.ci());
  return bar && console.is_terminal() ? ProgressMode::kBar
                                      : ProgressMode::kLines;
}

Progress::Progress(ProgressMode mode, absl::string_view description,
                   int64_t total, ProgressOptions options)
    : options_(std::move(options)),
      console_(options_.console == nullptr ? &Console::Stderr()
                                           : options_.console),
      mode_(ResolveProgressMode(mode, *console_)),
      start_(absl::Now()),
      rated_(options_.initial),
      rated_at_(start_),
      next_line_(start_ + options_.line_interval) {
  state_.description = std::string(description);
  state_.unit = options_.unit;
  state_.unit_scale = options_.unit_scale;
  state_.total = total;
  state_.done = options_.initial;
  if (mode_ == ProgressMode::kOff) return;
  if (mode_ == ProgressMode::kBar) {
    DrawBar(state_);
  } else {
    WriteLine(state_);
  }
  drawer_ = std::thread([this] { DrawLoop(); });
}

Progress::~Progress() { Finish(); }

void Progress::Update(int64_t n, std::vector<ProgressField> fields) {
  absl::MutexLock lock(&mutex_);
  state_.done = n;
  SetFields(std::move(fields));
  changed_ = true;
  const absl::Time now = absl::Now();
  // Averages of fast loops are over redraw intervals, not over single items.
  if (n > rated_ && now - rated_at_ >= options_.redraw_interval) {
    rate_.Add(n - rated_, now - rated_at_);
    rated_ = n;
    rated_at_ = now;
  }
}

void Progress::Milestone(std::vector<ProgressField> fields) {
  ProgressState state;
  {
    absl::MutexLock lock(&mutex_);
    SetFields(std::move(fields));
    changed_ = true;
    if (!WritesLines() || finished_) return;
    next_line_ = absl::Now() + options_.line_interval;
    changed_ = false;
    state = Snapshot();
  }
  WriteLine(state);
}

void Progress::Message(absl::string_view line) { console_->Line(line); }

void Progress::Finish() {
  ProgressState state;
  bool changed;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    finished_ = true;
    changed = changed_;
    state = Snapshot();
  }
  if (mode_ == ProgressMode::kOff) return;
  drawer_.join();
  if (mode_ == ProgressMode::kBar) {
    DrawBar(state);
    console_->EndStatus();
  } else if (changed) {
    // Else a milestone at the end has said it all.
    WriteLine(state);
  }
}

bool Progress::WritesLines() const {
  return mode_ == ProgressMode::kLines || mode_ == ProgressMode::kJson;
}

void Progress::DrawLoop() {
  absl::Time next_idle_redraw = absl::Now() + kIdleRedraw;
  for (;;) {
    ProgressState state;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&finished_),
                              options_.redraw_interval);
      if (finished_) return;
      const absl::Time now = absl::Now();
      if (WritesLines()) {
        if (!changed_ || now < next_line_) continue;
        next_line_ = now + options_.line_interval;
      } else if (!changed_ && now < next_idle_redraw) {
        continue;
      }
      next_idle_redraw = now + kIdleRedraw;
      changed_ = false;
      state = Snapshot();
    }
    // Outside the lock: Update() does not wait for the terminal.
    if (mode_ == ProgressMode::kBar) {
      DrawBar(state);
    } else {
      WriteLine(state);
    }
  }
}

void Progress::SetFields(std::vector<ProgressField> fields) {
  for (ProgressField& field : fields) {
    const auto old = std::find_if(
        state_.fields.begin(), state_.fields.end(),
        [&](const ProgressField& f) { return f.first == field.first; });
    if (old == state_.fields.end()) {
      state_.fields.push_back(std::move(field));
    } else {
      old->second = field.second;
    }
  }
}

ProgressState Progress::Snapshot() {
  state_.elapsed = absl::Now() - start_;
  state_.rate = rate_.rate();
  return state_;
}

void Progress::DrawBar(const ProgressState& state) {
  // The last column stays free: some terminals wrap when it is filled.
  const int width = std::max(0, console_->Width() - 1);
  console_->SetStatus(
      FormatBar(state, {width, console_->utf8(), console_->color()}));
}

void Progress::WriteLine(const ProgressState& state) {
  const absl::Time now = absl::Now();
  console_->Line(mode_ == ProgressMode::kJson ? FormatJson(state, now)
                                              : FormatLine(state, now));
}

}  // namespace cnn_fp4::base
