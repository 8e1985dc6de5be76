#include "quant/distortion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "quant/float_environment.h"
#include "quant/formats/host_device.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Independent sums that the processor can run side by side.
constexpr size_t kLanes = 4;

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

bool IsFinite(float v) {
  return (BitCast<uint32_t>(v) & 0x7F800000u) != 0x7F800000u;
}

template <bool kCodes>
void AddPair(float x, float y, uint8_t code, DistortionSums& sums) {
  if (!IsFinite(x) || !IsFinite(y)) return;
  const double dx = x;
  const double dy = y;
  const double e = dy - dx;
  sums.xx += dx * dx;
  sums.yy += dy * dy;
  sums.xy += dx * dy;
  sums.ee += e * e;
  sums.max_abs_error = std::max(sums.max_abs_error, std::fabs(e));
  ++sums.finite;
  sums.exact += x == y;
  sums.nonzero += x != 0.0f;
  sums.underflow += (x != 0.0f) & (y == 0.0f);
  if constexpr (kCodes) {
    sums.saturated += ((code & 7) == 7) & (std::fabs(x) > std::fabs(y));
    ++sums.codes.counts[code];
  }
}

}  // namespace

template <bool kCodes>
void DistortionStats::AddPairs(absl::Span<const float> x,
                               absl::Span<const float> y,
                               const uint8_t* codes) {
  const auto code = [codes](size_t i) -> uint8_t {
    return kCodes ? codes[i] : 0;
  };
  DistortionSums lanes[kLanes];
  size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) {
    for (size_t k = 0; k < kLanes; ++k) {
      AddPair<kCodes>(x[i + k], y[i + k], code(i + k), lanes[k]);
    }
  }
  for (; i < x.size(); ++i) AddPair<kCodes>(x[i], y[i], code(i), lanes[0]);
  int64_t finite = 0;
  for (const DistortionSums& lane : lanes) {
    finite += lane.finite;
    sums_.Merge(lane);
  }
  sums_.nonfinite += static_cast<int64_t>(x.size()) - finite;
}

absl::Status DistortionStats::Add(absl::Span<const float> x,
                                  absl::Span<const float> y,
                                  absl::Span<const uint8_t> codes) {
  const FloatEnvironment environment;
  if (x.size() != y.size() || x.size() != codes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("distortion: ", x.size(), " originals, ", y.size(),
                     " de-quantised values and ", codes.size(), " codes"));
  }
  const auto bad = std::find_if(codes.begin(), codes.end(),
                                [](uint8_t code) { return code > 15; });
  if (bad != codes.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("distortion: code ", *bad, " of element ",
                     bad - codes.begin(), " is not one of FP4"));
  }
  AddPairs<true>(x, y, codes.data());
  return absl::OkStatus();
}

absl::Status DistortionStats::Add(absl::Span<const float> x,
                                  absl::Span<const float> y) {
  const FloatEnvironment environment;
  if (x.size() != y.size()) {
    return absl::InvalidArgumentError(absl::StrCat("distortion: ", x.size(),
                                                   " originals and ", y.size(),
                                                   " other values"));
  }
  AddPairs<false>(x, y, nullptr);
  return absl::OkStatus();
}

absl::Status DistortionStats::Add(absl::Span<const float> x,
                                  const PackedTensor& packed) {
  std::vector<float> y(x.size());
  absl::Status status = Dequantize(packed, absl::MakeSpan(y));
  if (!status.ok()) return status;
  std::vector<uint8_t> codes(x.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = packed.codes[i / 2] >> (4 * (i % 2)) & 15;
  }
  return Add(x, y, codes);
}

double DistortionStats::UnderflowShare() const {
  return Share(sums_.underflow, sums_.nonzero);
}

double DistortionStats::SaturationShare() const {
  return Share(sums_.saturated, sums_.finite);
}

double DistortionStats::ExactShare() const {
  return Share(sums_.exact, sums_.finite);
}

double DistortionStats::MeanSquaredError() const {
  return count() == 0 ? 0.0 : sums_.ee / static_cast<double>(count());
}

double DistortionStats::SqnrDb() const {
  if (count() == 0) return kNan;
  if (sums_.ee == 0.0) return kInfinity;
  return sums_.xx == 0.0 ? kNan : 10.0 * std::log10(sums_.xx / sums_.ee);
}

double DistortionStats::Cosine() const {
  if (sums_.xx == 0.0 || sums_.yy == 0.0) return kNan;
  return sums_.xy / (std::sqrt(sums_.xx) * std::sqrt(sums_.yy));
}

double LowestCenteredSqnrDb(absl::Span<const float> x,
                            absl::Span<const float> y, int64_t slices) {
  const FloatEnvironment environment;
  CHECK(x.size() == y.size() && slices > 0 &&
        static_cast<int64_t>(x.size()) % slices == 0)
      << x.size() << " and " << y.size() << " in " << slices << " slices";
  const size_t length = x.size() / static_cast<size_t>(slices);
  double lowest = kNan;
  for (size_t first = 0; first < x.size(); first += length) {
    double sum = 0, noise = 0, spread = 0;
    int64_t count = 0;
    const auto for_finite = [&](auto visit) {
      for (size_t i = first; i < first + length; ++i) {
        if (std::isfinite(x[i]) && std::isfinite(y[i])) {
          visit(static_cast<double>(x[i]), static_cast<double>(y[i]));
        }
      }
    };
    for_finite([&](double a, double b) {
      ++count;
      sum += a;
      noise += (b - a) * (b - a);
    });
    const double mean = sum / static_cast<double>(count);
    for_finite([&](double a, double) { spread += (a - mean) * (a - mean); });
    if (!(spread > 0)) continue;
    const double sqnr = 10.0 * std::log10(spread / noise);
    if (!(lowest <= sqnr)) lowest = sqnr;
  }
  return lowest;
}

}  // namespace cnn_fp4::quant
