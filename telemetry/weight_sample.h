#ifndef TELEMETRY_WEIGHT_SAMPLE_H_
#define TELEMETRY_WEIGHT_SAMPLE_H_

// A weight itself rather than statistics of it: some of its elements at each
// point of the quantisation pipeline, for maps and surfaces.
//
// The weight is seen as a matrix of its first axis by all others, [Cout,
// Cin * kh * kw] of a convolution. Of a larger matrix than kMaxSampleRows by
// kMaxSampleColumns every n-th row and every m-th column is kept, so that a
// record stays small (below 40 kB as text).
//
//   WeightSample sample = SampleWeight(step, "enc1.conv1", cout,
//                                      {values, codes, scales});
//   double fp4 = Fp4Value(sample.codes[i]);
//   double dequantized = fp4 * sample.scales[i];

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace cnn_fp4::telemetry {

inline constexpr int64_t kMaxSampleRows = 32;
inline constexpr int64_t kMaxSampleColumns = 48;

struct WeightSample {
  int64_t step = 0;   // Steps completed when this was measured.
  std::string layer;  // The layer's path in the net: "enc1.conv1".
  // Of the whole matrix, and how far apart those are that were kept, which
  // begin with the first.
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t row_stride = 1;
  int64_t column_stride = 1;
  // Of the elements that were kept, row-major: the values that were quantised,
  // their FP4 codes, and what an FP4 value of 1 stands for.
  std::vector<float> values = {};
  std::vector<uint8_t> codes = {};
  std::vector<float> scales = {};

  int64_t kept_rows() const { return (rows + row_stride - 1) / row_stride; }
  int64_t kept_columns() const {
    return (columns + column_stride - 1) / column_stride;
  }

  // "every 2nd of 64 filters, every 3rd of 144 places", or "" if all is there.
  std::string Thinning() const;
};

// A whole weight, element by element.
struct WeightElements {
  absl::Span<const float> values;
  absl::Span<const uint8_t> codes;
  absl::Span<const float> scales;
};

// CHECK-fails for parts of different sizes and for rows that do not divide
// them.
WeightSample SampleWeight(int64_t step, std::string layer, int64_t rows,
                          const WeightElements& weight);

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_WEIGHT_SAMPLE_H_
