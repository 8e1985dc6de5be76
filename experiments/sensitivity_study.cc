#include "experiments/sensitivity_study.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "absl/algorithm/container.h"
#include "glog/logging.h"

namespace cnn_fp4::experiments {

double Harm(const train::Metric& metric, double from, double value) {
  return metric.higher_is_better ? from - value : value - from;
}

bool WithinTolerance(const Sensitivity& sensitivity, double value) {
  const double reference = sensitivity.metric.value;
  return Harm(sensitivity.metric, reference, value) <=
         sensitivity.tolerance * std::abs(reference);
}

std::vector<Effect> Ranked(const Sensitivity& sensitivity, TrialKind kind) {
  std::vector<Effect> effects;
  for (const Effect& effect : sensitivity.effects) {
    if (effect.trial.kind == kind) effects.push_back(effect);
  }
  const auto harm = [&](const Effect& effect) {
    const double change = Harm(sensitivity.metric, 0, effect.difference);
    if (std::isnan(change)) return -std::numeric_limits<double>::infinity();
    return kind == TrialKind::kSpared ? -change : change;
  };
  absl::c_stable_sort(effects, [&](const Effect& a, const Effect& b) {
    return harm(a) > harm(b);
  });
  return effects;
}

namespace {

// Of one metric in all cells of an arm, by seed.
using BySeed = std::map<int64_t, double>;

BySeed ValuesOf(const std::string& policy,
                absl::Span<const FoundRecord> records) {
  BySeed values;
  for (const FoundRecord& found : records) {
    if (found.record.policy != policy) continue;
    const train::Metric* const headline = train::Headline(found.record.metrics);
    CHECK(headline != nullptr) << found.path;
    values[found.record.seed] = headline->value;
  }
  return values;
}

double MeanOf(const BySeed& values) {
  double sum = 0;
  for (const auto& [seed, value] : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// The cells of a finished study.
absl::StatusOr<std::vector<FoundRecord>> RecordsOf(
    const StudySpec& study, const StudyOptions& options) {
  std::vector<std::string> directories = options.done;
  directories.push_back(options.directory);
  const absl::StatusOr<FoundRecords> found = FindRecords(directories);
  if (!found.ok()) return found.status();
  return ChooseRecords(Cells(study), found->records);
}

Sensitivity Summarize(const SensitivityPlan& plan,
                      absl::Span<const FoundRecord> records) {
  Sensitivity result;
  result.way = "training";
  result.plan = plan;
  const BySeed reference = ValuesOf(plan.reference, records);
  const BySeed policy = ValuesOf(plan.policy, records);
  result.metric = *train::Headline(records[0].record.metrics);
  result.metric.value = MeanOf(reference);
  result.policy_value = MeanOf(policy);
  for (const Trial& trial : plan.trials) {
    const BySeed values = ValuesOf(trial.policy, records);
    const BySeed& from = trial.kind == TrialKind::kSpared ? policy : reference;
    Effect effect{trial, MeanOf(values), 0, {}, {}};
    for (const auto& [seed, value] : values) {
      effect.pairs.push_back(value - from.at(seed));
    }
    const SampleSummary sample = SummarizeSample(effect.pairs);
    effect.difference = *sample.mean;
    effect.interval = ConfidenceInterval(sample);
    result.effects.push_back(std::move(effect));
  }
  return result;
}

}  // namespace

absl::StatusOr<std::optional<Sensitivity>> TrainSensitivity(
    const SensitivityPlan& plan, const StudySpec& study,
    const StudyOptions& options, double tolerance) {
  StudySpec of_plan = study;
  of_plan.experiment.arms = {plan.reference, plan.policy};
  for (const Trial& trial : plan.trials) {
    of_plan.experiment.arms.push_back(trial.policy);
  }
  // nullopt: stopped by a signal.
  const auto train =
      [&]() -> absl::StatusOr<std::optional<std::vector<FoundRecord>>> {
    const absl::StatusOr<int> exit_status =
        RunStudy("sensitivity", of_plan, options);
    if (!exit_status.ok()) return exit_status.status();
    if (*exit_status != 0) return std::nullopt;
    absl::StatusOr<std::vector<FoundRecord>> records =
        RecordsOf(of_plan, options);
    if (!records.ok()) return records.status();
    return *std::move(records);
  };
  auto records = train();
  if (!records.ok()) return records.status();
  if (!records->has_value()) return std::nullopt;
  Sensitivity result = Summarize(plan, **records);
  result.tolerance = tolerance;
  result.value_with_exceptions = result.policy_value;
  result.within_tolerance = WithinTolerance(result, result.policy_value);
  for (const Effect& effect : Ranked(result, TrialKind::kSpared)) {
    if (result.within_tolerance) break;
    result.exceptions.push_back(effect.trial.layer);
    const std::string line = Spare(plan, result.exceptions);
    if (!absl::c_linear_search(of_plan.experiment.arms, line)) {
      of_plan.experiment.arms.push_back(line);
      records = train();
      if (!records.ok()) return records.status();
      if (!records->has_value()) return std::nullopt;
    }
    result.value_with_exceptions = MeanOf(ValuesOf(line, **records));
    result.within_tolerance =
        WithinTolerance(result, result.value_with_exceptions);
  }
  return result;
}

}  // namespace cnn_fp4::experiments
