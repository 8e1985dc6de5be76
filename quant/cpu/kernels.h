#ifndef QUANT_CPU_KERNELS_H_
#define QUANT_CPU_KERNELS_H_

// The vector kernels of the quantiser: one thread, FP32, no policy, no
// allocation. Each exists once for every instruction set (Highway, chosen at
// run time) and gives the bits of quant/reference on all of them. What is cut
// into which calls is quant/cpu/run_job.cc's business.
//
// "Chunk" below means kChunk = 256 contiguous elements: a multiple of every
// vector length, and enough blocks to compute their scales in vector lanes.

#include <cstddef>
#include <cstdint>

#include "quant/distortion_sums.h"
#include "quant/philox.h"
#include "quant/rules.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::cpu {

inline constexpr size_t kUnit = 16;               // Elements of a scale.
inline constexpr size_t kUnits = 16;              // Units of a chunk.
inline constexpr size_t kChunk = kUnit * kUnits;  // Elements.
inline constexpr size_t kMaxStridedRows = 64;

// What the kernels need to know of recipe and tensor.
struct KernelParams {
  ScaleRule rule = ScaleRule::kTransformerEngine;
  Rounding rounding = Rounding::kNearestEven;
  TensorFactors tensor;
  // Values are q * stored scale instead of q * dequantising factor.
  bool operand = false;
  // Scales that the caller gives, one for each block of the call, and what they
  // are rounded to; null: scales from amaxes. For QuantizeChunks and
  // ComputeFactors only.
  const float* given_scales = nullptr;
  ScaleFormat scale_format = ScaleFormat::kE4m3;
};

// The random bits of consecutive elements: bytes for kStochastic8, words for
// the exact roundings, neither for the others.
struct RandomBits {
  const uint8_t* bytes = nullptr;
  const uint32_t* words = nullptr;
};

// Where results go; null: not wanted. Codes and scale codes are a byte each.
struct KernelOutput {
  float* values = nullptr;
  uint8_t* codes = nullptr;        // One a byte.
  uint8_t* packed = nullptr;       // Two a byte; instead of codes.
  uint8_t* scale_codes = nullptr;  // One a block.
  float* stored_scales = nullptr;  // One a block.
  // Values need not stay in a cache (a hint).
  bool stream = false;
};

// The bits of max |x|: at least those of infinity if any x is not finite.
uint32_t AmaxBits(const float* x, size_t n);

// Quantises `chunks` successive chunks in blocks of block_units * 16 elements
// (block_units 1, 2, 4, 8 or 16). Stops before the first chunk that holds a
// NaN or an infinity; returns the number of chunks done. x may be the values.
size_t QuantizeChunks(const KernelParams& params, size_t block_units,
                      const float* x, size_t chunks, const RandomBits& random,
                      const KernelOutput& output);

// Whether QuantizeChunks takes blocks of so many elements.
constexpr bool HasChunkKernel(int64_t block) {
  constexpr int64_t kChunkElements = kChunk;
  return block >= static_cast<int64_t>(kUnit) && block % kUnit == 0 &&
         kChunkElements % block == 0;
}

// Blocks across memory: block j, 0 <= j < width, is x[r * stride + j] for
// 0 <= r < rows <= kMaxStridedRows. Rows of values and codes are
// output_stride apart (packed is not offered), rows of random bits
// random_stride. Stops before the first group of kUnit columns that holds a NaN
// or an infinity; returns the number of columns done.
size_t QuantizeColumns(const KernelParams& params, const float* x, size_t rows,
                       size_t stride, size_t width, const RandomBits& random,
                       size_t random_stride, const KernelOutput& output,
                       size_t output_stride);

// The rules that compare errors (four-over-six, best of 126) take a panel:
// kUnit blocks side by side, element e of block j at x[e * kUnit + j], random
// bits too; all values are finite. A panel of long blocks comes in parts, in
// order,
// of at most kMaxPanelElements elements of each block:
//
//   std::fill_n(errors, Candidates(params.rule) * kUnit, 0.0f);
//   for (each part) AddErrors(params, amax_bits, x, elements, random, errors);
//   const PanelFactors f = ChooseScales(params, amax_bits, errors);
//   for (each part) QuantizePanel(params, f, x, elements, random, y, codes);

inline constexpr size_t kMaxPanelElements = 64;

constexpr size_t Candidates(ScaleRule rule) {
  return IsFourOverSix(rule) ? 2 : kBestOf126First;
}

// A number a block.
struct PanelFactors {
  float factor[kUnit];
  float value_factor[kUnit];
  float stored[kUnit];
  uint8_t code[kUnit];
};

// Adds the errors of elements under each candidate to errors[candidate * kUnit
// + block]; amax_bits are the blocks' amaxes.
void AddErrors(const KernelParams& params, const uint32_t* amax_bits,
               const float* x, size_t elements, const RandomBits& random,
               float* errors);

// The factors of the candidates of least error.
PanelFactors ChooseScales(const KernelParams& params, const uint32_t* amax_bits,
                          const float* errors);

// As QuantizeChunks with blocks of kUnit, for these rules.
size_t QuantizeChunksByError(const KernelParams& params, const float* x,
                             size_t chunks, const RandomBits& random,
                             const KernelOutput& output);

// Values and codes, one a byte, laid out as x; null: not wanted.
void QuantizePanel(const KernelParams& params, const PanelFactors& factors,
                   const float* x, size_t elements, const RandomBits& random,
                   float* values, uint8_t* codes);

// Whether n / range, for 2^-60 <= |n| <= 2^60 or 0, is (FMA) q + (n - q *
// range)
// * (1 / range), q = n * (1 / range), to the last bit: found by trying all n.
// For the ranges of four-over-six.
constexpr bool DividesByReciprocal(float range) {
  return range == 1536.0f || range == 2688.0f;
}

// amax_bits[j] = max over r of the bits of |x[r * stride + j]|.
void ColumnAmaxBits(const float* x, size_t rows, size_t stride, size_t width,
                    uint32_t* amax_bits);

// Factors of n blocks from their amaxes, all finite, or the given scales.
void ComputeFactors(const KernelParams& params, const uint32_t* amax_bits,
                    size_t n, float* factors, float* dequantize,
                    uint8_t* scale_codes, float* stored);

// Units of 16 elements that share a factor, to values or codes (packed and
// scales are not written).
void QuantizeUnits(const KernelParams& params, const float* x, size_t units,
                   const float* factors, const float* dequantize,
                   const RandomBits& random, const KernelOutput& output);

// Elements under given factors: element i has factors[i], dequantize[i].
void QuantizeElements(const KernelParams& params, const float* x, size_t n,
                      const float* factors, const float* dequantize,
                      const RandomBits& random, float* values, uint8_t* codes);

// Philox bits of elements first .. first + n - 1 at a step (quant/philox.h).
// `first` is a multiple of 16 for bytes, of 4 for words; n is rounded up to
// such a multiple in what is written.
void FillRandomBytes(PhiloxKey key, uint64_t step, uint64_t first, size_t n,
                     uint8_t* bytes);
void FillRandomWords(PhiloxKey key, uint64_t step, uint64_t first, size_t n,
                     uint32_t* words);

// values[i] = (code of element first + i) * dequantize, one factor for each of
// the n elements, or one for each unit of 16 elements. `stream`: values need
// not stay in a cache.
void DequantizeElements(const uint8_t* packed, size_t first, size_t n,
                        const float* dequantize, float* values);
void DequantizeUnits(const uint8_t* packed, size_t units,
                     const float* dequantize, bool stream, float* values);

// Codes, one a byte, in rows of `width` elements, a multiple of kUnit, with
// what they were made of and the stored scales of their blocks: one for each
// block_units units of a row, or, with block_units 0, one a column for all
// rows. Rows are as many elements (scales) apart as the strides say.
struct CodeTile {
  size_t rows = 0;
  size_t width = 0;
  const float* x = nullptr;
  size_t x_stride = 0;
  const uint8_t* codes = nullptr;
  size_t code_stride = 0;
  const float* scales = nullptr;
  size_t scale_stride = 0;
  size_t block_units = 0;
  float tensor_scale = 1.0f;
  // Written: code * stored scale. `stream`: they need not stay in a cache.
  float* values = nullptr;
  size_t value_stride = 0;
  bool stream = false;
};

// Fills the values and adds the pairs of x and value * tensor_scale to sums.
// The order of the additions depends on the tile's extents alone.
void DecodeTile(const CodeTile& tile, DistortionSums& sums);

// Adds n < 2^31 pairs to sums, with the codes that became y, 0 to 15, if not
// null. The order of the additions depends on n alone.
void AddPairs(const float* x, const float* y, const uint8_t* codes, size_t n,
              DistortionSums& sums);

// Of the pairs that are finite.
struct CenteredSums {
  double spread = 0.0;  // Sum of (x - mean x)^2.
  double noise = 0.0;   // Sum of (y - x)^2.
};
CenteredSums SumCentered(const float* x, const float* y, size_t n);

// Makes streamed values visible to other threads: after the kernels of a task.
void FlushStreams();

// Two codes a byte; a last odd one gets a zero nibble.
void PackCodes(const uint8_t* codes, size_t n, uint8_t* packed);

// x -> its random Hadamard transform: `groups` contiguous groups of 16, or
// 16 rows `stride` apart. y may be x.
void HadamardGroups(const float* x, size_t groups, uint16_t signs, float* y);
void HadamardRows(const float* x, size_t stride, size_t width, uint16_t signs,
                  float* y, size_t y_stride);

// The amax bits of what HadamardGroups would write.
uint32_t HadamardAmaxBits(const float* x, size_t groups, uint16_t signs);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_KERNELS_H_
