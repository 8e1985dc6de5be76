#ifndef TELEMETRY_SINKS_TENSORBOARD_SINK_H_
#define TELEMETRY_SINKS_TENSORBOARD_SINK_H_

// Event files that TensorBoard opens: one directory an arm, so that the curves
// of all arms lie over each other.
//
//   <directory>/<arm>/events.out.tfevents.<time>.<host>.<process>
//
//   tensorboard --logdir <directory>
//
// Scalars, statistics of layers and of the system are scalars, with a layout
// for the page "Custom Scalars" (custom_scalars.h); histograms are histograms
// with the bins of BinsForDisplay (histogram.h), pictures are images, tables
// are texts, the configuration is a text and the hyperparameters. Statistics
// and histograms are called as layer_key.h says. Each record is in the file
// when Write returns; a crash costs at most the last one. Event files that are
// in an arm's directory already are replaced: a resumed run replays what was
// measured before (replay.h).

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "telemetry/sink.h"
#include "telemetry/sinks/event_file.h"

namespace cnn_fp4::telemetry {

namespace event {
class Event;
}  // namespace event

class TensorBoardSink : public Sink {
 public:
  // `run_directory`: where the files of pictures lie.
  static std::unique_ptr<TensorBoardSink> Create(std::string directory,
                                                 std::string run_directory);

  // Records of the whole run are of no arm: only the configuration is used.
  absl::Status Write(const Record& record) override;
  absl::Status Finish() override;
  std::string name() const override;

 private:
  TensorBoardSink(std::string directory, std::string run_directory);

  // What a record of an arm becomes; nullopt: nothing.
  absl::StatusOr<std::optional<event::Event>> MakeEvent(
      const Record& record) const;

  absl::StatusOr<EventFile*> FileOf(const std::string& arm, absl::Time time);
  absl::Status WriteStart(const std::string& arm, absl::Time time,
                          EventFile& file);

  const std::string directory_;
  const std::string run_directory_;
  std::string config_;
  std::map<std::string, std::unique_ptr<EventFile>> files_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_TENSORBOARD_SINK_H_
