// Writes a checkpoint's weights as a safetensors file.

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/flag_parser.h"
#include "base/process_start.h"
#include "base/spec.h"
#include "base/user_path.h"
#include "experiments/export_weights.h"
#include "experiments/program.h"
#include "experiments/saved_arm.h"
#include "nn/runtime.h"
#include "quant/recipe.h"

namespace cnn_fp4::experiments {
namespace {

constexpr char kDescription[] =
    "Writes the weights of a checkpoint as a safetensors file, by the names "
    "of\n"
    "the net's parameters.\n\n"
    "  bazel run //experiments:export -- --output=weights.safetensors \\\n"
    "    --checkpoint=runs/train/latest/checkpoints/fp16/best.pt\n\n"
    "With --recipe the kernels of the convolutions are packed in FP4, with\n"
    "blocks along their input channels, which the forward pass sums over. The\n"
    "output layer, biases and norms stay in FP32:\n\n"
    "  bazel run //experiments:export -- --checkpoint=... \\\n"
    "    --output=fp4.safetensors --recipe=nvfp4 --layout=compressed-tensors\n"
    "  bazel run //tools/fp4 -- dequantize --input=fp4.safetensors \\\n"
    "    --output=back.safetensors\n";

struct ExportFlags {
  std::string checkpoint;
  std::string output;
  std::string recipe;
  std::string layout = "modelopt";
  std::vector<std::string> exclude;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("checkpoint", self.checkpoint,
          "The checkpoint, in the directory of the run that wrote it.");
    visit("output", self.output,
          "The safetensors file to write; it is replaced only when complete.");
    visit("recipe", self.recipe,
          "The recipe to pack the kernels by, as in nvfp4 or mxfp4; fp4 "
          "recipes lists all. Without it every weight is FP32. The blocks are "
          "the recipe's, along one axis, whatever those of the training were.");
    visit("layout", self.layout,
          "For recipe: the names and scales of the packed parts, modelopt or "
          "compressed-tensors.");
    visit("exclude", self.exclude,
          "For recipe: shell patterns of kernels that stay in FP32, as in "
          "enc1.conv1.weight.");
  }
};

// What the flags ask for, but for the checkpoint. InvalidArgument that begins
// with the name of a flag.
absl::StatusOr<ExportOptions> ToOptions(const ExportFlags& flags,
                                        const std::set<std::string>& given) {
  for (const auto& [name, value] :
       {std::make_pair("checkpoint", flags.checkpoint),
        std::make_pair("output", flags.output)}) {
    if (value.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(name, " must be given"));
    }
  }
  ExportOptions options;
  options.output = base::UserPath(flags.output);
  options.exclude = flags.exclude;
  if (flags.recipe.empty()) {
    for (const char* name : {"layout", "exclude"}) {
      if (given.count(name) > 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " goes with --recipe; without it all is FP32"));
      }
    }
    return options;
  }
  const absl::StatusOr<quant::Recipe> recipe = quant::FindRecipe(flags.recipe);
  if (!recipe.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("recipe: ", recipe.status().message()));
  }
  options.recipe = *recipe;
  const absl::StatusOr<fp4::Layout> layout = fp4::ParseLayout(flags.layout);
  if (!layout.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout: ", layout.status().message()));
  }
  options.layout = *layout;
  return options;
}

// Prints what was written.
absl::Status Export(const std::string& checkpoint,
                    const ExportOptions& options) {
  const absl::StatusOr<SavedArm> saved = FindSavedArm(checkpoint);
  if (!saved.ok()) return saved.status();
  const absl::StatusOr<LoadedArm> arm = LoadArm(*saved, "", "cpu");
  if (!arm.ok()) return arm.status();
  const absl::StatusOr<int64_t> packed = ExportWeights(arm->net, options);
  if (!packed.ok()) return packed.status();
  std::printf("%s: the weights of %s at step %d", options.output.c_str(),
              saved->arm.c_str(), static_cast<int>(arm->step));
  if (options.recipe.has_value()) {
    std::printf(", %d kernels in %s", static_cast<int>(*packed),
                options.recipe->name.c_str());
  }
  std::printf("\n");
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  ExportFlags flags;
  base::FlagParser parser(kDescription);
  parser.AddFields(base::Fields(flags), "What is written");
  const auto refuse = [&](const absl::Status& status, int exit_status) {
    return RefuseCall(parser, status, exit_status);
  };
  const Call call = ParseCall(parser, argc, argv);
  if (call.exit_status.has_value()) return *call.exit_status;
  const absl::StatusOr<ExportOptions> options = ToOptions(flags, call.given);
  if (!options.ok()) return refuse(options.status(), kExitUsage);
  nn::InitRuntime(/*threads=*/0);
  const absl::Status status =
      Export(base::UserPath(flags.checkpoint), *options);
  return status.ok() ? 0 : refuse(status, kExitFailure);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  cnn_fp4::base::StartProcess(argv);
  return cnn_fp4::experiments::Main(argc, argv);
}
