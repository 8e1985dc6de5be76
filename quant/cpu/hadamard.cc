// The Hadamard kernels of quant/cpu/kernels.h: the order of operations of
// quant/hadamard.h, lane by lane.

#include "quant/hadamard.h"

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/hadamard.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// The sign bits of each element, to be flipped.
struct SignMask {
  HWY_ALIGN uint32_t bits[kHadamardSize];
  explicit SignMask(uint16_t signs) {
    for (int i = 0; i < kHadamardSize; ++i) {
      bits[i] = static_cast<uint32_t>(signs >> i & 1) << 31;
    }
  }
};

// One column a lane: 16 vectors, `stride` apart.
HWY_INLINE void HadamardLanes(const float* x, size_t stride,
                              const SignMask& mask, float* y, size_t y_stride) {
  const Floats d;
  const Words dw;
  VF v[kHadamardSize];
  for (size_t i = 0; i < kHadamardSize; ++i) {
    v[i] = hn::BitCast(d, hn::Xor(hn::BitCast(dw, hn::LoadU(d, x + i * stride)),
                                  hn::Set(dw, mask.bits[i])));
  }
  for (size_t distance = 1; distance < kHadamardSize; distance *= 2) {
    for (size_t i = 0; i < kHadamardSize; ++i) {
      if ((i & distance) != 0) continue;
      const VF a = v[i];
      const VF b = v[i + distance];
      v[i] = hn::Add(a, b);
      v[i + distance] = hn::Sub(a, b);
    }
  }
  for (size_t i = 0; i < kHadamardSize; ++i) {
    hn::StoreU(hn::Mul(v[i], hn::Set(d, 0.25f)), d, y + i * y_stride);
  }
}

void HadamardRowsImpl(const float* x, size_t stride, size_t width,
                      uint16_t signs, float* y, size_t y_stride) {
  const KernelScope scope;
  const SignMask mask(signs);
  size_t j = 0;
  for (; j + kLanes <= width; j += kLanes) {
    HadamardLanes(x + j, stride, mask, y + j, y_stride);
  }
  for (; j < width; ++j) {
    float group[kHadamardSize];
    for (size_t i = 0; i < kHadamardSize; ++i) group[i] = x[i * stride + j];
    RandomHadamard16(group, signs);
    for (size_t i = 0; i < kHadamardSize; ++i) y[i * y_stride + j] = group[i];
  }
}

// One stage inside a vector: lanes `kDistance` apart.
template <size_t kDistance>
HWY_INLINE VF ButterflyInside(VF v) {
  const Floats d;
  const Words dw;
  VF partner;
  if constexpr (kDistance == 1) {
    partner = hn::Reverse2(d, v);
  } else if constexpr (kDistance == 2) {
    partner = hn::Shuffle1032(v);
  } else if constexpr (kDistance == 4) {
    partner = hn::SwapAdjacentBlocks(v);
  } else {
    partner = hn::ConcatLowerUpper(d, v, v);
  }
  // Lower lane: v + partner; upper lane: partner - v.
  const VU lane = hn::Iota(dw, 0);
  const VU upper = hn::And(lane, hn::Set(dw, uint32_t{kDistance}));
  const VU sign = hn::ShiftLeft<31>(hn::ShiftRight < kDistance == 8 ? 3
                                    : kDistance == 4                ? 2
                                    : kDistance == 2                ? 1
                                                     : 0 > (upper));
  const VF signed_v = hn::BitCast(d, hn::Xor(hn::BitCast(dw, v), sign));
  return hn::Add(partner, signed_v);
}

HWY_INLINE VF AllInside(VF v) {
  v = ButterflyInside<1>(v);
  v = ButterflyInside<2>(v);
  if constexpr (kLanes >= 8) v = ButterflyInside<4>(v);
  if constexpr (kLanes >= 16) v = ButterflyInside<8>(v);
  return v;
}

// The transforms of contiguous groups, a vector at a time: use(v, i) gets those
// of the elements from i on.
template <class Use>
HWY_INLINE void ForEachTransformed(const float* x, size_t groups,
                                   uint16_t signs, const Use& use) {
  const Floats d;
  const Words dw;
  constexpr size_t kVectors = kUnit / kLanes;
  const SignMask mask(signs);
  for (size_t g = 0; g < groups; ++g) {
    VF v[kVectors];
    for (size_t i = 0; i < kVectors; ++i) {
      const VU bits = hn::BitCast(dw, hn::LoadU(d, x + g * kUnit + i * kLanes));
      const VU flip = hn::Load(dw, mask.bits + i * kLanes);
      v[i] = AllInside(hn::BitCast(d, hn::Xor(bits, flip)));
    }
    for (size_t distance = 1; distance < kVectors; distance *= 2) {
      for (size_t i = 0; i < kVectors; ++i) {
        if ((i & distance) != 0) continue;
        const VF a = v[i];
        const VF b = v[i + distance];
        v[i] = hn::Add(a, b);
        v[i + distance] = hn::Sub(a, b);
      }
    }
    for (size_t i = 0; i < kVectors; ++i) {
      use(hn::Mul(v[i], hn::Set(d, 0.25f)), g * kUnit + i * kLanes);
    }
  }
}

void HadamardGroupsImpl(const float* x, size_t groups, uint16_t signs,
                        float* y) {
  const KernelScope scope;
  ForEachTransformed(x, groups, signs, [y](VF v, size_t i) HWY_ATTR {
    hn::StoreU(v, Floats(), y + i);
  });
}

uint32_t HadamardAmaxBitsImpl(const float* x, size_t groups, uint16_t signs) {
  const KernelScope scope;
  const Ints di;
  VI max = hn::Zero(di);
  ForEachTransformed(x, groups, signs, [&max](VF v, size_t) HWY_ATTR {
    max = hn::Max(max, AbsBits(v));
  });
  return LargestLane(max);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(HadamardGroupsImpl);
HWY_EXPORT(HadamardAmaxBitsImpl);
HWY_EXPORT(HadamardRowsImpl);

void HadamardGroups(const float* x, size_t groups, uint16_t signs, float* y) {
  HWY_DYNAMIC_DISPATCH(HadamardGroupsImpl)(x, groups, signs, y);
}

uint32_t HadamardAmaxBits(const float* x, size_t groups, uint16_t signs) {
  return HWY_DYNAMIC_DISPATCH(HadamardAmaxBitsImpl)(x, groups, signs);
}

void HadamardRows(const float* x, size_t stride, size_t width, uint16_t signs,
                  float* y, size_t y_stride) {
  HWY_DYNAMIC_DISPATCH(HadamardRowsImpl)(x, stride, width, signs, y, y_stride);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
