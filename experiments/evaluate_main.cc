// Scores a checkpoint of a run, or weights of a file, under any policy.

#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/atomic_file.h"
#include "base/flag_parser.h"
#include "base/json_number.h"
#include "base/process_start.h"
#include "base/spec.h"
#include "base/table.h"
#include "base/user_path.h"
#include "data/dataset_registry.h"
#include "experiments/arm_net.h"
#include "experiments/init_weights.h"
#include "experiments/machine_options.h"
#include "experiments/program.h"
#include "experiments/saved_arm.h"
#include "nlohmann/json.hpp"
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
    "    --policy=nvfp4\n\n"
    "Weights that are in no run are scored by --init; what net they are of "
    "and\n"
    "what it is scored on is said by flags:\n\n"
    "  bazel run //experiments:evaluate -- --init=weights.safetensors \\\n"
    "    --model_scale_factor=0.25 --dataset=nuclei --policy=fp16\n";

struct EvaluateOptions {
  std::string checkpoint;
  std::string init;
  std::string policy;
  std::string json;
  MachineOptions machine;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("checkpoint", self.checkpoint,
          "The checkpoint, in the directory of the run that wrote it.");
    visit("init", self.init,
          "In place of a checkpoint: a safetensors file with every weight of "
          "the net.");
    visit("policy", self.policy,
          "The policy to score it under; without it, the arm's own, and for "
          "init fp32.");
    visit("json", self.json,
          "A file that the scores are written to as JSON, unrounded.");
    MachineOptions::VisitFields(self.machine, visit);
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

// What a checkpoint's run says and weights alone do not: the net, and how
// images are normalised and scored.
std::vector<base::SpecField> InitFields(ExperimentSpec& spec) {
  std::vector<base::SpecField> fields;
  for (const base::SpecField& field : base::Fields(spec)) {
    if (absl::StartsWith(field.path, "net.") || field.path == "batch.mean" ||
        field.path == "batch.stddev" || absl::StartsWith(field.path, "task.")) {
      fields.push_back(field);
    }
  }
  return fields;
}

struct Scores {
  std::string policy;
  std::optional<int64_t> step;  // Of a checkpoint.
  std::vector<train::Metric> metrics;
};

// The arm that is scored: of a checkpoint, or what the flags say of weights.
absl::StatusOr<SavedArm> FindArm(const EvaluateOptions& options,
                                 const ExperimentSpec& flags) {
  if (!options.checkpoint.empty()) {
    return FindSavedArm(base::UserPath(options.checkpoint));
  }
  SavedArm arm;
  arm.spec = flags;
  arm.policy = "fp32";
  if (absl::Status status = Check(arm.spec); !status.ok()) return status;
  return arm;
}

// Every weight of the net has to be in the file: scores of weights that are
// partly drawn from a seed say nothing.
absl::Status LoadWholeNet(const std::string& path, const ArmNet& net) {
  const absl::StatusOr<InitReport> report = LoadInit(path, net);
  if (!report.ok()) return report.status();
  if (report->match.kept.empty()) {
    std::fprintf(stderr, "%s\n", report->text.c_str());
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("init: ", path, " is not of this net: it lacks ",
                   absl::StrJoin(report->match.kept, ", ")));
}

absl::StatusOr<Scores> Evaluate(const EvaluateOptions& options,
                                const ExperimentSpec& flags,
                                data::DatasetSpec& data,
                                const std::set<std::string>& given,
                                data::ReadOptions read) {
  const absl::StatusOr<std::string> device = StartRuntime(options.machine);
  if (!device.ok()) return device.status();
  absl::StatusOr<SavedArm> saved = FindArm(options, flags);
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
  std::string what = base::UserPath(options.init);
  if (options.checkpoint.empty()) {
    if (absl::Status status = LoadWholeNet(what, *net); !status.ok()) {
      return status;
    }
  } else {
    const absl::StatusOr<int64_t> step = LoadWeights(*saved, *net);
    if (!step.ok()) return step.status();
    scores.step = *step;
    what = absl::StrCat(saved->checkpoint, "  step ", *step);
  }
  std::fprintf(stderr, "%s under %s\n%s\n", what.c_str(), scores.policy.c_str(),
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
  nlohmann::json json = {{"policy", scores.policy},
                         {"metrics", std::move(metrics)}};
  if (scores.step.has_value()) json["step"] = *scores.step;
  return json.dump(2);
}

int Main(int argc, char** argv) {
  EvaluateOptions options;
  ExperimentSpec flags;
  data::DatasetSpec data;
  data::ReadOptions read;
  base::FlagParser parser(kDescription);
  parser.AddFields(base::Fields(options), "What is scored");
  parser.AddFields(base::Fields(read), "The data set on this machine");
  parser.AddFields(base::Fields(data),
                   "Another data set than that of the training");
  const std::vector<base::SpecField> init_fields = InitFields(flags);
  parser.AddFields(init_fields, "For init");
  const auto refuse = [&](const absl::Status& status, int exit_status) {
    return RefuseCall(parser, status, exit_status);
  };
  const Call call = ParseCall(parser, argc, argv);
  if (call.exit_status.has_value()) return *call.exit_status;
  if (options.checkpoint.empty() == options.init.empty()) {
    return refuse(
        absl::InvalidArgumentError(
            "checkpoint or init must be given, one of them, as in "
            "--checkpoint=runs/train/latest/checkpoints/fp16/best.pt"),
        kExitUsage);
  }
  for (const base::SpecField& field : init_fields) {
    if (options.init.empty() && call.given.count(field.path) > 0) {
      return refuse(absl::InvalidArgumentError(
                        absl::StrCat(field.leaf(),
                                     " goes with --init; a checkpoint's run "
                                     "says what it is")),
                    kExitUsage);
    }
  }
  const absl::StatusOr<Scores> scores =
      Evaluate(options, flags, data, call.given, read);
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
  cnn_fp4::base::StartProcess(argv);
  return cnn_fp4::experiments::Main(argc, argv);
}
