#include "telemetry/sinks/wandb_row.h"

#include <charconv>
#include <cmath>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "telemetry/sinks/layer_key.h"

namespace cnn_fp4::telemetry {
namespace {

WandbValue Number(const std::string& key, double value) {
  return {key, {{"", WandbNumber(value)}}};
}

WandbValue Histogram(const std::string& key, const HistogramBins& bins) {
  std::vector<std::string> counts;
  std::vector<std::string> edges = {WandbNumber(bins.left)};
  for (size_t i = 0; i < bins.counts.size(); ++i) {
    counts.push_back(WandbNumber(bins.counts[i]));
    edges.push_back(
        WandbNumber(bins.left + bins.width * static_cast<double>(i + 1)));
  }
  return {key,
          {{"_type", WandbQuoted("histogram")},
           {"values", absl::StrCat("[", absl::StrJoin(counts, ","), "]")},
           {"bins", absl::StrCat("[", absl::StrJoin(edges, ","), "]")}}};
}

bool IsMoment(StatId id) {
  return id == StatId::kMean || id == StatId::kStd || id == StatId::kKurtosis ||
         id == StatId::kAmax;
}

bool IsOfWgrad(TensorKind tensor) {
  return tensor == TensorKind::kWgradActivations ||
         tensor == TensorKind::kWgradOutputGradients;
}

bool IsLeftOut(TensorKind tensor, StatId id) {
  if (id == StatId::kP25 || id == StatId::kP75 || id == StatId::kScaleStd) {
    return true;
  }
  if (IsOfWgrad(tensor)) {
    return id != StatId::kSqnrDb && id != StatId::kUnderflowPct;
  }
  if (tensor == TensorKind::kWeightsQuantized) return IsMoment(id);
  return tensor == TensorKind::kGradients && !IsMoment(id) &&
         id != StatId::kNorm && id != StatId::kNonfinite;
}

struct ToAddition {
  std::optional<WandbAddition> operator()(const Scalars& scalars) const {
    WandbAddition addition{scalars.step, {}};
    for (const auto& [key, number] : scalars.values) {
      addition.values.push_back(Number(key, number.value()));
    }
    return addition;
  }
  std::optional<WandbAddition> operator()(const LayerStats& stats) const {
    if (stats.tensor == TensorKind::kWeightsDequantized) return std::nullopt;
    const bool all = !stats.recipe.empty();  // Asked for by name.
    WandbAddition addition{stats.step, {}};
    for (const auto& [id, number] : stats.values) {
      if (!all && IsLeftOut(stats.tensor, id)) continue;
      addition.values.push_back(Number(
          LayerKey(Info(id).key, stats.tensor, stats.layer, stats.recipe),
          number));
    }
    return addition;
  }
  std::optional<WandbAddition> operator()(const LayerHistogram& h) const {
    if (h.tensor == TensorKind::kWeightsDequantized || IsOfWgrad(h.tensor) ||
        h.of == HistogramOf::kE4m3Scales || h.of == HistogramOf::kE8m0Scales ||
        (h.tensor == TensorKind::kGradients && h.of == HistogramOf::kCodes)) {
      return std::nullopt;
    }
    return WandbAddition{
        h.step,
        {Histogram(LayerKey(HistogramKey(h.of), h.tensor, h.layer),
                   BinsForDisplay(h))}};
  }
  template <typename Other>
  std::optional<WandbAddition> operator()(const Other&) const {
    return std::nullopt;
  }
};

}  // namespace

std::optional<WandbAddition> ToWandbAddition(const Payload& payload) {
  return std::visit(ToAddition(), payload);
}

std::string WandbNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

std::string WandbQuoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false,
                                   nlohmann::json::error_handler_t::replace);
}

std::string WandbUtf8(const std::string& text) {
  return nlohmann::json::parse(WandbQuoted(text)).get<std::string>();
}

}  // namespace cnn_fp4::telemetry
