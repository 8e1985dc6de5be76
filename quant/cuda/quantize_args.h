#ifndef QUANT_CUDA_QUANTIZE_ARGS_H_
#define QUANT_CUDA_QUANTIZE_ARGS_H_

// What a kernel is told: quant::Recipe, quant::BlockGrid and
// quant::QuantizeOptions as plain numbers and pointers to the device's memory,
// for a compiler that knows no Abseil. cuda_quantizer.cc fills it.

#include <cstdint>

#include "quant/distortion_sums.h"
#include "quant/dtype.h"
#include "quant/formats/host_device.h"
#include "quant/hadamard.h"
#include "quant/philox.h"
#include "quant/rules.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant::cuda {

// n / d and n % d for one d > 0 and many n >= 0: below 2^31 by a multiplication
// (Granlund and Montgomery, "Division by Invariant Integers using
// Multiplication", PLDI 1994), a tenth of a GPU's instructions for n / d.
class Divisor {
 public:
  struct Result {
    int64_t quotient = 0;
    int64_t remainder = 0;
  };

  constexpr Divisor() = default;
  constexpr explicit Divisor(int64_t d) : d_(d) {
    if (d >= kLimit) return;
    while ((int64_t{1} << shift_) < d) ++shift_;
    multiplier_ = static_cast<uint32_t>(
        (uint64_t{1} << 32) * ((uint64_t{1} << shift_) - d) / d + 1);
  }

  CNN_FP4_HOST_DEVICE constexpr int64_t value() const { return d_; }

  CNN_FP4_HOST_DEVICE constexpr Result Divide(int64_t n) const {
    if (n >= kLimit || d_ >= kLimit) return {n / d_, n % d_};
    const uint32_t low = static_cast<uint32_t>(n);
    const uint32_t high =
        static_cast<uint32_t>((uint64_t{low} * multiplier_) >> 32);
    const uint32_t q = (high + low) >> shift_;
    return {q, low - q * static_cast<uint32_t>(d_)};
  }

 private:
  static constexpr int64_t kLimit = int64_t{1} << 31;
  int64_t d_ = 1;
  uint32_t multiplier_ = 1;
  uint32_t shift_ = 0;
};

// quant::BlockGrid, whose header says what the extents mean.
struct Grid {
  int64_t outer = 0;
  int64_t rows = 1;
  int64_t middle = 1;
  int64_t cols = 0;
  int64_t inner = 1;
  int64_t block_rows = 1;
  int64_t block_cols = 1;

  // Of the extents, by Prepare.
  Divisor by_row_blocks;
  Divisor by_middle;
  Divisor by_col_blocks;
  Divisor by_inner;
  Divisor by_block_cols;

  void Prepare() {
    by_row_blocks = Divisor((rows + block_rows - 1) / block_rows);
    by_middle = Divisor(middle);
    by_col_blocks = Divisor((cols + block_cols - 1) / block_cols);
    by_inner = Divisor(inner);
    by_block_cols = Divisor(block_cols);
  }

  // Blocks on the two axes.
  CNN_FP4_HOST_DEVICE constexpr int64_t row_blocks() const {
    return by_row_blocks.value();
  }
  CNN_FP4_HOST_DEVICE constexpr int64_t col_blocks() const {
    return by_col_blocks.value();
  }
  CNN_FP4_HOST_DEVICE constexpr int64_t size() const {
    return outer * rows * middle * cols * inner;
  }
  CNN_FP4_HOST_DEVICE constexpr int64_t num_blocks() const {
    return outer * row_blocks() * middle * col_blocks() * inner;
  }
  CNN_FP4_HOST_DEVICE constexpr int64_t row_stride() const {
    return middle * cols * inner;
  }

  // BlockGrid::Block.
  struct Block {
    int64_t offset = 0;
    int64_t rows = 0;
    int64_t cols = 0;
    int64_t row = 0;
  };
  CNN_FP4_HOST_DEVICE constexpr Block block(int64_t index) const {
    const Divisor::Result at_inner = by_inner.Divide(index);
    const Divisor::Result at_cols = by_col_blocks.Divide(at_inner.quotient);
    const Divisor::Result at_middle = by_middle.Divide(at_cols.quotient);
    const Divisor::Result at_rows = by_row_blocks.Divide(at_middle.quotient);
    const int64_t i = at_inner.remainder;
    const int64_t c = at_cols.remainder * block_cols;
    const int64_t m = at_middle.remainder;
    const int64_t r = at_rows.remainder * block_rows;
    const int64_t o = at_rows.quotient;
    Block b;
    b.offset = ((o * rows + r) * middle + m) * cols * inner + c * inner + i;
    b.rows = block_rows < rows - r ? block_rows : rows - r;
    b.cols = block_cols < cols - c ? block_cols : cols - c;
    b.row = o * inner + i;
    return b;
  }
};

// quant::SourceWindow.
struct Window {
  int64_t width = 0;  // Of a row of the source; 0: x is read as it lies.
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t padding = 0;
  Divisor by_positions;
  Divisor by_rows;
  Divisor by_kernel;

  // Where element i of the grid lies: `column` of the row that begins at
  // `row_begin`, or beside it.
  struct At {
    int64_t row_begin = 0;
    int64_t column = 0;

    CNN_FP4_HOST_DEVICE constexpr bool IsIn(int64_t width) const {
      return column >= 0 && column < width;
    }
  };
  CNN_FP4_HOST_DEVICE constexpr At at(int64_t i) const {
    const Divisor::Result row = by_positions.Divide(i);
    const Divisor::Result copy = by_rows.Divide(row.quotient);
    const Divisor::Result image = by_kernel.Divide(copy.quotient);
    return {(image.quotient * by_rows.value() + copy.remainder) * width,
            row.remainder * stride + image.remainder * dilation - padding};
  }
};

struct QuantizeArgs {
  Grid grid;
  Window window;

  // Pointers to the device's memory; null where nothing is asked for or given.
  const void* x = nullptr;
  void* values = nullptr;               // Of `out`; or
  uint8_t* codes = nullptr;             // two a byte, as in PackedTensor.
  uint8_t* scales = nullptr;            // One a block: E4M3 or E8M0 bits.
  float* scales_float32 = nullptr;      // One a block.
  float* tensor_scales = nullptr;       // One, or one a row.
  const float* amax = nullptr;          // One, or one a row; null: given_amax.
  const float* block_scales = nullptr;  // QuantizeOptions::block_scales.
  const uint64_t* step_counter = nullptr;  // Added to `step`.
  uint32_t* nonfinite = nullptr;           // Set to 1 by a NaN or an infinity.
  DistortionSums* statistics = nullptr;    // Added to.

  // Scratch: what one kernel leaves for the next.
  uint32_t* amax_bits = nullptr;   // Largest |x|, as bits: tensor or rows.
  uint32_t* block_amax = nullptr;  // The same of each block.
  uint8_t* byte_codes = nullptr;   // One code a byte.
  // Partial sums of the statistics, one a turn of a warp, and what a round of
  // kSumPairs makes of them.
  DistortionSums* pairs = nullptr;
  DistortionSums* pair_sums = nullptr;
  int64_t num_pairs = 0;

  DType in = DType::kFloat32;
  DType out = DType::kFloat32;
  ScaleFormat scale_format = ScaleFormat::kE4m3;
  ScaleRule rule = ScaleRule::kTransformerEngine;
  Rounding rounding = Rounding::kNearestEven;
  float scale_max = 448.0f;
  bool has_tensor_scale = false;  // Also one for each row.
  float given_amax = 0.0f;        // Without `amax`.
  bool takes_amax = false;        // None is given: a kernel takes it.
  bool amax_per_row = false;
  bool operand = false;   // Values are q * stored scale.
  bool saturate = false;  // NonFinitePolicy::kSaturate.
  bool swizzled = false;  // Scales lie in the 128x4 order of scale_swizzle.h.
  bool hadamard = false;
  uint16_t hadamard_signs = kDefaultHadamardSigns;
  PhiloxKey key;
  uint64_t step = 0;
  uint64_t first_element = 0;

  CNN_FP4_HOST_DEVICE constexpr TensorFactors TensorFactorsOf(
      float tensor_amax) const {
    return MakeTensorFactors(rule, rounding, scale_max, has_tensor_scale,
                             tensor_amax, saturate);
  }
  // Of a row, or of the tensor.
  CNN_FP4_HOST_DEVICE constexpr TensorFactors FactorsOfRow(int64_t row) const {
    return TensorFactorsOf(amax == nullptr ? given_amax
                                           : amax[amax_per_row ? row : 0]);
  }
  CNN_FP4_HOST_DEVICE constexpr uint64_t StepNow() const {
    return step_counter == nullptr ? step : step + *step_counter;
  }
};

// How the kernels see a tensor, from the fastest to the one for everything.
enum class Way {
  kRows,     // Whole 1-D blocks of 16, 32, 64 or 128 along memory.
  kColumns,  // 1-D blocks of at most 32 across memory, 4 or 8 neighbours at
             // once.
  kTiles,    // Whole tiles of 16 x 16.
  kUnits,    // Any blocks, 16 elements at a time, in several passes.
};

// One launch.
enum class Kernel {
  kAmax,         // Of all of x, in any order.
  kAmaxRows,     // Of the Hadamard transform of x, along memory...
  kAmaxColumns,  // ...and across.
  kRows,
  kColumns,
  kTiles,
  kTensorScales,  // amax to tensor_scales, of the tensor or of each row.
  kAmaxUnits,     // Of the tensor or of each row.
  kBlockAmaxes,
  kBlockScales,
  kElements,
  kPack,      // byte_codes to codes.
  kSumPairs,  // Partial sums to fewer, or to the statistics.
  kDequantizeRows,
  kDequantizeUnits,
};

// One launch for two operands of one tensor: blocks along memory, and across.
enum class BothKernel {
  kAmax,  // Of one or both, where there is memory for it.
  kQuantize,
};

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_QUANTIZE_ARGS_H_
