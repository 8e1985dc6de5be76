#ifndef EXPERIMENTS_SENSITIVITY_STUDY_H_
#define EXPERIMENTS_SENSITIVITY_STUDY_H_

// What each layer and each operand costs when it goes to FP4: the numbers of a
// SensitivityPlan, found in one of two ways.
//
//   EstimateSensitivity   (sensitivity_estimate.h) scores a trained net under
//                         each policy of the plan, without training it
//                         (post-training quantisation), and compares the
//                         gradients of the backward operands: minutes
//   TrainSensitivity      trains each policy with several seeds, as a study:
//                         what counts in the end, in hours
//
// Either ends with the policy's line that has the fewest exceptions and stays
// within a tolerance of the reference.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "experiments/sensitivity_plan.h"
#include "experiments/study_runner.h"
#include "experiments/study_statistics.h"
#include "train/gradient_fidelity.h"
#include "train/metric.h"

namespace cnn_fp4::experiments {

// Of a trial, in the headline metric.
struct Effect {
  Trial trial;
  double value = 0;  // NaN where there was nothing to score.
  // To the reference; of a spared layer to the policy. Positive is more, which
  // is not better for every metric.
  double difference = 0;
  std::optional<Interval> interval;
  std::vector<double> pairs;  // Differences of single seeds.
};

struct Sensitivity {
  std::string way;  // "estimate" or "training".
  SensitivityPlan plan;
  train::Metric metric;  // The headline; its value is the reference's.
  double policy_value = 0;
  std::vector<Effect> effects;                     // As plan.trials.
  std::vector<train::GradientFidelity> gradients;  // Of an estimate.

  // Layers that are left out, in the order in which they were chosen.
  std::vector<std::string> exceptions;
  double value_with_exceptions = 0;
  bool within_tolerance = false;
  double tolerance = 0;
};

// How much worse than `from` a value is: positive is worse, whatever the
// metric's direction.
double Harm(const train::Metric& metric, double from, double value);

// Whether a value of the metric loses no more of the reference's than the
// tolerance allows.
bool WithinTolerance(const Sensitivity& sensitivity, double value);

// The effects of one kind, the most harmful layer first: alone, or what is
// gained when it is spared.
std::vector<Effect> Ranked(const Sensitivity& sensitivity, TrialKind kind);

// A study in options.directory, of `experiment` with the plan's policies as
// arms: it can be stopped, and the same call continues it. Exceptions are
// chosen by what sparing each layer gained alone, and each longer list of them
// is trained. nullopt when a signal stopped it; errors are RunStudy's.
absl::StatusOr<std::optional<Sensitivity>> TrainSensitivity(
    const SensitivityPlan& plan, const StudySpec& study,
    const StudyOptions& options, double tolerance);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_SENSITIVITY_STUDY_H_
