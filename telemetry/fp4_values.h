#ifndef TELEMETRY_FP4_VALUES_H_
#define TELEMETRY_FP4_VALUES_H_

// The values of E2M1 as pictures show them: fifteen in their order, from -6 to
// 6, because the codes of +0 and -0 are one value.
//
//   std::vector<double> shares = Fp4Shares(histogram.counts);
//   std::vector<std::string> columns = Fp4ValueNames();

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace cnn_fp4::telemetry {

inline constexpr size_t kFp4Values = 15;

// The value of a code, 0 to 15: bit 3 is the sign.
double Fp4Value(size_t code);

// With U+2212, the minus sign.
std::vector<std::string> Fp4ValueNames();

// How much of the whole each value has, 0 to 1, of the counts of the 16 codes.
// Empty for another number of counts, and where nothing was counted.
std::vector<double> Fp4Shares(absl::Span<const int64_t> counts);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_FP4_VALUES_H_
