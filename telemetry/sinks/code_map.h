#ifndef TELEMETRY_SINKS_CODE_MAP_H_
#define TELEMETRY_SINKS_CODE_MAP_H_

// Which FP4 values the layers of an arm use, all layers at once: a heatmap for
// each kind of tensor with a row a layer and a column a value.
//
//   CodeMap map;
//   map.Fold(histogram);              // Of each layer and step.
//   std::vector<viz::Heatmap> maps = map.Heatmaps();

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/histogram.h"
#include "viz/heatmap_set.h"

namespace cnn_fp4::telemetry {

class CodeMap {
 public:
  // Keeps the counts of a layer's latest step. Histograms of something else
  // than FP4 codes are passed over.
  void Fold(const LayerHistogram& histogram);

  // Shares in percent at the last recorded step, layers in the order in which
  // they came; empty without any.
  std::vector<viz::Heatmap> Heatmaps() const;

 private:
  struct Row {
    std::string layer;
    int64_t step = 0;
    std::vector<int64_t> counts;
  };
  std::map<TensorKind, std::vector<Row>> rows_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SINKS_CODE_MAP_H_
