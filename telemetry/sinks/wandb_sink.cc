#include "telemetry/sinks/wandb_sink.h"

#include <unistd.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/console.h"
#include "base/fnv1a.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/layer_key.h"
#include "telemetry/sinks/wandb.pb.h"

namespace cnn_fp4::telemetry {

struct WandbSink::Arm {
  std::unique_ptr<WandbFile> file;
  int64_t records = 0;
  absl::Time started;
  bool ended = false;

  // The row that is not written yet.
  std::optional<int64_t> step;
  absl::Time time;
  std::vector<std::pair<std::string, std::string>> row;

  // Every key of the history with its latest value, as JSON.
  std::map<std::string, std::string> latest;
  size_t keys = 0;                // As W&B counts them.
  std::set<std::string> refused;  // Beyond the limit.

  absl::Status Append(wandb::Record record) {
    record.set_num(++records);
    return file->Append(record.SerializeAsString());
  }
};

namespace {

namespace fs = std::filesystem;

// W&B's pages grow slow beyond a few thousand; metrics.jsonl has all.
constexpr size_t kMaxKeys = 2000;
// W&B keeps type, counts and edges of a histogram as keys of their own.
constexpr size_t kKeysOfHistogram = 3;

// W&B reads NaN and Infinity as such in JSON.
std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false,
                                   nlohmann::json::error_handler_t::replace);
}

// Bytes that are no UTF-8 would cost the whole record.
std::string Utf8(const std::string& text) {
  return nlohmann::json::parse(Quoted(text)).get<std::string>();
}

std::string HistogramText(const HistogramBins& bins) {
  std::vector<std::string> counts;
  std::vector<std::string> edges = {NumberText(bins.left)};
  for (size_t i = 0; i < bins.counts.size(); ++i) {
    counts.push_back(NumberText(bins.counts[i]));
    edges.push_back(
        NumberText(bins.left + bins.width * static_cast<double>(i + 1)));
  }
  return absl::StrCat(R"({"_type":"histogram","values":[)",
                      absl::StrJoin(counts, ","), R"(],"bins":[)",
                      absl::StrJoin(edges, ","), "]}");
}

void AddItem(const std::string& key, std::string json,
             google::protobuf::RepeatedPtrField<wandb::Item>* items) {
  wandb::Item* const item = items->Add();
  item->add_nested_key(key);
  item->set_value_json(std::move(json));
}

void SetTime(absl::Time time, wandb::RunRecord::Time* out) {
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

// What a record adds to the row of its step: keys and JSON.
using Items = std::vector<std::pair<std::string, std::string>>;
struct Addition {
  int64_t step;
  Items items;
  size_t keys_each = 1;
};

struct ToAddition {
  std::optional<Addition> operator()(const Scalars& scalars) const {
    Addition addition{scalars.step, {}};
    for (const auto& [key, number] : scalars.values) {
      addition.items.emplace_back(key, NumberText(number.value()));
    }
    return addition;
  }
  std::optional<Addition> operator()(const LayerStats& stats) const {
    Addition addition{stats.step, {}};
    for (const auto& [id, number] : stats.values) {
      addition.items.emplace_back(
          LayerKey(Info(id).key, stats.tensor, stats.layer),
          NumberText(number));
    }
    return addition;
  }
  std::optional<Addition> operator()(const LayerHistogram& h) const {
    return Addition{h.step,
                    {{LayerKey(HistogramKey(h.of), h.tensor, h.layer),
                      HistogramText(BinsForDisplay(h))}},
                    kKeysOfHistogram};
  }
  template <typename Other>
  std::optional<Addition> operator()(const Other&) const {
    return std::nullopt;
  }
};

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
  wandb::RunRecord* const run = record.mutable_run();
  run->set_run_id(run_id);
  run->set_project(Utf8(options_.labels.project));
  run->set_entity(Utf8(options_.labels.entity));
  run->set_run_group(Utf8(options_.group));
  run->set_job_type("train");
  run->set_display_name(Utf8(name));
  run->set_notes(Utf8(options_.labels.notes));
  for (const std::string& tag : options_.labels.tags) {
    run->add_tags(Utf8(tag));
  }
  run->set_host(Utf8(HostName()));
  SetTime(time, run->mutable_start_time());
  AddItem("arm", Quoted(name), run->mutable_config()->mutable_update());
  const nlohmann::json config = nlohmann::json::parse(config_, nullptr, false);
  if (config.is_object()) {
    for (const auto& [key, value] : config.items()) {
      AddItem(key, value.dump(), run->mutable_config()->mutable_update());
    }
  }
  status.Update(arm.Append(record));

  wandb::Record environment;
  wandb::EnvironmentRecord* const machine = environment.mutable_environment();
  machine->set_os(Utf8(options_.environment.os));
  machine->set_host(Utf8(HostName()));
  machine->set_cpu_count(options_.environment.cores);
  machine->set_cpu_count_logical(options_.environment.cores);
  machine->mutable_git()->set_commit(Utf8(options_.environment.git_revision));
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
  arm->started = time;
  if (absl::Status status = WriteStart(name, run_id, time, *arm);
      !status.ok()) {
    return status;
  }
  found = std::move(arm);
  return found.get();
}

absl::Status WandbSink::WriteRow(Arm& arm) {
  if (!arm.step.has_value()) return absl::OkStatus();
  const double runtime = absl::ToDoubleSeconds(arm.time - arm.started);
  arm.row.emplace_back("_step", absl::StrCat(*arm.step));
  arm.row.emplace_back("_runtime", NumberText(runtime));
  arm.row.emplace_back(
      "_timestamp",
      NumberText(absl::ToDoubleSeconds(arm.time - absl::UnixEpoch())));
  wandb::Record record;
  record.mutable_history()->mutable_step()->set_num(*arm.step);
  for (auto& [key, json] : arm.row) {
    arm.latest[key] = json;
    AddItem(key, std::move(json), record.mutable_history()->mutable_item());
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
  for (const auto& [key, json] : arm.latest) {
    AddItem(key, json, summary.mutable_summary()->mutable_update());
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

absl::Status WandbSink::Write(const Record& record) {
  if (const auto* config = std::get_if<Config>(&record.payload)) {
    config_ = config->json;
    return absl::OkStatus();
  }
  if (record.model.empty()) return absl::OkStatus();
  if (const auto* end = std::get_if<ArmEnd>(&record.payload)) {
    const auto arm = arms_.find(record.model);
    if (arm == arms_.end()) return absl::OkStatus();
    return End(*arm->second, end->code, record.time);
  }
  std::optional<Addition> addition = std::visit(ToAddition(), record.payload);
  if (!addition.has_value()) return absl::OkStatus();
  const absl::StatusOr<Arm*> found = ArmOf(record.model, record.time);
  if (!found.ok()) return found.status();
  Arm& arm = **found;
  if (arm.step.has_value() && *arm.step != addition->step) {
    if (addition->step < *arm.step) {
      return absl::FailedPreconditionError(absl::StrCat(
          record.model, ": step ", addition->step, " after step ", *arm.step));
    }
    if (absl::Status status = WriteRow(arm); !status.ok()) return status;
  }
  arm.step = addition->step;
  arm.time = record.time;
  for (auto& item : addition->items) {
    if (arm.latest.count(item.first) == 0) {
      if (arm.keys + addition->keys_each > kMaxKeys) {
        arm.refused.insert(item.first);
        continue;
      }
      arm.keys += addition->keys_each;
      arm.latest[item.first];  // Filled in by WriteRow.
    }
    arm.row.push_back(std::move(item));
  }
  return absl::OkStatus();
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
