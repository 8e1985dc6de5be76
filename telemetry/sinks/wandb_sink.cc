#include "telemetry/sinks/wandb_sink.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/console.h"
#include "base/fnv1a.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/media_file.h"
#include "telemetry/sinks/wandb.pb.h"
#include "telemetry/sinks/wandb_artifact.h"
#include "telemetry/sinks/wandb_system.h"

namespace cnn_fp4::telemetry {

struct WandbSink::Arm {
  std::unique_ptr<WandbFile> file;
  std::string run_id;
  std::string files;  // The run's directory for media.
  int64_t records = 0;
  absl::Time started;
  bool ended = false;

  // The row that is not written yet.
  std::optional<int64_t> step;
  absl::Time time;
  std::vector<WandbValue> row;

  // Every key of the history with its latest value.
  std::map<std::string, WandbValue> latest;
  std::vector<std::string> undefined;  // New ones, not defined as metrics yet.
  size_t keys = 0;                     // As W&B counts them.
  std::set<std::string> refused;       // Beyond the limit.

  absl::Status Append(wandb::Record record) {
    record.set_num(++records);
    return file->Append(record.SerializeAsString());
  }
};

namespace {

namespace fs = std::filesystem;

// W&B's pages grow slow beyond a few thousand; metrics.jsonl has all.
constexpr size_t kMaxKeys = 2000;
// Of these, for pictures, pages and tables, which an arm's end brings.
constexpr size_t kKeysForMedia = 160;

void AddItem(const std::string& key, std::string json,
             google::protobuf::RepeatedPtrField<wandb::Item>* items) {
  wandb::Item* const item = items->Add();
  item->add_nested_key(key);
  item->set_value_json(std::move(json));
}

void AddItems(const WandbValue& value,
              google::protobuf::RepeatedPtrField<wandb::Item>* items) {
  for (const auto& [name, json] : value.fields) {
    AddItem(value.key, json, items);
    if (!name.empty()) items->rbegin()->add_nested_key(name);
  }
}

void SetTime(absl::Time time, wandb::Time* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

// Eight of [a-z0-9], the same for the same training and arm.
std::string RunId(const std::string& group, const std::string& arm) {
  uint64_t hash = uint64_t{base::Fnv1a32(absl::StrCat(group, "\n", arm))}
                      << 32 |
                  base::Fnv1a32(absl::StrCat(arm, "\n", group));
  std::string id;
  for (int i = 0; i < 8; ++i) {
    id.push_back("abcdefghijklmnopqrstuvwxyz0123456789"[hash % 36]);
    hash /= 36;
  }
  return id;
}

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "localhost";
  return name;
}

}  // namespace

WandbSink::WandbSink(WandbSinkOptions options) : options_(std::move(options)) {}
WandbSink::~WandbSink() = default;

std::unique_ptr<WandbSink> WandbSink::Create(WandbSinkOptions options) {
  return std::unique_ptr<WandbSink>(new WandbSink(std::move(options)));
}

absl::Status WandbSink::WriteStart(const std::string& name,
                                   const std::string& run_id, absl::Time time,
                                   Arm& arm) {
  wandb::Record header;
  header.mutable_header()->mutable_version_info()->set_producer(
      "cnn_fp4_emulation");
  header.mutable_header()->mutable_version_info()->set_min_consumer("0.21.0");
  absl::Status status = arm.Append(header);

  wandb::Record record;
  // Where the one who uploads waits for the server's answer. Without it,
  // `wandb sync` of wandb 0.28.2 waits for ever.
  record.mutable_control()->set_mailbox_slot(run_id);
  wandb::RunRecord* const run = record.mutable_run();
  run->set_run_id(run_id);
  run->set_project(WandbUtf8(options_.labels.project));
  run->set_entity(WandbUtf8(options_.labels.entity));
  run->set_run_group(WandbUtf8(options_.group));
  run->set_job_type("train");
  run->set_display_name(WandbUtf8(name));
  run->set_notes(WandbUtf8(options_.labels.notes));
  for (const std::string& tag : options_.labels.tags) {
    run->add_tags(WandbUtf8(tag));
  }
  run->set_host(WandbUtf8(HostName()));
  SetTime(time, run->mutable_start_time());
  AddItem("arm", WandbQuoted(name), run->mutable_config()->mutable_update());
  const nlohmann::json config = nlohmann::json::parse(config_, nullptr, false);
  if (config.is_object()) {
    for (const auto& [key, value] : config.items()) {
      AddItem(key, value.dump(), run->mutable_config()->mutable_update());
    }
  }
  status.Update(arm.Append(record));

  wandb::Record environment;
  wandb::EnvironmentRecord* const machine = environment.mutable_environment();
  machine->set_os(WandbUtf8(options_.environment.os));
  machine->set_host(WandbUtf8(HostName()));
  machine->set_cpu_count(options_.environment.cores);
  machine->set_cpu_count_logical(options_.environment.cores);
  machine->mutable_git()->set_commit(
      WandbUtf8(options_.environment.git_revision));
  SetTime(time, machine->mutable_started_at());
  status.Update(arm.Append(environment));
  return status;
}

absl::StatusOr<WandbSink::Arm*> WandbSink::ArmOf(const std::string& name,
                                                 absl::Time time) {
  std::unique_ptr<Arm>& found = arms_[name];
  if (found != nullptr) return found.get();
  const std::string run_id = RunId(options_.group, name);
  const fs::path directory =
      fs::path(options_.directory) /
      absl::StrCat("offline-run-",
                   absl::FormatTime("%Y%m%d_%H%M%S", options_.started,
                                    absl::LocalTimeZone()),
                   "-", run_id);
  std::error_code error;
  fs::create_directories(directory / "files", error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(), absl::StrCat("making directory ", directory.string()));
  }
  const fs::path path = directory / absl::StrCat("run-", run_id, ".wandb");
  fs::remove(path, error);
  absl::StatusOr<std::unique_ptr<WandbFile>> file =
      WandbFile::Create(path.string());
  if (!file.ok()) return file.status();
  auto arm = std::make_unique<Arm>();
  arm->file = *std::move(file);
  arm->run_id = run_id;
  arm->files = (directory / "files").string();
  arm->started = time;
  if (absl::Status status = WriteStart(name, run_id, time, *arm);
      !status.ok()) {
    return status;
  }
  found = std::move(arm);
  return found.get();
}

// A metric of its own for each key, against our steps: W&B expands no pattern
// in offline runs.
absl::Status WandbSink::DefineMetrics(Arm& arm) {
  for (std::string& key : arm.undefined) {
    wandb::Record record;
    record.mutable_metric()->set_name(std::move(key));
    record.mutable_metric()->set_step_metric("_step");
    record.mutable_metric()->mutable_options()->set_defined(true);
    if (absl::Status status = arm.Append(record); !status.ok()) return status;
  }
  arm.undefined.clear();
  return absl::OkStatus();
}

absl::Status WandbSink::WriteRow(Arm& arm) {
  if (!arm.step.has_value()) return absl::OkStatus();
  if (absl::Status status = DefineMetrics(arm); !status.ok()) return status;
  const double runtime = absl::ToDoubleSeconds(arm.time - arm.started);
  const double timestamp = absl::ToDoubleSeconds(arm.time - absl::UnixEpoch());
  arm.row.push_back({"_step", {{"", absl::StrCat(*arm.step)}}});
  arm.row.push_back({"_runtime", {{"", WandbNumber(runtime)}}});
  arm.row.push_back({"_timestamp", {{"", WandbNumber(timestamp)}}});
  wandb::Record record;
  record.mutable_history()->mutable_step()->set_num(*arm.step);
  for (WandbValue& value : arm.row) {
    AddItems(value, record.mutable_history()->mutable_item());
    arm.latest[value.key] = std::move(value);
  }
  arm.row.clear();
  arm.step.reset();
  return arm.Append(record);
}

absl::Status WandbSink::End(Arm& arm, int code, absl::Time time) {
  if (arm.ended) return absl::OkStatus();
  arm.ended = true;
  if (absl::Status status = WriteRow(arm); !status.ok()) return status;
  if (!arm.refused.empty()) {
    base::Console::Stderr().Line(absl::StrCat(
        "telemetry: ", arm.refused.size(),
        " keys are in metrics.jsonl but not in W&B, which grows slow beyond ",
        kMaxKeys));
  }
  wandb::Record summary;
  for (const auto& [key, value] : arm.latest) {
    AddItems(value, summary.mutable_summary()->mutable_update());
  }
  wandb::Record exit;
  exit.mutable_exit()->set_exit_code(code);
  exit.mutable_exit()->set_runtime(
      static_cast<int32_t>(absl::ToInt64Seconds(time - arm.started)));
  absl::Status status = arm.Append(summary);
  status.Update(arm.Append(exit));
  status.Update(arm.file->Close());
  return status;
}

absl::Status WandbSink::Add(const WandbAddition& addition, size_t max_keys,
                            absl::Time time, Arm& arm) {
  if (arm.step.has_value() && *arm.step != addition.step) {
    if (addition.step < *arm.step) {
      return absl::FailedPreconditionError(
          absl::StrCat("step ", addition.step, " after step ", *arm.step));
    }
    if (absl::Status status = WriteRow(arm); !status.ok()) return status;
  }
  arm.step = addition.step;
  arm.time = time;
  for (const WandbValue& value : addition.values) {
    if (arm.latest.count(value.key) == 0) {
      if (arm.keys + value.fields.size() > max_keys) {
        arm.refused.insert(value.key);
        continue;
      }
      arm.keys += value.fields.size();
      arm.latest[value.key];  // Filled in by WriteRow.
      if (value.is_number()) arm.undefined.push_back(value.key);
    }
    arm.row.push_back(value);
  }
  return absl::OkStatus();
}

// The medium's file comes first, then what says that it is one, then the row.
absl::Status WandbSink::AddMedia(const absl::StatusOr<WandbMedia>& media,
                                 int64_t step, absl::Time time, Arm& arm) {
  if (!media.ok()) return media.status();
  wandb::Record record;
  wandb::FilesRecord::File* const file = record.mutable_files()->add_files();
  file->set_path(media->path);
  file->set_type(wandb::FilesRecord::MEDIA);
  absl::Status status = arm.Append(record);
  if (!status.ok()) return status;
  return Add({step, {media->value}}, kMaxKeys, time, arm);
}

absl::Status WandbSink::WriteFor(const Record& record, Arm& arm) {
  if (const auto addition = ToWandbAddition(record.payload)) {
    return Add(*addition, kMaxKeys - kKeysForMedia, record.time, arm);
  }
  if (const auto* image = std::get_if<Image>(&record.payload)) {
    const auto png = ReadMediaFile(options_.run_directory, image->file);
    if (!png.ok()) return png.status();
    return AddMedia(WriteWandbImage(arm.files, image->key, image->step, *png,
                                    image->caption),
                    image->step, record.time, arm);
  }
  if (const auto* page = std::get_if<Html>(&record.payload)) {
    const auto html = ReadMediaFile(options_.run_directory, page->file);
    if (!html.ok()) return html.status();
    // W&B takes one kind of medium for a key.
    return AddMedia(WriteWandbHtml(arm.files, absl::StrCat(page->key, "_page"),
                                   page->step, *html),
                    page->step, record.time, arm);
  }
  if (const auto* figure = std::get_if<Figure>(&record.payload)) {
    const auto json = ReadMediaFile(options_.run_directory, figure->file);
    if (!json.ok()) return json.status();
    return AddMedia(
        WriteWandbFigure(arm.files, figure->key, figure->step, *json),
        figure->step, record.time, arm);
  }
  if (const auto* table = std::get_if<TableRecord>(&record.payload)) {
    // It is of the arm as a whole: it stands in the row that is being made.
    const int64_t step = arm.step.value_or(0);
    return AddMedia(WriteWandbTable(arm.files, table->name, step, table->table),
                    step, record.time, arm);
  }
  wandb::Record out;
  if (const auto* artifact = std::get_if<Artifact>(&record.payload)) {
    if (!options_.labels.log_model) return absl::OkStatus();
    const auto path = MediaPath(options_.run_directory, artifact->file);
    if (!path.ok()) return path.status();
    const auto made =
        MakeWandbArtifact(*artifact, *path,
                          {arm.run_id, WandbUtf8(options_.labels.project),
                           WandbUtf8(options_.labels.entity),
                           fs::path(arm.files).parent_path().string()});
    if (!made.ok()) return made.status();
    *out.mutable_artifact() = *made;
    return arm.Append(out);
  }
  if (const auto* text = std::get_if<Text>(&record.payload)) {
    if (text->tag != "console") return absl::OkStatus();
    // W&B writes ERROR before each line of the other stream.
    out.mutable_output_raw()->set_output_type(wandb::OutputRawRecord::STDOUT);
    SetTime(record.time, out.mutable_output_raw()->mutable_timestamp());
    out.mutable_output_raw()->set_line(
        WandbUtf8(absl::StrCat(text->text, "\n")));
    return arm.Append(out);
  }
  if (const auto* system = std::get_if<SystemStats>(&record.payload)) {
    SetTime(record.time, out.mutable_stats()->mutable_timestamp());
    AddWandbSystem(*system, options_.environment.cores, out.mutable_stats());
    return arm.Append(out);
  }
  return absl::OkStatus();
}

absl::Status WandbSink::Write(const Record& record) {
  if (const auto* config = std::get_if<Config>(&record.payload)) {
    config_ = config->json;
    return absl::OkStatus();
  }
  if (record.model.empty() ||
      std::holds_alternative<ArmMeasured>(record.payload)) {
    return absl::OkStatus();
  }
  if (const auto* end = std::get_if<ArmEnd>(&record.payload)) {
    const auto arm = arms_.find(record.model);
    if (arm == arms_.end()) return absl::OkStatus();
    return End(*arm->second, end->code, record.time);
  }
  const absl::StatusOr<Arm*> arm = ArmOf(record.model, record.time);
  if (!arm.ok()) return arm.status();
  // To W&B an ended run is over.
  if ((*arm)->ended) return absl::OkStatus();
  const absl::Status status = WriteFor(record, **arm);
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(record.model, ": ", status.message()));
}

absl::Status WandbSink::Finish() {
  absl::Status status;
  // An arm that did not end was cut off; W&B shows it as crashed.
  for (auto& [name, arm] : arms_) {
    if (arm == nullptr || arm->ended) continue;
    status.Update(WriteRow(*arm));
    status.Update(arm->file->Close());
  }
  return status;
}

std::string WandbSink::name() const {
  return absl::StrCat("wandb (", options_.directory, ")");
}

}  // namespace cnn_fp4::telemetry
