#include "telemetry/histogram.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "glog/logging.h"

namespace cnn_fp4::telemetry {
namespace {

constexpr int kBins = 30;
constexpr int kFirstScaleExponent = -20;

constexpr std::pair<HistogramOf, absl::string_view> kKeys[] = {
    {HistogramOf::kExponents, "exponents"},
    {HistogramOf::kCodes, "codes"},
    {HistogramOf::kE4m3Scales, "e4m3_scales"},
    {HistogramOf::kE8m0Scales, "e8m0_scales"},
};

int64_t FirstExponent(TensorKind kind) {
  switch (kind) {
    case TensorKind::kGradients:
    case TensorKind::kOutputGradients:
    case TensorKind::kWgradOutputGradients:
      return -40;
    case TensorKind::kWeightsPrequantize:
    case TensorKind::kWeightsQuantized:
    case TensorKind::kWeightsDequantized:
    case TensorKind::kActivations:
    case TensorKind::kWgradActivations:
      return -24;
  }
  return -24;
}

int64_t Clamped(int64_t bin) { return std::clamp<int64_t>(bin, 0, kBins - 1); }

// floor(log2) of a positive scale.
int64_t ScaleExponent(HistogramOf of, int64_t code) {
  if (of == HistogramOf::kE8m0Scales) return code - 127;
  const int64_t mantissa = code & 7;
  if (code >= 8) return (code >> 3) - 7;
  // Subnormal: mantissa * 2^-9. Zero, the scale of a block of zeros, lies below
  // all others.
  if (mantissa == 0) return kFirstScaleExponent;
  return mantissa >= 4 ? -7 : mantissa >= 2 ? -8 : -9;
}

}  // namespace

absl::string_view HistogramKey(HistogramOf of) {
  for (const auto& [value, key] : kKeys) {
    if (value == of) return key;
  }
  LOG(FATAL) << "no key for histogram " << static_cast<int>(of);
}

std::optional<HistogramOf> FindHistogram(absl::string_view key) {
  for (const auto& [value, known] : kKeys) {
    if (known == key) return value;
  }
  return std::nullopt;
}

void CountExponents(absl::Span<const float> values, LayerHistogram* histogram) {
  // By the biased exponent of the float: 0 zeros and subnormals, 255 Inf, NaN.
  // Several tables, so that neighbours of one exponent do not wait for each
  // other.
  std::array<std::array<int64_t, 256>, 4> tables = {};
  int64_t zeros = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, &values[i], sizeof(bits));
    ++tables[i % tables.size()][bits >> 23 & 255];
    zeros += (bits & 0x7fffffff) == 0;
  }
  std::array<int64_t, 256> by_exponent = {};
  for (const std::array<int64_t, 256>& table : tables) {
    for (size_t i = 0; i < table.size(); ++i) by_exponent[i] += table[i];
  }
  histogram->of = HistogramOf::kExponents;
  histogram->first = FirstExponent(histogram->tensor);
  histogram->counts.assign(kBins, 0);
  histogram->zeros = zeros;
  histogram->nonfinite = by_exponent[255];
  by_exponent[0] -= zeros;
  for (int64_t biased = 0; biased < 255; ++biased) {
    histogram->counts[Clamped(biased - 127 - histogram->first)] +=
        by_exponent[biased];
  }
}

void CountCodes(absl::Span<const uint8_t> codes, LayerHistogram* histogram) {
  histogram->of = HistogramOf::kCodes;
  histogram->first = 0;
  histogram->counts.assign(16, 0);
  for (const uint8_t code : codes) ++histogram->counts[code & 15];
}

void CountScales(HistogramOf of, absl::Span<const uint8_t> scales,
                 LayerHistogram* histogram) {
  histogram->of = of;
  histogram->first = 0;
  histogram->counts.clear();
  if (scales.empty()) return;
  const auto [low, high] = std::minmax_element(scales.begin(), scales.end());
  histogram->first = *low;
  histogram->counts.assign(*high - *low + 1, 0);
  for (const uint8_t scale : scales) ++histogram->counts[scale - *low];
}

HistogramBins BinsForDisplay(const LayerHistogram& histogram) {
  HistogramBins bins;
  bins.counts.assign(kBins, 0);
  bins.left = histogram.of == HistogramOf::kExponents
                  ? FirstExponent(histogram.tensor)
              : histogram.of == HistogramOf::kCodes ? -kBins / 2
                                                    : kFirstScaleExponent;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    const int64_t at = histogram.first + static_cast<int64_t>(i);
    int64_t position = at;
    if (histogram.of == HistogramOf::kCodes) {
      position = at < 8 ? at : 7 - at;
    } else if (histogram.of != HistogramOf::kExponents) {
      position = ScaleExponent(histogram.of, at);
    }
    bins.counts[Clamped(position - static_cast<int64_t>(bins.left))] +=
        static_cast<double>(histogram.counts[i]);
  }
  return bins;
}

}  // namespace cnn_fp4::telemetry
