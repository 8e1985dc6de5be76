// The order of swizzled scales against CUTLASS's own layout of them, by CuTe's
// layout algebra on the host: what its block-scaled GEMMs of Blackwell read.

#include <cstdint>
#include <vector>

#include "cute/layout.hpp"
#include "cutlass/detail/sm100_blockscaled_layout.hpp"
#include "gtest/gtest.h"
#include "quant/cuda/block.h"
#include "quant/scale_swizzle.h"

namespace cnn_fp4::quant::cuda {
namespace {

// The layout of the scales of A [rows, columns] with blocks of kBlock elements.
template <int kBlock>
auto CutlassLayout(int rows, int columns) {
  // Its N is not looked at.
  return cutlass::detail::Sm1xxBlockScaledConfig<
      kBlock>::tile_atom_to_shape_SFA(cute::make_shape(rows, 128, columns, 1));
}

QuantizeArgs Swizzled(int rows, int columns, int block) {
  QuantizeArgs args;
  args.grid.outer = rows;
  args.grid.cols = columns;
  args.grid.block_cols = block;
  args.grid.Prepare();
  args.swizzled = true;
  return args;
}

template <int kBlock>
void ExpectCutlassLayout(int rows, int columns) {
  SCOPED_TRACE(::testing::Message() << rows << " x " << columns);
  const auto layout = CutlassLayout<kBlock>(rows, columns);
  const int blocks = columns / kBlock;
  EXPECT_EQ(static_cast<size_t>(cute::cosize(layout)),
            SwizzledSize(rows, blocks));
  std::vector<uint8_t> scales(static_cast<size_t>(rows) * blocks);
  for (size_t i = 0; i < scales.size(); ++i) {
    scales[i] = static_cast<uint8_t>(i * 131 % 251 + 1);
  }
  const std::vector<uint8_t> swizzled = *SwizzleScales(scales, rows, blocks);
  const QuantizeArgs args = Swizzled(rows, columns, kBlock);
  for (int row = 0; row < rows; ++row) {
    for (int block = 0; block < blocks; ++block) {
      const int index = row * blocks + block;
      // Every element of a block has the block's scale.
      for (const int element : {0, kBlock - 1}) {
        const auto at =
            static_cast<int64_t>(layout(row, block * kBlock + element, 0));
        ASSERT_EQ(swizzled[at], scales[index]) << row << ", " << block;
        ASSERT_EQ(ScaleIndex(args, index), at) << row << ", " << block;
      }
    }
  }
}

TEST(CuteLayout, SwizzledScalesAreWhereCutlassReadsThem) {
  for (const int rows : {1, 31, 128, 130, 300}) {
    for (const int blocks : {1, 3, 4, 7, 64}) {
      ExpectCutlassLayout<16>(rows, blocks * 16);
      ExpectCutlassLayout<32>(rows, blocks * 32);
    }
  }
}

}  // namespace
}  // namespace cnn_fp4::quant::cuda
