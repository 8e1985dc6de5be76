#ifndef TELEMETRY_HISTOGRAM_H_
#define TELEMETRY_HISTOGRAM_H_

// Histograms of a layer's tensors, with bins that are the same at every step,
// so that steps, layers and arms can be laid over each other and added up.
//
//   LayerHistogram histogram;
//   histogram.tensor = TensorKind::kActivations;
//   CountExponents(values, &histogram);
//   run.Log({std::move(histogram), "nvfp4"});
//   HistogramBins bins = BinsForDisplay(histogram);

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "telemetry/statistics.h"

namespace cnn_fp4::telemetry {

// What is counted, and what the position of a count means.
enum class HistogramOf {
  // floor(log2 |x|) of the values that are finite and not zero.
  kExponents,
  // The FP4 codes, 0 to 15: bit 3 is the sign.
  kCodes,
  // The block scales' codes: E4M3, 0 to 126, or E8M0, 0 to 254.
  kE4m3Scales,
  kE8m0Scales,
};

// "exponents", "codes", "e4m3_scales", "e8m0_scales": in files that users keep.
absl::string_view HistogramKey(HistogramOf of);
std::optional<HistogramOf> FindHistogram(absl::string_view key);

struct LayerHistogram {
  int64_t step = 0;  // Steps completed when this was measured.
  TensorKind tensor = TensorKind::kWeightsPrequantize;
  std::string layer;  // The layer's path in the net: "enc1.conv1".
  HistogramOf of = HistogramOf::kExponents;
  // counts[i] is of first + i.
  int64_t first = 0;
  std::vector<int64_t> counts = {};
  // Of kExponents: values that have no exponent.
  int64_t zeros = 0;
  int64_t nonfinite = 0;
};

// Makes it one of kExponents: 30 counts from 2^-40 for gradients, from 2^-24
// for other tensors. What is smaller or larger is counted by the first or the
// last.
void CountExponents(absl::Span<const float> values, LayerHistogram* histogram);

// Makes it one of kCodes: 16 counts.
void CountCodes(absl::Span<const uint8_t> codes, LayerHistogram* histogram);

// Makes it one of the scales' codes, from the lowest to the highest that occur.
void CountScales(HistogramOf of, absl::Span<const uint8_t> scales,
                 LayerHistogram* histogram);

// Adjoining bins: bin i lies from left + i * width to left + (i + 1) * width.
struct HistogramBins {
  double left = 0;
  double width = 1;
  std::vector<double> counts;
};

// 30 bins over a range that depends on tensor and kind alone: TensorBoard
// spreads what it is given over 30 bins of the whole range, which changes
// nothing then. The axis:
//   exponents  log2 |x|
//   codes      from -8 to 8, the rest is empty: +-i for the i-th magnitude, so
//              that code 1 (0.5) lies from 1 to 2 and code 15 (-6) from -8 to
//              -7
//   scales     log2 of the scale, from -20 to 10, beyond which all is counted
//              at the ends
HistogramBins BinsForDisplay(const LayerHistogram& histogram);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_HISTOGRAM_H_
