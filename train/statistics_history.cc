#include "train/statistics_history.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/json_number.h"
#include "glog/logging.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::train {
namespace {

using viz::HeatmapScale;

struct KindName {
  TensorKind kind;
  const char* directory;
  const char* file;
  const char* title;
};

constexpr KindName kKinds[] = {
    {TensorKind::kWeightsPrequantize, "weights/prequantize", "weights",
     "weights, before quantisation"},
    {TensorKind::kWeightsQuantized, "weights/quantized", "weights",
     "weights, FP4 codes"},
    {TensorKind::kWeightsDequantized, "weights/dequantized", "weights",
     "weights, de-quantised"},
    {TensorKind::kActivations, "activations", "activations",
     "activations (inputs of the convolutions)"},
    {TensorKind::kGradients, "gradients", "gradients", "weight gradients"},
};

const KindName& Find(TensorKind kind) {
  for (const KindName& name : kKinds) {
    if (name.kind == kind) return name;
  }
  LOG(FATAL) << "no name for tensor kind " << static_cast<int>(kind);
}

}  // namespace

std::string TensorKindName(TensorKind kind) {
  return absl::StrReplaceAll(Find(kind).directory, {{"/", "_"}});
}

std::string ArtefactStem(TensorKind kind, const std::string& task) {
  const KindName& name = Find(kind);
  return absl::StrCat(name.directory, "/", task, "_", name.file);
}

const std::vector<Statistic>& Statistics() {
  static const auto* const statistics = new std::vector<Statistic>{
      {"mean", "Mean", "", "Mean of the values.", HeatmapScale::kSymmetric},
      {"std", "Standard deviation", "", "Population standard deviation.",
       HeatmapScale::kLog},
      {"kurtosis", "Kurtosis", "",
       "Fourth standardised moment: 3 for a normal distribution, more with "
       "heavier tails. Outliers cost a block-scaled format resolution.",
       HeatmapScale::kLog},
      {"amax", "Largest magnitude", "", "max |x|.", HeatmapScale::kLog},
      {"sqnr_db", "SQNR", "dB",
       "Signal to quantisation noise: 10 log10 of sum x^2 over sum (x - "
       "Q(x))^2."
       " Higher is better; 6 dB are one bit.",
       HeatmapScale::kLinear},
      {"underflow_pct", "Underflow", "%",
       "Share of the non-zero values that became zero.",
       HeatmapScale::kPercent},
      {"saturation_pct", "Saturation", "%",
       "Share of the values beyond the largest that their block can hold.",
       HeatmapScale::kPercent},
      {"codes_used", "FP4 values used", "values",
       "Of the 15 values of E2M1, how many occur; +0 and -0 are one.",
       HeatmapScale::kLinear},
      {"entropy_bits", "Entropy of the FP4 values", "bits",
       "Shannon entropy of the values' frequencies: 3.9 bits if all 15 occur "
       "equally often.",
       HeatmapScale::kLinear},
      {"nonfinite", "NaN and Inf", "values", "How many values are not finite.",
       HeatmapScale::kLinear},
  };
  return *statistics;
}

StatisticsHistory::StatisticsHistory(std::vector<std::string> layers)
    : layers_(std::move(layers)) {}

void StatisticsHistory::Set(TensorKind kind, const std::string& key,
                            int64_t step, size_t layer, double value) {
  CHECK_LT(layer, layers_.size());
  Column& column = values_[kind][key][step];
  column.resize(layers_.size());
  column[layer] = value;
}

std::vector<StatisticsHistory::Artefact> StatisticsHistory::Heatmaps(
    const std::string& model, const std::string& task,
    const std::string& experiment) const {
  std::vector<Artefact> artefacts;
  for (const auto& [kind, by_key] : values_) {
    viz::HeatmapSet set;
    set.model = model;
    set.tensor = Find(kind).title;
    set.task = task;
    set.experiment = experiment;
    for (const Statistic& statistic : Statistics()) {
      const auto found = by_key.find(statistic.key);
      if (found == by_key.end()) continue;
      viz::Heatmap heatmap;
      heatmap.title = statistic.title;
      heatmap.statistic = statistic.key;
      heatmap.unit = statistic.unit;
      heatmap.description = statistic.description;
      heatmap.scale = statistic.scale;
      heatmap.rows = layers_;
      for (const auto& [step, column] : found->second) {
        heatmap.columns.push_back(step);
      }
      for (size_t layer = 0; layer < layers_.size(); ++layer) {
        for (const auto& [step, column] : found->second) {
          heatmap.values.push_back(column[layer]);
        }
      }
      set.statistics.push_back(std::move(heatmap));
    }
    artefacts.push_back({kind, std::move(set)});
  }
  return artefacts;
}

nlohmann::json StatisticsHistory::ToJson() const {
  nlohmann::json json = {{"layers", layers_},
                         {"values", nlohmann::json::object()}};
  for (const auto& [kind, by_key] : values_) {
    for (const auto& [key, by_step] : by_key) {
      for (const auto& [step, column] : by_step) {
        nlohmann::json numbers = nlohmann::json::array();
        for (const auto& value : column)
          numbers.push_back(base::NumberToJson(value));
        json["values"][Find(kind).directory][key][absl::StrCat(step)] =
            std::move(numbers);
      }
    }
  }
  return json;
}

absl::Status StatisticsHistory::FromJson(const nlohmann::json& json) try {
  if (json.at("layers").get<std::vector<std::string>>() != layers_) {
    return absl::InvalidArgumentError(
        "the statistics are of a net with other layers");
  }
  decltype(values_) values;
  for (const auto& [directory, by_key] : json.at("values").items()) {
    for (const KindName& name : kKinds) {
      if (directory != name.directory) continue;
      for (const auto& [key, by_step] : by_key.items()) {
        for (const auto& [step, numbers] : by_step.items()) {
          Column column;
          for (const auto& n : numbers)
            column.push_back(base::NumberFromJson(n));
          if (column.size() != layers_.size()) {
            return absl::InvalidArgumentError(absl::StrCat(
                "statistics ", directory, "/", key, " of step ", step, ": ",
                column.size(), " values for ", layers_.size(), " layers"));
          }
          values[name.kind][key][std::stoll(step)] = std::move(column);
        }
      }
    }
  }
  values_ = std::move(values);
  return absl::OkStatus();
} catch (const std::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("statistics of the run so far: ", error.what()));
}

}  // namespace cnn_fp4::train
