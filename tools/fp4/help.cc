#include "tools/fp4/help.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace cnn_fp4::fp4 {
namespace {

constexpr absl::string_view kQuantize =
    R"(fp4 quantize: a safetensors file with its F32, F16 and BF16 tensors in FP4

usage: fp4 quantize --input=IN --output=OUT [flags]

  --recipe=NAME        how; `fp4 recipes` lists them (default: nvfp4)
  --input=FILE         safetensors file to read
  --output=FILE        safetensors file to write; replaced only when complete
  --layout=NAME        modelopt: X, X_scale, X_scale_2 (multiply), or
                       compressed-tensors: X_packed, X_scale, X_global_scale
                       (divide) (modelopt)
  --axis=N             dimension along which blocks run, negative from the end
                       (-1)
  --rounding=NAME      nearest, ties_away, ties_to_zero, sr8, sr, sr_unbiased
                       (the recipe's)
  --seed=N             of the stochastic roundings (0)
  --nonfinite=POLICY   refuse a NaN or infinity, or saturate: NaN becomes 0, an
                       infinity the largest float, and every value written is
                       finite (refuse)
  --dequantized        also write X_dequantized, F32 in the original shape
  --include=GLOB,...   quantise the tensors whose name matches one, and no
                       others; '*': all (default: what is usually quantised)
  --exclude=GLOB,...   copy tensors whose name matches one
  --progress=MODE      auto, bar, lines, json, off (auto)

Usually quantised are tensors of at least two dimensions whose name does not
contain 'norm' or end with 'bias'; others are copied, and the command says which.
Scalars and tensors of other types are copied always. Shape, axis, recipe and
layout go into the metadata, so that dequantize needs no flags.

examples:
  fp4 quantize --input=model.safetensors --output=fp4.safetensors
  fp4 quantize --recipe=mxfp4 --exclude='*embed*,lm_head*' --dequantized \
      --input=model.safetensors --output=fp4.safetensors
  fp4 quantize --axis=1 --include='*conv*.weight' \
      --rounding=sr --seed=7 --input=model.safetensors --output=fp4.safetensors
)";

constexpr absl::string_view kDequantize =
    R"(fp4 dequantize: a quantised safetensors file as F32 again

usage: fp4 dequantize --input=IN --output=OUT [flags]

  --input=FILE         file of `fp4 quantize`, or of another program
  --output=FILE        safetensors file to write; replaced only when complete
  --layout=NAME        modelopt or compressed-tensors: only for files of other
                       programs, whose recipe follows from type and number of
                       the scales
  --progress=MODE      auto, bar, lines, json, off (auto)

Names and shapes are the original ones; tensors that are not quantised are
copied.

examples:
  fp4 dequantize --input=fp4.safetensors --output=back.safetensors
  fp4 dequantize --layout=modelopt --input=export.safetensors \
      --output=back.safetensors
)";

constexpr absl::string_view kInspect =
    R"(fp4 inspect: what is in a safetensors file

usage: fp4 inspect FILE [flags]

  --layout=NAME        modelopt or compressed-tensors: for files of other
                       programs

Prints tensors, shapes, types and metadata, and for quantised tensors: tensor
scale, range of the stored block scales and how many are zero, how many of the
15 values of FP4 occur (+0 and -0 are one), the entropy of the values, the
shares of zeros and of +-6. Which of the +-6 are clipped shows in fp4 compare.

example:
  fp4 inspect fp4.safetensors
)";

constexpr absl::string_view kCompare =
    R"(fp4 compare: how far the tensors of B are from those of A

usage: fp4 compare A B [flags]

  --min_sqnr=DB        exit 1 if a tensor's signal to noise ratio is lower
  --max_error=X        exit 1 if a tensor's largest absolute error is larger
  --min_cosine=X       exit 1 if a tensor's cosine similarity is lower
  --layout=NAME        modelopt or compressed-tensors: for files of other
                       programs

Quantised tensors are compared by their values. Where B is quantised, underflow
is the share of A's non-zero values that became zero, and saturation the share
that was clipped to the largest value of its block. The cosine of zeros is nan;
equal tensors keep every limit. Exit status 1 also if a tensor is in one file
only, or has another shape.

examples:
  fp4 compare model.safetensors fp4.safetensors --min_sqnr=18
  fp4 compare back.safetensors theirs.safetensors --max_error=0
)";

constexpr absl::string_view kRecipes =
    R"(fp4 recipes: the registry of recipes

usage: fp4 recipes

Prints for each recipe its arithmetic, what it follows, when to take it, and all
of its fields.
)";

}  // namespace

absl::Span<const Command> Commands() {
  static const auto* const kCommands = new std::vector<Command>{
      {"quantize",
       "floating-point tensors to FP4",
       kQuantize,
       {"recipe", "layout", "axis", "dequantized", "rounding", "seed",
        "nonfinite", "include", "exclude", "input", "output"},
       0},
      {"dequantize",
       "back to F32",
       kDequantize,
       {"layout", "input", "output"},
       0},
      {"inspect", "tensors, scales and use of codes", kInspect, {"layout"}, 1},
      {"compare",
       "SQNR, errors and cosine of two files",
       kCompare,
       {"layout", "min_sqnr", "max_error", "min_cosine"},
       2},
      {"recipes", "the registry of recipes", kRecipes, {}, 0},
  };
  return *kCommands;
}

const Command* FindCommand(absl::string_view name) {
  for (const Command& command : Commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string GeneralHelp() {
  std::string out =
      "fp4: 4-bit floating point tensors in safetensors files\n\n"
      "usage: fp4 COMMAND [arguments]\n\n";
  for (const Command& command : Commands()) {
    absl::StrAppendFormat(&out, "  %-11s %s\n", command.name, command.summary);
  }
  absl::StrAppend(&out,
                  "\n`fp4 COMMAND --help` says more. Exit status: 0, 1 for "
                  "files that cannot be\nread or differ, 2 for wrong "
                  "arguments.\n");
  return out;
}

}  // namespace cnn_fp4::fp4
