#ifndef EXPERIMENTS_SENSITIVITY_PLAN_H_
#define EXPERIMENTS_SENSITIVITY_PLAN_H_

// Which policies tell what each layer, and each operand of it, costs: a
// reference in high precision, a policy in FP4, and between the two
//
//   alone    the reference with one layer in FP4      fp16:enc1.conv1=nvfp4_all
//   spared   the policy with one layer left out       nvfp4_all:enc1.conv1=fp16
//   operand  the reference with one operand in FP4
//                                          fp16:enc1.conv1/fprop_x=nvfp4
//
// The two first need not agree: a layer can be harmless alone and still matter
// where all others are in FP4, too.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nn/precision/layer_info.h"

namespace cnn_fp4::experiments {

enum class TrialKind { kAlone, kSpared, kOperand };

// "alone", "spared", "operand": in files.
absl::string_view NameOf(TrialKind kind);

struct Trial {
  TrialKind kind = TrialKind::kAlone;
  std::string layer;
  std::string operand;  // Of kOperand: "fprop_x".
  std::string policy;   // Its line of text.
};

struct SensitivityPlan {
  std::string reference;  // Names of policies.
  std::string policy;
  std::vector<Trial> trials;  // By kind, in the order of the net.
  // Operands that no line of text can put into their format alone, as in
  // "enc1.conv1/fprop_w".
  std::vector<std::string> left_out;
};

// `reference` is a named policy, `policy` a line of text; layers are those of
// nn::Layers. The output layer, and layers that the policy does not put into
// FP4, have no trials. Operands are those of the forward pass, and with
// `backward` all that have an FP4 format of their own. InvalidArgument that
// begins with "policy" or "reference" for texts that are none, for a reference
// with exceptions, and for a policy without FP4.
absl::StatusOr<SensitivityPlan> PlanSensitivity(
    const std::string& reference, const std::string& policy,
    absl::Span<const nn::LayerInfo> layers, bool backward);

// The policy with these layers left out.
std::string Spare(const SensitivityPlan& plan,
                  absl::Span<const std::string> layers);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_SENSITIVITY_PLAN_H_
