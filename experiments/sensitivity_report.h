#ifndef EXPERIMENTS_SENSITIVITY_REPORT_H_
#define EXPERIMENTS_SENSITIVITY_REPORT_H_

// What each layer and operand costs, as files for programs and for people:
//
//   <directory>/sensitivity.json    every number, keys are stable
//               sensitivity.md      tables, for a text
//               sensitivity.html    the same with figures, by itself and
//               offline

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/table.h"
#include "experiments/sensitivity_study.h"

namespace cnn_fp4::experiments {

// Layers, the one that costs most when it alone is in FP4 first: the change of
// the metric alone and spared with their intervals, and of each operand alone.
base::Table LayersTable(const Sensitivity& sensitivity);

// The gradients that an operand of the backward pass turns most first, at most
// so many of them.
base::Table GradientsTable(const Sensitivity& sensitivity, size_t max_rows);

// Sentences: reference, policy, and the line with the fewest exceptions.
std::string Conclusion(const Sensitivity& sensitivity);

// `config` is what the net was trained by, as JSON. Each file atomically.
absl::Status WriteSensitivity(const Sensitivity& sensitivity,
                              absl::string_view config,
                              const std::string& directory);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_SENSITIVITY_REPORT_H_
