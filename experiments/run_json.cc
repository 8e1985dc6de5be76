#include "experiments/run_json.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/json_text.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::experiments {
namespace {

using nlohmann::json;

// 1 had a flat configuration and no "schema_version".
constexpr int kSchemaVersion = 2;

// The value under `key`, a text; an empty one counts as missing.
absl::StatusOr<std::string> Text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found != object.end() && found->is_string() && *found != "") {
    return found->get<std::string>();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", key, "\" is ",
      found == object.end() ? "missing" : base::BriefJson(*found)));
}

absl::Status ReadOptional(const json& run, RunJsonContents* read) {
  if (const auto threads = run.find("threads"); threads != run.end()) {
    if (!base::IsInteger(*threads)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"threads\" is ", base::BriefJson(*threads)));
    }
    read->threads = threads->get<int64_t>();
  }
  if (const auto data = run.find("data"); data != run.end()) {
    if (!data->is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"data\" is ", base::BriefJson(*data)));
    }
    absl::StatusOr<std::string> digest = Text(*data, "digest");
    if (!digest.ok()) return digest.status();
    read->data_digest = *std::move(digest);
  }
  const auto names = run.find("class_names");
  if (names == run.end()) return absl::OkStatus();
  if (!names->is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"class_names\" is ", base::BriefJson(*names)));
  }
  for (const json& name : *names) {
    if (!name.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"class_names\" has ", base::BriefJson(name)));
    }
    read->class_names.push_back(name);
  }
  return absl::OkStatus();
}

}  // namespace

std::string ToRunJson(const std::string& experiment, const ExperimentSpec& spec,
                      const RunFacts& facts) {
  json run = {
      {"schema_version", kSchemaVersion},
      {"experiment", experiment},
      {"config", json::parse(base::ToJson(spec))},
      {"resolved", json::parse(Resolved(spec))},
      {"digest", Digest(spec)},
      {"started",
       absl::FormatTime(absl::RFC3339_sec, facts.started, absl::UTCTimeZone())},
      {"git_revision", facts.git_revision},
      {"libtorch", facts.libtorch_version},
      {"device", facts.device},
      {"threads", facts.threads},
      {"class_names", facts.class_names},
      {"machine",
       {{"cpu", facts.cpu}, {"cores", facts.cores}, {"system", facts.system}}},
  };
  if (!facts.data_digest.empty()) run["data"]["digest"] = facts.data_digest;
  return run.dump(2) + "\n";
}

absl::StatusOr<RunJsonContents> ParseRunJson(absl::string_view text) {
  const absl::StatusOr<json> parsed = base::ParseJson(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(parsed.status().message());
  }
  const json& run = *parsed;
  if (!run.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it is ", base::BriefJson(run)));
  }
  const auto version = run.find("schema_version");
  if (version == run.end() || *version == 1) {
    return absl::FailedPreconditionError(
        "was written by an older version, whose runs cannot be continued");
  }
  if (*version != kSchemaVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("its schema_version is ", base::BriefJson(*version)));
  }
  RunJsonContents read;
  absl::StatusOr<std::string> digest = Text(run, "digest");
  if (!digest.ok()) return digest.status();
  read.digest = *std::move(digest);
  const auto config = run.find("config");
  if (config == run.end() || !config->is_object()) {
    return absl::InvalidArgumentError("\"config\" is missing or no object");
  }
  read.config = config->dump();
  const absl::StatusOr<std::string> started = Text(run, "started");
  if (!started.ok()) return started.status();
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, *started, &read.started, &error)) {
    return absl::InvalidArgumentError(absl::StrCat("\"started\": ", error));
  }
  absl::Status status = ReadOptional(run, &read);
  if (!status.ok()) return status;
  return read;
}

}  // namespace cnn_fp4::experiments
