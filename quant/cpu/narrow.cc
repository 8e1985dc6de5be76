#include "quant/cpu/narrow.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/cpu/narrow_kernels.h"
#include "quant/cpu/parallel.h"
#include "quant/formats/float16.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr int64_t kTaskElements = 32768;

constexpr float kLargestHalf = 65504.0f;
constexpr float kLargestBfloat16 = 0x1.FEp127f;

struct Nothing {};

template <class Body>
void ForEachPiece(int64_t size, const Body& body) {
  ParallelFor<Nothing>((size + kTaskElements - 1) / kTaskElements,
                       WorthThreads(size),
                       [&](int64_t task, Nothing&) {
                         const int64_t first = task * kTaskElements;
                         body(first, std::min(kTaskElements, size - first));
                       },
                       [](const Nothing&) {});
}

void Narrow(const float* from, int64_t n, const MutableTensorView& y,
            int64_t first) {
  switch (y.dtype) {
    case DType::kFloat32:
      memcpy(static_cast<float*>(y.data) + first, from, n * sizeof(float));
      break;
    case DType::kFloat16:
      FloatToHalf(from, n, static_cast<uint16_t*>(y.data) + first);
      break;
    case DType::kBfloat16:
      FloatToBfloat16(from, n, static_cast<uint16_t*>(y.data) + first);
      break;
  }
}

// values[0 .. n-1] become at most the type's largest finite number.
void LimitTo(DType dtype, float* values, int64_t n) {
  // FP32 values are what they are.
  if (dtype == DType::kFloat32) return;
  const float largest =
      dtype == DType::kFloat16 ? kLargestHalf : kLargestBfloat16;
  for (int64_t i = 0; i < n; ++i) {
    values[i] = std::min(std::max(values[i], -largest), largest);
  }
}

}  // namespace

void Widen(const TensorView& x, int64_t first, int64_t n, float* to) {
  switch (x.dtype) {
    case DType::kFloat32:
      memcpy(to, static_cast<const float*>(x.data) + first, n * sizeof(float));
      break;
    case DType::kFloat16:
      HalfToFloat(static_cast<const uint16_t*>(x.data) + first, n, to);
      break;
    case DType::kBfloat16:
      Bfloat16ToFloat(static_cast<const uint16_t*>(x.data) + first, n, to);
      break;
  }
}

float NarrowElement(const TensorView& x, int64_t i) {
  float element;
  Widen(x, i, 1, &element);
  return element;
}

void WidenAll(const TensorView& x, float* to) {
  ForEachPiece(x.size, [&](int64_t first, int64_t n) {
    Widen(x, first, n, to + first);
  });
}

void NarrowAll(float* from, bool limit, const MutableTensorView& y) {
  ForEachPiece(y.size, [&](int64_t first, int64_t n) {
    if (limit) LimitTo(y.dtype, from + first, n);
    Narrow(from + first, n, y, first);
  });
}

std::optional<float> NarrowAmax(const TensorView& x) {
  struct State {
    uint16_t bits = 0;
  };
  const auto* const elements = static_cast<const uint16_t*>(x.data);
  uint16_t bits = 0;
  ParallelFor<State>(
      (x.size + kTaskElements - 1) / kTaskElements, WorthThreads(x.size),
      [&](int64_t task, State& state) {
        const int64_t first = task * kTaskElements;
        state.bits =
            std::max(state.bits,
                     MaxMagnitudeBits(elements + first,
                                      std::min(kTaskElements, x.size - first)));
      },
      [&](const State& state) { bits = std::max(bits, state.bits); });
  const float amax =
      x.dtype == DType::kFloat16 ? DecodeHalf(bits) : DecodeBfloat16(bits);
  if (!std::isfinite(amax)) return std::nullopt;
  return amax;
}

}  // namespace cnn_fp4::quant::cpu
