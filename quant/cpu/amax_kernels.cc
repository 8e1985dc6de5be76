// The kernels of quant/cpu/kernels.h that find amaxes and nothing else. As
// bits: without signs, those are ordered as the numbers are, NaN above
// infinity.

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/amax_kernels.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

uint32_t AmaxBitsImpl(const float* HWY_RESTRICT x, size_t n) {
  const KernelScope scope;
  const Floats d;
  const Ints di;
  VI max[4] = {hn::Zero(di), hn::Zero(di), hn::Zero(di), hn::Zero(di)};
  size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (size_t k = 0; k < 4; ++k) {
      max[k] = hn::Max(max[k], AbsBits(hn::LoadU(d, x + i + k * kLanes)));
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
    max[0] = hn::Max(max[0], AbsBits(hn::LoadU(d, x + i)));
  }
  uint32_t result =
      LargestLane(hn::Max(hn::Max(max[0], max[1]), hn::Max(max[2], max[3])));
  for (; i < n; ++i) {
    result = HWY_MAX(result, BitCast<uint32_t>(x[i]) & 0x7FFFFFFFu);
  }
  return result;
}

// Maxima of kRows rows and of what amax_bits holds, unless these are the first.
template <size_t kRows>
HWY_INLINE void MergeRows(const float* HWY_RESTRICT x, size_t stride,
                          size_t width, bool first,
                          uint32_t* HWY_RESTRICT amax_bits) {
  const Floats d;
  const Ints di;
  const Words dw;
  size_t j = 0;
  for (; j + kLanes <= width; j += kLanes) {
    VI max =
        first ? hn::Zero(di) : hn::BitCast(di, hn::LoadU(dw, amax_bits + j));
    for (size_t r = 0; r < kRows; ++r) {
      max = hn::Max(max, AbsBits(hn::LoadU(d, x + r * stride + j)));
    }
    hn::StoreU(hn::BitCast(dw, max), dw, amax_bits + j);
  }
  for (; j < width; ++j) {
    uint32_t max = first ? 0 : amax_bits[j];
    for (size_t r = 0; r < kRows; ++r) {
      max = HWY_MAX(max, BitCast<uint32_t>(x[r * stride + j]) & 0x7FFFFFFFu);
    }
    amax_bits[j] = max;
  }
}

// A few rows at a time: memory is gone through in its order.
void ColumnAmaxBitsImpl(const float* HWY_RESTRICT x, size_t rows, size_t stride,
                        size_t width, uint32_t* HWY_RESTRICT amax_bits) {
  const KernelScope scope;
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    MergeRows<4>(x + r * stride, stride, width, r == 0, amax_bits);
  }
  for (; r < rows; ++r) {
    MergeRows<1>(x + r * stride, stride, width, r == 0, amax_bits);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(AmaxBitsImpl);
HWY_EXPORT(ColumnAmaxBitsImpl);

uint32_t AmaxBits(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(AmaxBitsImpl)(x, n);
}

void ColumnAmaxBits(const float* x, size_t rows, size_t stride, size_t width,
                    uint32_t* amax_bits) {
  HWY_DYNAMIC_DISPATCH(ColumnAmaxBitsImpl)(x, rows, stride, width, amax_bits);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
