// The free runner: every field of an experiment is a flag.

#include <cstdio>

#include "base/process_start.h"
#include "base/user_path.h"
#include "experiments/experiment_spec.h"
#include "experiments/init_weights.h"
#include "experiments/policy_list.h"
#include "experiments/program.h"

namespace cnn_fp4::experiments {
namespace {

constexpr char kDescription[] =
    "Trains a net in several precisions, one after the other from the same\n"
    "weights on the same batches, and compares them.\n\n"
    "  bazel run //experiments:train -- --models fp16 nvfp4 \\\n"
    "    --model_scale_factor 0.25 --logf 50\n"
    "  bazel run //experiments:train -- --dataset=folder \\\n"
    "    --data_root=/my/images --epochs=20\n";

struct ListAction {
  bool list_policies = false;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("list_policies", self.list_policies,
          "Prints the policies that --models can name and exits.");
  }
};

int Main(int argc, char** argv) {
  ExperimentSpec spec;
  ListAction list;
  Program program(kDescription);
  program.parser().AddFields(base::Fields(list), "Instead of a run");
  program.parser().AddFields(base::Fields(spec), "The experiment",
                             RenamedFlags());
  program.parser().AddSet(base::Fields(spec));
  const absl::StatusOr<base::ParsedFlags> parsed =
      program.ParseFlags(argc, argv);
  if (!parsed.ok()) return program.Refuse(parsed.status());
  if (parsed->help) return 0;
  if (list.list_policies) {
    std::printf("%s", ListPolicies().c_str());
    return 0;
  }
  LetEpochsDecide(*parsed, spec.train);
  if (absl::Status status =
          SetInitChecksum(base::UserPath(program.options().init), spec.train);
      !status.ok()) {
    return program.Refuse(status, ExitStatusFor(status));
  }
  return program.Run("train", spec);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  cnn_fp4::base::StartProcess(argv);
  return cnn_fp4::experiments::Main(argc, argv);
}
