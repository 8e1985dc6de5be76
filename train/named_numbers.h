#ifndef TRAIN_NAMED_NUMBERS_H_
#define TRAIN_NAMED_NUMBERS_H_

// Numbers of a tensor under the names that records have for them
// (telemetry/statistics.h). Each of these adds some to *out.

#include "quant/block_stats.h"
#include "quant/distortion.h"
#include "telemetry/quantiles.h"
#include "telemetry/record.h"
#include "telemetry/tensor_stats.h"

namespace cnn_fp4::train {

void AddMoments(const telemetry::TensorStats& stats,
                telemetry::LayerStats* out);

// Nothing if all values are finite.
void AddNonfinite(const telemetry::TensorStats& stats,
                  telemetry::LayerStats* out);

// Both, of values that are not quantised, whose quantiles say something; of
// gradients the norm, too.
void AddRawValues(const telemetry::TensorStats& stats,
                  const telemetry::Quantiles& quantiles,
                  telemetry::LayerStats* out);

// `centered`: the lowest SQNR about the mean; NaN: there is none.
void AddDistortion(const quant::DistortionStats& stats, double centered,
                   telemetry::LayerStats* out);

void AddBlocks(const quant::BlockStats& stats, telemetry::LayerStats* out);

}  // namespace cnn_fp4::train

#endif  // TRAIN_NAMED_NUMBERS_H_
