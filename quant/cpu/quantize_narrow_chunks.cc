// QuantizeHalfChunks and QuantizeBfloat16Chunks of quant/cpu/kernels.h.

#include <algorithm>
#include <limits>
#include <type_traits>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/quantize_narrow_chunks.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"
#include "quant/cpu/chunk_factors-inl.h"
#include "quant/cpu/narrow_avx512-inl.h"
#include "quant/cpu/narrow_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// Elements i .. i + kLanes - 1.
template <class Lanes, Rounding kRounding, bool kDivide>
HWY_INLINE void ApplyVector(const ChunkFactors& f, const uint16_t* x, size_t i,
                            uint16_t* y) {
  const Floats d;
  const VF v = Lanes::Load(x + i);
  const VF r = QuantizeLanes<kRounding, kDivide>(
      v, hn::Set(d, f.factor[i / kUnit]), hn::Zero(Words()));
  Lanes::Store(ValueOf(r, v, hn::Set(d, f.value_factor[i / kUnit])), y + i);
}

// A number a unit as lanes of the units that 2 * kLanes elements from i lie in.
HWY_INLINE VF SpreadToPairs(const float* of_units, size_t i) {
  const Floats d;
  const float* unit = of_units + i / kUnit;
#if HWY_MAX_BYTES >= 64
  const hn::Half<Floats> half;
  return hn::Combine(d, hn::Set(half, unit[1]), hn::Set(half, unit[0]));
#else
  return hn::Set(d, *unit);
#endif
}

// Elements i .. i + 2 * kLanes - 1.
template <class Lanes, Rounding kRounding, bool kDivide>
HWY_INLINE void ApplyPairs(const ChunkFactors& f, const uint16_t* x, size_t i,
                           uint16_t* y) {
  const VF factor = SpreadToPairs(f.factor, i);
  const VF value_factor = SpreadToPairs(f.value_factor, i);
  const auto apply = [&](VF v) HWY_ATTR {
    const VF r =
        QuantizeLanes<kRounding, kDivide>(v, factor, hn::Zero(Words()));
    return Lanes::Round(ValueOf(r, v, value_factor));
  };
  const VU pairs = Lanes::LoadPairs(x + i);
  Lanes::StorePairs(apply(Lanes::Even(pairs)), apply(Lanes::Odd(pairs)), y + i);
}

// By way of FP32, on every instruction set.
template <class Lanes, Rounding kRounding, bool kDivide>
size_t QuantizeWidened(const KernelParams& params, size_t block_units,
                       const uint16_t* x, size_t chunks, uint16_t* y) {
  return ForEachChunk<Lanes>(
      params, block_units, x, chunks,
      [&](const ChunkFactors& f, size_t c) HWY_ATTR {
        const size_t first = c * kChunk;
        // Four vectors at a time are independent work for the pipelines.
        for (size_t i = 0; i < kChunk; i += 4 * kLanes) {
          if constexpr (Lanes::kInPairs) {
            for (const size_t j : {i, i + 2 * kLanes}) {
              ApplyPairs<Lanes, kRounding, kDivide>(f, x + first, j, y + first);
            }
          } else {
            for (size_t j = i; j < i + 4 * kLanes; j += kLanes) {
              ApplyVector<Lanes, kRounding, kDivide>(f, x + first, j,
                                                     y + first);
            }
          }
        }
        return true;
      });
}

// What AVX-512 has for rounding to nearest even; may stop at any chunk.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
template <class Lanes, bool kStream>
size_t QuantizeNearestEvenTo(const KernelParams& params, size_t block_units,
                             const uint16_t* x, size_t chunks, uint16_t* y) {
  if (HasPowerOfTwoScales(params.rule)) {
    return QuantizeWithPowers<Lanes, kStream>(params, block_units, x, chunks,
                                              y);
  }
  return ForEachChunk<Lanes>(params, block_units, x, chunks,
                             [&](const ChunkFactors& f, size_t c) HWY_ATTR {
                               return ApplyTables<kStream>(
                                   Lanes(), f, x + c * kChunk, y + c * kChunk);
                             });
}

template <class Lanes>
size_t QuantizeNearestEven(const KernelParams& params, size_t block_units,
                           const uint16_t* x, size_t chunks, bool stream,
                           uint16_t* y) {
  return stream && CanStreamShorts(y) ? QuantizeNearestEvenTo<Lanes, true>(
                                            params, block_units, x, chunks, y)
                                      : QuantizeNearestEvenTo<Lanes, false>(
                                            params, block_units, x, chunks, y);
}

// Chunks that these kernels do not take come together, if at all.
constexpr size_t kWidenedAtOnce = 16;
#else
template <class Lanes>
size_t QuantizeNearestEven(const KernelParams&, size_t, const uint16_t*, size_t,
                           bool, uint16_t*) {
  return 0;
}

constexpr size_t kWidenedAtOnce = std::numeric_limits<size_t>::max();
#endif

template <class Lanes>
size_t QuantizeNarrowChunks(const KernelParams& params, size_t block_units,
                            const uint16_t* x, size_t chunks, bool stream,
                            uint16_t* y) {
  size_t done = 0;
  DispatchElement(params, [&](auto rounding, auto divide) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    constexpr bool kDivide = decltype(divide)::value;
    constexpr bool kNearestEven = kRounding == Rounding::kNearestEven;
    if constexpr (kNearestEven || kRounding == Rounding::kTiesAway ||
                  kRounding == Rounding::kTiesToZero) {
      while (done < chunks) {
        if constexpr (kNearestEven && !kDivide) {
          done += QuantizeNearestEven<Lanes>(params, block_units,
                                             x + done * kChunk, chunks - done,
                                             stream, y + done * kChunk);
        }
        const size_t some = std::min(chunks - done, kWidenedAtOnce);
        const size_t widened = QuantizeWidened<Lanes, kRounding, kDivide>(
            params, block_units, x + done * kChunk, some, y + done * kChunk);
        done += widened;
        if (widened < some) return;
      }
    }
  });
  return done;
}

size_t QuantizeHalfChunksImpl(const KernelParams& params, size_t block_units,
                              const uint16_t* x, size_t chunks, bool stream,
                              uint16_t* y) {
  const KernelScope scope;
  return QuantizeNarrowChunks<HalfLanes>(params, block_units, x, chunks, stream,
                                         y);
}

size_t QuantizeBfloat16ChunksImpl(const KernelParams& params,
                                  size_t block_units, const uint16_t* x,
                                  size_t chunks, bool stream, uint16_t* y) {
  const KernelScope scope;
  // An E2M1 value times a power of two.
  if (HasPowerOfTwoScales(params.rule)) {
    return QuantizeNarrowChunks<ExactBfloat16Lanes>(params, block_units, x,
                                                    chunks, stream, y);
  }
  return QuantizeNarrowChunks<Bfloat16Lanes>(params, block_units, x, chunks,
                                             stream, y);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(QuantizeHalfChunksImpl);
HWY_EXPORT(QuantizeBfloat16ChunksImpl);

size_t QuantizeHalfChunks(const KernelParams& params, size_t block_units,
                          const uint16_t* x, size_t chunks, bool stream,
                          uint16_t* y) {
  return HWY_DYNAMIC_DISPATCH(QuantizeHalfChunksImpl)(params, block_units, x,
                                                      chunks, stream, y);
}

size_t QuantizeBfloat16Chunks(const KernelParams& params, size_t block_units,
                              const uint16_t* x, size_t chunks, bool stream,
                              uint16_t* y) {
  return HWY_DYNAMIC_DISPATCH(QuantizeBfloat16ChunksImpl)(params, block_units,
                                                          x, chunks, stream, y);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
