// One read for two operands of a tensor beside a call for each, with and
// without statistics. Tensors are [N, 64, 32 x 32], as a gradient: one operand
// along the positions and rotated, as wgrad has it, the other along the
// channels, as dgrad has it. In "separately" a caller does himself what the one
// call does. Names and units: quantizer_benchmark.cc.

#include <omp.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "quant/both_ways.h"
#include "quant/distortion.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

struct Tensors {
  explicit Tensors(int64_t size) : x(size), rows(size), columns(size) {
    std::minstd_rand engine(1);
    std::normal_distribution<float> normal;
    for (float& v : x) v = normal(engine);
  }
  std::vector<float> x, rows, columns;
};

OperandOf Operand(const std::string& name, int64_t size, int axis,
                  std::vector<float>& values) {
  OperandOf operand;
  operand.recipe = FindRecipe(name).value();
  operand.grid =
      BlockGrid::Along({size / (64 * 1024), 64, 1024}, axis, operand.recipe)
          .value();
  operand.options.stream = static_cast<uint32_t>(axis);
  operand.values = absl::MakeSpan(values);
  return operand;
}

BothWays Both(const std::string& rows, const std::string& columns, Tensors& t) {
  const auto size = static_cast<int64_t>(t.x.size());
  BothWays both;
  both.rows = Operand(rows, size, 2, t.rows);
  both.columns = Operand(columns, size, 1, t.columns);
  return both;
}

void Count(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * 12);
}

void RunBothWays(benchmark::State& state, const std::string& rows,
                 const std::string& columns, bool measured) {
  omp_set_num_threads(static_cast<int>(state.range(1)));
  Tensors t(state.range(0));
  BothWays both = Both(rows, columns, t);
  for (auto _ : state) {
    DistortionStats of_rows, of_columns;
    if (measured) {
      both.rows.statistics = &of_rows;
      both.columns.statistics = &of_columns;
    }
    if (!QuantizeBothWays(t.x, both).ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(of_rows.SqnrDb() + of_columns.SqnrDb());
  }
  Count(state);
}

void BM_BothWays(benchmark::State& state, const std::string& rows,
                 const std::string& columns) {
  RunBothWays(state, rows, columns, /*measured=*/false);
}

void BM_BothWaysMeasured(benchmark::State& state, const std::string& rows,
                         const std::string& columns) {
  RunBothWays(state, rows, columns, /*measured=*/true);
}

void BM_Separately(benchmark::State& state, const std::string& rows,
                   const std::string& columns) {
  omp_set_num_threads(static_cast<int>(state.range(1)));
  Tensors t(state.range(0));
  const BothWays both = Both(rows, columns, t);
  for (auto _ : state) {
    for (const OperandOf* of : {&both.rows, &both.columns}) {
      if (!QuantizeOperand(of->recipe, of->grid, t.x, of->values, of->options)
               .ok()) {
        state.SkipWithError("refused");
      }
    }
  }
  Count(state);
}

// Codes, values from them, and the statistics of both. (A rotation is left out
// of the statistics, which makes this faster.)
void BM_SeparatelyMeasured(benchmark::State& state, const std::string& rows,
                           const std::string& columns) {
  omp_set_num_threads(static_cast<int>(state.range(1)));
  Tensors t(state.range(0));
  const BothWays both = Both(rows, columns, t);
  PackedTensor packed;
  std::vector<float> y(t.x.size());
  std::vector<uint8_t> codes(t.x.size());
  for (auto _ : state) {
    for (const OperandOf* of : {&both.rows, &both.columns}) {
      DistortionStats statistics;
      if (!QuantizeInto(of->recipe, of->grid, t.x, &packed, of->options).ok()) {
        state.SkipWithError("refused");
        return;
      }
      const float scale = OperandValues(packed, of->values).value();
      for (size_t i = 0; i < y.size(); ++i) {
        y[i] = of->values[i] * scale;
        codes[i] = CodeAt(packed, static_cast<int64_t>(i));
      }
      if (!statistics.Add(t.x, y, codes).ok()) state.SkipWithError("refused");
      benchmark::DoNotOptimize(statistics.SqnrDb());
    }
  }
  Count(state);
}

void Threads(benchmark::internal::Benchmark* b) {
  for (const int threads : {1, 2}) b->Args({4 << 20, threads});
  b->UseRealTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(BM_BothWays, nvfp4, "nvfp4", "nvfp4")->Apply(Threads);
BENCHMARK_CAPTURE(BM_Separately, nvfp4, "nvfp4", "nvfp4")->Apply(Threads);
BENCHMARK_CAPTURE(BM_BothWays, gradient, "nvfp4+sr+rht", "nvfp4+sr")
    ->Apply(Threads);
BENCHMARK_CAPTURE(BM_Separately, gradient, "nvfp4+sr+rht", "nvfp4+sr")
    ->Apply(Threads);
BENCHMARK_CAPTURE(BM_BothWaysMeasured, nvfp4, "nvfp4", "nvfp4")->Apply(Threads);
BENCHMARK_CAPTURE(BM_SeparatelyMeasured, nvfp4, "nvfp4", "nvfp4")
    ->Apply(Threads);
BENCHMARK_CAPTURE(BM_BothWaysMeasured, gradient, "nvfp4+sr+rht", "nvfp4+sr")
    ->Apply(Threads);
BENCHMARK_CAPTURE(BM_SeparatelyMeasured, gradient, "nvfp4+sr+rht", "nvfp4+sr")
    ->Apply(Threads);

}  // namespace
}  // namespace cnn_fp4::quant
