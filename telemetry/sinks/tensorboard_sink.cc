#include "telemetry/sinks/tensorboard_sink.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/custom_scalars.h"
#include "telemetry/sinks/event.pb.h"
#include "telemetry/sinks/layer_key.h"
#include "telemetry/sinks/media_file.h"

namespace cnn_fp4::telemetry {
namespace {

namespace fs = std::filesystem;

// TensorBoard's numbers for data_class and dtype.
constexpr int kTensorClass = 2;
constexpr int kBlobSequenceClass = 3;
constexpr int kFloat = 1;
constexpr int kDouble = 2;
constexpr int kString = 7;
// And for how a session ended.
constexpr double kMebi = 1 << 20;

constexpr int kSuccess = 1;
constexpr int kFailure = 2;

void SetPlugin(absl::string_view plugin, int data_class,
               event::Summary::Value* value) {
  value->mutable_metadata()->mutable_plugin_data()->set_plugin_name(
      std::string(plugin));
  value->mutable_metadata()->set_data_class(data_class);
}

void AddScalar(const std::string& tag, double number, event::Summary* summary) {
  event::Summary::Value* const value = summary->add_value();
  value->set_tag(tag);
  value->set_simple_value(static_cast<float>(number));
}

void AddString(const std::string& tag, absl::string_view plugin,
               const std::string& text, event::Summary* summary) {
  event::Summary::Value* const value = summary->add_value();
  value->set_tag(tag);
  SetPlugin(plugin, kTensorClass, value);
  value->mutable_tensor()->set_dtype(kString);
  value->mutable_tensor()->mutable_tensor_shape();
  value->mutable_tensor()->add_string_val(text);
}

void AddText(const std::string& tag, const std::string& markdown,
             event::Summary* summary) {
  AddString(tag, "text", markdown, summary);
}

// A list of width, height and the PNG files, of which we have one.
void AddImage(const Image& image, const std::string& png, PixelSize size,
              event::Summary* summary) {
  event::Summary::Value* const value = summary->add_value();
  value->set_tag(image.key);
  SetPlugin("images", kBlobSequenceClass, value);
  value->mutable_metadata()->set_summary_description(image.caption);
  event::Tensor* const tensor = value->mutable_tensor();
  tensor->set_dtype(kString);
  tensor->mutable_tensor_shape()->add_dim()->set_size(3);
  tensor->add_string_val(absl::StrCat(size.width));
  tensor->add_string_val(absl::StrCat(size.height));
  tensor->add_string_val(png);
}

// Rows of left edge, right edge, count.
void AddHistogram(const std::string& tag, const HistogramBins& bins,
                  event::Summary* summary) {
  event::Summary::Value* const value = summary->add_value();
  value->set_tag(tag);
  SetPlugin("histograms", kTensorClass, value);
  event::Tensor* const tensor = value->mutable_tensor();
  tensor->set_dtype(kDouble);
  tensor->mutable_tensor_shape()->add_dim()->set_size(
      static_cast<int64_t>(bins.counts.size()));
  tensor->mutable_tensor_shape()->add_dim()->set_size(3);
  for (size_t i = 0; i < bins.counts.size(); ++i) {
    const double left = bins.left + bins.width * static_cast<double>(i);
    tensor->add_double_val(left);
    tensor->add_double_val(left + bins.width);
    tensor->add_double_val(bins.counts[i]);
  }
}

// The hyperparameters' data stands in the metadata; the tensor is empty.
void AddHParams(const std::string& tag, const event::HParams& hparams,
                event::Summary* summary) {
  event::Summary::Value* const value = summary->add_value();
  value->set_tag(tag);
  SetPlugin("hparams", kTensorClass, value);
  value->mutable_metadata()->mutable_plugin_data()->set_content(
      hparams.SerializeAsString());
  value->mutable_tensor()->set_dtype(kFloat);
  value->mutable_tensor()->mutable_tensor_shape()->add_dim()->set_size(0);
}

// The fields of the configuration by their paths, "train.steps".
void AddFields(const nlohmann::json& json, const std::string& prefix,
               event::HParams::SessionStart* start) {
  for (const auto& [key, field] : json.items()) {
    const std::string path =
        prefix.empty() ? key : absl::StrCat(prefix, ".", key);
    event::HParams::Value value;
    if (field.is_object()) {
      AddFields(field, path, start);
      continue;
    }
    if (field.is_boolean()) {
      value.set_bool_value(field.get<bool>());
    } else if (field.is_number()) {
      value.set_number_value(field.get<double>());
    } else {
      value.set_string_value(field.is_string() ? field.get<std::string>()
                                               : field.dump());
    }
    (*start->mutable_hparams())[path] = value;
  }
}

event::Event Event(absl::Time time, int64_t step) {
  event::Event result;
  result.set_wall_time(absl::ToDoubleSeconds(time - absl::UnixEpoch()));
  result.set_step(step);
  return result;
}

// What a record of an arm becomes; nullopt: nothing.
struct ToEvent {
  absl::Time time;

  std::optional<event::Event> operator()(const Scalars& scalars) const {
    event::Event result = Event(time, scalars.step);
    for (const auto& [key, number] : scalars.values) {
      AddScalar(key, number.value(), result.mutable_summary());
    }
    return result;
  }
  std::optional<event::Event> operator()(const LayerStats& stats) const {
    event::Event result = Event(time, stats.step);
    for (const auto& [id, number] : stats.values) {
      AddScalar(LayerKey(Info(id).key, stats.tensor, stats.layer, stats.recipe),
                number, result.mutable_summary());
    }
    return result;
  }
  std::optional<event::Event> operator()(const LayerHistogram& h) const {
    event::Event result = Event(time, h.step);
    AddHistogram(LayerKey(HistogramKey(h.of), h.tensor, h.layer),
                 BinsForDisplay(h), result.mutable_summary());
    return result;
  }
  std::optional<event::Event> operator()(const SystemStats& system) const {
    event::Event result = Event(time, system.step);
    const std::pair<const char*, double> values[] = {
        {"cpu_percent", system.cpu_percent},
        {"resident_mib", static_cast<double>(system.resident_bytes) / kMebi},
        {"available_mib", static_cast<double>(system.available_bytes) / kMebi},
        {"threads", static_cast<double>(system.threads)}};
    for (const auto& [key, value] : values) {
      AddScalar(absl::StrCat("system/", key), value, result.mutable_summary());
    }
    for (size_t i = 0; i < system.gpus.size(); ++i) {
      const GpuStats& gpu = system.gpus[i];
      const std::pair<const char*, double> of[] = {
          {"busy_percent", gpu.busy_percent},
          {"memory_mib", static_cast<double>(gpu.memory_bytes) / kMebi},
          {"celsius", gpu.celsius},
          {"watts", gpu.watts}};
      for (const auto& [key, value] : of) {
        if (std::isnan(value)) continue;
        AddScalar(absl::StrCat("system/gpu_", i, "_", key), value,
                  result.mutable_summary());
      }
    }
    return result;
  }
  std::optional<event::Event> operator()(const TableRecord& named) const {
    // A table is of the arm as a whole: it has no step.
    event::Event result = Event(time, 0);
    AddText(named.name, named.table.ToMarkdown(), result.mutable_summary());
    return result;
  }
  std::optional<event::Event> operator()(const ArmEnd& end) const {
    event::HParams hparams;
    hparams.mutable_session_end_info()->set_status(end.code == 0 ? kSuccess
                                                                 : kFailure);
    hparams.mutable_session_end_info()->set_end_time_secs(
        absl::ToDoubleSeconds(time - absl::UnixEpoch()));
    event::Event result = Event(time, 0);
    AddHParams("_hparams_/session_end_info", hparams, result.mutable_summary());
    return result;
  }
  template <typename Other>
  std::optional<event::Event> operator()(const Other&) const {
    return std::nullopt;
  }
};

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "localhost";
  return absl::StrReplaceAll(name, {{"/", "_"}});
}

absl::Status RemoveEventFiles(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    if (!absl::StrContains(it->path().filename().string(), "tfevents")) {
      continue;
    }
    fs::remove(it->path(), error);
    if (error) break;
  }
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(
      error.value(),
      absl::StrCat("removing old event files from ", directory.string()));
}

}  // namespace

TensorBoardSink::TensorBoardSink(std::string directory,
                                 std::string run_directory)
    : directory_(std::move(directory)),
      run_directory_(std::move(run_directory)) {}

std::unique_ptr<TensorBoardSink> TensorBoardSink::Create(
    std::string directory, std::string run_directory) {
  return std::unique_ptr<TensorBoardSink>(
      new TensorBoardSink(std::move(directory), std::move(run_directory)));
}

absl::Status TensorBoardSink::WriteStart(const std::string& arm,
                                         absl::Time time, EventFile& file) {
  event::Event version = Event(time, 0);
  version.set_file_version("brain.Event:2");
  if (absl::Status status = file.Append(version.SerializeAsString());
      !status.ok()) {
    return status;
  }
  event::Event layout = Event(time, 0);
  AddString("custom_scalars__config__", "custom_scalars", CustomScalarsLayout(),
            layout.mutable_summary());
  if (absl::Status status = file.Append(layout.SerializeAsString());
      !status.ok()) {
    return status;
  }
  if (config_.empty()) return absl::OkStatus();
  event::HParams hparams;
  event::HParams::SessionStart* const start =
      hparams.mutable_session_start_info();
  const nlohmann::json config = nlohmann::json::parse(config_, nullptr, false);
  if (config.is_object()) AddFields(config, "", start);
  // Of the arms, this one.
  start->mutable_hparams()->erase("arms");
  event::HParams::Value name;
  name.set_string_value(arm);
  (*start->mutable_hparams())["arm"] = name;
  start->set_start_time_secs(absl::ToDoubleSeconds(time - absl::UnixEpoch()));
  event::Event event = Event(time, 0);
  AddHParams("_hparams_/session_start_info", hparams, event.mutable_summary());
  AddText(
      "config",
      absl::StrCat("```\n", config.is_discarded() ? config_ : config.dump(2),
                   "\n```"),
      event.mutable_summary());
  return file.Append(event.SerializeAsString());
}

absl::StatusOr<std::optional<event::Event>> TensorBoardSink::MakeEvent(
    const Record& record) const {
  const auto* const image = std::get_if<Image>(&record.payload);
  if (image == nullptr) {
    return std::visit(ToEvent{record.time}, record.payload);
  }
  const auto png = ReadMediaFile(run_directory_, image->file);
  if (!png.ok()) return png.status();
  const absl::StatusOr<PixelSize> size = PngSize(*png);
  if (!size.ok()) return size.status();
  std::optional<event::Event> event = Event(record.time, image->step);
  AddImage(*image, *png, *size, event->mutable_summary());
  return event;
}

absl::StatusOr<EventFile*> TensorBoardSink::FileOf(const std::string& arm,
                                                   absl::Time time) {
  std::unique_ptr<EventFile>& file = files_[arm];
  if (file != nullptr) return file.get();
  const fs::path directory = fs::path(directory_) / arm;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(), absl::StrCat("making directory ", directory.string()));
  }
  if (absl::Status status = RemoveEventFiles(directory); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::unique_ptr<EventFile>> created = EventFile::Create(
      absl::StrFormat("%s/events.out.tfevents.%010d.%s.%d", directory.string(),
                      absl::ToUnixSeconds(time), HostName(), ::getpid()));
  if (!created.ok()) return created.status();
  if (absl::Status status = WriteStart(arm, time, **created); !status.ok()) {
    return status;
  }
  file = *std::move(created);
  return file.get();
}

absl::Status TensorBoardSink::Write(const Record& record) {
  if (const auto* config = std::get_if<Config>(&record.payload)) {
    config_ = config->json;
    return absl::OkStatus();
  }
  if (record.model.empty()) return absl::OkStatus();
  absl::StatusOr<std::optional<event::Event>> made = MakeEvent(record);
  if (!made.ok()) return made.status();
  const std::optional<event::Event>& event = *made;
  if (!event.has_value()) return absl::OkStatus();
  const absl::StatusOr<EventFile*> file = FileOf(record.model, record.time);
  if (!file.ok()) return file.status();
  return (*file)->Append(event->SerializeAsString());
}

absl::Status TensorBoardSink::Finish() {
  absl::Status status;
  for (auto& [arm, file] : files_) {
    if (file != nullptr) status.Update(file->Close());
  }
  return status;
}

std::string TensorBoardSink::name() const {
  return absl::StrCat("tensorboard (", directory_, ")");
}

}  // namespace cnn_fp4::telemetry
