// Which layer and which operand of a trained net cost what in FP4.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/flag_parser.h"
#include "base/process_start.h"
#include "base/user_path.h"
#include "data/dataset_registry.h"
#include "experiments/machine_options.h"
#include "experiments/program.h"
#include "experiments/run_options.h"
#include "experiments/sensitivity_estimate.h"
#include "experiments/sensitivity_report.h"
#include "experiments/sensitivity_study.h"
#include "glog/logging.h"
#include "nn/models/net_spec.h"
#include "train/stop_signal.h"

namespace cnn_fp4::experiments {
namespace {

constexpr char kDescription[] =
    "Says which layer, and which operand of it, costs what in FP4.\n\n"
    "  bazel run //experiments:sensitivity -- \\\n"
    "    --checkpoint=runs/train/latest/checkpoints/fp16/best.pt\n\n"
    "It scores the trained net with one layer at a time in FP4, with one "
    "layer\n"
    "at a time spared, and with one operand at a time, and looks for the "
    "policy\n"
    "with the fewest exceptions. That is an estimate without any training. "
    "With\n"
    "--train every one of these policies is trained, with several seeds, as "
    "the\n"
    "checkpoint's run was; the same command continues what was stopped.\n";

// On the terminal; the files have all.
constexpr size_t kGradientRows = 10;

struct Options {
  std::string checkpoint;
  std::string policy = "nvfp4_all";
  std::string reference;
  double tolerance = 0.005;
  int64_t gradient_batches = 4;
  bool train = false;
  std::vector<std::string> seeds = {"3"};
  std::string output_dir;
  MachineOptions machine;
  data::ReadOptions read;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("checkpoint", self.checkpoint,
          "The trained net, in the directory of the run that wrote it. Its own "
          "number format does not matter.");
    visit("policy", self.policy,
          "The policy in FP4 whose layers are looked at.");
    visit("reference", self.reference,
          "The policy that it is compared with, by name; without it, that of "
          "the checkpoint's arm, or fp32 where that is in FP4.");
    visit("tolerance", self.tolerance,
          "Share of the reference's score that the policy with the fewest "
          "exceptions may lose.");
    visit("gradient_batches", self.gradient_batches,
          "Number of training batches on which gradients are compared; 0 "
          "leaves that out.");
    visit("train", self.train,
          "Trains every policy in place of estimating its score: hours.");
    visit("seeds", self.seeds,
          "With train: the seeds. 3 means 1 to 3; a list names them.");
    visit("output_dir", self.output_dir,
          "Where sensitivity.html, .md and .json are written, and the study "
          "that train makes. Without it, runs/sensitivity in the workspace.");
    MachineOptions::VisitFields(self.machine, visit);
    visit("read", self.read, "The data set on this machine");
  }
};

absl::Status CheckOptions(const Options& options,
                          const std::set<std::string>& given) {
  if (options.checkpoint.empty()) {
    return absl::InvalidArgumentError(
        "checkpoint must be given, as in "
        "--checkpoint=runs/train/latest/checkpoints/fp16/best.pt");
  }
  if (!std::isfinite(options.tolerance) || options.tolerance < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("tolerance is ", options.tolerance,
                     "; it is a share, 0 or more, such as 0.005"));
  }
  if (options.gradient_batches < 0) {
    return absl::InvalidArgumentError(absl::StrCat("gradient_batches is ",
                                                   options.gradient_batches,
                                                   "; it cannot be negative"));
  }
  for (const auto& [flag, goes] : {std::pair("seeds", options.train),
                                   {"gradient_batches", !options.train}}) {
    if (given.count(flag) > 0 && !goes) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, options.train ? " does not go with --train"
                                           : " goes with --train only"));
    }
  }
  return absl::OkStatus();
}

// The name of the arm's policy, without its exceptions, if it is not in FP4.
std::string DefaultReference(const SavedArm& saved,
                             absl::Span<const nn::LayerInfo> layers) {
  const std::string name = saved.policy.substr(0, saved.policy.find(':'));
  const bool in_fp4 = PlanSensitivity("fp32", name, layers, false).ok();
  return in_fp4 ? "fp32" : name;
}

// nullopt: stopped by a signal.
absl::StatusOr<std::optional<Sensitivity>> Measure(
    const Options& options, const SavedArm& saved, const SensitivityPlan& plan,
    const std::string& directory) {
  if (options.train) {
    const absl::StatusOr<std::vector<int64_t>> seeds =
        ParseSeeds(options.seeds);
    if (!seeds.ok()) return seeds.status();
    StudyOptions study;
    study.directory = directory + "/study";
    study.run.device = options.machine.device;
    study.run.threads = options.machine.threads;
    study.run.read = options.read;
    study.run.sinks.clear();  // metrics.jsonl has all.
    return TrainSensitivity(plan, {saved.spec, *seeds, {}}, study,
                            options.tolerance);
  }
  const absl::StatusOr<std::string> device = StartRuntime(options.machine);
  if (!device.ok()) return device.status();
  data::ReadOptions read = options.read;
  read.seed = static_cast<uint64_t>(saved.spec.train.seed);
  const absl::StatusOr<data::DatasetPair> datasets =
      data::OpenDataset(saved.spec.data, read);
  if (!datasets.ok()) return datasets.status();
  std::fprintf(stderr, "%s\n", datasets->val->Describe().c_str());
  absl::StatusOr<Sensitivity> estimate = EstimateSensitivity(
      plan, saved, *datasets,
      {*device, options.tolerance, options.gradient_batches});
  if (!estimate.ok()) return estimate.status();
  return *std::move(estimate);
}

int Main(int argc, char** argv) {
  Options options;
  base::FlagParser parser(kDescription);
  parser.AddFields(base::Fields(options), "What is looked at");
  const auto refuse = [&](const absl::Status& status, int exit_status) {
    return RefuseCall(parser, status, exit_status);
  };
  const Call call = ParseCall(parser, argc, argv);
  if (call.exit_status.has_value()) return *call.exit_status;
  if (absl::Status status = CheckOptions(options, call.given); !status.ok()) {
    return refuse(status, kExitUsage);
  }
  FLAGS_logtostderr = true;
  google::InitGoogleLogging("sensitivity");
  if (options.train) train::InstallStopSignalHandlers();
  options.read.data_root = base::UserPath(options.read.data_root);
  const absl::StatusOr<SavedArm> saved =
      FindSavedArm(base::UserPath(options.checkpoint));
  if (!saved.ok()) return refuse(saved.status(), kExitFailure);
  const absl::StatusOr<std::vector<nn::LayerInfo>> layers =
      nn::Layers(saved->spec.net);
  if (!layers.ok()) return refuse(layers.status(), kExitFailure);
  if (options.reference.empty()) {
    options.reference = DefaultReference(*saved, *layers);
  }
  const absl::StatusOr<SensitivityPlan> plan = PlanSensitivity(
      options.reference, options.policy, *layers, /*backward=*/options.train);
  if (!plan.ok()) return refuse(plan.status(), kExitUsage);
  const std::string directory = options.output_dir.empty()
                                    ? DefaultOutputDir() + "/sensitivity"
                                    : base::UserPath(options.output_dir);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return refuse(
        absl::PermissionDeniedError(absl::StrCat(
            "output_dir: cannot make ", directory, ": ", error.message())),
        kExitFailure);
  }
  const absl::StatusOr<std::optional<Sensitivity>> sensitivity =
      Measure(options, *saved, *plan, directory);
  if (!sensitivity.ok()) {
    return refuse(sensitivity.status(), ExitStatusFor(sensitivity.status()));
  }
  if (!sensitivity->has_value()) return 128 + train::StopSignal();
  if (absl::Status status =
          WriteSensitivity(**sensitivity, base::ToJson(saved->spec), directory);
      !status.ok()) {
    return refuse(status, kExitFailure);
  }
  std::printf("\n%s", LayersTable(**sensitivity).ToText().c_str());
  if (const size_t all = (*sensitivity)->gradients.size(); all > 0) {
    std::printf("\n%s",
                GradientsTable(**sensitivity, kGradientRows).ToText().c_str());
    if (all > kGradientRows) {
      std::printf("... %zu more in the report\n", all - kGradientRows);
    }
  }
  std::printf("\n%s\nreport: %s/sensitivity.html\n",
              Conclusion(**sensitivity).c_str(), directory.c_str());
  return 0;
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  cnn_fp4::base::StartProcess(argv);
  return cnn_fp4::experiments::Main(argc, argv);
}
