// The kernels of quant/cpu/kernels.h whose blocks lie across memory, and those
// that work element by element under given factors.

#include <cstring>
#include <type_traits>

#include "quant/cpu/kernels.h"
#include "quant/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/cpu/quantize_columns.cc"
#include "hwy/foreach_target.h"
// Must come after foreach_target.h.
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "quant/cpu/lane_math-inl.h"
#include "quant/cpu/lane_scales-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cnn_fp4::quant::cpu {
namespace HWY_NAMESPACE {
namespace {

// kUnit columns of up to kMaxStridedRows rows, gathered once so that rows whose
// distance is a power of two do not evict each other, and their factors.
struct Panel {
  HWY_ALIGN float x[kMaxStridedRows * kUnit];
  HWY_ALIGN float factor[kUnit];
  HWY_ALIGN float value_factor[kUnit];
  HWY_ALIGN float stored[kUnit];
  HWY_ALIGN int32_t code[kUnit];
};

// Columns ahead of the current one that are fetched to the caches: hardware
// does not foresee a walk across rows.
constexpr size_t kAhead = 4 * kUnit;

// False if the panel is not finite. `width` < kUnit columns are filled up with
// zeros.
HWY_NOINLINE bool LoadPanel(const KernelParams& params, const float* x,
                            size_t rows, size_t stride, size_t width,
                            Panel& panel) {
  const Floats d;
  const Ints di;
  if (HWY_UNLIKELY(width < kUnit)) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t j = 0; j < kUnit; ++j) {
        panel.x[r * kUnit + j] = j < width ? x[r * stride + j] : 0.0f;
      }
    }
    x = panel.x;
    stride = kUnit;
  }
  for (size_t j = 0; j < kUnit; j += kLanes) {
    VI max = hn::Zero(di);
    for (size_t r = 0; r < rows; ++r) {
      hwy::Prefetch(x + r * stride + j + kAhead);
      const VF v = hn::LoadU(d, x + r * stride + j);
      hn::Store(v, d, panel.x + r * kUnit + j);
      max = hn::Max(max, AbsBits(v));
    }
    const auto bad = hn::Gt(max, hn::Set(di, 0x7F7FFFFF));
    if (HWY_UNLIKELY(!hn::AllFalse(di, bad))) return false;
    const LaneFactors f = FactorsOfAmax(params, hn::BitCast(d, max));
    hn::Store(f.factor, d, panel.factor + j);
    hn::Store(ValueFactor(params, f), d, panel.value_factor + j);
    hn::Store(f.stored, d, panel.stored + j);
    hn::Store(f.code, di, panel.code + j);
  }
  return true;
}

// kStreamed: values that go past the caches.
enum class Want { kValues, kStreamed, kCodes };

template <Rounding kRounding, bool kDivide, Want kWant>
HWY_NOINLINE void ApplyPanel(const Panel& panel, size_t rows, size_t stride,
                             const RandomBits& random, size_t random_stride,
                             size_t at, const KernelOutput& output) {
  const Floats d;
  for (size_t r = 0; r < rows; ++r) {
    if constexpr (kWant == Want::kValues) {
      hwy::Prefetch(output.values + r * stride + at + kAhead);
    }
    // A line of memory at once: else it would be streamed in parts.
    for (size_t j = 0; j < kUnit; j += kLanes) {
      const VF factor = hn::Load(d, panel.factor + j);
      const VF v = hn::Load(d, panel.x + r * kUnit + j);
      const VU bits = LoadRandom<kRounding>(random, r * random_stride + at + j);
      const size_t to = r * stride + at + j;
      if constexpr (kWant == Want::kCodes) {
        const hn::Rebind<uint8_t, Words> d8;
        const VU codes = EncodeLanes<kRounding, kDivide>(v, factor, bits);
        hn::StoreU(hn::TruncateTo(d8, codes), d8, output.codes + to);
      } else {
        const VF q = QuantizeLanes<kRounding, kDivide>(v, factor, bits);
        const VF y = ValueOf(q, v, hn::Load(d, panel.value_factor + j));
        if constexpr (kWant == Want::kStreamed) {
          hn::Stream(y, d, output.values + to);
        } else {
          hn::StoreU(y, d, output.values + to);
        }
      }
    }
  }
}

// The last, narrow panel goes by way of buffers of full width.
template <Rounding kRounding, bool kDivide, Want kWant>
void ApplyNarrowPanel(const Panel& panel, size_t rows, size_t stride,
                      const RandomBits& random, size_t random_stride, size_t at,
                      size_t width, const KernelOutput& output) {
  uint8_t random_bytes[kMaxStridedRows * kUnit] = {};
  uint32_t random_words[kMaxStridedRows * kUnit] = {};
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < width; ++j) {
      const size_t from = r * random_stride + at + j;
      if (random.bytes != nullptr) {
        random_bytes[r * kUnit + j] = random.bytes[from];
      }
      if (random.words != nullptr) {
        random_words[r * kUnit + j] = random.words[from];
      }
    }
  }
  float values[kMaxStridedRows * kUnit];
  uint8_t codes[kMaxStridedRows * kUnit];
  KernelOutput buffered;
  buffered.values = values;
  buffered.codes = codes;
  constexpr Want kBuffered = kWant == Want::kCodes ? kWant : Want::kValues;
  ApplyPanel<kRounding, kDivide, kBuffered>(
      panel, rows, kUnit, {random_bytes, random_words}, kUnit, 0, buffered);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < width; ++j) {
      if (kWant == Want::kCodes) {
        output.codes[r * stride + at + j] = codes[r * kUnit + j];
      } else {
        output.values[r * stride + at + j] = values[r * kUnit + j];
      }
    }
  }
}

template <Rounding kRounding, bool kDivide, Want kWant>
size_t RunColumns(const KernelParams& params, const float* x, size_t rows,
                  size_t stride, size_t width, const RandomBits& random,
                  size_t random_stride, const KernelOutput& output,
                  size_t output_stride) {
  Panel panels[2];
  const size_t count = (width + kUnit - 1) / kUnit;
  const auto load = [&](size_t p) {
    return LoadPanel(params, x + p * kUnit, rows, stride,
                     HWY_MIN(kUnit, width - p * kUnit), panels[p % 2]);
  };
  if (count == 0 || !load(0)) return 0;
  for (size_t p = 0; p < count; ++p) {
    const bool more = p + 1 < count && load(p + 1);
    const Panel& panel = panels[p % 2];
    const size_t at = p * kUnit;
    const size_t columns = HWY_MIN(kUnit, width - at);
    if (columns == kUnit) {
      ApplyPanel<kRounding, kDivide, kWant>(panel, rows, output_stride, random,
                                            random_stride, at, output);
    } else {
      ApplyNarrowPanel<kRounding, kDivide, kWant>(panel, rows, output_stride,
                                                  random, random_stride, at,
                                                  columns, output);
    }
    for (size_t j = 0; j < columns; ++j) {
      if (output.scale_codes != nullptr) {
        output.scale_codes[at + j] = static_cast<uint8_t>(panel.code[j]);
      }
      if (output.stored_scales != nullptr) {
        output.stored_scales[at + j] = panel.stored[j];
      }
    }
    if (!more) return at + columns;
  }
  return width;
}

size_t QuantizeColumnsImpl(const KernelParams& params, const float* x,
                           size_t rows, size_t stride, size_t width,
                           const RandomBits& random, size_t random_stride,
                           const KernelOutput& output, size_t output_stride) {
  const KernelScope scope;
  size_t done = 0;
  DispatchElement(params, [&](auto rounding, auto divide) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    constexpr bool kDivide = decltype(divide)::value;
    const auto run = [&](auto want) {
      done = RunColumns<kRounding, kDivide, decltype(want)::value>(
          params, x, rows, stride, width, random, random_stride, output,
          output_stride);
    };
    if (output.codes != nullptr) {
      run(std::integral_constant<Want, Want::kCodes>());
    } else if (CanStream(output) && output_stride % kLanes == 0) {
      run(std::integral_constant<Want, Want::kStreamed>());
    } else {
      run(std::integral_constant<Want, Want::kValues>());
    }
  });
  return done;
}

void ComputeFactorsImpl(const KernelParams& params, const uint32_t* amax_bits,
                        size_t n, float* factors, float* dequantize,
                        uint8_t* scale_codes, float* stored) {
  const KernelScope scope;
  const Floats d;
  const Words dw;
  const Ints di;
  for (size_t i = 0; i < n; i += kLanes) {
    const size_t count = HWY_MIN(kLanes, n - i);
    HWY_ALIGN uint32_t bits[kLanes] = {};
    HWY_ALIGN float lanes[3][kLanes];
    HWY_ALIGN int32_t codes[kLanes];
    if (params.given_scales != nullptr) {
      memcpy(bits, params.given_scales + i, count * sizeof(bits[0]));
    } else {
      memcpy(bits, amax_bits + i, count * sizeof(bits[0]));
    }
    const LaneFactors f = FactorsOf(params, hn::BitCast(d, hn::Load(dw, bits)));
    hn::Store(f.factor, d, lanes[0]);
    hn::Store(ValueFactor(params, f), d, lanes[1]);
    hn::Store(f.stored, d, lanes[2]);
    hn::Store(f.code, di, codes);
    memcpy(factors + i, lanes[0], count * sizeof(float));
    memcpy(dequantize + i, lanes[1], count * sizeof(float));
    memcpy(stored + i, lanes[2], count * sizeof(float));
    for (size_t j = 0; j < count; ++j) {
      scale_codes[i + j] = static_cast<uint8_t>(codes[j]);
    }
  }
}

template <Rounding kRounding, bool kDivide, bool kCodes>
HWY_INLINE void QuantizeVector(const float* x, const float* factors,
                               const float* dequantize,
                               const RandomBits& random, float* values,
                               uint8_t* codes, size_t i) {
  const Floats d;
  const VF v = hn::LoadU(d, x + i);
  const VF q = QuantizeLanes<kRounding, kDivide>(
      v, hn::LoadU(d, factors + i), LoadRandom<kRounding>(random, i));
  if constexpr (kCodes) {
    const hn::Rebind<uint8_t, Words> d8;
    hn::StoreU(hn::TruncateTo(d8, CodeOf(q, v)), d8, codes + i);
  } else {
    hn::StoreU(ValueOf(q, v, hn::LoadU(d, dequantize + i)), d, values + i);
  }
}

template <Rounding kRounding, bool kDivide, bool kCodes>
void RunElements(const float* x, size_t n, const float* factors,
                 const float* dequantize, const RandomBits& random,
                 float* values, uint8_t* codes) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    QuantizeVector<kRounding, kDivide, kCodes>(x, factors, dequantize, random,
                                               values, codes, i);
  }
  if (i == n) return;
  const size_t rest = n - i;
  float in[3][kLanes] = {};
  uint8_t random_bytes[kLanes] = {};
  uint32_t random_words[kLanes] = {};
  float out[kLanes];
  uint8_t out_codes[kLanes];
  memcpy(in[0], x + i, rest * sizeof(float));
  memcpy(in[1], factors + i, rest * sizeof(float));
  if (!kCodes) memcpy(in[2], dequantize + i, rest * sizeof(float));
  if (random.bytes != nullptr) memcpy(random_bytes, random.bytes + i, rest);
  if (random.words != nullptr) {
    memcpy(random_words, random.words + i, rest * sizeof(uint32_t));
  }
  QuantizeVector<kRounding, kDivide, kCodes>(
      in[0], in[1], in[2], {random_bytes, random_words}, out, out_codes, 0);
  if (kCodes) {
    memcpy(codes + i, out_codes, rest);
  } else {
    memcpy(values + i, out, rest * sizeof(float));
  }
}

void QuantizeElementsImpl(const KernelParams& params, const float* x, size_t n,
                          const float* factors, const float* dequantize,
                          const RandomBits& random, float* values,
                          uint8_t* codes) {
  const KernelScope scope;
  DispatchElement(params, [&](auto rounding, auto divide) {
    constexpr Rounding kRounding = decltype(rounding)::value;
    constexpr bool kDivide = decltype(divide)::value;
    if (codes != nullptr) {
      RunElements<kRounding, kDivide, true>(x, n, factors, dequantize, random,
                                            values, codes);
    } else {
      RunElements<kRounding, kDivide, false>(x, n, factors, dequantize, random,
                                             values, codes);
    }
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace cnn_fp4::quant::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cnn_fp4::quant::cpu {

HWY_EXPORT(QuantizeColumnsImpl);
HWY_EXPORT(ComputeFactorsImpl);
HWY_EXPORT(QuantizeElementsImpl);

size_t QuantizeColumns(const KernelParams& params, const float* x, size_t rows,
                       size_t stride, size_t width, const RandomBits& random,
                       size_t random_stride, const KernelOutput& output,
                       size_t output_stride) {
  return HWY_DYNAMIC_DISPATCH(QuantizeColumnsImpl)(params, x, rows, stride,
                                                   width, random, random_stride,
                                                   output, output_stride);
}

void ComputeFactors(const KernelParams& params, const uint32_t* amax_bits,
                    size_t n, float* factors, float* dequantize,
                    uint8_t* scale_codes, float* stored) {
  HWY_DYNAMIC_DISPATCH(ComputeFactorsImpl)
  (params, amax_bits, n, factors, dequantize, scale_codes, stored);
}

void QuantizeElements(const KernelParams& params, const float* x, size_t n,
                      const float* factors, const float* dequantize,
                      const RandomBits& random, float* values, uint8_t* codes) {
  HWY_DYNAMIC_DISPATCH(QuantizeElementsImpl)
  (params, x, n, factors, dequantize, random, values, codes);
}

}  // namespace cnn_fp4::quant::cpu
#endif  // HWY_ONCE
