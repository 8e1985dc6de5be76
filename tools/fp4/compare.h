#ifndef TOOLS_FP4_COMPARE_H_
#define TOOLS_FP4_COMPARE_H_

// `fp4 compare A B`: how far the tensors of B are from those of the same name
// in A. Quantised tensors of either file are compared by their values. What
// FP4 did to a tensor is said in the words of telemetry/statistics.h.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "io/safetensors/reader.h"
#include "quant/code_counts.h"
#include "quant/distortion.h"
#include "tools/fp4/file_record.h"

namespace cnn_fp4::fp4 {

// Of two tensors a (what it should be) and b.
struct Difference {
  // Of the pairs that are finite on both sides.
  quant::DistortionStats finite;
  // Values that differ; NaN equals NaN, -0 equals 0.
  int64_t unequal = 0;
  // max |b - a| of the unequal pairs that are not finite on both sides: 0 if
  // there are none, infinity, or NaN where only one of them is NaN.
  double nonfinite_error = 0.0;

  void Add(absl::Span<const float> a, absl::Span<const float> b);
  // The codes that b was decoded from.
  void Add(absl::Span<const float> a, absl::Span<const float> b,
           absl::Span<const uint8_t> codes);

  int64_t count() const { return finite.count() + finite.nonfinite(); }
  // max |b - a|; NaN where only one of them is NaN.
  double max_error() const;
  // As DistortionStats defines them; NaN if a pair differs that is not finite
  // on both sides.
  double sqnr() const;
  double cosine() const;

 private:
  void AddUnequal(absl::Span<const float> a, absl::Span<const float> b);
};

struct TensorComparison {
  std::string name;
  std::vector<int64_t> shape;
  // Empty if the two could be compared.
  std::string problem;
  Difference difference;
  // Whether B is quantised: then the difference says what underflowed and was
  // clipped on the way from A.
  bool b_is_quantized = false;
  // Of B, else of A, where quantised.
  std::optional<quant::CodeCounts> codes;
};

// All tensors that can be compared (F32, F16, BF16 and quantised; others are
// equal or a problem), by name, then those that only B has. The layout is for
// files without a record.
absl::StatusOr<std::vector<TensorComparison>> CompareFiles(
    const safetensors::Reader& a, const safetensors::Reader& b,
    std::optional<Layout> layout);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_COMPARE_H_
