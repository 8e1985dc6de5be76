#include "experiments/sensitivity_estimate.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/progress.h"
#include "data/loader.h"
#include "experiments/jackknife.h"
#include "nn/gemm/quant_context.h"
#include "nn/layers/quantize.h"
#include "nn/net.h"
#include "nn/precision/policy.h"
#include "train/evaluate.h"

namespace cnn_fp4::experiments {
namespace {

using Evaluators = std::vector<std::unique_ptr<train::Evaluator>>;

// The headline metric of all images, and without each of them.
struct Scores {
  train::Metric metric;
  std::vector<double> without;
};

train::Metric HeadlineOf(const train::Evaluator& evaluator) {
  return *train::Headline(evaluator.Metrics());
}

class Scorer {
 public:
  Scorer(const SavedArm& saved, const ArmNet& net,
         const data::DatasetPair& datasets)
      : saved_(saved),
        net_(net),
        datasets_(datasets),
        task_(train::CreateTask(saved.spec.task)) {}

  absl::StatusOr<Scores> Score(const std::string& policy) const;
  absl::StatusOr<std::vector<train::GradientFidelity>> Gradients(
      const std::string& policy, int64_t batches) const;

 private:
  std::unique_ptr<train::Evaluator> New() const {
    return task_->NewEvaluator(*datasets_.val);
  }

  const SavedArm& saved_;
  const ArmNet& net_;
  const data::DatasetPair& datasets_;
  const std::unique_ptr<train::Task> task_;
};

absl::StatusOr<Scores> Scorer::Score(const std::string& policy) const {
  const absl::StatusOr<nn::Policy> parsed = nn::Policy::Parse(policy);
  if (!parsed.ok()) return parsed.status();
  if (absl::Status status = nn::Quantize(*net_.net, *parsed, net_.context);
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<Evaluators> each = train::EvaluateEach(
      *task_, *net_.net, *net_.context, *datasets_.val, saved_.spec.batch);
  if (!each.ok()) {
    return absl::Status(each.status().code(),
                        absl::StrCat(policy, ": ", each.status().message()));
  }
  // after[i] has the images from i on.
  Evaluators after(each->size() + 1);
  after.back() = New();
  for (size_t i = each->size(); i-- > 0;) {
    after[i] = New();
    after[i]->Merge(*(*each)[i]);
    after[i]->Merge(*after[i + 1]);
  }
  Scores scores{HeadlineOf(*after[0]), {}};
  const std::unique_ptr<train::Evaluator> before = New();
  for (size_t i = 0; i < each->size(); ++i) {
    const std::unique_ptr<train::Evaluator> without = New();
    without->Merge(*before);
    without->Merge(*after[i + 1]);
    scores.without.push_back(HeadlineOf(*without).value);
    before->Merge(*(*each)[i]);
  }
  return scores;
}

absl::StatusOr<std::vector<train::GradientFidelity>> Scorer::Gradients(
    const std::string& policy, int64_t batches) const {
  data::LoaderOptions options;
  options.workers = 0;
  options.seed = static_cast<uint64_t>(saved_.spec.train.seed);
  const absl::StatusOr<std::unique_ptr<data::Loader>> loader =
      data::Loader::Create(datasets_.train, saved_.spec.batch, options);
  if (!loader.ok()) return loader.status();
  std::vector<data::Batch> kept;
  for (int64_t i = 0; i < batches; ++i) {
    absl::StatusOr<data::Batch> batch = (*loader)->Next();
    if (!batch.ok()) return batch.status();
    kept.push_back(*std::move(batch));
  }
  return train::CompareGradients(*task_, *net_.net, net_.context, kept,
                                 *nn::Policy::Parse(policy));
}

Effect MakeEffect(const Trial& trial, const Scores& from,
                  const Scores& scores) {
  Effect effect{trial,
                scores.metric.value,
                scores.metric.value - from.metric.value,
                {},
                {}};
  std::vector<double> without;
  for (size_t i = 0; i < scores.without.size(); ++i) {
    without.push_back(scores.without[i] - from.without[i]);
  }
  effect.interval = JackknifeInterval(effect.difference, without);
  return effect;
}

// Adds the layer that helps most, one after the other, until the policy is
// within the tolerance or has none left.
absl::Status ChooseExceptions(const Scorer& scorer, Sensitivity& result) {
  std::vector<std::string> left;
  std::string best;
  for (const Effect& effect : Ranked(result, TrialKind::kSpared)) {
    if (best.empty()) {
      best = effect.trial.layer;
      result.value_with_exceptions = effect.value;
    }
    left.push_back(effect.trial.layer);
  }
  if (WithinTolerance(result, result.policy_value)) {
    result.value_with_exceptions = result.policy_value;
    result.within_tolerance = true;
    return absl::OkStatus();
  }
  while (true) {
    result.exceptions.push_back(best);
    left.erase(absl::c_find(left, best));
    result.within_tolerance =
        WithinTolerance(result, result.value_with_exceptions);
    if (result.within_tolerance || left.empty()) return absl::OkStatus();
    base::Progress progress(
        base::ProgressMode::kAuto,
        absl::StrCat(result.exceptions.size() + 1, " exceptions"),
        static_cast<int64_t>(left.size()), {"policy"});
    best = left[0];
    double best_value = std::nan("");
    for (size_t i = 0; i < left.size(); ++i) {
      std::vector<std::string> layers = result.exceptions;
      layers.push_back(left[i]);
      const absl::StatusOr<Scores> scores =
          scorer.Score(Spare(result.plan, layers));
      if (!scores.ok()) return scores.status();
      if (i == 0 || train::IsBetter(scores->metric, best_value)) {
        best = left[i];
        best_value = scores->metric.value;
      }
      progress.Update(static_cast<int64_t>(i) + 1, {});
    }
    progress.Finish();
    result.value_with_exceptions = best_value;
  }
}

}  // namespace

absl::StatusOr<Sensitivity> EstimateSensitivity(
    const SensitivityPlan& plan, const SavedArm& saved,
    const data::DatasetPair& datasets, const EstimateOptions& options) {
  absl::StatusOr<LoadedArm> loaded =
      LoadArm(saved, plan.reference, options.device);
  if (!loaded.ok()) return loaded.status();
  const Scorer scorer(saved, loaded->net, datasets);
  Sensitivity result;
  result.way = "estimate";
  result.plan = plan;
  result.tolerance = options.tolerance;
  const absl::StatusOr<Scores> reference = scorer.Score(plan.reference);
  if (!reference.ok()) return reference.status();
  const absl::StatusOr<Scores> policy = scorer.Score(plan.policy);
  if (!policy.ok()) return policy.status();
  result.metric = reference->metric;
  result.policy_value = policy->metric.value;
  base::Progress progress(base::ProgressMode::kAuto, "sensitivity",
                          static_cast<int64_t>(plan.trials.size()), {"policy"});
  for (const Trial& trial : plan.trials) {
    const absl::StatusOr<Scores> scores = scorer.Score(trial.policy);
    if (!scores.ok()) return scores.status();
    result.effects.push_back(MakeEffect(
        trial, trial.kind == TrialKind::kSpared ? *policy : *reference,
        *scores));
    progress.Update(static_cast<int64_t>(result.effects.size()), {});
  }
  progress.Finish();
  if (options.gradient_batches > 0) {
    auto gradients = scorer.Gradients(plan.policy, options.gradient_batches);
    if (!gradients.ok()) return gradients.status();
    result.gradients = *std::move(gradients);
  }
  absl::Status status = ChooseExceptions(scorer, result);
  if (!status.ok()) return status;
  return result;
}

}  // namespace cnn_fp4::experiments
