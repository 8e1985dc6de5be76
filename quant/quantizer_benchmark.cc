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
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/quantizer.h"
#include "quant/reference/reference_quantizer.h"

namespace cnn_fp4::quant {
namespace {

constexpr int64_t kAlignment = 64;

// The first element of a whole cache line, as allocators of tensors give it.
template <class T>
T* Aligned(std::vector<T>& v) {
  const auto address = reinterpret_cast<uintptr_t>(v.data());
  return v.data() + (kAlignment - address % kAlignment) / sizeof(T);
}

// One pair of buffers for all benchmarks, so that all see the same memory.
struct Buffers {
  explicit Buffers(int64_t size)
      : storage_x(size + kAlignment), storage_y(size + kAlignment) {
    x = absl::MakeSpan(Aligned(storage_x), size);
    y = absl::MakeSpan(Aligned(storage_y), size);
    std::minstd_rand engine(1);
    std::normal_distribution<float> normal;
    // Long enough a period that branches cannot learn it.
    const int64_t period = std::min<int64_t>(size, 1 << 20);
    for (int64_t i = 0; i < period; ++i) x[i] = normal(engine);
    for (int64_t i = period; i < size; ++i) x[i] = x[i - period];
  }
  std::vector<float> storage_x, storage_y;
  absl::Span<float> x, y;
};

Buffers& BuffersOf(int64_t size) {
  static std::vector<std::unique_ptr<Buffers>>* const all =
      new std::vector<std::unique_ptr<Buffers>>();
  for (const auto& b : *all) {
    if (static_cast<int64_t>(b->x.size()) == size) return *b;
  }
  all->push_back(std::make_unique<Buffers>(size));
  return *all->back();
}

void Count(benchmark::State& state, int64_t elements, double bytes_each) {
  state.SetItemsProcessed(state.iterations() * elements);
  state.SetBytesProcessed(static_cast<int64_t>(
      static_cast<double>(state.iterations() * elements) * bytes_each));
}

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

enum class Layout { kFlat, kStrided, kTiles };

BlockGrid GridOf(const Recipe& recipe, int64_t size, Layout layout) {
  switch (layout) {
    case Layout::kStrided:  // C of NCHW, images of 32 x 32.
      return BlockGrid::Along({size / (64 * 1024), 64, 32, 32}, 1, recipe)
          .value();
    case Layout::kTiles:
      return BlockGrid::Along({size / 256, 256}, 1, recipe).value();
    case Layout::kFlat:
      break;
  }
  return BlockGrid::Flat(size, recipe).value();
}

void RunFake(benchmark::State& state, const std::string& name, Layout layout,
             bool given_amax) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), layout);
  QuantizeOptions options;
  if (given_amax) options.tensor_amax = 5.0f;
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

// What a value that is not finite costs: the last element is infinite or not.
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

void BM_Reference(benchmark::State& state, const std::string& name) {
  Buffers& b = BuffersOf(state.range(0));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), Layout::kFlat);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reference::Quantize(recipe, grid, b.x));
  }
  Count(state, state.range(0), 8);
}

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

// As if the CPU had no better one.
class OnlyInstructionSet {
 public:
  explicit OnlyInstructionSet(std::string_view name) {
    for (const cpu::InstructionSet& set : cpu::SupportedInstructionSets()) {
      if (set.name == name) cpu::UseInstructionSet(set.id);
    }
  }
  ~OnlyInstructionSet() { cpu::UseInstructionSet(0); }
};

// The best instruction set of a CPU without AVX2.
void BM_FakeQuantizeBaseline(benchmark::State& state, const std::string& name) {
  const OnlyInstructionSet sse4("SSE4");
  RunFake(state, name, Layout::kFlat, false);
}

void BM_FakeQuantizeAvx2(benchmark::State& state, const std::string& name) {
  const OnlyInstructionSet avx2("AVX2");
  RunFake(state, name, Layout::kFlat, false);
}

void BM_FakeQuantizeBfloat16Avx2(benchmark::State& state,
                                 const std::string& name) {
  const OnlyInstructionSet avx2("AVX2");
  RunNarrow(state, name, DType::kBfloat16);
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

void BM_Dequantize(benchmark::State& state, const std::string& name) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = GridOf(recipe, state.range(0), Layout::kFlat);
  const PackedTensor packed = Quantize(recipe, grid, b.x).value();
  for (auto _ : state) {
    if (!Dequantize(packed, b.y).ok()) state.SkipWithError("refused");
    benchmark::ClobberMemory();
  }
  Count(state, state.range(0), 4.5);
}

void BM_Amax(benchmark::State& state) {
  Buffers& b = BuffersOf(state.range(0));
  omp_set_num_threads(static_cast<int>(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(Amax(b.x));
  }
  Count(state, state.range(0), 4);
}

void Sizes(benchmark::internal::Benchmark* b) {
  for (const int64_t size : {64 << 10, 4 << 20, 64 << 20}) {
    for (const int threads : {1, 2}) b->Args({size, threads});
  }
  b->UseRealTime()->Unit(benchmark::kMicrosecond);
}

// One thread, in the caches and out of them.
void OneThread(benchmark::internal::Benchmark* b) {
  for (const int64_t size : {64 << 10, 4 << 20, 64 << 20}) b->Args({size, 1});
  b->UseRealTime()->Unit(benchmark::kMicrosecond);
}

// The middle size on one thread: enough to compare variants.
void OneSize(benchmark::internal::Benchmark* b) {
  b->Args({4 << 20, 1})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

void OneMi(benchmark::internal::Benchmark* b) {
  b->Args({1 << 20, 1})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

void SmallSize(benchmark::internal::Benchmark* b) {
  b->Args({64 << 10, 1})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_Memcpy)->Apply(Sizes);
BENCHMARK(BM_Amax)->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantize, pow2_1x16, "pow2_1x16")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_FakeQuantize, mxfp4, "mxfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_FakeQuantizeGivenAmax, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Quantize, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_Dequantize, nvfp4, "nvfp4")->Apply(Sizes);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16, nvfp4, "nvfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantizeFloat16, nvfp4, "nvfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16, mxfp4, "mxfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantizeFloat16, mxfp4, "mxfp4")->Apply(OneThread);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4_sr8, "nvfp4+sr8")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4_sr, "nvfp4+sr")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantize, nvfp4_rht, "nvfp4+rht")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeChannels, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeChannels, nvfp4_sr8, "nvfp4+sr8")
    ->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeChannels, nvfp4_rowscaled, "nvfp4_rowscaled")
    ->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16Channels, nvfp4, "nvfp4")
    ->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeGivenScales, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeTiles, nvfp4_2d, "nvfp4_2d")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeBaseline, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeAvx2, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeAvx2, mxfp4, "mxfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16Avx2, nvfp4, "nvfp4")->Apply(OneSize);
BENCHMARK_CAPTURE(BM_FakeQuantizeBfloat16Avx2, mxfp4, "mxfp4")->Apply(OneSize);
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
BENCHMARK_CAPTURE(BM_Reference, nvfp4, "nvfp4")->Apply(SmallSize);

}  // namespace
}  // namespace cnn_fp4::quant
