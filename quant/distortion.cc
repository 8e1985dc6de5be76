#include "quant/distortion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "quant/cpu/kernels.h"
#include "quant/float_environment.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

// Sums of so many pairs are added up by themselves.
constexpr size_t kChunk = size_t{1} << 16;

}  // namespace

void DistortionStats::AddPairs(absl::Span<const float> x,
                               absl::Span<const float> y,
                               const uint8_t* codes) {
  for (size_t begin = 0; begin < x.size(); begin += kChunk) {
    cpu::AddPairs(x.data() + begin, y.data() + begin,
                  codes == nullptr ? nullptr : codes + begin,
                  std::min(kChunk, x.size() - begin), sums_);
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
  uint8_t bits = 0;
  for (const uint8_t code : codes) bits |= code;
  if (bits > 15) {
    const auto bad = std::find_if(codes.begin(), codes.end(),
                                  [](uint8_t code) { return code > 15; });
    return absl::InvalidArgumentError(
        absl::StrCat("distortion: code ", *bad, " of element ",
                     bad - codes.begin(), " is not one of FP4"));
  }
  AddPairs(x, y, codes.data());
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
  AddPairs(x, y, nullptr);
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
    const cpu::CenteredSums slice =
        cpu::SumCentered(x.data() + first, y.data() + first, length);
    if (!(slice.spread > 0)) continue;
    const double sqnr = 10.0 * std::log10(slice.spread / slice.noise);
    if (!(lowest <= sqnr)) lowest = sqnr;
  }
  return lowest;
}

}  // namespace cnn_fp4::quant
