#include "telemetry/sinks/metrics_reader.h"

#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::telemetry {
namespace {

using nlohmann::json;

absl::Status NotA(absl::string_view what, absl::string_view key,
                  const json& value) {
  return absl::DataLossError(absl::StrCat(
      "\"", key, "\" is ", base::BriefJson(value), ", not a ", what));
}

// Of the value under `key`: nullopt if there is none.
absl::StatusOr<std::optional<std::string>> OptionalText(const json& object,
                                                        const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  if (!found->is_string()) {
    return NotA("text", key, *found);
  }
  return found->get<std::string>();
}

absl::StatusOr<std::optional<int64_t>> OptionalInteger(const json& object,
                                                       const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  if (!base::IsInteger(*found)) return NotA("step", key, *found);
  return found->get<int64_t>();
}

absl::StatusOr<int64_t> Step(const json& object) {
  const absl::StatusOr<std::optional<int64_t>> step =
      OptionalInteger(object, "step");
  if (!step.ok()) return step.status();
  if (!step->has_value()) return absl::DataLossError("\"step\" is missing");
  return **step;
}

absl::StatusOr<TensorKind> Tensor(const json& object) {
  const std::string tensor = object.at("tensor");
  const std::optional<TensorKind> kind = FindTensorKind(tensor);
  if (kind.has_value()) return *kind;
  return absl::DataLossError(absl::StrCat("unknown tensor \"", tensor, "\""));
}

absl::StatusOr<double> NumberOf(const std::string& key, const json& value) {
  const std::optional<double> number = base::NumberFromJson(value);
  if (number.has_value()) return *number;
  return absl::DataLossError(absl::StrCat("\"", key, "\" is null"));
}

absl::Status Visit(absl::string_view text,
                   absl::FunctionRef<absl::Status(const MetricsLine&)> visit) {
  const absl::StatusOr<json> parsed = base::ParseJson(text);
  if (!parsed.ok()) return parsed.status();
  const json& object = *parsed;
  if (!object.is_object()) {
    return absl::DataLossError("not a JSON object");
  }
  auto type = OptionalText(object, "type");
  if (!type.ok()) return type.status();
  if (!type->has_value()) return absl::DataLossError("\"type\" is missing");
  auto model = OptionalText(object, "model");
  if (!model.ok()) return model.status();
  const auto step = OptionalInteger(object, "step");
  if (!step.ok()) return step.status();
  absl::Time time = absl::InfinitePast();
  if (const auto found = object.find("time"); found != object.end()) {
    if (!found->is_number()) {
      return NotA("number", "time", *found);
    }
    time = absl::UnixEpoch() + absl::Seconds(found->get<double>());
  }
  return visit({text, object, **std::move(type),
                (*std::move(model)).value_or(""), *step, time});
}

}  // namespace

absl::Status ReadMetrics(
    const std::string& path,
    absl::FunctionRef<absl::Status(const MetricsLine&)> visit) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::ErrnoToStatus(errno, absl::StrCat("reading ", path));
  return ReadMetrics(in, path, visit);
}

absl::Status ReadMetrics(
    std::istream& stream, const std::string& path,
    absl::FunctionRef<absl::Status(const MetricsLine&)> visit) {
  std::string text;
  for (int64_t number = 1; std::getline(stream, text) && !stream.eof();
       ++number) {
    const absl::Status status = Visit(text, visit);
    if (status.ok()) continue;
    if (!absl::IsDataLoss(status)) {
      return absl::Status(status.code(), absl::StrCat(path, ":", number, ": ",
                                                      status.message()));
    }
    return absl::DataLossError(absl::StrCat(
        path, ":", number, ": not a telemetry record: ", status.message(),
        "; repair or remove the line, or start a new run"));
  }
  if (stream.bad()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("reading ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<LayerStats> ParseLayerStats(const json& object) try {
  LayerStats stats;
  const absl::StatusOr<int64_t> step = Step(object);
  if (!step.ok()) return step.status();
  stats.step = *step;
  const absl::StatusOr<TensorKind> kind = Tensor(object);
  if (!kind.ok()) return kind.status();
  stats.tensor = *kind;
  stats.layer = object.at("layer");
  stats.recipe = object.value("recipe", "");
  for (const auto& [key, value] : object.at("values").items()) {
    const std::optional<StatId> id = FindStatistic(key);
    if (!id.has_value()) {
      return absl::DataLossError(
          absl::StrCat("unknown statistic \"", key, "\""));
    }
    const absl::StatusOr<double> number = NumberOf(key, value);
    if (!number.ok()) return number.status();
    stats.values.push_back({*id, *number});
  }
  return stats;
} catch (const json::exception& error) {
  return absl::DataLossError(error.what());
}

absl::StatusOr<LayerHistogram> ParseLayerHistogram(const json& object) try {
  LayerHistogram histogram;
  const absl::StatusOr<int64_t> step = Step(object);
  if (!step.ok()) return step.status();
  histogram.step = *step;
  const absl::StatusOr<TensorKind> kind = Tensor(object);
  if (!kind.ok()) return kind.status();
  histogram.tensor = *kind;
  histogram.layer = object.at("layer");
  const std::string of = object.at("of");
  const std::optional<HistogramOf> found = FindHistogram(of);
  if (!found.has_value()) {
    return absl::DataLossError(absl::StrCat("unknown histogram \"", of, "\""));
  }
  histogram.of = *found;
  const json& first = object.at("first");
  if (!base::IsInteger(first) ||
      std::abs(first.get<double>()) > std::numeric_limits<int>::max()) {
    return NotA("number of a bin", "first", first);
  }
  histogram.first = first;
  const auto count = [](const char* key, const json& value, int64_t* to) {
    if (!base::IsInteger(value) || value < 0) return NotA("count", key, value);
    *to = value;
    return absl::OkStatus();
  };
  absl::Status status = count("zeros", object.at("zeros"), &histogram.zeros);
  status.Update(
      count("nonfinite", object.at("nonfinite"), &histogram.nonfinite));
  for (const json& value :
       object.at("counts").get_ref<const json::array_t&>()) {
    status.Update(count("counts", value, &histogram.counts.emplace_back()));
  }
  if (!status.ok()) return status;
  return histogram;
} catch (const json::exception& error) {
  return absl::DataLossError(error.what());
}

absl::StatusOr<WeightSample> ParseWeightSample(const json& object) try {
  WeightSample sample;
  const absl::StatusOr<int64_t> step = Step(object);
  if (!step.ok()) return step.status();
  sample.step = *step;
  sample.layer = object.at("layer");
  const auto size = [&object](const char* key, int64_t* to) {
    const json& value = object.at(key);
    // What a weight in memory may have, so that products of two are numbers.
    if (!base::IsInteger(value) || value < 1 ||
        value > std::numeric_limits<int32_t>::max()) {
      return NotA("size", key, value);
    }
    *to = value;
    return absl::OkStatus();
  };
  absl::Status status = size("rows", &sample.rows);
  status.Update(size("columns", &sample.columns));
  status.Update(size("row_stride", &sample.row_stride));
  status.Update(size("column_stride", &sample.column_stride));
  if (!status.ok()) return status;
  const auto numbers = [&object](const char* key, std::vector<float>* to) {
    for (const json& value : object.at(key).get_ref<const json::array_t&>()) {
      const absl::StatusOr<double> number = NumberOf(key, value);
      if (!number.ok()) return number.status();
      to->push_back(static_cast<float>(*number));
    }
    return absl::OkStatus();
  };
  std::vector<float> scales;
  status.Update(numbers("values", &sample.values));
  status.Update(numbers("scales", &scales));
  if (!status.ok()) return status;
  for (const char digit : object.at("codes").get_ref<const std::string&>()) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(digit))) {
      return NotA("row of codes", "codes", object.at("codes"));
    }
    sample.codes.push_back(static_cast<uint8_t>(
        digit <= '9' ? digit - '0' : absl::ascii_tolower(digit) - 'a' + 10));
  }
  for (const json& value :
       object.at("scale_of").get_ref<const json::array_t&>()) {
    if (!base::IsInteger(value) || value < 0 || value >= scales.size()) {
      return NotA("place in \"scales\"", "scale_of", value);
    }
    sample.scales.push_back(scales[value.get<size_t>()]);
  }
  const auto kept =
      static_cast<size_t>(sample.kept_rows() * sample.kept_columns());
  if (sample.values.size() != kept || sample.codes.size() != kept ||
      sample.scales.size() != kept) {
    return absl::DataLossError(
        absl::StrCat("a sample of ", kept, " elements has ",
                     sample.values.size(), " values, ", sample.codes.size(),
                     " codes and ", sample.scales.size(), " scales"));
  }
  return sample;
} catch (const json::exception& error) {
  return absl::DataLossError(error.what());
}

absl::StatusOr<Scalars> ParseScalars(const json& object) try {
  Scalars scalars;
  const absl::StatusOr<int64_t> step = Step(object);
  if (!step.ok()) return step.status();
  scalars.step = *step;
  for (const auto& [key, value] : object.at("values").items()) {
    const absl::StatusOr<double> number = NumberOf(key, value);
    if (!number.ok()) return number.status();
    scalars.values.push_back({key, *number});
  }
  return scalars;
} catch (const json::exception& error) {
  return absl::DataLossError(error.what());
}

absl::StatusOr<SystemStats> ParseSystemStats(const json& object) try {
  SystemStats system;
  const absl::StatusOr<int64_t> step = Step(object);
  if (!step.ok()) return step.status();
  system.step = *step;
  const absl::StatusOr<double> cpu =
      NumberOf("cpu_percent", object.at("cpu_percent"));
  if (!cpu.ok()) return cpu.status();
  system.cpu_percent = *cpu;
  system.resident_bytes = object.at("resident_bytes");
  system.available_bytes = object.at("available_bytes");
  system.threads = object.at("threads");
  if (!object.contains("gpus")) return system;
  for (const json& of : object.at("gpus")) {
    GpuStats gpu;
    for (const auto& [key, number] :
         {std::pair("busy_percent", &gpu.busy_percent),
          {"celsius", &gpu.celsius},
          {"watts", &gpu.watts}}) {
      const absl::StatusOr<double> value = NumberOf(key, of.at(key));
      if (!value.ok()) return value.status();
      *number = *value;
    }
    gpu.memory_bytes = of.at("memory_bytes");
    gpu.memory_total_bytes = of.at("memory_total_bytes");
    system.gpus.push_back(gpu);
  }
  return system;
} catch (const json::exception& error) {
  return absl::DataLossError(error.what());
}

absl::StatusOr<Text> ParseText(const json& object) try {
  return Text{object.at("tag"), object.at("text")};
} catch (const json::exception& error) {
  return absl::DataLossError(error.what());
}

absl::StatusOr<Config> ParseConfig(const json& object) try {
  return Config{object.at("config").dump()};
} catch (const json::exception& error) {
  return absl::DataLossError(error.what());
}

}  // namespace cnn_fp4::telemetry
