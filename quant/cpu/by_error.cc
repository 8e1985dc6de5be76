// QuantizeByError of quant/cpu/job.h.

#include <algorithm>

#include "quant/cpu/job.h"
#include "quant/philox.h"

namespace cnn_fp4::quant::cpu {
namespace {

// Calls body(lane, element, offset) for every element of the blocks.
template <class Body>
void ForEachElement(const Job& job, const BlockGrid::Block* blocks,
                    int64_t count, const Body& body) {
  const int64_t row_stride = job.grid.row_stride();
  const int64_t col_stride = job.grid.col_stride();
  for (int64_t j = 0; j < count; ++j) {
    int64_t e = 0;
    for (int64_t r = 0; r < blocks[j].rows; ++r) {
      int64_t at = blocks[j].offset + r * row_stride;
      for (int64_t c = 0; c < blocks[j].cols; ++c, at += col_stride) {
        body(j, e++, at);
      }
    }
  }
}

}  // namespace

void QuantizeByError(const Job& job, int64_t first_block, int64_t count,
                     Scratch& scratch) {
  const BlockGrid& grid = job.grid;
  const int64_t unit = kUnit;
  const size_t elements = std::min(grid.block_rows(), grid.rows()) *
                          std::min(grid.block_cols(), grid.cols());
  BlockGrid::Block blocks[kUnit];
  for (int64_t j = 0; j < count; ++j) blocks[j] = grid.block(first_block + j);

  // Lanes without a block, and the missing elements of short ones, are zeros:
  // they add nothing to any error.
  scratch.x.assign(elements * kUnit, 0.0f);
  scratch.values.resize(elements * kUnit);
  scratch.codes.resize(elements * kUnit);
  float* x = scratch.x.data();
  ForEachElement(job, blocks, count, [&](int64_t j, int64_t e, int64_t at) {
    x[e * unit + j] = job.x[at];
  });
  if (job.recipe.hadamard) {
    for (size_t e = 0; e < elements; e += kHadamardSize) {
      HadamardRows(x + e * kUnit, kUnit, kUnit, job.options.hadamard_signs,
                   x + e * kUnit, kUnit);
    }
  }
  const int64_t first = job.options.first_element;
  RandomBits random;
  if (job.params.rounding == Rounding::kStochastic8) {
    scratch.random_bytes.resize(elements * kUnit);
    random.bytes = scratch.random_bytes.data();
    ForEachElement(job, blocks, count, [&](int64_t j, int64_t e, int64_t at) {
      scratch.random_bytes[e * unit + j] =
          RandomByte(first + at, job.key, job.options.step);
    });
  } else if (job.params.rounding == Rounding::kStochastic ||
             job.params.rounding == Rounding::kStochasticUnbiased) {
    scratch.random_words.resize(elements * kUnit);
    random.words = scratch.random_words.data();
    ForEachElement(job, blocks, count, [&](int64_t j, int64_t e, int64_t at) {
      scratch.random_words[e * unit + j] =
          RandomWord(first + at, job.key, job.options.step);
    });
  }
  uint8_t scale_codes[kUnit];
  float stored[kUnit];
  const PanelOutput panel{scratch.values.data(), scratch.codes.data(),
                          scale_codes, stored};
  if (!QuantizePanel(job.params, x, elements, random, panel)) {
    QuantizeSlowly(job, first_block, count, scratch);
    return;
  }
  const KernelOutput& out = job.output;
  for (int64_t j = 0; j < count; ++j) {
    if (out.scale_codes != nullptr) {
      out.scale_codes[first_block + j] = scale_codes[j];
    }
    if (out.stored_scales != nullptr) {
      out.stored_scales[first_block + j] = stored[j];
    }
  }
  ForEachElement(job, blocks, count, [&](int64_t j, int64_t e, int64_t at) {
    const int64_t from = e * unit + j;
    if (out.values != nullptr) out.values[at] = scratch.values[from];
    if (out.codes != nullptr) out.codes[at] = scratch.codes[from];
    // Direct packing implies blocks of whole bytes along memory.
    if (out.packed != nullptr && at % 2 == 1) {
      out.packed[at / 2] = static_cast<uint8_t>(scratch.codes[from - unit] |
                                                scratch.codes[from] << 4);
    }
  });
}

}  // namespace cnn_fp4::quant::cpu
