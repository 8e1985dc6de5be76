#ifndef NN_PRECISION_POLICY_H_
#define NN_PRECISION_POLICY_H_

// A Policy says which number format each GEMM operand of each layer has. One
// line of text says it all; flags, pins and records use that line:
//
//   NAME[:PATTERN[/OPERAND]=FORMAT]...
//
//   nvfp4_all                             a named policy, everywhere
//   nvfp4_all:first=bf16                  ... but the first convolution in BF16
//   nvfp4_all:*.up=fp32:enc1.conv1/fprop_x=bf16
//   nvfp4_1level:loss_scaling=dynamic
//
// NAME is a named policy (Policies() lists them). It alone gives the format of
// the results and the rule of the output layer. Some names
// bring exceptions with them, as if they were the first ones of the line:
// `nvfp4` is `nvfp4_all:first=bf16`.
// PATTERN is a glob over the layers' paths in the net (`*` is any text, dots
// included, `?` any character), or `first` and `last`: the layers that the net
// declares as reading its input and as the last ones before its output layer.
// Where several patterns meet a layer the last one in the line wins, operand by
// operand. The output layer is met by its own name only, never by a wildcard.
// OPERAND is fprop_x, fprop_w, dgrad_dy, dgrad_w, wgrad_dy or wgrad_x; without
// it the whole layer is meant. The operand x is the input of a normalisation,
// which every policy leaves in FP32: nvfp4:*/x=fp16. It meets normalisations
// only, everything else convolutions only.
// FORMAT is fp32, fp16 or bf16 (operands are rounded to it); for a whole layer
// also the name of a policy (its rule for an ordinary layer, without its
// exceptions), for one operand also a recipe of quant::FindRecipe, with blocks
// along the axis that the GEMM sums over. Only wgrad can have rotated operands
// (recipes with +rht), and only both of them. +scaled after a recipe (after
// its other modifiers) multiplies the tensor by a power of two before it is
// quantised, so that its amax fills the format's range: a scale of its own for
// each layer, which is what gradients need where a recipe has no tensor scale.
// +lsq after a recipe of fprop_w makes the scale of each filter a parameter
// that is trained (of the whole weight for fp4_per_tensor+lsq), +pact after one
// of fprop_x the value at which the activations are clipped
// (nn/layers/learned_scale.h): nvfp4_forward_all:*/fprop_w=nvfp4+lsq.
//
// The setting loss_scaling=off, static or dynamic stands where a PATTERN does
// and replaces the loss scaling of NAME.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nn/precision/conv_precision.h"
#include "nn/precision/layer_info.h"

namespace cnn_fp4::nn {

// Whether the loss is multiplied before the backward pass, and the weights'
// gradients divided again after it, so that small gradients between the layers
// survive in a format with a narrow range (Micikevicius et al. 2018,
// arXiv:1710.03740).
enum class LossScaling {
  kOff,
  kStatic,   // By one number.
  kDynamic,  // By a number that falls where gradients overflow, and grows.
};

// "off", "static", "dynamic".
absl::string_view ToString(LossScaling scaling);

struct NamedPolicy {
  std::string name;
  std::string what;         // One sentence.
  ConvPrecision precision;  // Of an ordinary layer.
  ConvPrecision output;     // Of the output layer.
  LossScaling loss_scaling = LossScaling::kOff;
  // Exceptions: "first=bf16". A net without such a layer is not refused.
  std::string overrides;
};

// All named policies, in the order of the documentation, which they are.
absl::Span<const NamedPolicy> Policies();

class Policy {
 public:
  // InvalidArgument, listing what is known, for a text that is no policy.
  static absl::StatusOr<Policy> Parse(absl::string_view text);

  // As it was parsed.
  const std::string& text() const { return text_; }

  // For directories, ids and labels: the text if it is a name only, else a slug
  // of [a-z0-9_.-] with four hexadecimal digits of the text's checksum.
  std::string Key() const;

  const NamedPolicy& base() const { return *base_; }

  // The line's own, or else the named policy's.
  LossScaling loss_scaling() const { return loss_scaling_; }

  // The precision of each of a net's layers, in the order of `layers`; of a
  // normalisation fprop_x alone means something.
  // InvalidArgument, listing the layers, for a pattern that meets none; for FP4
  // in a layer with fewer than 16 channels a group that no pattern names in
  // full; for a layer in which one operand of wgrad is rotated alone.
  absl::StatusOr<std::vector<ConvPrecision>> Resolve(
      absl::Span<const LayerInfo> layers) const;

 private:
  struct Override {
    bool of_name = false;  // Brought by the name, not written in the line.
    std::string pattern;
    bool of_norms = false;           // The operand x; `format` is its format.
    std::optional<Operand> operand;  // Unset: the whole layer, or x.
    ConvPrecision precision;         // Of the whole layer.
    OperandFormat format;            // Of the operand.
  };

  // Parses PATTERN[/OPERAND]=FORMAT; the message says what is wrong with it.
  static absl::StatusOr<Override> ParseOverride(absl::string_view text);

  std::string text_;
  const NamedPolicy* base_ = nullptr;  // In Policies().
  LossScaling loss_scaling_ = LossScaling::kOff;
  std::vector<Override> overrides_;
};

// A net under a policy, spelled out as JSON: every operand of every layer with
// recipe, grid and rounding, results and loss scaling. What a digest covers: a
// policy whose meaning changes has another text here. Errors: Resolve's.
absl::StatusOr<std::string> SpellOut(const Policy& policy,
                                     absl::Span<const LayerInfo> layers);

}  // namespace cnn_fp4::nn

#endif  // NN_PRECISION_POLICY_H_
