#ifndef TRAIN_STATISTICS_HISTORY_H_
#define TRAIN_STATISTICS_HISTORY_H_

// What was measured of every layer during a training, as layers x steps tables:
// the source of the heatmaps, and part of a checkpoint so that a resumed run
// has the whole picture.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json_fwd.hpp"
#include "viz/heatmap.h"

namespace cnn_fp4::train {

// Which tensor, at which point of the quantisation pipeline. The first two
// parts of an artefact's path: plots/heatmaps/<model>/weights/prequantize/...
enum class TensorKind {
  kWeightsPrequantize,
  kWeightsQuantized,
  kWeightsDequantized,
  kActivations,
  kGradients,
};

// For keys of records: "weights_prequantize", "gradients".
std::string TensorKindName(TensorKind kind);

// Where under plots/heatmaps/<model>/ the kind's heatmaps lie, without the file
// name's ending: "weights/prequantize/semantic_weights" for task "semantic".
std::string ArtefactStem(TensorKind kind, const std::string& task);

// What a statistic is called, means and is measured in.
struct Statistic {
  std::string key;  // "sqnr_db"
  std::string title;
  std::string unit;
  std::string description;
  viz::HeatmapScale scale;
};

// All statistics, in the order of display.
const std::vector<Statistic>& Statistics();

class StatisticsHistory {
 public:
  explicit StatisticsHistory(std::vector<std::string> layers);

  // `key` is one of Statistics(); a second value for the same place replaces
  // the first.
  void Set(TensorKind kind, const std::string& key, int64_t step, size_t layer,
           double value);

  // One set for each kind that has values, in the order of TensorKind.
  struct Artefact {
    TensorKind kind;
    viz::HeatmapSet heatmaps;
  };
  std::vector<Artefact> Heatmaps(const std::string& model,
                                 const std::string& task,
                                 const std::string& experiment) const;

  nlohmann::json ToJson() const;
  // InvalidArgument for JSON that another net or program wrote.
  absl::Status FromJson(const nlohmann::json& json);

 private:
  std::vector<std::string> layers_;
  // Of each layer; nullopt: not measured.
  using Column = std::vector<std::optional<double>>;
  // kind -> statistic -> step.
  std::map<TensorKind, std::map<std::string, std::map<int64_t, Column>>>
      values_;
};

}  // namespace cnn_fp4::train

#endif  // TRAIN_STATISTICS_HISTORY_H_
