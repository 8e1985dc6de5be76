#include "quant/scale_gradient.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::quant {
namespace {

constexpr float kE2m1Max = 6.0f;

}  // namespace

absl::Status ScaleGradient(const ScaledRows& rows, absl::Span<const float> dy,
                           absl::Span<float> dx, absl::Span<float> dscales) {
  const size_t size = rows.x.size();
  const size_t count = rows.stored_scales.size();
  if (rows.values.size() != size || dy.size() != size || dx.size() != size ||
      dscales.size() != count || (count == 0 ? size != 0 : size % count != 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "ScaleGradient: sizes do not fit together: x ", size, ", values ",
        rows.values.size(), ", dy ", dy.size(), ", dx ", dx.size(), ", scales ",
        count, ", dscales ", dscales.size()));
  }
  const size_t length = count == 0 ? 0 : size / count;
  for (size_t row = 0; row < count; ++row) {
    const float stored = rows.stored_scales[row];
    const float scale = stored * rows.tensor_scale;
    double sum = 0;
    for (size_t i = row * length; i < (row + 1) * length; ++i) {
      if (scale == 0) {
        dx[i] = 0;
        continue;
      }
      // Exact: the value is this product.
      const float q = rows.values[i] / stored;
      const float ratio = rows.x[i] / scale;
      const bool inside = std::fabs(ratio) <= kE2m1Max;
      sum += double{dy[i]} * (inside ? double{q} - double{ratio} : double{q});
      dx[i] = inside ? dy[i] : 0.0f;
    }
    dscales[row] = static_cast<float>(sum);
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant
