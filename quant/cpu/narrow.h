#ifndef QUANT_CPU_NARROW_H_
#define QUANT_CPU_NARROW_H_

// Tensors of any DType in FP32 pieces. Internal to quant/cpu and the quantiser.

#include <cstdint>

#include "quant/tensor_view.h"

namespace cnn_fp4::quant::cpu {

// to[0 .. n-1] = elements first .. first + n - 1 of x, widened.
void Widen(const TensorView& x, int64_t first, int64_t n, float* to);

// Elements first .. of y = from[0 .. n-1], rounded to nearest even.
void Narrow(const float* from, int64_t n, const MutableTensorView& y,
            int64_t first);

// values[0 .. n-1] become at most the dtype's largest finite number.
void LimitTo(DType dtype, float* values, int64_t n);

// All elements, on all threads. `limit`: by way of LimitTo, on `from` itself.
void WidenAll(const TensorView& x, float* to);
void NarrowAll(float* from, bool limit, const MutableTensorView& y);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_NARROW_H_
