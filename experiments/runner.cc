#include "experiments/runner.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "base/console.h"
#include "base/progress.h"
#include "data/dataset_registry.h"
#include "experiments/arm_net.h"
#include "experiments/arm_pictures.h"
#include "experiments/arm_record.h"
#include "experiments/arm_weights.h"
#include "experiments/console_recorder.h"
#include "experiments/init_weights.h"
#include "experiments/result.h"
#include "experiments/run_directory.h"
#include "experiments/run_report.h"
#include "experiments/wandb_options.h"
#include "nn/runtime.h"
#include "quant/recipe.h"
#include "telemetry/run.h"
#include "telemetry/sinks/jsonl_sink.h"
#include "telemetry/sinks/sink_factory.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/stop_signal.h"
#include "train/task.h"
#include "train/train_arm.h"

namespace cnn_fp4::experiments {
namespace {

class ExperimentRun {
 public:
  ExperimentRun(const std::string& name, const ExperimentSpec& spec,
                const RunOptions& options)
      : name_(name), spec_(spec), options_(options) {}

  absl::StatusOr<RunOutcome> Run();

 private:
  absl::Status Open();
  absl::Status OpenTelemetry();
  // With the weights that the arm begins with; what is to be said of those of
  // a file goes to `report` (null: nobody wants to know).
  absl::StatusOr<ArmNet> NewNet(size_t index, std::string* report) const;
  absl::Status TrainArm(size_t index);
  absl::Status Picture(const ArmNet& net, const std::string& key,
                       const train::ArmResult& arm);
  absl::Status WriteArm(size_t index, const ArmNet& net,
                        const train::ArmResult& arm);
  // Where the arms of a resumed run continue.
  absl::StatusOr<std::vector<telemetry::ResumePoint>> ResumePoints();
  // Each part is written though another cannot be; the first error.
  absl::Status WriteReport(bool finished);

  static void Say(const std::string& line) {
    base::Console::Stderr().Line(line);
  }

  const std::string name_;
  const ExperimentSpec& spec_;
  const RunOptions& options_;
  const absl::Time start_ = absl::Now();

  const std::vector<std::string> arms_ = ArmKeys(spec_);

  data::DatasetPair datasets_;
  std::string device_;
  RunFacts facts_;
  RunDirectory directory_{""};
  std::unique_ptr<telemetry::Run> run_;
  ExperimentResult result_;
  std::unique_ptr<train::Task> task_ = train::CreateTask(spec_.task);
  std::unique_ptr<train::Sheet> sheet_;
  // What kept an arm out of the sheet: training goes on without the picture.
  absl::Status drawing_;
};

// All that can be refused is refused before there is a directory.
absl::Status ExperimentRun::Open() {
  nn::InitRuntime(static_cast<int>(options_.threads));
  absl::StatusOr<std::string> device = nn::ResolveDevice(options_.device);
  if (!device.ok()) return device.status();
  device_ = *device;
  data::ReadOptions read = options_.read;
  read.seed = static_cast<uint64_t>(spec_.train.seed);
  absl::StatusOr<data::DatasetPair> datasets =
      data::OpenDataset(spec_.data, read);
  if (!datasets.ok()) return datasets.status();
  datasets_ = *std::move(datasets);
  sheet_ = task_->NewSheet(*datasets_.val);
  // Every arm begins with the same weights: what is said of one is of all.
  std::string init;
  if (!options_.init.empty()) {
    const absl::StatusOr<ArmNet> net = NewNet(0, &init);
    if (!net.ok()) return net.status();
  }
  facts_ = CollectRunFacts(device_, nn::LibTorchVersion());
  facts_.class_names = datasets_.train->class_names();
  facts_.data_digest = datasets_.digest;
  facts_.threads = nn::NumThreads();
  absl::StatusOr<RunDirectory> directory =
      options_.resume.empty()
          ? RunDirectory::Create(options_.output_dir, name_, spec_, facts_)
          : RunDirectory::Resume(options_.output_dir, name_, spec_, facts_,
                                 options_.resume);
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  Say(absl::StrCat("run    ", directory_.path()));
  for (absl::string_view line : absl::StrSplit(init, '\n', absl::SkipEmpty())) {
    Say(absl::StrCat("init   ", line));
  }
  Say(absl::StrCat("train  ", datasets_.train->Describe()));
  Say(absl::StrCat("val    ", datasets_.val->Describe()));
  for (const std::string& warning : datasets_.warnings) {
    Say(absl::StrCat("warning: ", warning));
  }
  if (const auto threads = directory_.begun_with_threads();
      threads.has_value() && *threads != facts_.threads) {
    Say(absl::StrCat("warning: the run was begun with --threads=", *threads,
                     " and continues with ", facts_.threads,
                     ", so that its numbers will not be the same to the bit"));
  }
  result_.experiment = name_;
  result_.spec = spec_;
  result_.class_names = datasets_.train->class_names();
  return OpenTelemetry();
}

absl::StatusOr<std::vector<telemetry::ResumePoint>>
ExperimentRun::ResumePoints() {
  std::vector<telemetry::ResumePoint> points;
  for (const std::string& arm : arms_) {
    const absl::StatusOr<train::ResumeStep> found =
        train::FindResumeStep(directory_.Checkpoints(arm));
    if (!found.ok()) return found.status();
    for (const std::string& damaged : found->damaged) {
      Say(absl::StrCat("warning: ", damaged));
    }
    points.push_back({arm, found->step, found->validated});
  }
  return points;
}

absl::Status ExperimentRun::OpenTelemetry() {
  const std::string path = directory_.Metrics();
  absl::StatusOr<std::vector<telemetry::ResumePoint>> points = ResumePoints();
  if (!points.ok()) return points.status();
  absl::StatusOr<std::unique_ptr<telemetry::JsonlSink>> jsonl =
      directory_.resumed() ? telemetry::JsonlSink::Resume(path, *points)
                           : telemetry::JsonlSink::Create(path);
  if (!jsonl.ok()) return jsonl.status();
  for (const std::string& missing : (*jsonl)->missing()) {
    Say(absl::StrCat("warning: ", missing));
  }
  telemetry::SinkContext context;
  context.experiment = name_;
  context.task = spec_.task.task;
  // After JsonlSink::Resume, which removes what will be measured again.
  if (directory_.resumed()) context.replay = path;
  context.heatmaps_directory = directory_.Heatmaps();
  context.weight_map = options_.weight_map;
  context.tensorboard_directory = directory_.TensorBoard();
  context.wandb = WandbOptionsFor(name_, options_.wandb);
  context.run_directory = directory_.path();
  context.wandb.directory = directory_.Wandb();
  context.wandb.group = absl::StrCat(
      name_, "-", std::filesystem::path(directory_.path()).filename().string());
  context.wandb.started = directory_.started();
  context.wandb.environment = {facts_.system, facts_.git_revision,
                               facts_.cores};
  run_ = std::make_unique<telemetry::Run>(
      *std::move(jsonl), telemetry::OpenSinks(options_.sinks, context));
  run_->Log({telemetry::Config{base::ToJson(spec_)}});
  return absl::OkStatus();
}

absl::StatusOr<ArmNet> ExperimentRun::NewNet(size_t index,
                                             std::string* report) const {
  absl::StatusOr<ArmNet> made =
      MakeArmNet(spec_.arms[index], spec_.net,
                 static_cast<int64_t>(datasets_.train->class_names().size()),
                 static_cast<uint64_t>(spec_.train.seed), device_);
  if (!made.ok() || options_.init.empty()) return made;
  absl::StatusOr<InitReport> init = LoadInit(options_.init, *made);
  if (!init.ok()) return init.status();
  if (report != nullptr) *report = std::move(init->text);
  return made;
}

// What the process would exit with if this arm were the only one.
int ExitCode(const absl::StatusOr<train::ArmResult>& result) {
  if (!result.ok() || !result->validation.ok()) return 1;
  return result->finished ? 0 : 128 + train::StopSignal();
}

absl::Status ExperimentRun::TrainArm(size_t index) {
  const std::string& key = arms_[index];
  const absl::StatusOr<ArmNet> made = NewNet(index, nullptr);
  if (!made.ok()) return made.status();

  train::ArmOptions options;
  options.arm = key;
  options.loss_scaling = made->loss_scaling;
  options.train = spec_.train;
  options.batch = spec_.batch;
  options.loader = options_.loader;
  options.logf = options_.logf;
  for (const std::string& recipe : options_.what_if) {
    options.what_if.push_back(*quant::FindRecipe(recipe));  // Checked.
  }
  options.checkpoint_every = options_.checkpoint_every;
  options.keep_checkpoints = options_.keep_checkpoints;
  options.checkpoint_directory = directory_.Checkpoints(key);
  options.should_stop = [] { return train::StopSignal() != 0; };

  const ConsoleRecorder recorder(key, *run_);
  Say(absl::StrFormat(
      "%s  %d parameters, %d steps of %d images", key, made->num_parameters,
      train::TotalSteps(options, *datasets_.train), spec_.batch.batch_size));
  const absl::StatusOr<train::ArmResult> arm_result =
      train::TrainArm(*task_, *made->net, *made->context, datasets_, options,
                      *base::ParseProgressMode(options_.progress), *run_);
  // What an arm that failed has measured is worth a look, too. Waits for the
  // drawing, which would slow the steps of the next arm, and which the report
  // links.
  run_->Log({telemetry::ArmMeasured{}, key});
  run_->Flush();
  absl::Status pictured = absl::OkStatus();
  if (arm_result.ok()) pictured = Picture(*made, key, *arm_result);
  run_->Log({telemetry::ArmEnd{ExitCode(arm_result)}, key});
  run_->Flush();
  if (!arm_result.ok()) return arm_result.status();
  absl::Status status = WriteArm(index, *made, *arm_result);
  status.Update(arm_result->validation);
  if (status.ok() && arm_result->steps_done > 0 &&
      arm_result->skipped_steps == arm_result->steps_done) {
    status = absl::InternalError(absl::StrCat(
        key, ": all ", arm_result->steps_done,
        " steps were skipped, because their gradients were not finite, so "
        "nothing was trained; lower --initial_loss_scale or train longer"));
  }
  // Training goes on without the pictures.
  if (!pictured.ok()) {
    drawing_.Update(absl::Status(
        pictured.code(), absl::StrCat(key, ": drawing: ", pictured.message())));
  }
  return status;
}

// Predictions of the arm, in a file of its own and on the sheet of all arms,
// and what else there is to look at.
absl::Status ExperimentRun::Picture(const ArmNet& net, const std::string& key,
                                    const train::ArmResult& arm) {
  const auto log = [&](telemetry::Payload payload) {
    run_->Log({std::move(payload), key});
  };
  const std::unique_ptr<train::Sheet> own = task_->NewSheet(*datasets_.val);
  for (train::Sheet* const sheet : {own.get(), sheet_.get()}) {
    if (!arm.finished) break;
    const absl::Status drawn =
        train::AddToSheet(key, *net.net, *net.context, *datasets_.val,
                          spec_.batch, options_.overlay_images, *sheet);
    if (!drawn.ok()) return drawn;
  }
  if (arm.finished && options_.overlay_images > 0) {
    const std::string path = directory_.Predictions(key);
    if (absl::Status status = own->Write(path); !status.ok()) return status;
    log(telemetry::Image{
        arm.steps_done, "val/predictions",
        std::filesystem::path(path).lexically_relative(directory_.path()),
        "Images of the validation with what the net makes of them."});
  }
  absl::StatusOr<std::vector<telemetry::Payload>> pictures =
      ArmPictures(directory_, key, spec_.task.task, arm.steps_done);
  if (!pictures.ok()) return pictures.status();
  for (telemetry::Payload& picture : *pictures) log(std::move(picture));
  if (!arm.finished || !options_.wandb.wandb_log_model) return absl::OkStatus();
  const auto weights =
      WriteArmWeights(directory_, key, *net.net, arm.steps_done);
  if (weights.ok()) log(*weights);
  return weights.status();
}

// arms/<arm>/arm.json.
absl::Status ExperimentRun::WriteArm(size_t index, const ArmNet& net,
                                     const train::ArmResult& arm) {
  ExperimentSpec alone = spec_;
  alone.arms = {spec_.arms[index]};
  ArmRecord record;
  record.arm = arms_[index];
  record.policy = spec_.arms[index];
  record.experiment = name_;
  record.digest = Digest(alone);
  record.seed = spec_.train.seed;
  record.num_parameters = net.num_parameters;
  record.steps = arm.steps_done;
  record.skipped_steps = arm.skipped_steps;
  record.finished = arm.finished;
  record.train_loss = arm.train_loss;
  record.metrics = arm.metrics;
  record.best = arm.best;
  record.layer_means = arm.layer_means;
  if (arm.median_step_seconds > 0) {
    record.median_step_seconds = arm.median_step_seconds;
  }
  record.train_seconds = arm.train_seconds;
  record.cpu = facts_.cpu;
  record.device = facts_.device;
  record.threads = nn::NumThreads();
  record.git_revision = facts_.git_revision;
  record.libtorch_version = facts_.libtorch_version;
  result_.arms.push_back(record);
  return base::WriteFileAtomically(directory_.ArmJson(record.arm),
                                   ToJson(record) + "\n");
}

absl::Status ExperimentRun::WriteReport(bool finished) {
  result_.wall_seconds = absl::ToDoubleSeconds(absl::Now() - start_);
  result_.peak_memory_bytes = PeakMemoryBytes();
  const base::Table table = ResultTable(result_);
  run_->Log({telemetry::TableRecord{"result", table}});
  absl::Status status = drawing_;
  if (finished && drawing_.ok()) {
    status = sheet_->Write(directory_.Overlays(spec_.task.task));
  }
  status.Update(base::WriteFileAtomically(directory_.Summary(),
                                          SummaryJson(result_) + "\n"));
  run_->Flush();
  const absl::StatusOr<std::string> page =
      WriteRunReport(result_, directory_.started(), device_, directory_);
  status.Update(page.status());
  if (page.ok() && !page->empty()) Say(absl::StrCat("report: ", *page));
  absl::PrintF("\n%s\n", table.ToText());
  absl::PrintF("%s\n", CostLine(result_, device_));
  if (page.ok()) absl::PrintF("report: %s\n", directory_.Report());
  const bool printed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  const int error = errno;
  if (finished && status.ok()) {
    status = base::WriteFileAtomically(directory_.Done(), "");
  }
  if (!printed) {
    status.Update(absl::ErrnoToStatus(
        error, absl::StrCat("the table could not be written to stdout; it is "
                            "in ",
                            directory_.Summary())));
  }
  return status;
}

absl::StatusOr<RunOutcome> ExperimentRun::Run() {
  if (absl::Status status = Open(); !status.ok()) return status;
  absl::Status status;
  for (size_t i = 0; i < arms_.size(); ++i) {
    if (train::StopSignal() != 0) break;
    status = TrainArm(i);
    if (!status.ok()) break;
  }
  const int signal = train::StopSignal();
  const bool finished =
      status.ok() && result_.arms.size() == arms_.size() &&
      std::all_of(result_.arms.begin(), result_.arms.end(),
                  [](const ArmRecord& arm) { return arm.finished; });
  // What an interrupted or failed run has is worth a report, too.
  if (!result_.arms.empty()) status.Update(WriteReport(finished));
  RunOutcome outcome{signal == 0 || finished ? 0 : 128 + signal,
                     directory_.path()};
  status.Update(run_->Finish(status.ok() ? outcome.exit_code : 1));
  if (!status.ok()) return status;
  if (outcome.exit_code != 0) {
    Say(absl::StrCat("stopped by signal ", signal,
                     "; continue with --resume=", directory_.path()));
  }
  return outcome;
}

}  // namespace

absl::StatusOr<RunOutcome> RunExperiment(const std::string& name,
                                         const ExperimentSpec& spec,
                                         const RunOptions& options) {
  absl::Status status = Check(spec);
  status.Update(Check(options));
  if (status.ok()) status = CheckInit(options.init, spec.train);
  if (status.ok()) status = CheckWeightMap(options.weight_map, spec.net);
  if (!status.ok()) return status;
  return ExperimentRun(name, spec, options).Run();
}

}  // namespace cnn_fp4::experiments
