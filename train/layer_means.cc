#include "train/layer_means.h"

#include <cmath>
#include <cstdint>
#include <variant>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::train {
namespace {

using telemetry::StatId;

constexpr StatId kOfQuantization[] = {
    StatId::kSqnrDb,        StatId::kSqnrCenteredDb, StatId::kUnderflowPct,
    StatId::kSaturationPct, StatId::kCodesUsed,      StatId::kEntropyBits,
};

}  // namespace

LayerMeans MeansOverLayers(absl::Span<const telemetry::Payload> measured) {
  LayerMeans means;
  std::map<std::string, int64_t> counts;
  for (const telemetry::Payload& payload : measured) {
    const auto* const layer = std::get_if<telemetry::LayerStats>(&payload);
    if (layer == nullptr || !layer->recipe.empty()) continue;
    for (const auto& [id, value] : layer->values) {
      if (!absl::c_linear_search(kOfQuantization, id) ||
          !std::isfinite(value)) {
        continue;
      }
      const std::string key =
          absl::StrCat(telemetry::Info(id).key, "/",
                       telemetry::Info(layer->tensor).directory);
      // The mean so far, moved towards this value.
      double& mean = means[key];
      mean += (value - mean) / static_cast<double>(++counts[key]);
    }
  }
  return means;
}

}  // namespace cnn_fp4::train
