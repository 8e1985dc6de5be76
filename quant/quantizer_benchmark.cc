// Speed of the quantiser beside memcpy of the same buffers, which is the limit,
// and the reference, which is where it started.
//
//   bazel run //quant:quantizer_benchmark -- --benchmark_repetitions=9
//       --benchmark_enable_random_interleaving=true
//
// Names are BM_<what>/<recipe>/<elements>/<threads>; bytes/s count input and
// output, items/s elements. Compare ratios of one run, not numbers of two.

#include <omp.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "quant/benchmark_tensors.h"
#include "quant/cpu/plan.h"
#include "quant/quantizer.h"
#include "quant/reference/reference_quantizer.h"

namespace cnn_fp4::quant {
namespace {

void BM_Memcpy(benchmark::State& state) {
  Buffers& b = BuffersOf(state.range(0));
  const int threads = static_cast<int>(state.range(1));
  const int64_t n = state.range(0);
  for (auto _ : state) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int t = 0; t < threads; ++t) {
      const int64_t first = n * t / threads;
      const int64_t end = n * (t + 1) / threads;
      memcpy(b.y.data() + first, b.x.data() + first,
             (end - first) * sizeof(float));
    }
    benchmark::ClobberMemory();
  }
  Count(state, n, 8);
}

void RunFake(benchmark::State& state, const std::string& name, Layout layout,
             bool given_amax) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), layout);
  QuantizeOptions options;
  if (given_amax) options.tensor_amax = 5.0f;
  state.SetLabel(ToString(cpu::MakePlan(recipe, grid, options)));
  for (auto _ : state) {
    if (!FakeQuantize(recipe, grid, b.x, b.y, options).ok()) {
      state.SkipWithError("refused");
    }
    benchmark::ClobberMemory();
  }
  Count(state, state.range(0), 8);
}

void BM_FakeQuantize(benchmark::State& state, const std::string& name) {
  RunFake(state, name, Layout::kFlat, false);
}

// What a value that is not finite costs: the last element is infinite, or not,
// or the largest finite number, which it becomes. With one scale for the tensor
// that number alone makes products of all others subnormal, which are slow.
void RunSaturate(benchmark::State& state, const std::string& name,
                 Layout layout, float last) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), layout);
  QuantizeOptions options;
  options.nonfinite = NonFinitePolicy::kSaturate;
  std::vector<float> x(b.x.begin(), b.x.end());
  x.back() = last;
  for (auto _ : state) {
    if (!FakeQuantize(recipe, grid, x, b.y, options).ok()) {
      state.SkipWithError("refused");
    }
    benchmark::ClobberMemory();
  }
  Count(state, state.range(0), 8);
}

void BM_Saturate(benchmark::State& state, const std::string& name,
                 Layout layout) {
  RunSaturate(state, name, layout, 1.0f);
}

void BM_SaturateInf(benchmark::State& state, const std::string& name,
                    Layout layout) {
  RunSaturate(state, name, layout, std::numeric_limits<float>::infinity());
}

void BM_SaturateMax(benchmark::State& state, const std::string& name,
                    Layout layout) {
  RunSaturate(state, name, layout, std::numeric_limits<float>::max());
}

void BM_FakeQuantizeGivenAmax(benchmark::State& state,
                              const std::string& name) {
  RunFake(state, name, Layout::kFlat, true);
}

void BM_FakeQuantizeGivenScales(benchmark::State& state,
                                const std::string& name) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), Layout::kFlat);
  const std::vector<float> scales(grid.num_blocks(), 64.0f);
  QuantizeOptions options;
  options.tensor_amax = 5.0f;
  options.block_scales = scales;
  for (auto _ : state) {
    if (!FakeQuantize(recipe, grid, b.x, b.y, options).ok()) {
      state.SkipWithError("refused");
    }
    benchmark::ClobberMemory();
  }
  Count(state, state.range(0), 8);
}

void BM_FakeQuantizeChannels(benchmark::State& state, const std::string& name) {
  RunFake(state, name, Layout::kStrided, false);
}

void BM_FakeQuantizeTiles(benchmark::State& state, const std::string& name) {
  RunFake(state, name, Layout::kTiles, false);
}

void BM_FakeQuantizeRagged(benchmark::State& state, const std::string& name) {
  RunFake(state, name, Layout::kRagged, false);
}

void BM_FakeQuantizeWeights(benchmark::State& state, const std::string& name) {
  RunFake(state, name, Layout::kWeights, false);
}

void BM_Reference(benchmark::State& state, const std::string& name) {
  Buffers& b = BuffersOf(state.range(0));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), Layout::kFlat);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::Quantize(recipe, grid, b.x));
  }
  Count(state, state.range(0), 8);
}

// The best instruction set of a CPU without AVX2.
void BM_FakeQuantizeBaseline(benchmark::State& state, const std::string& name) {
  const OnlyInstructionSet sse4("SSE4");
  RunFake(state, name, Layout::kFlat, false);
}

void BM_FakeQuantizeAvx2(benchmark::State& state, const std::string& name) {
  const OnlyInstructionSet avx2("AVX2");
  RunFake(state, name, Layout::kFlat, false);
}

void BM_Quantize(benchmark::State& state, const std::string& name) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), Layout::kFlat);
  QuantizeOptions options;
  options.tensor_amax = 5.0f;
  // Before the loop: the pages of what is written are there.
  PackedTensor packed = Quantize(recipe, grid, b.x, options).value();
  for (auto _ : state) {
    if (!QuantizeInto(recipe, grid, b.x, &packed, options).ok()) {
      state.SkipWithError("refused");
    }
    benchmark::ClobberMemory();
  }
  Count(state, state.range(0), 4.5);
}

void RunDequantize(benchmark::State& state, const std::string& name,
                   Layout layout) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), layout);
  const PackedTensor packed = Quantize(recipe, grid, b.x).value();
  for (auto _ : state) {
    if (!Dequantize(packed, b.y).ok()) state.SkipWithError("refused");
    benchmark::ClobberMemory();
  }
  Count(state, state.range(0), 4.5);
}

void BM_Dequantize(benchmark::State& state, const std::string& name) {
  RunDequantize(state, name, Layout::kFlat);
}

void BM_DequantizeChannels(benchmark::State& state, const std::string& name) {
  RunDequantize(state, name, Layout::kStrided);
}

void BM_DequantizeWeights(benchmark::State& state, const std::string& name) {
  RunDequantize(state, name, Layout::kWeights);
}

void BM_Amax(benchmark::State& state) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(Amax(b.x));
  }
  Count(state, state.range(0), 4);
}

BENCHMARK(BM_Memcpy)->Apply(Sizes);
BENCHMARK(BM_Amax)->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantize, pow2_1x16, "pow2_1x16")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_FakeQuantize, mxfp4, "mxfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_FakeQuantizeGivenAmax, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Quantize, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Dequantize, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_DequantizeChannels, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_DequantizeWeights, nvfp4_2d, "nvfp4_2d")
    ->Args({64 * 576, 1})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4_sr8, "nvfp4+sr8")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4_sr, "nvfp4+sr")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4_rht, "nvfp4+rht")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeChannels, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeChannels, nvfp4_sr8, "nvfp4+sr8")
    ->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeChannels, nvfp4_rowscaled, "nvfp4_rowscaled")
    ->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeGivenScales, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeTiles, nvfp4_2d, "nvfp4_2d")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeRagged, nvfp4, "nvfp4")
    ->Args({40000, 1})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_FakeQuantizeWeights, nvfp4_2d, "nvfp4_2d")
    ->Args({64 * 9 * 64, 1})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_FakeQuantizeBaseline, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeAvx2, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeAvx2, mxfp4, "mxfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantize, four_over_six, "nvfp4_four_over_six")
    ->Apply(SmallSize);
BENCHMARK_CAPTURE(BM_FakeQuantize, four_over_six_sr8, "nvfp4_four_over_six+sr8")
    ->Apply(SmallSize);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4_mse, "nvfp4_mse")->Apply(SmallSize);
BENCHMARK_CAPTURE(BM_Saturate, nvfp4, "nvfp4", Layout::kFlat)->Apply(OneMi);
BENCHMARK_CAPTURE(BM_SaturateInf, nvfp4, "nvfp4", Layout::kFlat)->Apply(OneMi);
BENCHMARK_CAPTURE(BM_Saturate, channels, "nvfp4", Layout::kStrided)
    ->Apply(OneMi);
BENCHMARK_CAPTURE(BM_SaturateInf, channels, "nvfp4", Layout::kStrided)
    ->Apply(OneMi);
BENCHMARK_CAPTURE(BM_Saturate, tiles, "nvfp4_2d", Layout::kTiles)->Apply(OneMi);
BENCHMARK_CAPTURE(BM_SaturateInf, tiles, "nvfp4_2d", Layout::kTiles)
    ->Apply(OneMi);
BENCHMARK_CAPTURE(BM_Saturate, per_tensor, "fp4_per_tensor", Layout::kFlat)
    ->Apply(OneMi);
BENCHMARK_CAPTURE(BM_SaturateInf, per_tensor, "fp4_per_tensor", Layout::kFlat)
    ->Apply(OneMi);
BENCHMARK_CAPTURE(BM_SaturateMax, per_tensor, "fp4_per_tensor", Layout::kFlat)
    ->Apply(OneMi);
BENCHMARK_CAPTURE(BM_Reference, nvfp4, "nvfp4")->Apply(SmallSize);

}  // namespace
}  // namespace cnn_fp4::quant
