#ifndef EXPERIMENTS_FLAG_USE_H_
#define EXPERIMENTS_FLAG_USE_H_

// Flags that were given and that nothing would read: who gives one expects that
// it does something.
//
//   Flag                                     Refused with
//   --------------------------------------- -----------------------------------
//   --horizontal_flip, --vertical_flip,      --noaugment
//   --min_scale, --max_scale,
//   --foreground_probability
//   --warmup_steps                           fewer --steps than that
//   --initial_loss_scale                     arms that all leave the loss as it
//                                            is
//   --loss_scale_...                         arms without dynamic loss scaling
//   --max_pixels                             --dataset=synthetic
//   --prefetch                               --workers=0
//   --wandb_...                              --sinks without wandb
//   all flags of a run but --device and      --smoke
//   --threads
//
// What a data set does not read is refused by data/dataset_spec.h, whether it
// was given as a flag or stands in a file.

#include <set>
#include <string>

#include "absl/status/status.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_options.h"
#include "experiments/study_spec.h"

namespace cnn_fp4::experiments {

// `given`: paths of fields of the two, which pass their Checks. InvalidArgument
// that begins with the name of the field.
absl::Status CheckFlagsApply(const std::set<std::string>& given,
                             const ExperimentSpec& spec,
                             const RunOptions& options);

// The same for a study that passes its Check: a flag is refused if no condition
// reads it, and a condition's setting if that condition does not; this begins
// with "conditions".
absl::Status CheckFlagsApply(const std::set<std::string>& given,
                             const StudySpec& study, const RunOptions& options);

// The same for --smoke, which chooses its own data and directory.
absl::Status CheckFlagsOfSmoke(const std::set<std::string>& given);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_FLAG_USE_H_
