// FP16 and BF16 tensors. Names and units: quantizer_benchmark.cc.

#include <omp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "quant/benchmark_tensors.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

// BF16 checkpoints to packed codes.
void BM_QuantizeBfloat16(benchmark::State& state, const std::string& name) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const int64_t n = state.range(0);
  const BlockGrid grid = GridOf(recipe, n, Layout::kFlat);
  std::vector<uint16_t> storage(n + kAlignment);
  uint16_t* const x = Aligned(storage);
  QuantizeOptions options;
  options.tensor_amax = 5.0f;
  PackedTensor packed = Quantize(recipe, grid, b.x, options).value();
  if (!Dequantize(packed, {DType::kBfloat16, x, n}).ok()) {
    state.SkipWithError("refused");
  }
  const TensorView view{DType::kBfloat16, x, n};
  for (auto _ : state) {
    if (!QuantizeInto(recipe, grid, view, &packed, options).ok()) {
      state.SkipWithError("refused");
    }
    benchmark::ClobberMemory();
  }
  Count(state, n, 2.5);
}

BENCHMARK_CAPTURE(BM_QuantizeBfloat16, nvfp4, "nvfp4")->Apply(Sizes);

}  // namespace
}  // namespace cnn_fp4::quant
