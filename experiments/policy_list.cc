#include "experiments/policy_list.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nn/precision/policy.h"

namespace cnn_fp4::experiments {
namespace {

// A line an operand.
void AppendFormats(const char* layers, const nn::ConvPrecision& precision,
                   std::string* text) {
  absl::StrAppend(text, "  ", layers, ":\n");
  for (const nn::Operand operand : nn::kOperands) {
    const nn::OperandFormat* const format = precision.Get(operand);
    absl::StrAppendFormat(
        text, "    %-9s %s\n", nn::OperandName(operand),
        format == nullptr ? "as in fprop" : nn::ToString(*format));
  }
  absl::StrAppendFormat(text, "    %-9s %s\n", "results",
                        nn::ToString(precision.result));
}

}  // namespace

std::string ListPolicies() {
  std::string text =
      "An arm is NAME[:PATTERN[/OPERAND]=FORMAT]..., where NAME is one of the\n"
      "policies below. For example, nvfp4_all:first=bf16 has the first layer "
      "in\n"
      "BF16, nvfp4:*/x=fp16 the input of every GroupNorm in FP16, and\n"
      "nvfp4_1level:loss_scaling=static the loss multiplied by one number.\n"
      "nvfp4_forward_all:*/fprop_w=nvfp4+lsq:*/fprop_x=nvfp4+pact learns the\n"
      "weights' scales and where the activations are clipped.\n";
  for (const nn::NamedPolicy& policy : nn::Policies()) {
    absl::StrAppend(&text, "\n", policy.name);
    absl::StrAppend(&text, "\n  ", policy.what, "\n");
    AppendFormats("convolutions", policy.precision, &text);
    if (!policy.overrides.empty()) {
      absl::StrAppend(&text, "  but ", policy.overrides, "\n");
    }
    if (!(policy.output == policy.precision)) {
      AppendFormats("output layer", policy.output, &text);
    }
    absl::StrAppend(
        &text, "  loss scaling: ", nn::ToString(policy.loss_scaling), "\n");
  }
  return text;
}

}  // namespace cnn_fp4::experiments
