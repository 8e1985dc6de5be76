#ifndef EXPERIMENTS_EXPERIMENT_SPEC_H_
#define EXPERIMENTS_EXPERIMENT_SPEC_H_

// Everything that decides what an experiment computes. What only decides where
// it runs and what it shows (output directory, device, logf) is RunOptions.
//
// VisitFields is the one list of fields: reading, writing, comparing and the
// flags of //experiments:train all go through it.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::experiments {

struct ExperimentSpec {
  // Arms, in the order of training: names of nn::ConvPrecision. The first is
  // what the others are compared with.
  std::vector<std::string> models = {"fp16", "nvfp4"};
  double model_scale_factor = 0.25;
  std::string task = "semantic";

  // data::DatasetOptions; data_root is where the data lies, a run-time choice.
  std::string dataset = "nuclei";
  std::string category;
  std::string mvtec_labels = "binary";
  std::string mvtec_subset = "test";
  std::string train_split;
  std::string val_split;
  std::vector<std::string> class_names;
  int64_t ignore_index = 255;

  int64_t batch_size = 4;
  int64_t crop = 128;
  bool augment = true;
  // Share of crops that are placed around a pixel of the foreground.
  double foreground_probability = 0.0;

  int64_t steps = 120;  // 0: epochs decide.
  int64_t epochs = 0;
  double learning_rate = 1e-3;
  int64_t warmup_steps = 10;
  double final_learning_rate_fraction = 0.01;
  double weight_decay = 0.0;
  double max_gradient_norm = 1.0;
  double dice_weight = 1.0;
  double initial_loss_scale = 65536.0;
  int64_t seed = 42;

  int64_t validate_every = 40;
  int64_t checkpoint_every = 40;
  int64_t keep_checkpoints = 2;
};

// Calls visit(name, field) for every field; Spec is ExperimentSpec, const or
// not.
template <typename Spec, typename Visitor>
void VisitFields(Spec& spec, Visitor&& visit) {
  visit("models", spec.models);
  visit("model_scale_factor", spec.model_scale_factor);
  visit("task", spec.task);
  visit("dataset", spec.dataset);
  visit("category", spec.category);
  visit("mvtec_labels", spec.mvtec_labels);
  visit("mvtec_subset", spec.mvtec_subset);
  visit("train_split", spec.train_split);
  visit("val_split", spec.val_split);
  visit("class_names", spec.class_names);
  visit("ignore_index", spec.ignore_index);
  visit("batch_size", spec.batch_size);
  visit("crop", spec.crop);
  visit("augment", spec.augment);
  visit("foreground_probability", spec.foreground_probability);
  visit("steps", spec.steps);
  visit("epochs", spec.epochs);
  visit("learning_rate", spec.learning_rate);
  visit("warmup_steps", spec.warmup_steps);
  visit("final_learning_rate_fraction", spec.final_learning_rate_fraction);
  visit("weight_decay", spec.weight_decay);
  visit("max_gradient_norm", spec.max_gradient_norm);
  visit("dice_weight", spec.dice_weight);
  visit("initial_loss_scale", spec.initial_loss_scale);
  visit("seed", spec.seed);
  visit("validate_every", spec.validate_every);
  visit("checkpoint_every", spec.checkpoint_every);
  visit("keep_checkpoints", spec.keep_checkpoints);
}

// Canonical JSON: keys sorted, two spaces of indentation.
std::string ToJson(const ExperimentSpec& spec);

// Strict: an unknown key, a missing key, a value of another type and a value
// that Validate refuses are InvalidArgument that names the key.
absl::StatusOr<ExperimentSpec> ParseExperimentSpec(absl::string_view json);

// InvalidArgument naming the field and what it may be.
absl::Status Validate(const ExperimentSpec& spec);

// Eight hexadecimal digits (CRC-32 of the canonical JSON): two specs with the
// same digest are, for all practical purposes, the same.
std::string Digest(const ExperimentSpec& spec);

// Names of all fields.
std::vector<std::string> FieldNames();

// The grammar of pinned names: [<data>_]<arm>_vs_<arm>..._s<digits>, where the
// first digit is before the decimal point: s025 is 0.25, s0125 0.125, s100 1.
// InvalidArgument if the name says something else than the spec.
absl::Status CheckName(absl::string_view name, const ExperimentSpec& spec);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_EXPERIMENT_SPEC_H_
