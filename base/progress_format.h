#ifndef BASE_PROGRESS_FORMAT_H_
#define BASE_PROGRESS_FORMAT_H_

// The text of a progress bar and of progress lines, as pure functions.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace cnn_fp4::base {

// Shown as key=value with four significant digits; NaN in red where there is
// colour.
using ProgressField = std::pair<std::string, double>;

struct ProgressState {
  std::string description;
  std::string unit = "step";
  bool unit_scale = false;  // Counts and rate with SI prefixes, as tqdm's.
  int64_t total = 0;        // <= 0: unknown.
  int64_t done = 0;
  absl::Duration elapsed;
  double rate = 0.0;  // Items a second; <= 0: not known yet.
  std::vector<ProgressField> fields;
};

struct BarStyle {
  int width = 80;  // Columns; nothing longer is returned.
  bool utf8 = false;
  bool color = false;
};

// One line without line break. As the width shrinks, the bar shortens to ten
// columns and then goes, then the fields go from the right, then the text is
// cut.
std::string FormatBar(const ProgressState& state, const BarStyle& style);

// The lines-mode text: no escapes, whatever the length.
std::string FormatLine(const ProgressState& state, absl::Time now);

// The json-mode text: an object on one line, for programs:
//
//   {"time":1724277733.125,"description":"fp16","done":72,"total":160,
//    "unit":"step","elapsed":31.25,"rate":2.31,"fields":{"loss":0.41}}
//
// (on one line). Seconds since 1970, seconds, items a second. What is not known
// (total, rate) is absent; NaN and infinities are as in base/json_number.h.
// Bytes that are no UTF-8 become U+FFFD.
std::string FormatJson(const ProgressState& state, absl::Time now);

// 12 s -> "00:12", 3725 s -> "1:02:05".
std::string FormatClock(absl::Duration duration);

// "17", or with SI prefixes three digits: "17.0", "999k", "1.07G".
std::string FormatCount(int64_t count, bool unit_scale);

// "2.31step/s", or "4.20s/step" below one a second; "?step/s" when unknown.
// With SI prefixes "412MB/s".
std::string FormatRate(double rate, const std::string& unit,
                       bool unit_scale = false);

// Items a second: exponential moving averages of items and of time, corrected
// for their start as tqdm's are.
class RateEstimate {
 public:
  // `items` more in `time`. Zero items only make the next call's time longer.
  void Add(int64_t items, absl::Duration time);
  double rate() const;  // 0 before the third item: noise.

 private:
  double items_ = 0.0;
  double seconds_ = 0.0;
  double pending_seconds_ = 0.0;
  int64_t total_items_ = 0;
};

}  // namespace cnn_fp4::base

#endif  // BASE_PROGRESS_FORMAT_H_
