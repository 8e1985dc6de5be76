#ifndef QUANT_CPU_PLAN_H_
#define QUANT_CPU_PLAN_H_

// Which way a call of the quantiser takes through quant/cpu. It follows from
// recipe, grid and options alone, not from elements, threads or the CPU.
//
//   LOG(INFO) << ToString(MakePlan(recipe, grid, options));   // "columns"

#include <string>

#include "quant/block_grid.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"

namespace cnn_fp4::quant::cpu {

enum class Path {
  kNothing,  // A tensor without elements.

  // Kernels that take blocks as they lie in memory.
  kChunks,   // Blocks of 16, 32, ..., 256 along memory, 256 elements at a time.
  kColumns,  // 1-D blocks across memory, columns of up to 64 elements.

  // Everything else: other sizes, row scales or given scales across memory,
  // tiles, small inner extents.
  kBands,       // Lines of about 1024 elements: amaxes, then elements.
  kHugeBlocks,  // Blocks of 16384 elements and more along memory, each worth
                // several threads: the same in two loops.

  // Rules that try several scales for a block, but for blocks of 16 in chunks.
  kPanels,    // Gathered 16 side by side.
  kOneByOne,  // An element after the other: each row has its own scale.
};

struct Plan {
  Path path = Path::kNothing;
  // Rows are gone through one by one: their factors or last blocks differ.
  bool row_by_row = false;
  // No two blocks share a byte of packed codes.
  bool packs_directly = false;
};

// Whether blocks lie along one axis, and nothing between their rows.
bool IsOneDimensional(const BlockGrid& grid);
// Whether a grid's blocks are runs of memory.
bool AlongMemory(const BlockGrid& grid);
// Whether these blocks are full, so that they follow each other without gaps.
bool IsSeamless(const BlockGrid& grid);

// The arguments have been checked (quant/quantize_checks.h).
Plan MakePlan(const Recipe& recipe, const BlockGrid& grid,
              const QuantizeOptions& options);

// "chunks, row by row, packed directly".
std::string ToString(const Plan& plan);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_PLAN_H_
