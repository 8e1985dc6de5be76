#ifndef TELEMETRY_RECORD_H_
#define TELEMETRY_RECORD_H_

// What a training run says about itself: typed records, which a Run hands to
// every Sink. A record says nothing of files or formats, so that JSONL, W&B and
// TensorBoard are one sink each.
//
//   run.Log({Scalars{step, {{"loss", loss}, {"grad_norm", norm}}}, "fp16"});
//   run.Log({LayerStats{step, TensorKind::kGradients, "enc1.conv1",
//                       {{StatId::kMean, mean}, {StatId::kStd, std}}},
//            "fp16"});
//   run.Log({Text{"console", "40/160 mIoU=0.71"}, "fp16"});
//   run.Log({Config{canonical_json}});

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "base/table.h"
#include "telemetry/histogram.h"
#include "telemetry/statistics.h"
#include "telemetry/weight_sample.h"

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
  // Keys are `group/name` ("val/mean_iou"), unique within the record. What is
  // measured of a layer is LayerStats.
  std::vector<NamedNumber> values;
};

// Statistics of one tensor of one layer at one step. The doubles are what a
// reader of metrics.jsonl gets back, to the bit. NaN and infinities are
// measurements; a statistic that was not taken is left out.
struct LayerStats {
  // Steps completed when this was measured.
  int64_t step = 0;
  TensorKind tensor = TensorKind::kWeightsPrequantize;
  // The layer's path in the net: "enc1.conv1".
  std::string layer;
  // Each statistic once.
  std::vector<std::pair<StatId, double>> values;
  // Not empty: what this recipe, which is not in use, would do to the same
  // tensor: "mxfp4".
  std::string recipe = {};
};

// A line for a person. `tag` says what about; "console" is what a person who
// watched the arm saw.
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

// A picture of the record's arm: a PNG file in the run's directory, whole when
// this is logged.
struct Image {
  // Steps completed when it was drawn.
  int64_t step = 0;
  std::string key;      // `group/name`, as of scalars: "heatmaps/gradients".
  std::string file;     // Below the run's directory: "plots/a.png".
  std::string caption;  // A sentence; empty: none.
};

// A page by itself of the record's arm, in the same way.
struct Html {
  int64_t step = 0;
  std::string key;
  std::string file;
};

// A figure of the record's arm as plotly.js draws it: a JSON file with its data
// and layout, in the same way.
struct Figure {
  int64_t step = 0;
  std::string key;
  std::string file;
};

// A file that outlives the run, of the record's arm: its trained weights.
struct Artifact {
  int64_t step = 0;  // Steps completed when it was written.
  std::string name;  // "weights"
  std::string kind;  // What W&B calls an artifact's type: "model".
  std::string file;  // Below the run's directory, whole when this is logged.
};

// What one GPU of the machine does, for whichever process. NaN: it does not
// tell.
struct GpuStats {
  double busy_percent = std::numeric_limits<double>::quiet_NaN();
  int64_t memory_bytes = 0;  // In use.
  int64_t memory_total_bytes = 0;
  double celsius = std::numeric_limits<double>::quiet_NaN();
  double watts = std::numeric_limits<double>::quiet_NaN();
};

// What the process takes of the machine.
struct SystemStats {
  int64_t step = 0;        // Steps completed when this was measured.
  double cpu_percent = 0;  // 100: one core is busy.
  int64_t resident_bytes = 0;
  int64_t available_bytes = 0;  // Of the machine's memory.
  int64_t threads = 0;
  std::vector<GpuStats> gpus = {};  // Of a training on a GPU: all there are.
};

// The record's arm (Record::model) measures nothing more for now: it is done,
// was stopped or failed. A sink that draws an arm as a whole does so here
// rather than when the run ends, which a crash of a later arm may prevent. A
// resumed arm says so once more.
struct ArmMeasured {};

// Nothing more will be said of the record's arm for now, its pictures included,
// which follow ArmMeasured. A resumed arm ends once more.
struct ArmEnd {
  int code = 0;  // As Exit::code, of this arm alone.
};

// Records are missing from metrics.jsonl at this place. Written by Run.
struct Gap {
  int64_t records = 0;
};

// The last record of a run. Written by Run::Finish.
struct Exit {
  // The process's exit status: 0 done, 1 error, 129 SIGHUP, 130 SIGINT, 143
  // SIGTERM.
  int code = 0;
};

using Payload =
    std::variant<Scalars, LayerStats, LayerHistogram, WeightSample, Text,
                 Config, TableRecord, Image, Html, Figure, Artifact,
                 SystemStats, ArmMeasured, ArmEnd, Gap, Exit>;

struct Record {
  Payload payload;
  // The model (arm) that this is about: "fp16". Empty: the whole run.
  std::string model = {};
  // InfinitePast: Run::Log puts the time of the call here.
  absl::Time time = absl::InfinitePast();
};

// About how much memory the record takes while it waits in a queue.
size_t Bytes(const Record& record);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_RECORD_H_
