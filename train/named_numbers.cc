#include "train/named_numbers.h"

#include <cmath>
#include <cstddef>
#include <iterator>

#include "telemetry/statistics.h"

namespace cnn_fp4::train {

using telemetry::LayerStats;
using telemetry::StatId;
using telemetry::TensorKind;

void AddMoments(const telemetry::TensorStats& stats, LayerStats* out) {
  out->values.emplace_back(StatId::kMean, stats.mean);
  out->values.emplace_back(StatId::kStd, stats.std());
  out->values.emplace_back(StatId::kKurtosis, stats.kurtosis());
  out->values.emplace_back(StatId::kAmax, stats.amax());
}

void AddNonfinite(const telemetry::TensorStats& stats, LayerStats* out) {
  if (stats.nonfinite_count() == 0) return;
  out->values.emplace_back(StatId::kNonfinite, stats.nonfinite_count());
}

void AddRawValues(const telemetry::TensorStats& stats,
                  const telemetry::Quantiles& quantiles, LayerStats* out) {
  AddMoments(stats, out);
  if (out->tensor == TensorKind::kGradients ||
      out->tensor == TensorKind::kOutputGradients) {
    out->values.emplace_back(StatId::kNorm, stats.norm());
  }
  constexpr StatId kIds[] = {StatId::kP01, StatId::kP25, StatId::kP50,
                             StatId::kP75, StatId::kP99};
  static_assert(std::size(kIds) == telemetry::kQuantiles.size());
  for (size_t i = 0; i < quantiles.size(); ++i) {
    out->values.emplace_back(kIds[i], quantiles[i]);
  }
  AddNonfinite(stats, out);
}

void AddDistortion(const quant::DistortionStats& stats, double centered,
                   LayerStats* out) {
  out->values.emplace_back(StatId::kSqnrDb, stats.SqnrDb());
  if (!std::isnan(centered)) {
    out->values.emplace_back(StatId::kSqnrCenteredDb, centered);
  }
  out->values.emplace_back(StatId::kUnderflowPct, 100 * stats.UnderflowShare());
  out->values.emplace_back(StatId::kSaturationPct,
                           100 * stats.SaturationShare());
  out->values.emplace_back(StatId::kCodesUsed, stats.CodesUsed());
  out->values.emplace_back(StatId::kEntropyBits, stats.EntropyBits());
}

void AddBlocks(const quant::BlockStats& stats, LayerStats* out) {
  out->values.emplace_back(StatId::kScaleMean, stats.scale_mean);
  out->values.emplace_back(StatId::kScaleStd, stats.scale_std);
  out->values.emplace_back(StatId::kScaleMin, stats.scale_min);
  out->values.emplace_back(StatId::kScaleMax, stats.scale_max);
  // NaN: all values are zero.
  if (!std::isnan(stats.dynamic_range_bits)) {
    out->values.emplace_back(StatId::kBlockRangeBits, stats.dynamic_range_bits);
  }
}

}  // namespace cnn_fp4::train
