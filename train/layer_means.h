#ifndef TRAIN_LAYER_MEANS_H_
#define TRAIN_LAYER_MEANS_H_

// What an arm's layers say of their quantisation, in a few numbers: for
// arm.json and for studies, which compare arms and cannot show every layer.
//
//   MeansOverLayers(*probe.End())["sqnr_db/activations"];   // dB

#include <map>
#include <string>

#include "absl/types/span.h"
#include "telemetry/record.h"

namespace cnn_fp4::train {

// By "<statistic>/<directory of the tensor kind>", as telemetry/statistics.h
// spells them.
using LayerMeans = std::map<std::string, double>;

// The mean of each statistic of quantisation (SQNR, underflow, values used,
// ...) over the layers that have it; values that are not finite are left out.
// What says nothing of quantisation (mean, amax, ...) is not there.
LayerMeans MeansOverLayers(absl::Span<const telemetry::Payload> measured);

}  // namespace cnn_fp4::train

#endif  // TRAIN_LAYER_MEANS_H_
