#include "experiments/wandb_options.h"

#include <cstdlib>

#include "absl/strings/str_split.h"

namespace cnn_fp4::experiments {
namespace {

// `given`, or else the environment variable.
std::string OrVariable(const std::string& given, const char* variable) {
  const char* const value = std::getenv(variable);
  return given.empty() && value != nullptr ? value : given;
}

}  // namespace

telemetry::WandbSinkOptions WandbOptionsFor(const std::string& experiment,
                                            const WandbLabels& labels) {
  telemetry::WandbSinkOptions options;
  options.labels.project = OrVariable(labels.wandb_project, "WANDB_PROJECT");
  if (options.labels.project.empty()) options.labels.project = experiment;
  options.labels.entity = OrVariable(labels.wandb_entity, "WANDB_ENTITY");
  options.labels.notes = OrVariable(labels.wandb_notes, "WANDB_NOTES");
  options.labels.log_model = labels.wandb_log_model;
  options.labels.tags = labels.wandb_tags;
  if (options.labels.tags.empty()) {
    options.labels.tags =
        absl::StrSplit(OrVariable("", "WANDB_TAGS"), ',', absl::SkipEmpty());
  }
  return options;
}

}  // namespace cnn_fp4::experiments
