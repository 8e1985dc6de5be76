#include "train/operand_rows.h"

#include <torch/torch.h>

#include <string>

#include "gtest/gtest.h"
#include "nn/gemm/tensor_span.h"
#include "quant/distortion.h"
#include "quant/quantizer.h"

namespace cnn_fp4::train {
namespace {

nn::QuantizedOperand Quantized(const at::Tensor& x, const std::string& name) {
  const quant::Recipe recipe = *quant::FindRecipe(name);
  const auto grid = quant::BlockGrid::Along(x.sizes().vec(), 1, recipe);
  return {x, *quant::Quantize(recipe, *grid, nn::Values(x))};
}

at::Tensor Dequantized(const nn::QuantizedOperand& quantized) {
  at::Tensor y = at::empty_like(quantized.source);
  EXPECT_TRUE(quant::Dequantize(quantized.packed, nn::MutableValues(y)).ok());
  return y;
}

TEST(OperandRows, AreRowsOfTheOperandWithTheirCodesAndScales) {
  torch::manual_seed(5);
  const at::Tensor x = at::randn({100, 48});
  for (const char* recipe :
       {"nvfp4", "mxfp4", "nvfp4_rowscaled", "nvfp4_compressed_tensors"}) {
    const nn::QuantizedOperand whole = Quantized(x, recipe);
    // 4800 elements: every fourth row.
    const auto rows = OperandRows(whole, 1200);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_TRUE(at::equal(rows->source, x.slice(0, 0, {}, 4))) << recipe;
    EXPECT_TRUE(
        at::equal(Dequantized(*rows), Dequantized(whole).slice(0, 0, {}, 4)))
        << recipe;
    // Few enough are all there.
    const auto all = OperandRows(whole, 4800);
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_TRUE(at::equal(all->source, x)) << recipe;
  }
}

TEST(OperandRows, ARotatedOperandIsComparedInItsOwnBasis) {
  torch::manual_seed(6);
  at::Tensor x = at::randn({64, 64});
  x.index_put_({torch::indexing::Slice(), 3}, 30.0);
  for (const int64_t max_elements : {4096, 1024}) {
    const nn::QuantizedOperand whole = Quantized(x, "nvfp4+rht");
    const auto rows = OperandRows(whole, max_elements);
    ASSERT_TRUE(rows.ok()) << rows.status();
    const auto sqnr = [&](const at::Tensor& source) {
      quant::DistortionStats stats;
      EXPECT_TRUE(stats.Add(nn::Values(source), rows->packed).ok());
      return stats.SqnrDb();
    };
    EXPECT_GT(sqnr(rows->source), 15);
    // The source itself has nothing to do with the codes.
    const int64_t stride = 4096 / max_elements;
    EXPECT_LT(sqnr(x.slice(0, 0, {}, stride).contiguous()), 3);
    // A rotation keeps the length.
    EXPECT_NEAR(rows->source.norm().item<double>(),
                x.slice(0, 0, {}, stride).norm().item<double>(), 1e-3);
  }
}

TEST(OperandRows, BlocksAcrossMemoryAreTakenWhole) {
  torch::manual_seed(7);
  const at::Tensor x = at::randn({3, 32, 50});
  const auto rows = OperandRows(Quantized(x, "nvfp4"), 100);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_TRUE(at::equal(rows->source, x));
}

}  // namespace
}  // namespace cnn_fp4::train
