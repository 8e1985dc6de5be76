#ifndef TOOLS_FP4_COMPARE_H_
#define TOOLS_FP4_COMPARE_H_

// `fp4 compare A B`: how far the tensors of B are from those of the same name
// in A. Quantised tensors of either file are compared by their values.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/fp4/code_use.h"
#include "tools/fp4/file_record.h"
#include "tools/safetensors/reader.h"

namespace cnn_fp4::fp4 {

// Of two tensors a (what it should be) and b. Sums in double, in element order.
struct Difference {
  int64_t count = 0;
  int64_t unequal = 0;     // Values that differ; NaN equals NaN, -0 equals 0.
  double max_error = 0.0;  // max |b - a|; NaN where only one of them is NaN.
  double signal = 0.0;     // sum a^2
  double noise = 0.0;      // sum (b - a)^2
  double power = 0.0;      // sum b^2
  double product = 0.0;    // sum a b

  void Add(float a, float b);
  // 10 log10(signal / noise), in dB; infinity without noise.
  double sqnr() const;
  // Of the angle between a and b; 1 if both are zero, 0 if one is.
  double cosine() const;
};

struct TensorComparison {
  std::string name;
  std::vector<int64_t> shape;
  // Empty if the two could be compared.
  std::string problem;
  Difference difference;
  std::optional<CodeUse> code_use;  // Of B, else of A, where quantised.
};

// All tensors that can be compared (F32, F16, BF16 and quantised; others are
// equal or a problem), by name, then those that only B has. The layout is for
// files without a record.
absl::StatusOr<std::vector<TensorComparison>> CompareFiles(
    const safetensors::Reader& a, const safetensors::Reader& b,
    std::optional<Layout> layout);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_COMPARE_H_
