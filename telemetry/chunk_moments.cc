#include "telemetry/chunk_moments.h"

#include <algorithm>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telemetry/chunk_moments.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::telemetry {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Sums are kept in 8 lanes, in as many vectors as that takes: the same
// additions in the same order on every instruction set.
constexpr size_t kSums = 8;
using Doubles = hn::CappedTag<double, kSums>;
using Floats = hn::Rebind<float, Doubles>;
using Ints = hn::RebindToSigned<Floats>;
using VD = hn::Vec<Doubles>;
using VF = hn::Vec<Floats>;
using VI = hn::Vec<Ints>;
constexpr size_t kLanes = hn::MaxLanes(Doubles());
constexpr size_t kParts = kSums / kLanes;

HWY_INLINE double SumOf(const VD (&parts)[kParts]) {
  HWY_ALIGN double lanes[kSums];
  for (size_t k = 0; k < kParts; ++k) {
    hn::Store(parts[k], Doubles(), lanes + k * kLanes);
  }
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

HWY_INLINE void Clear(VD (&parts)[kParts]) {
  for (VD& part : parts) part = hn::Zero(Doubles());
}

// vector(values, part) for eight values at a time, scalar(value) for the last
// ones, fewer than eight.
template <class Vector, class Scalar>
HWY_INLINE void ForEach(const float* x, size_t n, const Vector& vector,
                        const Scalar& scalar) {
  const size_t whole = n - n % kSums;
  for (size_t i = 0; i < whole; i += kSums) {
    for (size_t k = 0; k < kParts; ++k) {
      vector(hn::LoadU(Floats(), x + i + k * kLanes), k);
    }
  }
  for (size_t i = whole; i < n; ++i) scalar(x[i]);
}

Moments ChunkMomentsImpl(const float* x, size_t n) {
  const Doubles dd;
  const Floats d;
  const Ints di;
  Moments moments;
  moments.min = std::numeric_limits<float>::infinity();
  moments.max = -moments.min;

  VD sum[kParts];
  Clear(sum);
  VF low = hn::Set(d, moments.min);
  VF high = hn::Set(d, moments.max);
  VI zeros = hn::Zero(di);
  double last = 0;
  ForEach(
      x, n,
      [&](VF v, size_t k) HWY_ATTR {
        sum[k] = hn::Add(sum[k], hn::PromoteTo(dd, v));
        low = hn::Min(low, v);
        high = hn::Max(high, v);
        const auto zero = hn::Eq(v, hn::Zero(d));
        zeros = hn::Sub(zeros, hn::VecFromMask(di, hn::RebindMask(di, zero)));
      },
      [&](float v) {
        last += static_cast<double>(v);
        moments.min = std::min(moments.min, v);
        moments.max = std::max(moments.max, v);
        moments.zeros += v == 0.0f;
      });
  moments.min = std::min(moments.min, hn::GetLane(hn::MinOfLanes(d, low)));
  moments.max = std::max(moments.max, hn::GetLane(hn::MaxOfLanes(d, high)));
  moments.zeros += hn::GetLane(hn::SumOfLanes(di, zeros));
  moments.mean = (SumOf(sum) + last) / static_cast<double>(n);

  const VD mean = hn::Set(dd, moments.mean);
  VD m2[kParts], m3[kParts], m4[kParts];
  Clear(m2);
  Clear(m3);
  Clear(m4);
  ForEach(
      x, n,
      [&](VF v, size_t k) HWY_ATTR {
        // No fused multiplication: not every instruction set has one.
        const VD c = hn::Sub(hn::PromoteTo(dd, v), mean);
        const VD c2 = hn::Mul(c, c);
        m2[k] = hn::Add(m2[k], c2);
        m3[k] = hn::Add(m3[k], hn::Mul(c2, c));
        m4[k] = hn::Add(m4[k], hn::Mul(c2, c2));
      },
      [&](float v) {
        const double c = static_cast<double>(v) - moments.mean;
        moments.m2 += c * c;
        moments.m3 += c * c * c;
        moments.m4 += c * c * (c * c);
      });
  moments.m2 += SumOf(m2);
  moments.m3 += SumOf(m3);
  moments.m4 += SumOf(m4);
  return moments;
}

bool AllFiniteImpl(const float* x, size_t n) {
  const Ints di;
  // Of the magnitudes' bits, which are ordered as the magnitudes are.
  constexpr int32_t kMagnitude = 0x7FFFFFFF;
  constexpr int32_t kInfinity = 0x7F800000;
  VI largest = hn::Zero(di);
  int32_t last = 0;
  ForEach(
      x, n,
      [&](VF v, size_t) HWY_ATTR {
        const VI bits = hn::And(hn::BitCast(di, v), hn::Set(di, kMagnitude));
        largest = hn::Max(largest, bits);
      },
      [&](float v) {
        int32_t bits;
        std::memcpy(&bits, &v, sizeof(bits));
        last = std::max(last, bits & kMagnitude);
      });
  return std::max(last, hn::GetLane(hn::MaxOfLanes(di, largest))) < kInfinity;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::telemetry
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::telemetry {

HWY_EXPORT(ChunkMomentsImpl);
HWY_EXPORT(AllFiniteImpl);

Moments ChunkMoments(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(ChunkMomentsImpl)(x, n);
}

bool AllFinite(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(AllFiniteImpl)(x, n);
}

}  // namespace cnn_fp4::telemetry
#endif  // HWY_ONCE
