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

// BF16 or FP16 in and out, in the same buffers.
void RunNarrow(benchmark::State& state, const std::string& name, DType dtype,
               Layout layout = Layout::kFlat) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const int64_t n = state.range(0);
  const BlockGrid grid = GridOf(recipe, n, layout);
  std::vector<uint16_t> storage_x(n + kAlignment), storage_y(n + kAlignment);
  uint16_t* const x = Aligned(storage_x);
  uint16_t* const y = Aligned(storage_y);
  const MutableTensorView narrow{dtype, x, n};
  // An FP4 tensor in the narrow type: any values do.
  if (!Dequantize(Quantize(recipe, grid, b.x).value(), narrow).ok()) {
    state.SkipWithError("refused");
  }
  const TensorView input{dtype, x, n};
  for (auto _ : state) {
    if (!FakeQuantize(recipe, grid, input, {dtype, y, n}).ok()) {
      state.SkipWithError("refused");
    }
    benchmark::ClobberMemory();
  }
  Count(state, n, 4);
}

void BM_FakeQuantizeBfloat16(benchmark::State& state, const std::string& name) {
  RunNarrow(state, name, DType::kBfloat16);
}

void BM_FakeQuantizeBfloat16Channels(benchmark::State& state,
                                     const std::string& name) {
  RunNarrow(state, name, DType::kBfloat16, Layout::kStrided);
}

void BM_FakeQuantizeFloat16(benchmark::State& state, const std::string& name) {
  RunNarrow(state, name, DType::kFloat16);
}

void BM_FakeQuantizeBfloat16Avx2(benchmark::State& state,
                                 const std::string& name) {
  const OnlyInstructionSet avx2("AVX2");
  RunNarrow(state, name, DType::kBfloat16);
}

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
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16, nvfp4, "nvfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantizeFloat16, nvfp4, "nvfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16, mxfp4, "mxfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantizeFloat16, mxfp4, "mxfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16Channels, nvfp4, "nvfp4")
    ->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16Avx2, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16Avx2, mxfp4, "mxfp4")->Apply(OneSize);

}  // namespace
}  // namespace cnn_fp4::quant
