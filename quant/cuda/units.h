#ifndef QUANT_CUDA_UNITS_H_
#define QUANT_CUDA_UNITS_H_

// Way::kUnits: any recipe and any grid, in several passes over units of at most
// 16 successive elements of a block's row. A thread takes a unit, or a block
// where its scale is chosen. Host and device, as tile.h.

#include <cstdint>

#include "quant/choose_scale.h"
#include "quant/cuda/block.h"
#include "quant/cuda/elements.h"
#include "quant/cuda/pairs.h"
#include "quant/cuda/quantize_args.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/formats/host_device.h"
#include "quant/hadamard.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::cuda {

inline constexpr int kUnit = 16;

CNN_FP4_HOST_DEVICE constexpr int64_t UnitsARow(const Grid& g) {
  return (g.block_cols + kUnit - 1) / kUnit;
}
// Short blocks have fewer; the others are empty.
CNN_FP4_HOST_DEVICE constexpr int64_t NumUnits(const Grid& g) {
  return g.num_blocks() * g.block_rows * UnitsARow(g);
}

struct Unit {
  int64_t block = 0;
  int64_t row = 0;     // Grid::Block::row.
  int64_t offset = 0;  // Element j lies at offset + j * grid.inner.
  int count = 0;       // 0 .. kUnit elements.
};

CNN_FP4_HOST_DEVICE inline Unit UnitAt(const Grid& g, int64_t index) {
  const int64_t a_row = UnitsARow(g);
  Unit u;
  const int64_t c = index % a_row * kUnit;
  index /= a_row;
  const int64_t r = index % g.block_rows;
  u.block = index / g.block_rows;
  const Grid::Block b = g.block(u.block);
  u.row = b.row;
  u.offset = b.offset + r * g.row_stride() + c * g.inner;
  if (r < b.rows && c < b.cols) {
    u.count = static_cast<int>(b.cols - c < kUnit ? b.cols - c : kUnit);
  }
  return u;
}

// A unit's elements as they are quantised: after policy and transform.
CNN_FP4_HOST_DEVICE inline void LoadUnit(const QuantizeArgs& a, int64_t offset,
                                         int count, float* v) {
  CNN_FP4_UNROLL
  for (int j = 0; j < kUnit; ++j) {
    v[j] = j < count ? LoadSource(a, offset + j * a.grid.inner) : 0.0f;
  }
  if (a.saturate) SaturateAll<kUnit>(v);
  if (!a.hadamard) return;
  CNN_FP4_UNROLL
  for (int j = 0; j < kUnit; ++j) {
    if ((a.hadamard_signs >> j & 1) != 0) v[j] = -v[j];
  }
  ButterfliesWithin<kUnit>(v);
  CNN_FP4_UNROLL
  for (int j = 0; j < kUnit; ++j) v[j] *= 0.25f;
  if (a.saturate) SaturateAll<kUnit>(v);
}

CNN_FP4_HOST_DEVICE inline void AtomicMax(uint32_t* at, uint32_t value) {
#if defined(__CUDA_ARCH__)
  atomicMax(at, value);
#else
  if (value > *at) *at = value;
#endif
}

// Kernel::kAmaxUnits, a thread for each unit.
CNN_FP4_HOST_DEVICE inline void TakeUnitAmax(const QuantizeArgs& a,
                                             int64_t index) {
  const Unit u = UnitAt(a.grid, index);
  float v[kUnit];
  LoadUnit(a, u.offset, u.count, v);
  uint32_t amax = 0;
  CNN_FP4_UNROLL
  for (int j = 0; j < kUnit; ++j) amax = LargerFinite(amax, v[j]);
  if (amax != 0) AtomicMax(&a.amax_bits[a.amax_per_row ? u.row : 0], amax);
}

// Kernel::kBlockAmaxes, a thread for each unit. NaN and infinities count.
CNN_FP4_HOST_DEVICE inline void TakeBlockAmax(const QuantizeArgs& a,
                                              int64_t index) {
  const Unit u = UnitAt(a.grid, index);
  float v[kUnit];
  LoadUnit(a, u.offset, u.count, v);
  uint32_t amax = 0;
  CNN_FP4_UNROLL
  for (int j = 0; j < kUnit; ++j) amax = LargerMagnitude(amax, v[j]);
  if (amax != 0) AtomicMax(&a.block_amax[u.block], amax);
}

// quant/choose_scale.h's view of a block.
struct UnitElements {
  const QuantizeArgs& a;
  const Grid::Block& block;

  CNN_FP4_HOST_DEVICE int64_t size() const { return block.rows * block.cols; }
  CNN_FP4_HOST_DEVICE int64_t offset(int64_t i) const {
    return block.offset + i / block.cols * a.grid.row_stride() +
           i % block.cols * a.grid.inner;
  }
  CNN_FP4_HOST_DEVICE float x(int64_t i) const {
    if (!a.hadamard) {
      const float v = LoadSource(a, offset(i));
      return a.saturate ? Saturated(v) : v;
    }
    // Blocks that are rotated are 1-D and whole groups.
    const int64_t group = i / kUnit * kUnit;
    float v[kUnit];
    LoadUnit(a, offset(group), kUnit, v);
    float chosen = 0.0f;
    CNN_FP4_UNROLL
    for (int j = 0; j < kUnit; ++j) {
      if (group + j == i) chosen = v[j];
    }
    return chosen;
  }
  CNN_FP4_HOST_DEVICE uint64_t index(int64_t i) const {
    return a.first_element + static_cast<uint64_t>(offset(i));
  }
};

// Kernel::kBlockScales, a thread for each block. Rules that compare errors add
// them in the order of the elements, so a block is one thread's work.
CNN_FP4_HOST_DEVICE inline void ChooseBlockScale(const QuantizeArgs& a,
                                                 uint64_t step, int64_t index) {
  const Grid::Block b = a.grid.block(index);
  const TensorFactors t = a.FactorsOfRow(b.row);
  const uint32_t amax = a.block_amax[index];
  BlockFactors f;
  if (amax >= kInfinityBits) {
    f = NonFiniteFactors(a);
  } else if (a.block_scales != nullptr) {
    f = FactorsOfGivenScale(a.rule, a.scale_format, t, a.block_scales[index]);
  } else {
    f = ChooseFactors(a.rule, ElementRounding{a.rounding, a.key, step}, t,
                      BitCast<float>(amax), UnitElements{a, b});
  }
  StoreScale(a, index, f);
}

// The factors that a stored scale stands for.
CNN_FP4_HOST_DEVICE inline BlockFactors StoredFactors(const QuantizeArgs& a,
                                                      const TensorFactors& t,
                                                      int64_t block) {
  if (a.scale_format == ScaleFormat::kFloat32) {
    return FactorsOfStored(a.rule, t, 0, a.scales_float32[block]);
  }
  const uint8_t code = a.scales[ScaleIndex(a, block)];
  return FactorsOfStored(a.rule, t, code,
                         a.scale_format == ScaleFormat::kE8m0
                             ? DecodeE8m0(code)
                             : DecodeE4m3(code));
}

// Kernel::kElements, a thread for each unit, whose pairs are added to `pairs`.
template <class Pairs>
CNN_FP4_HOST_DEVICE inline void QuantizeUnit(const QuantizeArgs& a,
                                             uint64_t step, int64_t index,
                                             Pairs& pairs) {
  const Unit u = UnitAt(a.grid, index);
  if (u.count == 0) return;
  const BlockFactors f = StoredFactors(a, a.FactorsOfRow(u.row), u.block);
  const float scale = a.operand ? f.stored : f.dequantize;
  const bool is_nan = f.stored != f.stored;
  float v[kUnit];
  LoadUnit(a, u.offset, u.count, v);
  const ElementRounding rounding{a.rounding, a.key, step};
  CNN_FP4_UNROLL
  for (int j = 0; j < kUnit; ++j) {
    if (j >= u.count) break;
    const int64_t at = u.offset + j * a.grid.inner;
    const uint8_t code =
        is_nan ? uint8_t{0}
               : CodeOf(a.rule, rounding, f, v[j],
                        a.first_element + static_cast<uint64_t>(at));
    if constexpr (Pairs::kWanted) {
      pairs.Add(v[j], DecodeE2m1(code) * f.dequantize, code);
    }
    if (a.byte_codes != nullptr) a.byte_codes[at] = code;
    if (a.values != nullptr) {
      StoreElement(a.out, a.saturate, DecodeE2m1(code) * scale, a.values, at);
    }
  }
}

// The same for the lanes of a warp, a unit each: tile.h.
struct NoState {};
template <class Lanes>
CNN_FP4_HOST_DEVICE inline void QuantizeUnitTurn(const QuantizeArgs& a,
                                                 uint64_t step, Lanes& lanes) {
  lanes.Each([&](int64_t unit, NoState&) {
    QuantizeUnit(a, step, unit, lanes.PairsOf(unit));
  });
}

// Kernel::kPack, a thread for each byte of codes.
CNN_FP4_HOST_DEVICE inline void PackCodes(const QuantizeArgs& a, int64_t byte) {
  const int64_t i = 2 * byte;
  const uint8_t high = i + 1 < a.grid.size() ? a.byte_codes[i + 1] : 0;
  a.codes[byte] = static_cast<uint8_t>(a.byte_codes[i] | high << 4);
}

// What a code of `block` is multiplied by.
CNN_FP4_HOST_DEVICE inline float ScaleOfCodes(const QuantizeArgs& a,
                                              int64_t block, int64_t row) {
  TensorFactors t;
  t.decode = a.tensor_scales[a.amax_per_row ? row : 0];
  const BlockFactors f = StoredFactors(a, t, block);
  return a.operand ? f.stored : f.dequantize;
}

// Kernel::kDequantizeRows: eight codes, the blocks whole multiples of them.
template <class Out>
CNN_FP4_HOST_DEVICE inline void DequantizeVector(const QuantizeArgs& a,
                                                 int64_t vector) {
  constexpr int kCount = 8;
  const int64_t offset = vector * kCount;
  const uint32_t codes = LoadWords<1>(a.codes + offset / 2).w[0];
  const float scale =
      ScaleOfCodes(a, a.grid.by_block_cols.Divide(offset).quotient, 0);
  float v[kCount];
  CNN_FP4_UNROLL
  for (int i = 0; i < kCount; ++i) {
    v[i] = DecodeE2m1(static_cast<uint8_t>(codes >> (4 * i))) * scale;
  }
  StoreElements<Out, kCount>(v, a.values, offset);
}

// Kernel::kDequantizeUnits, a thread for each unit.
CNN_FP4_HOST_DEVICE inline void DequantizeUnit(const QuantizeArgs& a,
                                               int64_t index) {
  const Unit u = UnitAt(a.grid, index);
  if (u.count == 0) return;
  const float scale = ScaleOfCodes(a, u.block, u.row);
  CNN_FP4_UNROLL
  for (int j = 0; j < kUnit; ++j) {
    if (j >= u.count) break;
    const int64_t at = u.offset + j * a.grid.inner;
    const uint8_t code = a.codes[at / 2] >> (4 * (at % 2)) & 15;
    StoreElement(a.out, /*limit=*/false, DecodeE2m1(code) * scale, a.values,
                 at);
  }
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_UNITS_H_
