#include "telemetry/sinks/jsonl_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/atomic_file.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/metrics_reader.h"

namespace cnn_fp4::telemetry {
namespace {

using Json = nlohmann::ordered_json;

std::string Quoted(absl::string_view text) {
  return Json(std::string(text))
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

// nlohmann's own numbers would be null for NaN and long for floats.
std::string NumberText(const Number& number) {
  const double value = number.value();
  if (std::isnan(value)) return "\"NaN\"";
  if (std::isinf(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  char buffer[32];
  const std::to_chars_result result =
      number.single() ? std::to_chars(buffer, buffer + sizeof(buffer),
                                      static_cast<float>(value))
                      : std::to_chars(buffer, buffer + sizeof(buffer), value);
  const std::string text(buffer, result.ptr);
  // "-0" is an integer for many readers, ours included, and loses its sign.
  return text == "-0" ? "-0.0" : text;
}

void AppendNumber(std::string* out, float value) {
  absl::StrAppend(out, NumberText(value));
}

std::string Head(absl::string_view type, const Record& record) {
  std::string out = absl::StrFormat("{\"type\":\"%s\",\"time\":%.3f", type,
                                    absl::ToUnixMillis(record.time) / 1000.0);
  if (!record.model.empty()) {
    absl::StrAppend(&out, ",\"model\":", Quoted(record.model));
  }
  return out;
}

struct LineWriter {
  const Record& record;

  absl::StatusOr<std::string> operator()(const Scalars& scalars) const {
    std::string out = absl::StrCat(Head("scalars", record),
                                   ",\"step\":", scalars.step, ",\"values\":{");
    const char* comma = "";
    for (const auto& [key, value] : scalars.values) {
      absl::StrAppend(&out, comma, Quoted(key), ":", NumberText(value));
      comma = ",";
    }
    return out + "}}";
  }

  absl::StatusOr<std::string> operator()(const LayerStats& stats) const {
    std::string out =
        absl::StrCat(Head("layer_stats", record), ",\"step\":", stats.step,
                     ",\"tensor\":", Quoted(Info(stats.tensor).directory),
                     ",\"layer\":", Quoted(stats.layer));
    if (!stats.recipe.empty()) {
      absl::StrAppend(&out, ",\"recipe\":", Quoted(stats.recipe));
    }
    absl::StrAppend(&out, ",\"values\":{");
    const char* comma = "";
    for (const auto& [id, value] : stats.values) {
      absl::StrAppend(&out, comma, Quoted(Info(id).key), ":",
                      NumberText(value));
      comma = ",";
    }
    return out + "}}";
  }

  absl::StatusOr<std::string> operator()(
      const LayerHistogram& histogram) const {
    return absl::StrCat(
        Head("histogram", record), ",\"step\":", histogram.step,
        ",\"tensor\":", Quoted(Info(histogram.tensor).directory),
        ",\"layer\":", Quoted(histogram.layer),
        ",\"of\":", Quoted(HistogramKey(histogram.of)),
        ",\"first\":", histogram.first, ",\"counts\":[",
        absl::StrJoin(histogram.counts, ","), "],\"zeros\":", histogram.zeros,
        ",\"nonfinite\":", histogram.nonfinite, "}");
  }

  absl::StatusOr<std::string> operator()(const WeightSample& sample) const {
    std::string out = absl::StrCat(
        Head("weight_sample", record), ",\"step\":", sample.step,
        ",\"layer\":", Quoted(sample.layer), ",\"rows\":", sample.rows,
        ",\"columns\":", sample.columns, ",\"row_stride\":", sample.row_stride,
        ",\"column_stride\":", sample.column_stride, ",\"values\":[",
        absl::StrJoin(sample.values, ",", AppendNumber), "],\"codes\":\"");
    for (const uint8_t code : sample.codes) {
      out += "0123456789abcdef"[code & 15];
    }
    std::map<float, size_t> places;
    std::vector<float> scales;
    std::vector<size_t> scale_of;
    for (const float scale : sample.scales) {
      const auto [found, is_new] = places.emplace(scale, scales.size());
      if (is_new) scales.push_back(scale);
      scale_of.push_back(found->second);
    }
    absl::StrAppend(&out, "\",\"scales\":[",
                    absl::StrJoin(scales, ",", AppendNumber),
                    "],\"scale_of\":[", absl::StrJoin(scale_of, ","), "]}");
    return out;
  }

  absl::StatusOr<std::string> operator()(const Text& text) const {
    return absl::StrCat(Head("text", record), ",\"tag\":", Quoted(text.tag),
                        ",\"text\":", Quoted(text.text), "}");
  }

  absl::StatusOr<std::string> operator()(const Config& config) const {
    const Json json = Json::parse(config.json, nullptr, false);
    if (json.is_discarded()) {
      return absl::InvalidArgumentError("config record: not a JSON document");
    }
    return absl::StrCat(Head("config", record),
                        ",\"schema_version\":", kMetricsSchemaVersion,
                        ",\"config\":", json.dump(), "}");
  }

  absl::StatusOr<std::string> operator()(const TableRecord& named) const {
    std::string out =
        absl::StrCat(Head("table", record), ",\"name\":", Quoted(named.name),
                     ",\"columns\":[");
    const char* comma = "";
    for (const std::string& column : named.table.columns()) {
      absl::StrAppend(&out, comma, Quoted(column));
      comma = ",";
    }
    absl::StrAppend(&out, "],\"rows\":[");
    const char* row_comma = "";
    for (const std::vector<base::Cell>& row : named.table.rows()) {
      absl::StrAppend(&out, row_comma, "[");
      row_comma = ",";
      comma = "";
      for (const base::Cell& cell : row) {
        absl::StrAppend(
            &out, comma,
            cell.is_number() ? NumberText(cell.value()) : Quoted(cell.text()));
        comma = ",";
      }
      absl::StrAppend(&out, "]");
    }
    return out + "]}";
  }

  absl::StatusOr<std::string> operator()(const Image& image) const {
    return absl::StrCat(Head("image", record), ",\"step\":", image.step,
                        ",\"key\":", Quoted(image.key),
                        ",\"file\":", Quoted(image.file),
                        ",\"caption\":", Quoted(image.caption), "}");
  }

  absl::StatusOr<std::string> operator()(const Html& html) const {
    return absl::StrCat(Head("html", record), ",\"step\":", html.step,
                        ",\"key\":", Quoted(html.key),
                        ",\"file\":", Quoted(html.file), "}");
  }

  absl::StatusOr<std::string> operator()(const Figure& figure) const {
    return absl::StrCat(Head("figure", record), ",\"step\":", figure.step,
                        ",\"key\":", Quoted(figure.key),
                        ",\"file\":", Quoted(figure.file), "}");
  }

  absl::StatusOr<std::string> operator()(const Artifact& artifact) const {
    return absl::StrCat(Head("artifact", record), ",\"step\":", artifact.step,
                        ",\"name\":", Quoted(artifact.name),
                        ",\"kind\":", Quoted(artifact.kind),
                        ",\"file\":", Quoted(artifact.file), "}");
  }

  absl::StatusOr<std::string> operator()(const SystemStats& system) const {
    std::string gpus;
    for (const GpuStats& gpu : system.gpus) {
      absl::StrAppend(&gpus, gpus.empty() ? ",\"gpus\":[" : ",",
                      "{\"busy_percent\":", NumberText(gpu.busy_percent),
                      ",\"memory_bytes\":", gpu.memory_bytes,
                      ",\"memory_total_bytes\":", gpu.memory_total_bytes,
                      ",\"celsius\":", NumberText(gpu.celsius),
                      ",\"watts\":", NumberText(gpu.watts), "}");
    }
    if (!gpus.empty()) gpus.push_back(']');
    return absl::StrCat(Head("system", record), ",\"step\":", system.step,
                        ",\"cpu_percent\":", NumberText(system.cpu_percent),
                        ",\"resident_bytes\":", system.resident_bytes,
                        ",\"available_bytes\":", system.available_bytes,
                        ",\"threads\":", system.threads, gpus, "}");
  }

  absl::StatusOr<std::string> operator()(const ArmMeasured&) const {
    return absl::StrCat(Head("arm_measured", record), "}");
  }

  absl::StatusOr<std::string> operator()(const ArmEnd& end) const {
    return absl::StrCat(Head("arm_end", record), ",\"code\":", end.code, "}");
  }

  absl::StatusOr<std::string> operator()(const Gap& gap) const {
    return absl::StrCat(Head("gap", record), ",\"records\":", gap.records, "}");
  }

  absl::StatusOr<std::string> operator()(const Exit& exit) const {
    return absl::StrCat(Head("exit", record), ",\"code\":", exit.code, "}");
  }
};

bool IsOfValidation(const MetricsLine& line) {
  if (line.type != "scalars") return false;
  const auto values = line.json.find("values");
  return values != line.json.end() && values->is_object() && !values->empty() &&
         absl::StartsWith(values->begin().key(), "val/");
}

// Whether a line of an interrupted run is measured again after the resume.
bool IsRepeated(const MetricsLine& line, absl::Span<const ResumePoint> points) {
  for (const ResumePoint& point : points) {
    if (point.model != line.model || !line.step.has_value()) continue;
    return *line.step > point.step ||
           (*line.step == point.step && !point.validated &&
            IsOfValidation(line));
  }
  return false;
}

struct Kept {
  std::string text;
  std::map<std::string, int64_t> last_steps;  // By model.
};

absl::StatusOr<Kept> WithoutRepeated(const std::string& path,
                                     absl::Span<const ResumePoint> points) {
  Kept kept;
  const absl::Status status = ReadMetrics(path, [&](const MetricsLine& line) {
    if (IsRepeated(line, points)) return absl::OkStatus();
    absl::StrAppend(&kept.text, line.text, "\n");
    if (line.step.has_value()) {
      int64_t& last = kept.last_steps[line.model];
      last = std::max(last, *line.step);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return kept;
}

// A line for each model whose checkpoint is beyond its last record.
std::vector<std::string> FindMissing(const std::string& path, const Kept& kept,
                                     absl::Span<const ResumePoint> points) {
  std::vector<std::string> missing;
  for (const ResumePoint& point : points) {
    const auto last = kept.last_steps.find(point.model);
    const int64_t step = last == kept.last_steps.end() ? 0 : last->second;
    if (step >= point.step) continue;
    missing.push_back(
        absl::StrCat(path, " has nothing of the steps ", step + 1, " to ",
                     point.step, " of ", point.model,
                     ", which are done: reports and plots will lack them"));
  }
  return missing;
}

absl::StatusOr<int> Open(const std::string& path, int flags) {
  const int fd = ::open(
      path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0666);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  }
  return fd;
}

absl::Status MakeParent(const std::string& path) {
  const std::filesystem::path parent =
      std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(
      error.value(), absl::StrCat("making directory ", parent.string()));
}

}  // namespace

absl::StatusOr<std::string> ToJsonLine(const Record& record) {
  return std::visit(LineWriter{record}, record.payload);
}

absl::StatusOr<std::unique_ptr<JsonlSink>> JsonlSink::Create(
    absl::string_view path) {
  const std::string name(path);
  if (absl::Status status = MakeParent(name); !status.ok()) return status;
  const absl::StatusOr<int> fd = Open(name, O_EXCL);
  if (!fd.ok()) return fd.status();
  return std::unique_ptr<JsonlSink>(new JsonlSink(path, *fd));
}

absl::StatusOr<std::unique_ptr<JsonlSink>> JsonlSink::Resume(
    absl::string_view path, absl::Span<const ResumePoint> points) {
  const std::string name(path);
  absl::StatusOr<Kept> kept = Kept();
  if (std::filesystem::is_regular_file(name)) {
    kept = WithoutRepeated(name, points);
    if (!kept.ok()) return kept.status();
    if (kept->text.size() != std::filesystem::file_size(name)) {
      const absl::Status status = base::WriteFileAtomically(name, kept->text);
      if (!status.ok()) return status;
    }
  } else if (absl::Status status = MakeParent(name); !status.ok()) {
    return status;
  }
  const absl::StatusOr<int> fd = Open(name, 0);
  if (!fd.ok()) return fd.status();
  std::unique_ptr<JsonlSink> sink(new JsonlSink(path, *fd));
  sink->missing_ = FindMissing(name, *kept, points);
  return sink;
}

JsonlSink::~JsonlSink() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status JsonlSink::Write(const Record& record) {
  absl::StatusOr<std::string> line = ToJsonLine(record);
  if (!line.ok()) return line.status();
  line->push_back('\n');
  struct stat file;
  if (::fstat(fd_, &file) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("looking at ", path_));
  }
  if (file.st_nlink == 0) {
    return absl::NotFoundError(
        absl::StrCat(path_, " was removed while the run was writing it"));
  }
  // What a write that failed left of its line, see below.
  if (torn_) {
    if (::ftruncate(fd_, whole_lines_) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("shortening ", path_));
    }
    torn_ = false;
  } else {
    whole_lines_ = file.st_size;
  }
  // No buffer of our own: written is flushed. One write(2) of a whole line, so
  // that a reader of the growing file sees half a line only when the disk is
  // full.
  absl::string_view rest = *line;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      const int error = errno;
      torn_ = rest.size() < line->size() && ::ftruncate(fd_, whole_lines_) != 0;
      return absl::ErrnoToStatus(error, absl::StrCat("writing ", path_));
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status JsonlSink::Finish() {
  const int fd = std::exchange(fd_, -1);
  if (fd < 0) return absl::OkStatus();
  absl::Status status;
  if (::fsync(fd) != 0 && errno != EINVAL) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("syncing ", path_));
  }
  if (::close(fd) != 0 && status.ok()) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("closing ", path_));
  }
  return status;
}

std::string JsonlSink::name() const {
  return absl::StrCat("jsonl (", path_, ")");
}

}  // namespace cnn_fp4::telemetry
