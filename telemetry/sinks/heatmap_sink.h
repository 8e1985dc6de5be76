#ifndef TELEMETRY_SINKS_HEATMAP_SINK_H_
#define TELEMETRY_SINKS_HEATMAP_SINK_H_

// Draws the statistics of all layers over the steps of a training: one set of
// heatmaps for each arm and tensor kind, in
//
//   <directory>/<arm>/<tensor kind>/<task>_<file>.{png,html,json}
//   plots/heatmaps/nvfp4/weights/prequantize/semantic_weights.png
//
// and, for what recipes would do that are not in use,
//
//   <directory>/<arm>/what_if/<recipe>/<tensor kind>/<task>_<file>.{...}
//
// Of an arm in FP4 there are two more: which FP4 values its layers use, and one
// of its weights element by element, with the scales of its blocks and errors:
//
//   <directory>/<arm>/codes/<task>_codes.{png,html,json}
//   <directory>/<arm>/weights/map/<task>_weight.{png,html,json}
//
// The sink folds the records of layers and draws an arm when it measures
// nothing more and, if there is more to show by then, when the run ends. A
// resumed run replays what was measured before the interruption (replay.h);
// whether those arms were drawn is not known, so they are drawn once more.
//
//   HeatmapSinkOptions options{run + "/plots/heatmaps", "semantic", "my_run"};
//   sinks.push_back(HeatmapSink::Create(options));
//   ...
//   run.Log({ArmMeasured{}, "nvfp4"});
//
// Layers are in the order in which the arm first measured that kind of tensor,
// which is the order of the net if the probe follows it. A second value for the
// same place replaces the first.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "telemetry/sink.h"
#include "telemetry/sinks/code_map.h"
#include "telemetry/statistics.h"
#include "telemetry/weight_sample.h"
#include "viz/heatmap_set.h"

namespace cnn_fp4::telemetry {

struct HeatmapSinkOptions {
  std::string directory;   // Made when there is something to draw.
  std::string task;        // "semantic"
  std::string experiment;  // "fp16_vs_nvfp4_s025"
  // The layer whose weight is drawn element by element; empty: the one whose
  // weight FP4 costs most (StatId::kSqnrCenteredDb).
  std::string weight_map = {};
};

class HeatmapSink : public Sink {
 public:
  static std::unique_ptr<HeatmapSink> Create(HeatmapSinkOptions options);

  absl::Status Write(const Record& record) override;
  absl::Status Finish() override;
  std::string name() const override;

 private:
  // Layers x steps, of one statistic: step -> value of each layer; a layer
  // beyond the end was not measured, as nullopt says of one before it.
  using Table = std::map<int64_t, std::vector<std::optional<double>>>;

  struct Tensor {
    std::vector<std::string> layers;
    std::map<StatId, Table> tables;
  };

  struct Arm {
    // By the recipe that is not in use; "": what is.
    std::map<std::pair<std::string, TensorKind>, Tensor> tensors;
    CodeMap codes;
    std::map<std::string, WeightSample> weights;  // The latest, by layer.
    bool drawn = true;  // Nothing was folded since the last drawing.
  };

  explicit HeatmapSink(HeatmapSinkOptions options);

  void Fold(const std::string& arm, const LayerStats& stats);
  absl::Status Draw(const std::string& name, Arm& arm) const;
  viz::HeatmapSet EmptySet(const std::string& arm,
                           absl::string_view tensor) const;
  viz::HeatmapSet HeatmapSet(const std::string& arm, const std::string& recipe,
                             TensorKind kind, const Tensor& tensor) const;
  absl::Status DrawCodesAndWeight(const std::string& name,
                                  const Arm& arm) const;
  // Null: none was recorded.
  const WeightSample* ChosenWeight(const Arm& arm) const;

  const HeatmapSinkOptions options_;
  std::map<std::string, Arm> arms_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_HEATMAP_SINK_H_
