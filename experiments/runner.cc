#include "experiments/runner.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/atomic_file.h"
#include "base/console.h"
#include "data/dataset_registry.h"
#include "experiments/result.h"
#include "experiments/run_directory.h"
#include "nn/runtime.h"
#include "nn/unet.h"
#include "telemetry/run.h"
#include "telemetry/sinks/heatmap_sink.h"
#include "telemetry/sinks/jsonl_sink.h"
#include "train/checkpoint.h"
#include "train/segmentation_task.h"
#include "train/stop_signal.h"
#include "train/train_arm.h"
#include "viz/overlay.h"
#include "viz/page.h"

namespace cnn_fp4::experiments {
namespace {

namespace fs = std::filesystem;

data::DatasetOptions MakeDatasetOptions(const ExperimentSpec& spec,
                                        const RunOptions& options) {
  data::DatasetOptions dataset;
  dataset.dataset = spec.dataset;
  dataset.data_root = options.data_root;
  dataset.category = spec.category;
  dataset.mvtec_labels = spec.mvtec_labels;
  dataset.mvtec_subset = spec.mvtec_subset;
  dataset.train_split = spec.train_split;
  dataset.val_split = spec.val_split;
  dataset.class_names = spec.class_names;
  dataset.ignore_index = static_cast<int>(spec.ignore_index);
  dataset.seed = spec.seed;
  return dataset;
}

data::LoaderOptions MakeLoaderOptions(const ExperimentSpec& spec) {
  data::LoaderOptions loader;
  loader.batch_size = static_cast<int>(spec.batch_size);
  loader.crop = static_cast<int>(spec.crop);
  loader.augment = spec.augment;
  loader.augmentation.foreground_probability = spec.foreground_probability;
  loader.seed = spec.seed;
  return loader;
}

class ExperimentRun {
 public:
  ExperimentRun(const std::string& name, const ExperimentSpec& spec,
                const RunOptions& options)
      : name_(name), spec_(spec), options_(options) {}

  absl::StatusOr<RunOutcome> Run();

 private:
  absl::Status Open();
  absl::Status OpenTelemetry();
  absl::StatusOr<int64_t> Steps() const;
  absl::Status TrainArm(const std::string& model);
  absl::Status AddOverlays(const std::string& model, nn::UNet& net);
  absl::Status WriteReport(bool finished);

  std::string Path(const std::string& relative) const {
    return absl::StrCat(directory_.path, "/", relative);
  }
  std::string CheckpointDirectory(const std::string& model) const {
    return Path("checkpoints/" + model);
  }
  static void Say(const std::string& line) {
    base::Console::Stderr().Line(line);
  }

  const std::string name_;
  const ExperimentSpec& spec_;
  const RunOptions& options_;
  const absl::Time start_ = absl::Now();

  data::DatasetPair datasets_;
  std::string device_;
  RunDirectory directory_;
  std::unique_ptr<telemetry::Run> run_;
  ExperimentResult result_;
  std::vector<viz::OverlayRow> overlays_;
};

absl::Status ExperimentRun::Open() {
  nn::InitRuntime(static_cast<int>(options_.threads));
  absl::StatusOr<std::string> device = nn::ResolveDevice(options_.device);
  if (!device.ok()) return device.status();
  device_ = *device;
  absl::StatusOr<data::DatasetPair> datasets =
      data::OpenDataset(MakeDatasetOptions(spec_, options_));
  if (!datasets.ok()) return datasets.status();
  datasets_ = *std::move(datasets);
  absl::StatusOr<RunDirectory> directory =
      options_.resume.empty()
          ? CreateRunDirectory(options_.output_dir, name_, spec_, device_)
          : ResumeRunDirectory(options_.output_dir, name_, spec_,
                               options_.resume);
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  Say(absl::StrCat("run    ", directory_.path));
  Say(absl::StrCat("train  ", datasets_.train->Describe()));
  Say(absl::StrCat("val    ", datasets_.val->Describe()));
  result_.experiment = name_;
  result_.spec = spec_;
  result_.class_names = datasets_.train->class_names();
  return OpenTelemetry();
}

absl::Status ExperimentRun::OpenTelemetry() {
  const std::string path = Path("metrics.jsonl");
  std::vector<telemetry::ResumePoint> points;
  for (const std::string& model : spec_.models) {
    const std::vector<int64_t> steps =
        train::CheckpointSteps(CheckpointDirectory(model));
    points.push_back({model, steps.empty() ? 0 : steps.back()});
  }
  absl::StatusOr<std::unique_ptr<telemetry::JsonlSink>> jsonl =
      directory_.resumed ? telemetry::JsonlSink::Resume(path, points)
                         : telemetry::JsonlSink::Create(path);
  if (!jsonl.ok()) return jsonl.status();
  const telemetry::HeatmapSinkOptions options{Path("plots/heatmaps"),
                                              spec_.task, name_};
  // After the JSONL sink, which removes from the file what will be measured
  // again.
  absl::StatusOr<std::unique_ptr<telemetry::HeatmapSink>> heatmaps =
      directory_.resumed ? telemetry::HeatmapSink::Resume(options, path)
                         : telemetry::HeatmapSink::Create(options);
  if (!heatmaps.ok()) return heatmaps.status();
  std::vector<std::unique_ptr<telemetry::Sink>> sinks;
  sinks.push_back(*std::move(jsonl));
  sinks.push_back(*std::move(heatmaps));
  run_ = std::make_unique<telemetry::Run>(std::move(sinks));
  run_->Log({telemetry::Config{ToJson(spec_)}});
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ExperimentRun::Steps() const {
  if (spec_.steps > 0) return spec_.steps;
  const auto loader =
      data::Loader::Create(datasets_.train, MakeLoaderOptions(spec_));
  if (!loader.ok()) return loader.status();
  return spec_.epochs * (*loader)->batches_per_epoch();
}

absl::Status ExperimentRun::TrainArm(const std::string& model) {
  const absl::StatusOr<nn::ConvPrecision> precision =
      nn::FindConvPrecision(model);
  if (!precision.ok()) return precision.status();
  nn::UNetOptions net_options;
  net_options.num_classes = static_cast<int64_t>(result_.class_names.size());
  net_options.model_scale_factor = spec_.model_scale_factor;
  const absl::StatusOr<std::unique_ptr<nn::UNet>> net =
      nn::UNet::Create(net_options, *precision, spec_.seed);
  if (!net.ok()) return net.status();
  (*net)->To(device_);
  result_.num_parameters = (*net)->num_parameters();
  const absl::StatusOr<int64_t> steps = Steps();
  if (!steps.ok()) return steps.status();

  train::ArmOptions arm;
  arm.model = model;
  arm.steps = *steps;
  arm.learning_rate = {spec_.learning_rate, spec_.warmup_steps,
                       spec_.final_learning_rate_fraction};
  arm.weight_decay = spec_.weight_decay;
  arm.max_gradient_norm = spec_.max_gradient_norm;
  arm.dice_weight = spec_.dice_weight;
  arm.initial_loss_scale = spec_.initial_loss_scale;
  arm.logf = options_.logf;
  arm.validate_every = spec_.validate_every;
  arm.checkpoint_every = spec_.checkpoint_every;
  arm.keep_checkpoints = static_cast<int>(spec_.keep_checkpoints);
  arm.checkpoint_directory = CheckpointDirectory(model);
  arm.should_stop = [] { return train::StopSignal() != 0; };

  Say(absl::StrFormat("%s  %s, %d parameters, %d steps of %d images", model,
                      nn::UNetName(*precision), result_.num_parameters,
                      arm.steps, spec_.batch_size));
  const absl::StatusOr<train::ArmResult> arm_result =
      train::TrainArm(**net, datasets_, MakeLoaderOptions(spec_), arm,
                      options_.progress, *run_);
  // What an arm that failed has measured is worth a look, too. Waits for the
  // drawing, which would slow the steps of the next arm, and which the report
  // links.
  run_->Log({telemetry::ArmEnd{}, model});
  run_->Flush();
  if (!arm_result.ok()) return arm_result.status();
  result_.arms.push_back(*arm_result);
  return arm_result->finished ? AddOverlays(model, **net) : absl::OkStatus();
}

absl::Status ExperimentRun::AddOverlays(const std::string& model,
                                        nn::UNet& net) {
  const int64_t count =
      std::min(options_.overlay_images, datasets_.val->size());
  for (int64_t i = 0; i < count; ++i) {
    // Spread over the split: neighbours often look alike.
    const absl::StatusOr<data::Sample> sample =
        datasets_.val->Get(i * datasets_.val->size() / count);
    if (!sample.ok()) return sample.status();
    const data::Image& image = sample->image;
    if (overlays_.size() <= static_cast<size_t>(i)) {
      overlays_.push_back({sample->name,
                           {image.width, image.height, image.pixels},
                           {image.width,
                            image.height,
                            {sample->mask.begin(), sample->mask.end()}},
                           {}});
    }
    const std::vector<int64_t> classes = train::Predict(net, image);
    overlays_[i].predictions.push_back(
        {model, {image.width, image.height, {classes.begin(), classes.end()}}});
  }
  return absl::OkStatus();
}

absl::Status ExperimentRun::WriteReport(bool finished) {
  result_.wall_seconds = absl::ToDoubleSeconds(absl::Now() - start_);
  result_.peak_memory_bytes = PeakMemoryBytes();
  const base::Table table = ResultTable(result_);
  run_->Log({telemetry::TableRecord{"result", table}});
  if (finished && !overlays_.empty()) {
    if (absl::Status status = viz::WriteOverlaySheet(
            overlays_, viz::DefaultClassStyles(result_.class_names),
            Path(absl::StrCat("plots/overlays/", spec_.task,
                              "_validation.png")));
        !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = base::WriteFileAtomically(
          Path("summary.json"), SummaryJson(result_) + "\n");
      !status.ok()) {
    return status;
  }
  const std::string footer = absl::StrFormat(
      "%.0f s, peak memory %.2f GB, %s", result_.wall_seconds,
      static_cast<double>(result_.peak_memory_bytes) / 1e9, device_);
  if (absl::Status status = viz::WriteIndexPage(
          {name_,
           absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M UTC", start_,
                                         absl::UTCTimeZone()),
                        ", ", footer),
           table, ToJson(spec_)},
          directory_.path);
      !status.ok()) {
    return status;
  }
  absl::PrintF("\n%s\n", table.ToText());
  absl::PrintF("%s\nreport: %s\n", footer, Path("report.html"));
  std::fflush(stdout);
  if (!finished) return absl::OkStatus();
  return base::WriteFileAtomically(Path("DONE"), "");
}

absl::StatusOr<RunOutcome> ExperimentRun::Run() {
  if (absl::Status status = Open(); !status.ok()) return status;
  absl::Status status;
  for (const std::string& model : spec_.models) {
    if (train::StopSignal() != 0) break;
    status = TrainArm(model);
    if (!status.ok()) break;
  }
  const int signal = train::StopSignal();
  const bool finished =
      status.ok() && result_.arms.size() == spec_.models.size() &&
      std::all_of(result_.arms.begin(), result_.arms.end(),
                  [](const train::ArmResult& arm) { return arm.finished; });
  // What an interrupted or failed run has is worth a report, too.
  if (!result_.arms.empty()) status.Update(WriteReport(finished));
  RunOutcome outcome{signal == 0 || finished ? 0 : 128 + signal,
                     directory_.path};
  status.Update(run_->Finish(status.ok() ? outcome.exit_code : 1));
  if (!status.ok()) return status;
  if (outcome.exit_code != 0) {
    Say(absl::StrCat("stopped by signal ", signal,
                     "; continue with --resume=", directory_.path));
  }
  return outcome;
}

}  // namespace

absl::StatusOr<RunOutcome> RunExperiment(const std::string& name,
                                         const ExperimentSpec& spec,
                                         const RunOptions& options) {
  if (absl::Status status = Validate(spec); !status.ok()) return status;
  return ExperimentRun(name, spec, options).Run();
}

}  // namespace cnn_fp4::experiments
