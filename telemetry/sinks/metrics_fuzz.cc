// Any bytes as metrics.jsonl: an error or records, which are written and read
// back, never a crash.

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>

#include "glog/logging.h"
#include "telemetry/record.h"
#include "telemetry/sinks/jsonl_sink.h"
#include "telemetry/sinks/metrics_reader.h"

namespace cnn_fp4::telemetry {
namespace {

// What was read can be written, and the text that is written then is the one
// that its reader would write.
template <typename Payload, typename Parse>
void RoundTrip(const MetricsLine& line, Parse parse) {
  absl::StatusOr<Payload> payload = parse(line.json);
  if (!payload.ok()) return;
  const absl::StatusOr<std::string> text =
      ToJsonLine({*std::move(payload), line.model, line.time});
  CHECK(text.ok()) << text.status();
  std::istringstream stream(*text + "\n");
  const absl::Status status =
      ReadMetrics(stream, "again", [&](const MetricsLine& again) {
        absl::StatusOr<Payload> same = parse(again.json);
        CHECK(same.ok()) << same.status() << ": " << *text;
        CHECK_EQ(*ToJsonLine({*std::move(same), again.model, line.time}),
                 *text);
        return absl::OkStatus();
      });
  CHECK(status.ok()) << status << ": " << *text;
}

void ReadAll(const std::string& bytes) {
  std::istringstream stream(bytes);
  ReadMetrics(stream, "input", [](const MetricsLine& line) {
    RoundTrip<LayerStats>(line, ParseLayerStats);
    RoundTrip<LayerHistogram>(line, ParseLayerHistogram);
    RoundTrip<WeightSample>(line, ParseWeightSample);
    RoundTrip<Scalars>(line, ParseScalars);
    RoundTrip<Text>(line, ParseText);
    RoundTrip<Config>(line, ParseConfig);
    return absl::OkStatus();
  }).IgnoreError();
}

}  // namespace
}  // namespace cnn_fp4::telemetry

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  cnn_fp4::telemetry::ReadAll(bytes);
  // The last line without its end is left out: here it is read, too.
  cnn_fp4::telemetry::ReadAll(bytes + "\n");
  return 0;
}
