// The main of every pinned experiment: the configuration is compiled in.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "experiments/experiment_spec.h"
#include "experiments/pinned_config.h"
#include "experiments/run_flags.h"

namespace cnn_fp4::experiments {
namespace {

std::string Hint(const std::string& flag) {
  const std::vector<std::string> fields = FieldNames();
  if (std::find(fields.begin(), fields.end(), flag) == fields.end()) {
    return "; --help lists all";
  }
  return absl::StrCat(": ", kExperimentName, " pins ", flag,
                      "; to choose it, bazel run //experiments:train -- --",
                      flag, "=...");
}

int Main(int argc, char** argv) {
  ParseFlags(
      argc, argv,
      absl::StrCat("Trains the arms of the experiment ", kExperimentName,
                   " one after the other and compares them.\n\n"
                   "The configuration is pinned (--print_config shows it); the "
                   "flags choose where it runs and what it shows.\n"
                   "Another configuration: bazel run //experiments:train"),
      Hint);
  const absl::StatusOr<ExperimentSpec> spec =
      ParseExperimentSpec(kExperimentConfig);
  if (!spec.ok()) {
    PrintError(std::string(spec.status().message()));
    return kExitFailure;
  }
  return RunFromFlags(kExperimentName, *spec);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  return cnn_fp4::experiments::Main(argc, argv);
}
