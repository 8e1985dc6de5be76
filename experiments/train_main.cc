// The free runner: every field of an experiment is a flag.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_flags.h"

using cnn_fp4::experiments::ExperimentSpec;

#define SPEC_FLAG(type, name, help) \
  ABSL_FLAG(type, name, ExperimentSpec().name, help)

// The names of the seed project's command line live on: --models,
// --model_scale_factor, --logf.
SPEC_FLAG(std::vector<std::string>, models,
          "Arms, trained one after the other: fp32, fp16, nvfp4, nvfp4_seed, "
          "mxfp4. The first is what the others are compared with.");
SPEC_FLAG(double, model_scale_factor,
          "Factor of the UNet's 64 to 1024 channels.");
SPEC_FLAG(std::string, task, "semantic: one class for each pixel.");
SPEC_FLAG(std::string, dataset,
          "nuclei (embedded), folder, mvtec, coco or synthetic.");
SPEC_FLAG(std::string, category, "mvtec: the category's folder.");
SPEC_FLAG(std::string, mvtec_labels, "mvtec: binary or per_defect.");
SPEC_FLAG(std::string, mvtec_subset, "mvtec: test, train or all.");
SPEC_FLAG(std::string, train_split,
          "Name of the training split; empty: the data set's own.");
SPEC_FLAG(std::string, val_split,
          "Name of the validation split; empty: the data set's own.");
SPEC_FLAG(std::vector<std::string>, class_names,
          "folder: names of the classes by mask value. coco: the categories to "
          "keep.");
SPEC_FLAG(int64_t, ignore_index,
          "folder: mask value of pixels that do not count; -1: none.");
SPEC_FLAG(int64_t, batch_size, "Images a step.");
SPEC_FLAG(int64_t, crop, "Width and height of training crops.");
SPEC_FLAG(bool, augment, "Random crops, flips and sizes.");
SPEC_FLAG(double, foreground_probability,
          "Share of crops placed around a pixel of the foreground: for rare "
          "classes.");
SPEC_FLAG(int64_t, steps, "Steps of each arm; 0: --epochs decides.");
SPEC_FLAG(int64_t, epochs, "Passes over the training images; needs --steps=0.");
SPEC_FLAG(double, learning_rate, "Adam's, at its peak.");
SPEC_FLAG(int64_t, warmup_steps, "Steps of linear warm-up.");
SPEC_FLAG(double, final_learning_rate_fraction,
          "Of the peak, at the end of the cosine.");
SPEC_FLAG(double, weight_decay, "Adam's, added to the gradient.");
SPEC_FLAG(double, max_gradient_norm, "Gradients are clipped to it; 0: never.");
SPEC_FLAG(double, dice_weight, "Of the Dice loss beside cross entropy.");
SPEC_FLAG(double, initial_loss_scale, "Of the FP16 arm's gradient scaler.");
SPEC_FLAG(int64_t, seed, "Of weights, order and augmentation.");
SPEC_FLAG(int64_t, validate_every, "Steps; 0: at the end only.");
SPEC_FLAG(int64_t, checkpoint_every, "Steps; 0: at the end only.");
SPEC_FLAG(int64_t, keep_checkpoints, "The last so many, beside the best.");

namespace cnn_fp4::experiments {
namespace {

ExperimentSpec SpecFromFlags() {
  ExperimentSpec spec;
  const auto flags = absl::GetAllFlags();
  VisitFields(spec, [&](const char* name, auto& field) {
    // experiments_test sees to it that every field has its flag.
    field = *flags.at(name)->TryGet<std::decay_t<decltype(field)>>();
  });
  return spec;
}

int Main(int argc, char** argv) {
  ParseFlags(
      argc, argv,
      "Trains a UNet in several precisions, one after the other from "
      "the same weights on the same batches, and compares them.\n\n"
      "  bazel run //experiments:train -- --models=fp16,nvfp4 "
      "--model_scale_factor=0.25 --logf=50\n"
      "  bazel run //experiments:train -- --dataset=folder "
      "--data_root=/my/images --steps=400",
      [](const std::string&) { return std::string("; --help lists all"); });
  ExperimentSpec spec = SpecFromFlags();
  if (spec.epochs > 0 && spec.steps == ExperimentSpec().steps) spec.steps = 0;
  if (const absl::Status status = Validate(spec); !status.ok()) {
    PrintError("--" + std::string(status.message()));
    return kExitUsage;
  }
  return RunFromFlags("train", spec);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  return cnn_fp4::experiments::Main(argc, argv);
}
