#ifndef TELEMETRY_SINKS_JSONL_SINK_H_
#define TELEMETRY_SINKS_JSONL_SINK_H_

// metrics.jsonl: one JSON object a line, appended and flushed record by record,
// so that `tail -f` and a crash see every finished record.
//
//   {"type":"scalars","time":1724277733.125,"model":"fp16","step":40,
//    "values":{"loss":0.41,"grad_norm":"NaN"}}
//   {"type":"layer_stats","time":...,"model":"nvfp4","step":50,
//    "tensor":"weights/prequantize","layer":"enc1.conv1",
//    "values":{"mean":-0.001,"std":0.12,"kurtosis":2.9}}
//   {"type":"layer_stats","time":...,"model":"nvfp4","step":50,
//    "tensor":"activations","layer":"enc1.conv1","recipe":"mxfp4",
//    "values":{"sqnr_db":17.5,"underflow_pct":4.25}}
//   {"type":"histogram","time":...,"model":"nvfp4","step":50,
//    "tensor":"activations","layer":"enc1.conv1","of":"exponents","first":-24,
//    "counts":[0,2,...],"zeros":7,"nonfinite":0}
//   {"type":"weight_sample","time":...,"model":"nvfp4","step":50,
//    "layer":"enc1.conv2","rows":64,"columns":576,"row_stride":2,
//    "column_stride":12,"values":[0.031,...],"codes":"01f2...",
//    "scales":[0.0078125,...],"scale_of":[0,0,1,...]}
//   {"type":"text","time":...,"model":"fp16","tag":"validation","text":"..."}
//   {"type":"config","time":...,"schema_version":1,"config":{...}}
//   {"type":"table","time":...,"name":"result","columns":[...],"rows":[[...]]}
//   {"type":"image","time":...,"model":"nvfp4","step":160,
//    "key":"heatmaps/gradients","file":"plots/...png","caption":"..."}
//   {"type":"html","time":...,"model":"nvfp4","step":160,
//    "key":"heatmaps/gradients","file":"plots/...html"}
//   {"type":"figure","time":...,"model":"nvfp4","step":160,
//    "key":"figures/loss","file":"pictures/...plotly.json"}
//   {"type":"artifact","time":...,"model":"nvfp4","step":160,"name":"weights",
//    "kind":"model","file":"weights/nvfp4.safetensors"}
//   {"type":"system","time":...,"model":"nvfp4","step":50,"cpu_percent":187.5,
//    "resident_bytes":830000000,"available_bytes":7000000000,"threads":9,
//    "gpus":[{"busy_percent":87,"memory_bytes":6442450944,
//    "memory_total_bytes":85899345920,"celsius":61,"watts":312.5}]}
//   {"type":"arm_measured","time":...,"model":"nvfp4"}
//   {"type":"arm_end","time":...,"model":"nvfp4","code":0}
//   {"type":"gap","time":...,"records":12}
//   {"type":"exit","time":...,"code":0}
//
// (each on one line). The schema has a version, which the configuration's line,
// the first of each process, says: a type or a key that is added leaves it, so
// that a reader passes over what it does not know; one that comes to mean
// something else raises it. `time` is seconds since 1970 with milliseconds;
// `model` is left out when empty. Numbers have the fewest digits that read back
// as the same float or double; NaN and infinities, which JSON lacks, are the
// strings "NaN", "Infinity", "-Infinity". Bytes that are no UTF-8 become
// U+FFFD. "gpus" is there in a training on a GPU, "recipe" for one that is not
// in use: what it would do. "tensor" and the keys of a layer's values are those
// of telemetry/statistics.h; "file" is below the run's directory, in which
// metrics.jsonl lies; "of", "first" and "counts" are those of
// telemetry/histogram.h. A weight sample is a telemetry::WeightSample with a
// hexadecimal digit for each code, and with each different scale once:
// "scale_of" has the place in "scales" of each element's.
// telemetry/sinks/metrics_reader.h reads the file.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "telemetry/sink.h"

namespace cnn_fp4::telemetry {

// A model that continues from a checkpoint.
struct ResumePoint {
  std::string model;
  // Steps that the checkpoint had completed.
  int64_t step = 0;
  // false: it was written before the validation after that step.
  bool validated = true;
};

class JsonlSink : public Sink {
 public:
  // A new file. AlreadyExists when there is one: a run never overwrites
  // another.
  static absl::StatusOr<std::unique_ptr<JsonlSink>> Create(
      absl::string_view path);

  // Continues `path`, or creates it. Records of a resumed model whose step is
  // beyond its checkpoint (step > ResumePoint::step) are removed, because the
  // model will measure those steps again, and so are scores of the validation
  // after that step ("val/...") if it comes again; a last line that a crash cut
  // short is removed too. All else stays, the exit record of the interrupted
  // run included. The shortened file replaces the old one in one rename.
  // DataLoss naming the line for a complete line that is no record.
  static absl::StatusOr<std::unique_ptr<JsonlSink>> Resume(
      absl::string_view path, absl::Span<const ResumePoint> points);

  // After Resume, a line for each model whose records end before its
  // checkpoint: the file was removed or shortened meanwhile.
  const std::vector<std::string>& missing() const { return missing_; }

  ~JsonlSink() override;

  // After an error the file ends with a whole line again, or is made to before
  // the next record. NotFound if the file was removed.
  absl::Status Write(const Record& record) override;
  absl::Status Finish() override;
  std::string name() const override;

 private:
  JsonlSink(absl::string_view path, int fd) : path_(path), fd_(fd) {}

  std::string path_;
  int fd_;
  off_t whole_lines_ = 0;  // Bytes.
  std::vector<std::string> missing_;
  bool torn_ = false;  // Beyond these is a part of a line.
};

// Of the lines' format.
inline constexpr int kMetricsSchemaVersion = 1;

// One line of metrics.jsonl, without '\n'. InvalidArgument for a Config that is
// no JSON.
absl::StatusOr<std::string> ToJsonLine(const Record& record);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_JSONL_SINK_H_
