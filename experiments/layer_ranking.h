#ifndef EXPERIMENTS_LAYER_RANKING_H_
#define EXPERIMENTS_LAYER_RANKING_H_

// The layers of an arm by what FP4 costs them: how much larger, in dB, the
// variance of an operand is than the error of quantising it, in the image of
// the batch, or the filter of a weight, for which that is least
// (telemetry::StatId::kSqnrCenteredDb). What tells values apart is their
// difference from the mean, so an operand whose values lie close to one
// another, far from zero, has a high SQNR and is still badly rendered.

#include <optional>
#include <string>

#include "base/table.h"
#include "experiments/report_data.h"

namespace cnn_fp4::experiments {

struct LayerRanking {
  base::Table table;  // The layer that loses most first.
  std::string worst;  // Its name.
  double worst_db = 0;
  double middle_db = 0;  // Of the layer in the middle.
};

// At the last step that was recorded; nullopt for an arm without FP4.
std::optional<LayerRanking> RankLayers(const ReportArm& arm);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_LAYER_RANKING_H_
