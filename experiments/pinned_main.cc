// The main of every pinned experiment: the configuration is compiled in.

#include "absl/strings/str_cat.h"
#include "base/process_start.h"
#include "experiments/experiment_spec.h"
#include "experiments/pinned_config.h"
#include "experiments/program.h"

namespace cnn_fp4::experiments {
namespace {

// For the flags of //experiments:train that this program does not have.
std::string Hint(const std::string& flag) {
  ExperimentSpec spec;
  for (const base::SpecField& field : base::Fields(spec)) {
    const auto renamed = RenamedFlags().find(field.path);
    const std::string name =
        renamed == RenamedFlags().end() ? field.leaf() : renamed->second;
    if (flag != name && flag != field.leaf()) continue;
    return absl::StrCat(": ", kExperimentName, " pins ", flag,
                        "; to choose it, bazel run //experiments:train -- --",
                        name, "=...");
  }
  if (flag == "set") {
    return absl::StrCat(": ", kExperimentName,
                        " pins every field; to choose some, bazel run "
                        "//experiments:train -- --set ...");
  }
  return "; --help lists all";
}

int Main(int argc, char** argv) {
  Program program(absl::StrCat(
      "Trains the arms of the experiment ", kExperimentName,
      "\none after the other and compares them.\n\n"
      "The configuration is pinned (--print_config shows it); the flags "
      "choose\n"
      "where it runs and what it shows. For another configuration:\n"
      "  bazel run //experiments:train -- --help\n"));
  program.parser().SetHint(Hint);
  const absl::StatusOr<base::ParsedFlags> parsed =
      program.ParseFlags(argc, argv);
  if (!parsed.ok()) return program.Refuse(parsed.status());
  if (parsed->help) return 0;
  const absl::StatusOr<ExperimentSpec> spec =
      ParseExperimentSpec(kExperimentConfig);
  if (!spec.ok()) return program.Refuse(spec.status(), kExitFailure);
  return program.Run(kExperimentName, *spec);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  cnn_fp4::base::StartProcess(argv);
  return cnn_fp4::experiments::Main(argc, argv);
}
