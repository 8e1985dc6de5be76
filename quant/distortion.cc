#include "quant/distortion.h"

#include <algorithm>
#include <array>
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

// So many pairs stay in the L1 cache between the passes over them.
constexpr size_t kChunk = 1024;

// What pairs add up to, side by side. Without branches, so that the compiler
// takes several pairs at once.
struct LaneSums {
  std::array<double, kLanes> xx = {}, yy = {}, xy = {}, ee = {}, max = {};
  std::array<int32_t, kLanes> exact = {}, nonzero = {}, underflow = {};

  // n < 2^31 pairs.
  void Add(const float* x, const float* y, size_t n) {
    const auto add = [&](size_t i, size_t k) {
      const double dx = x[i];
      const double dy = y[i];
      const double e = dy - dx;
      xx[k] += dx * dx;
      yy[k] += dy * dy;
      xy[k] += dx * dy;
      ee[k] += e * e;
      const double error = std::fabs(e);
      max[k] = max[k] < error ? error : max[k];
      exact[k] += x[i] == y[i];
      nonzero[k] += x[i] != 0.0f;
      underflow[k] += (x[i] != 0.0f) & (y[i] == 0.0f);
    };
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (size_t k = 0; k < kLanes; ++k) add(i + k, k);
    }
    for (; i < n; ++i) add(i, 0);
  }

  // The squares of finite floats are finite doubles.
  bool AllFinite() const {
    double sum = 0;
    for (size_t k = 0; k < kLanes; ++k) sum += xx[k] + yy[k];
    return std::isfinite(sum);
  }

  // Lane by lane.
  void AddTo(DistortionSums* sums) const {
    for (size_t k = 0; k < kLanes; ++k) {
      sums->xx += xx[k];
      sums->yy += yy[k];
      sums->xy += xy[k];
      sums->ee += ee[k];
      sums->max_abs_error = std::max(sums->max_abs_error, max[k]);
      sums->exact += exact[k];
      sums->nonzero += nonzero[k];
      sums->underflow += underflow[k];
    }
  }
};

void AddCodes(const float* x, const float* y, const uint8_t* codes, size_t n,
              DistortionSums* sums) {
  // Several tables, so that equal codes in a row do not wait for one another.
  std::array<std::array<int32_t, 16>, kLanes> counts = {};
  int32_t saturated = 0;
  for (size_t i = 0; i < n; ++i) {
    saturated += static_cast<int32_t>((codes[i] & 7) == 7) &
                 static_cast<int32_t>(std::fabs(x[i]) > std::fabs(y[i]));
    ++counts[i % kLanes][codes[i]];
  }
  sums->saturated += saturated;
  for (const std::array<int32_t, 16>& table : counts) {
    for (size_t code = 0; code < table.size(); ++code) {
      sums->codes.counts[code] += table[code];
    }
  }
}

}  // namespace

template <bool kCodes>
void DistortionStats::AddPairs(absl::Span<const float> x,
                               absl::Span<const float> y,
                               const uint8_t* codes) {
  // false: not all of them are finite, and nothing was added.
  const auto add = [&](const float* from, const float* to, const uint8_t* code,
                       size_t n) {
    LaneSums lanes;
    lanes.Add(from, to, n);
    if (!lanes.AllFinite()) return false;
    lanes.AddTo(&sums_);
    sums_.finite += static_cast<int64_t>(n);
    if constexpr (kCodes) AddCodes(from, to, code, n, &sums_);
    return true;
  };
  for (size_t begin = 0; begin < x.size(); begin += kChunk) {
    const size_t n = std::min(kChunk, x.size() - begin);
    const float* const from = x.data() + begin;
    const float* const to = y.data() + begin;
    const uint8_t* const code = kCodes ? codes + begin : nullptr;
    if (add(from, to, code, n)) continue;
    std::array<float, kChunk> finite_x, finite_y;
    std::array<uint8_t, kChunk> finite_codes;
    size_t kept = 0;
    for (size_t i = 0; i < n; ++i) {
      if (!IsFinite(from[i]) || !IsFinite(to[i])) continue;
      finite_x[kept] = from[i];
      finite_y[kept] = to[i];
      if constexpr (kCodes) finite_codes[kept] = code[i];
      ++kept;
    }
    sums_.nonfinite += static_cast<int64_t>(n - kept);
    add(finite_x.data(), finite_y.data(), finite_codes.data(), kept);
  }
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

namespace {

struct Slice {
  double spread = 0;  // Sum of (x - mean x)^2.
  double noise = 0;   // Sum of (y - x)^2.
};

double Sum(const std::array<double, kLanes>& lanes) {
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

Slice CenteredSums(const float* x, const float* y, size_t n) {
  const auto sum = [n](auto term) {
    std::array<double, kLanes> lanes = {};
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (size_t k = 0; k < kLanes; ++k) lanes[k] += term(i + k);
    }
    for (; i < n; ++i) lanes[0] += term(i);
    return Sum(lanes);
  };
  const double mean = sum([x](size_t i) { return static_cast<double>(x[i]); }) /
                      static_cast<double>(n);
  Slice slice;
  slice.spread = sum([x, mean](size_t i) {
    const double d = static_cast<double>(x[i]) - mean;
    return d * d;
  });
  slice.noise = sum([x, y](size_t i) {
    const double e = static_cast<double>(y[i]) - static_cast<double>(x[i]);
    return e * e;
  });
  if (std::isfinite(slice.spread + slice.noise)) return slice;
  std::vector<float> finite_x, finite_y;
  for (size_t i = 0; i < n; ++i) {
    if (!IsFinite(x[i]) || !IsFinite(y[i])) continue;
    finite_x.push_back(x[i]);
    finite_y.push_back(y[i]);
  }
  if (finite_x.empty()) return {};
  return CenteredSums(finite_x.data(), finite_y.data(), finite_x.size());
}

}  // namespace

double LowestCenteredSqnrDb(absl::Span<const float> x,
                            absl::Span<const float> y, int64_t slices) {
  const FloatEnvironment environment;
  CHECK(x.size() == y.size() && slices > 0 &&
        static_cast<int64_t>(x.size()) % slices == 0)
      << x.size() << " and " << y.size() << " in " << slices << " slices";
  const size_t length = x.size() / static_cast<size_t>(slices);
  double lowest = kNan;
  for (size_t first = 0; first < x.size(); first += length) {
    const Slice slice =
        CenteredSums(x.data() + first, y.data() + first, length);
    if (!(slice.spread > 0)) continue;
    const double sqnr = 10.0 * std::log10(slice.spread / slice.noise);
    if (!(lowest <= sqnr)) lowest = sqnr;
  }
  return lowest;
}

}  // namespace cnn_fp4::quant
