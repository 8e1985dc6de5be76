// Which way each kind of call takes, and that each way has the reference's
// bits.

#include "quant/cpu/plan.h"

#include <omp.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cpu/cache_size.h"
#include "quant/cpu/parallel.h"
#include "quant/testing/reference_bits.h"
#include "quant/testing/restored_ways.h"

namespace cnn_fp4::quant::cpu {
namespace {

struct Row {
  const char* recipe;
  std::vector<int64_t> shape;
  int axis;
  const char* plan;
  bool given_scales = false;
};

const std::vector<Row>& Table() {
  static const auto* const table = new std::vector<Row>{
      {"nvfp4", {0, 16}, 1, "nothing"},
      {"nvfp4", {4, 0}, 0, "nothing"},
      // Along memory.
      {"nvfp4", {4, 64}, 1, "chunks, packed directly"},
      {"nvfp4+sr+rht", {4, 64}, 1, "chunks, packed directly"},
      {"mxfp4", {4, 64}, 1, "chunks, packed directly"},
      {"mxfp4+block=256", {4, 256}, 1, "chunks, packed directly"},
      {"nvfp4", {4, 64}, 1, "chunks, packed directly", true},
      {"nvfp4", {4, 520}, 1, "chunks, row by row"},
      {"nvfp4", {4, 760}, 1, "chunks, row by row"},  // 48 blocks, one short.
      {"nvfp4_rowscaled", {4, 64}, 1, "chunks, row by row, packed directly"},
      {"nvfp4_rowscaled", {1, 64}, 1, "chunks, packed directly"},
      {"nvfp4", {4, 40}, 1, "bands"},
      {"mxfp4+block=48", {4, 96}, 1, "bands, packed directly"},
      {"mxfp4+block=7", {4, 14}, 1, "bands"},
      {"nvfp4_rowscaled", {4, 40}, 1, "chunks, row by row"},
      {"nvfp4_rowscaled+block=48",
       {4, 96},
       1,
       "bands, row by row, packed directly"},
      {"mxfp4+block=257", {4, 514}, 1, "bands"},
      {"nvfp4+block=0", {5000, 7}, 0, "bands"},
      {"mxfp4+block=16383", {4, 16383}, 1, "bands"},
      {"mxfp4+block=16384", {4, 16384}, 1, "huge blocks, packed directly"},
      {"mxfp4+block=0", {200000}, 0, "huge blocks, packed directly"},
      {"fp4_per_tensor", {100003}, 0, "huge blocks"},
      // Across memory.
      {"nvfp4", {64, 64}, 0, "columns"},
      {"nvfp4+sr", {2, 32, 4, 4}, 1, "columns"},
      {"mxfp4+block=64", {64, 16}, 0, "columns"},
      {"mxfp4+block=65", {65, 16}, 0, "bands"},
      {"nvfp4", {64, 64}, 0, "bands", true},
      {"nvfp4_rowscaled", {64, 64}, 0, "bands"},
      {"nvfp4", {64, 15}, 0, "bands"},
      {"nvfp4", {16, 16, 3, 3}, 1, "bands"},
      {"nvfp4_2d", {64, 64}, 1, "bands"},
      {"nvfp4_2d", {64, 64}, 1, "bands", true},
      // Rules that compare errors.
      {"nvfp4_four_over_six", {4, 64}, 1, "chunks, packed directly"},
      {"nvfp4_four_over_six", {4, 520}, 1, "chunks, row by row"},
      {"nvfp4_four_over_six", {4, 40}, 1, "panels"},
      {"nvfp4_mse+block=32", {4, 64}, 1, "panels, packed directly"},
      {"nvfp4_four_over_six", {64, 64}, 0, "panels"},
      {"nvfp4_four_over_six", {4, 64}, 1, "chunks, packed directly", true},
  };
  return *table;
}

Plan PlanOf(const Row& row) {
  const Recipe recipe = FindRecipe(row.recipe).value();
  const std::vector<float> scales(1, 1.0f);
  QuantizeOptions options;
  if (row.given_scales) options.block_scales = scales;
  return MakePlan(recipe, BlockGrid::Along(row.shape, row.axis, recipe).value(),
                  options);
}

// The rule that tries scales row by row is a combination that has no name.
Recipe ErrorsUnderRowScales() {
  Recipe recipe = FindRecipe("nvfp4_four_over_six").value();
  recipe.tensor_scale = TensorScale::kPerRow;
  return recipe;
}

TEST(Plan, FollowsTheTable) {
  for (const Row& row : Table()) {
    std::string shape;
    for (const int64_t extent : row.shape) {
      shape += " " + std::to_string(extent);
    }
    EXPECT_EQ(ToString(PlanOf(row)), row.plan)
        << row.recipe << " of" << shape << " along axis " << row.axis
        << (row.given_scales ? " with given scales" : "");
  }
}

TEST(Plan, ErrorsUnderRowScalesGoOneByOne) {
  const Recipe recipe = ErrorsUnderRowScales();
  const BlockGrid grid = BlockGrid::Along({4, 64}, 1, recipe).value();
  EXPECT_EQ(MakePlan(recipe, grid, {}).path, Path::kOneByOne);
  const BlockGrid row = BlockGrid::Along({1, 64}, 1, recipe).value();
  EXPECT_EQ(MakePlan(recipe, row, {}).path, Path::kChunks);
}

TEST(Plan, TheTableHasEveryWay) {
  std::set<Path> paths = {Path::kOneByOne};
  for (const Row& row : Table()) paths.insert(PlanOf(row).path);
  EXPECT_EQ(paths.size(), 7u);
}

// As of a large tensor: two threads, outputs that are streamed, counters of
// random bits beyond 32 bits.
class EveryWay : public ::testing::Test {
 protected:
  EveryWay() {
    omp_set_num_threads(2);
    SetWorthThreadsForTest(1);
    SetStreamedBytesForTest(1);
  }

  static void ExpectReference(const Recipe& recipe, const Row& row) {
    const BlockGrid grid =
        BlockGrid::Along(row.shape, row.axis, recipe).value();
    std::mt19937 engine(1);
    std::normal_distribution<float> normal;
    std::vector<float> x(grid.size());
    for (float& v : x) v = normal(engine);
    std::vector<float> scales;
    QuantizeOptions options;
    options.first_element = (int64_t{1} << 40) + 3;
    if (row.given_scales) {
      for (int64_t b = 0; b < grid.num_blocks(); ++b) {
        scales.push_back(0.25f + static_cast<float>(b % 7));
      }
      options.block_scales = scales;
    }
    SCOPED_TRACE(ToString(recipe) + ": " +
                 ToString(MakePlan(recipe, grid, options)));
    EXPECT_TRUE(ExpectReferenceBits(recipe, grid, x, options));
  }

 private:
  const RestoredWays restored_;
};

TEST_F(EveryWay, HasTheBitsOfTheReference) {
  for (const Row& row : Table()) {
    Recipe recipe = FindRecipe(row.recipe).value();
    ExpectReference(recipe, row);
    recipe.rounding = Rounding::kStochastic;
    ExpectReference(recipe, row);
  }
  ExpectReference(ErrorsUnderRowScales(), {"", {4, 64}, 1, ""});
  ExpectReference(ErrorsUnderRowScales(), {"", {64, 20}, 0, ""});
}

}  // namespace
}  // namespace cnn_fp4::quant::cpu
