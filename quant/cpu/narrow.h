#ifndef QUANT_CPU_NARROW_H_
#define QUANT_CPU_NARROW_H_

// FP16 and BF16 tensors from and to FP32. Internal to quant/cpu and the
// quantiser.

#include <cstdint>
#include <optional>

#include "quant/tensor_view.h"

namespace cnn_fp4::quant::cpu {

// to[0 .. n-1] = elements first .. first + n - 1 of x, widened.
void Widen(const TensorView& x, int64_t first, int64_t n, float* to);

// Element i.
float NarrowElement(const TensorView& x, int64_t i);

// All elements, on all threads, rounded to nearest even. `limit`: to the type's
// largest finite number at most, `from` itself, too.
void WidenAll(const TensorView& x, float* to);
void NarrowAll(float* from, bool limit, const MutableTensorView& y);

// The amax of an FP16 or BF16 tensor, or nothing if an element is not finite.
std::optional<float> NarrowAmax(const TensorView& x);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_NARROW_H_
