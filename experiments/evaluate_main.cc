// Scores a checkpoint of a run, under its own policy or under another one.

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/atomic_file.h"
#include "base/flag_parser.h"
#include "base/json_number.h"
#include "base/spec.h"
#include "base/table.h"
#include "base/user_path.h"
#include "data/dataset_registry.h"
#include "experiments/arm_net.h"
#include "experiments/program.h"
#include "experiments/saved_arm.h"
#include "nlohmann/json.hpp"
#include "nn/runtime.h"
#include "train/evaluate.h"
#include "train/task.h"

namespace cnn_fp4::experiments {
namespace {

constexpr char kDescription[] =
    "Scores a checkpoint on the validation images, as the training did.\n\n"
    "  bazel run //experiments:evaluate -- \\\n"
    "    --checkpoint=runs/train/latest/checkpoints/fp16/best.pt\n\n"
    "With --policy it answers what another number format would do to the\n"
    "trained net (post-training quantisation):\n\n"
    "  bazel run //experiments:evaluate -- --checkpoint=... \\\n"
    "    --policy=nvfp4\n";

struct EvaluateOptions {
  std::string checkpoint;
  std::string policy;
  std::string json;
  std::string device = "cpu";
  int64_t threads = 0;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("checkpoint", self.checkpoint,
          "The checkpoint, in the directory of the run that wrote it.");
    visit("policy", self.policy,
          "The policy to score it under; without it, the arm's own.");
    visit("json", self.json,
          "A file that the scores are written to as JSON, unrounded.");
    visit("device", self.device, "cpu, cuda, or auto: cuda if there is a GPU.");
    visit("threads", self.threads,
          "Number of CPU threads; 0 means one for each core, or "
          "OMP_NUM_THREADS.");
  }
};

// `to`, the training's data set, with what the command line says otherwise.
// Another --dataset shares no field with it.
void Override(const std::set<std::string>& given, data::DatasetSpec& from,
              data::DatasetSpec& to) {
  if (given.count("dataset") > 0) {
    to = from;
    return;
  }
  const std::vector<base::SpecField> source = base::Fields(from);
  const std::vector<base::SpecField> target = base::Fields(to);
  for (size_t i = 0; i < source.size(); ++i) {
    if (given.count(source[i].path) > 0) {
      target[i].set_value(source[i].value());
    }
  }
}

struct Scores {
  std::string policy;
  int64_t step = 0;
  std::vector<train::Metric> metrics;
};

absl::StatusOr<Scores> Evaluate(const EvaluateOptions& options,
                                data::DatasetSpec& data,
                                const std::set<std::string>& given,
                                data::ReadOptions read) {
  nn::InitRuntime(static_cast<int>(options.threads));
  const absl::StatusOr<std::string> device = nn::ResolveDevice(options.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<SavedArm> saved =
      FindSavedArm(base::UserPath(options.checkpoint));
  if (!saved.ok()) return saved.status();
  ExperimentSpec& spec = saved->spec;
  Override(given, data, spec.data);
  if (absl::Status status = data::Check(spec.data); !status.ok()) return status;
  read.data_root = base::UserPath(read.data_root);
  read.seed = static_cast<uint64_t>(spec.train.seed);
  const absl::StatusOr<data::DatasetPair> datasets =
      data::OpenDataset(spec.data, read);
  if (!datasets.ok()) return datasets.status();

  Scores scores;
  scores.policy = options.policy.empty() ? saved->policy : options.policy;
  const absl::StatusOr<ArmNet> net =
      MakeArmNet(scores.policy, spec.net,
                 static_cast<int64_t>(datasets->val->class_names().size()),
                 static_cast<uint64_t>(spec.train.seed), *device);
  if (!net.ok()) return net.status();
  const absl::StatusOr<int64_t> step = LoadWeights(*saved, *net);
  if (!step.ok()) return step.status();
  scores.step = *step;
  std::fprintf(stderr, "%s  step %d under %s\n%s\n", saved->checkpoint.c_str(),
               static_cast<int>(scores.step), scores.policy.c_str(),
               datasets->val->Describe().c_str());
  absl::StatusOr<std::vector<train::Metric>> metrics =
      train::Evaluate(*train::CreateTask(spec.task), *net->net, *net->context,
                      *datasets->val, spec.batch);
  if (!metrics.ok()) return metrics.status();
  scores.metrics = *std::move(metrics);
  return scores;
}

std::string ToJson(const Scores& scores) {
  nlohmann::json metrics = nlohmann::json::object();
  for (const train::Metric& metric : scores.metrics) {
    metrics[metric.key] = base::NumberToJson(metric.value);
  }
  return nlohmann::json{{"policy", scores.policy},
                        {"step", scores.step},
                        {"metrics", std::move(metrics)}}
      .dump(2);
}

int Main(int argc, char** argv) {
  EvaluateOptions options;
  data::DatasetSpec data;
  data::ReadOptions read;
  base::FlagParser parser(kDescription);
  parser.AddFields(base::Fields(options), "What is scored");
  parser.AddFields(base::Fields(read), "The data set on this machine");
  parser.AddFields(base::Fields(data),
                   "Another data set than that of the training");
  const auto refuse = [&](const absl::Status& status, int exit_status) {
    std::fprintf(stderr, "error: %s\n",
                 parser.WithFlag(status.message()).c_str());
    return exit_status;
  };
  const absl::StatusOr<base::ParsedFlags> parsed = parser.Parse(argc, argv);
  if (!parsed.ok()) return refuse(parsed.status(), kExitUsage);
  if (parsed->help) {
    std::printf("%s", parser.Help().c_str());
    return 0;
  }
  if (options.checkpoint.empty()) {
    return refuse(absl::InvalidArgumentError(
                      "checkpoint must be given, as in "
                      "runs/train/latest/checkpoints/fp16/best.pt"),
                  kExitUsage);
  }
  const absl::StatusOr<Scores> scores =
      Evaluate(options, data, parsed->given, read);
  if (!scores.ok()) return refuse(scores.status(), kExitFailure);
  base::Table table({"metric", "key", "value"});
  for (const train::Metric& metric : scores->metrics) {
    table.AddRow({metric.title, metric.key, {metric.value, 4}});
  }
  std::printf("\n%s", table.ToText().c_str());
  if (options.json.empty()) return 0;
  const absl::Status written = base::WriteFileAtomically(
      base::UserPath(options.json), ToJson(*scores) + "\n");
  return written.ok() ? 0 : refuse(written, kExitFailure);
}

}  // namespace
}  // namespace cnn_fp4::experiments

int main(int argc, char** argv) {
  return cnn_fp4::experiments::Main(argc, argv);
}
