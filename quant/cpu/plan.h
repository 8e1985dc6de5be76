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

  // Rules that try several scales for a block.
  kOneByOne,        // An element after the other: each row has its own scale.
  kErrorsOfChunks,  // Blocks of 16 as they lie in memory.
  kErrorsOfPanels,  // Others, gathered 16 side by side.

  // Blocks along memory.
  kChunks,      // Chunks of 256 elements as they lie.
  kLongBlocks,  // Longer than a chunk: amax, then elements, in pieces.
  kHugeBlocks,  // Worth several threads each: the same in two loops.

  // 1-D blocks across memory.
  kColumns,  // Columns of up to 64 elements: one kernel.

  // Everything else: short blocks and other sizes, long columns, row scales or
  // given scales across memory, tiles, small inner extents.
  kBands,  // Lines of up to 1024 elements: amaxes, then elements.
};

struct Plan {
  Path path = Path::kNothing;
  // Rows are gone through one by one: their factors or last blocks differ.
  bool row_by_row = false;
  // No two blocks share a byte of packed codes.
  bool packs_directly = false;
};

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
