#ifndef EXPERIMENTS_RUN_FLAGS_H_
#define EXPERIMENTS_RUN_FLAGS_H_

// The flags that every experiment binary has, and what is common to their
// mains.

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "experiments/experiment_spec.h"
#include "experiments/run_options.h"

namespace cnn_fp4::experiments {

// Exit statuses.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// RunOptions from --output_dir, --data_root, ... InvalidArgument for a value
// that a flag cannot have.
absl::StatusOr<RunOptions> RunOptionsFromFlags();

// Parses the command line. A flag that is not known ends the process with
// status 2 and `hint(flag)` beside the message; so does a positional argument.
void ParseFlags(int argc, char** argv, const std::string& usage,
                const std::function<std::string(const std::string&)>& hint);

// Runs what the flags ask for (--print_config, --smoke or the experiment) and
// returns the process's exit status; errors are one line on stderr.
int RunFromFlags(const std::string& name, const ExperimentSpec& spec);

// One line on stderr: "error: ...".
void PrintError(const std::string& message);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_RUN_FLAGS_H_
