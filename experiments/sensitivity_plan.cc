#include "experiments/sensitivity_plan.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "nn/precision/conv_precision.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::experiments {
namespace {

absl::StatusOr<nn::Policy> ParseAs(absl::string_view field,
                                   const std::string& text) {
  absl::StatusOr<nn::Policy> policy = nn::Policy::Parse(text);
  if (policy.ok()) return policy;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", policy.status().message()));
}

bool Resolves(const std::string& text, absl::Span<const nn::LayerInfo> layers) {
  const absl::StatusOr<nn::Policy> policy = nn::Policy::Parse(text);
  return policy.ok() && policy->Resolve(layers).ok();
}

bool IsOfFprop(nn::Operand operand) {
  return operand == nn::Operand::kFpropX || operand == nn::Operand::kFpropW;
}

}  // namespace

absl::string_view NameOf(TrialKind kind) {
  switch (kind) {
    case TrialKind::kAlone:
      return "alone";
    case TrialKind::kSpared:
      return "spared";
    case TrialKind::kOperand:
      return "operand";
  }
  LOG(FATAL) << "no name for trial " << static_cast<int>(kind);
}

absl::StatusOr<SensitivityPlan> PlanSensitivity(
    const std::string& reference, const std::string& policy,
    absl::Span<const nn::LayerInfo> layers, bool backward) {
  const auto high = ParseAs("reference", reference);
  if (!high.ok()) return high.status();
  if (absl::StrContains(reference, ":")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "reference: '", reference, "' has exceptions; give a policy's name"));
  }
  const auto low = ParseAs("policy", policy);
  if (!low.ok()) return low.status();
  const auto precisions = low->Resolve(layers);
  if (!precisions.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy: ", precisions.status().message()));
  }
  SensitivityPlan plan{reference, policy, {}, {}};
  std::vector<Trial> spared, operands;
  for (size_t i = 0; i < layers.size(); ++i) {
    const nn::ConvPrecision& precision = (*precisions)[i];
    const std::string& name = layers[i].name;
    if (layers[i].role == nn::LayerRole::kOutput ||
        layers[i].role == nn::LayerRole::kNorm || !precision.quantized()) {
      continue;
    }
    plan.trials.push_back(
        {TrialKind::kAlone, name, "",
         absl::StrCat(reference, ":", name, "=", low->base().name)});
    spared.push_back({TrialKind::kSpared, name, "", Spare(plan, {name})});
    for (const nn::Operand operand : nn::kOperands) {
      const nn::OperandFormat* const format = precision.Get(operand);
      if (format == nullptr || format->recipe() == nullptr ||
          !(backward || IsOfFprop(operand))) {
        continue;
      }
      const std::string which =
          absl::StrCat(name, "/", nn::OperandName(operand));
      const std::string line =
          absl::StrCat(reference, ":", which, "=", format->recipe()->name);
      // A text puts an operand's blocks along the reduction axis, and knows the
      // recipes that have a name.
      if (format->blocking != nn::Blocking::kReductionAxis ||
          !Resolves(line, layers)) {
        plan.left_out.push_back(which);
        continue;
      }
      operands.push_back({TrialKind::kOperand, name,
                          std::string(nn::OperandName(operand)), line});
    }
  }
  if (plan.trials.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("policy: '", policy, "' puts no layer into FP4"));
  }
  plan.trials.insert(plan.trials.end(), spared.begin(), spared.end());
  plan.trials.insert(plan.trials.end(), operands.begin(), operands.end());
  return plan;
}

std::string Spare(const SensitivityPlan& plan,
                  absl::Span<const std::string> layers) {
  std::string line = plan.policy;
  for (const std::string& layer : layers) {
    absl::StrAppend(&line, ":", layer, "=", plan.reference);
  }
  return line;
}

}  // namespace cnn_fp4::experiments
