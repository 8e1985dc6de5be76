#ifndef EXPERIMENTS_ARM_FIGURES_H_
#define EXPERIMENTS_ARM_FIGURES_H_

// Figures of an arm in plotly.js's JSON (its data and layout), which W&B draws
// so that one can zoom, turn and read values.

#include <string>
#include <utility>
#include <vector>

#include "experiments/report_data.h"

namespace cnn_fp4::experiments {

struct ArmFigure {
  std::string name;  // "loss", "layers", "weight": stable, a part of its key.
  std::string json;  // {"data": [...], "layout": {...}}
};

// The loss of the training and of the validation; the layers ranked by what FP4
// costs them; and the weight that FP4 costs most as surfaces: as it is, in FP4
// and de-quantised. Those of which there is nothing to show are left out.
std::vector<ArmFigure> ArmFigures(const std::string& name,
                                  const ReportArm& arm);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_ARM_FIGURES_H_
