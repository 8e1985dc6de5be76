#ifndef QUANT_BENCHMARK_TENSORS_H_
#define QUANT_BENCHMARK_TENSORS_H_

// The tensors, layouts and sizes of quantizer_benchmark.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "quant/block_grid.h"
#include "quant/cpu/instruction_sets.h"

namespace cnn_fp4::quant {

inline constexpr int64_t kAlignment = 64;

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

inline Buffers& BuffersOf(int64_t size) {
  static std::vector<std::unique_ptr<Buffers>>* const all =
      new std::vector<std::unique_ptr<Buffers>>();
  for (const auto& b : *all) {
    if (static_cast<int64_t>(b->x.size()) == size) return *b;
  }
  all->push_back(std::make_unique<Buffers>(size));
  return *all->back();
}

inline void Count(benchmark::State& state, int64_t elements,
                  double bytes_each) {
  const int64_t all = state.iterations() * elements;
  state.SetItemsProcessed(all);
  state.SetBytesProcessed(
      static_cast<int64_t>(static_cast<double>(all) * bytes_each));
}

enum class Layout { kFlat, kStrided, kTiles, kRagged, kWeights };

inline BlockGrid GridOf(const Recipe& recipe, int64_t size, Layout layout) {
  switch (layout) {
    case Layout::kStrided:  // C of NCHW, images of 32 x 32.
      return BlockGrid::Along({size / (64 * 1024), 64, 32, 32}, 1, recipe)
          .value();
    case Layout::kTiles:
      return BlockGrid::Along({size / 256, 256}, 1, recipe).value();
    case Layout::kRagged:  // Rows that are no whole blocks.
      return BlockGrid::Along({size / 100, 100}, 1, recipe).value();
    case Layout::kWeights:  // Output by input channels at each of 3 x 3.
      return BlockGrid::Tiles({size / (64 * 9), 64, 3, 3}, 0, 1, recipe)
          .value();
    case Layout::kFlat:
      break;
  }
  return BlockGrid::Flat(size, recipe).value();
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

inline void Sizes(benchmark::internal::Benchmark* b) {
  for (const int64_t size : {64 << 10, 4 << 20, 64 << 20}) {
    for (const int threads : {1, 2}) b->Args({size, threads});
  }
  b->UseRealTime()->Unit(benchmark::kMicrosecond);
}

// One thread, in the caches and out of them.
inline void OneThread(benchmark::internal::Benchmark* b) {
  for (const int64_t size : {64 << 10, 4 << 20, 64 << 20}) b->Args({size, 1});
  b->UseRealTime()->Unit(benchmark::kMicrosecond);
}

// The middle size on one thread: enough to compare variants.
inline void OneSize(benchmark::internal::Benchmark* b) {
  b->Args({4 << 20, 1})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

inline void OneMi(benchmark::internal::Benchmark* b) {
  b->Args({1 << 20, 1})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

inline void SmallSize(benchmark::internal::Benchmark* b) {
  b->Args({64 << 10, 1})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_BENCHMARK_TENSORS_H_
