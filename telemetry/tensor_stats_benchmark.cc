#include <random>
#include <vector>

#include "benchmark/benchmark.h"
#include "telemetry/tensor_stats.h"

namespace cnn_fp4::telemetry {
namespace {

// 200e6 items/s a thread is what telemetry needs to stay under 1 % of a step.
void BM_ComputeTensorStats(benchmark::State& state) {
  std::mt19937 generator(243);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(state.range(0)));
  for (float& v : x) v = normal(generator);
  for (auto _ : state) {
    TensorStats stats = ComputeTensorStats(x);
    benchmark::DoNotOptimize(stats);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) *
                          static_cast<int64_t>(sizeof(float)));
}
BENCHMARK(BM_ComputeTensorStats)->ArgName("n")->Arg(1 << 12)->Arg(1 << 22);

}  // namespace
}  // namespace cnn_fp4::telemetry
