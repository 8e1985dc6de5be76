#ifndef TELEMETRY_SINK_H_
#define TELEMETRY_SINK_H_

// Where records go. One implementation a file under telemetry/sinks/.

#include <string>

#include "absl/status/status.h"
#include "telemetry/record.h"

namespace cnn_fp4::telemetry {

// Called by one thread at a time. Opening a sink is the factory's business, so
// that a run that cannot be recorded is known before it starts.
class Sink {
 public:
  virtual ~Sink() = default;

  // Records of a kind that a sink has no use for are ignored with OK. After an
  // error the Run calls neither Write nor Finish again.
  virtual absl::Status Write(const Record& record) = 0;

  // After the last Write: everything is on its way to the disk and closed.
  virtual absl::Status Finish() = 0;

  // For messages: "jsonl (runs/x/metrics.jsonl)".
  virtual std::string name() const = 0;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINK_H_
