#include "telemetry/fp4_values.h"

#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quant/formats/e2m1.h"

namespace cnn_fp4::telemetry {
namespace {

constexpr size_t kCodes = 16;

// The place of a code's value, from -6 to 6.
size_t PlaceOf(size_t code) {
  const size_t magnitude = code % 8;
  return code < 8 ? 7 + magnitude : 7 - magnitude;
}

}  // namespace

double Fp4Value(size_t code) {
  return static_cast<double>(quant::DecodeE2m1(static_cast<uint8_t>(code)));
}

std::vector<std::string> Fp4ValueNames() {
  std::vector<std::string> names(kFp4Values);
  for (size_t code = 0; code < kCodes; ++code) {
    names[PlaceOf(code)] =
        absl::StrCat(code > 8 ? "\xe2\x88\x92" : "",
                     absl::StrFormat("%g", Fp4Value(code % 8)));
  }
  return names;
}

std::vector<double> Fp4Shares(absl::Span<const int64_t> counts) {
  const int64_t total =
      std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (counts.size() != kCodes || total == 0) return {};
  std::vector<double> shares(kFp4Values, 0.0);
  for (size_t code = 0; code < kCodes; ++code) {
    shares[PlaceOf(code)] +=
        static_cast<double>(counts[code]) / static_cast<double>(total);
  }
  return shares;
}

}  // namespace cnn_fp4::telemetry
