// A benchmark whose results are known, for the test of the report.

#include <cstring>
#include <vector>

#include "benchmark/benchmark.h"

namespace {

void Copy(benchmark::State& state, int times) {
  const auto size = static_cast<size_t>(state.range(0));
  std::vector<char> from(size, 1);
  std::vector<char> to(size);
  for (auto _ : state) {
    for (int i = 0; i < times; ++i) {
      std::memcpy(to.data(), from.data(), size);
      benchmark::DoNotOptimize(to.data());
      benchmark::ClobberMemory();
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void BM_Memcpy(benchmark::State& state) { Copy(state, 1); }
BENCHMARK(BM_Memcpy)->Arg(1 << 20);

// A tenth of the limit.
void BM_TenTimes(benchmark::State& state) { Copy(state, 10); }
BENCHMARK(BM_TenTimes)->Arg(1 << 20);

void BM_Fails(benchmark::State& state) { state.SkipWithError("on purpose"); }
BENCHMARK(BM_Fails);

}  // namespace
