#ifndef EXPERIMENTS_WANDB_OPTIONS_H_
#define EXPERIMENTS_WANDB_OPTIONS_H_

#include <string>

#include "experiments/run_options.h"
#include "telemetry/sinks/sink_factory.h"

namespace cnn_fp4::experiments {

// Flags first, then W&B's own environment variables, then the experiment's name
// as that of the project.
telemetry::WandbSinkOptions WandbOptionsFor(const std::string& experiment,
                                            const WandbLabels& labels);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_WANDB_OPTIONS_H_
