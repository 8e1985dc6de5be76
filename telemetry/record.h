#ifndef TELEMETRY_RECORD_H_
#define TELEMETRY_RECORD_H_

// What a training run says about itself: typed records, which a Run hands to
// every Sink. A record says nothing of files or formats, so that JSONL, W&B and
// TensorBoard are one sink each.
//
//   run.Log({Scalars{step, {{"loss", loss}, {"grad_norm", norm}}}, "fp16"});
//   run.Log({Text{"validation", "step 40: mIoU 0.71"}, "fp16"});
//   run.Log({Config{canonical_json}});

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "base/table.h"

namespace cnn_fp4::telemetry {

// A number that remembers whether it was a float: 0.1f is written 0.1, not
// 0.10000000149011612. Integers beyond 2^53 lose their low bits.
class Number {
 public:
  template <typename T,
            typename = std::enable_if_t<std::is_arithmetic<T>::value>>
  Number(T value)  // NOLINT: implicit, so that {{"loss", 0.5f}} works.
      : value_(static_cast<double>(value)),
        single_(std::is_same<T, float>::value) {}

  double value() const { return value_; }
  bool single() const { return single_; }

 private:
  double value_;
  bool single_;
};

using NamedNumber = std::pair<std::string, Number>;

// Measurements of one step. NaN and infinities are measurements.
struct Scalars {
  // Steps completed when this was measured.
  int64_t step = 0;
  // Keys are `group/name` or `statistic/layer`, unique within the record.
  std::vector<NamedNumber> values;
};

// A line for a person. `tag` says what about: "validation", "warning".
struct Text {
  std::string tag;
  std::string text;
};

// The resolved configuration, as one JSON document.
struct Config {
  std::string json;
};

struct TableRecord {
  std::string name;
  base::Table table;
};

// The last record of a run. Written by Run::Finish.
struct Exit {
  // The process's exit status: 0 done, 1 error, 130 SIGINT, 143 SIGTERM.
  int code = 0;
};

using Payload = std::variant<Scalars, Text, Config, TableRecord, Exit>;

struct Record {
  Payload payload;
  // The model (arm) that this is about: "fp16". Empty: the whole run.
  std::string model = {};
  // InfinitePast: Run::Log puts the time of the call here.
  absl::Time time = absl::InfinitePast();
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_RECORD_H_
