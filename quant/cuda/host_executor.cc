#include "quant/cuda/host_executor.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "quant/cuda/columns.h"
#include "quant/cuda/dispatch.h"
#include "quant/cuda/tile.h"
#include "quant/cuda/units.h"

namespace cnn_fp4::quant::cuda {
namespace {

// The lanes of one warp, in step.
template <class In, int kVectors>
class HostLanes {
 public:
  HostLanes(int64_t first, int64_t count) : first_(first), count_(count) {}

  template <class F>
  void Each(const F& f) {
    for (int i = 0; i < kVectors; ++i) {
      if (first_ + i < count_) f(first_ + i, states_[i]);
    }
  }
  template <class Make, class F>
  void EachWithBlock(const Make& make, const F& f) {
    Each([&](int64_t vector, LaneState<In>& s) {
      f(vector, s, make(vector, s));
    });
  }
  void ReduceMax(int lanes) {
    for (int i = 0; i < kVectors; i += lanes) {
      uint32_t amax = 0;
      for (int j = 0; j < lanes; ++j)
        amax = std::max(amax, states_[i + j].amax);
      for (int j = 0; j < lanes; ++j) states_[i + j].amax = amax;
    }
  }
  template <int kTileRowVectors>
  void ReduceMaxOfTiles() {
    uint32_t amax[kLineVectors] = {};
    const auto tile = [](int i) { return i % kLineVectors / kTileRowVectors; };
    for (int i = 0; i < kVectors; ++i) {
      amax[tile(i)] = std::max(amax[tile(i)], states_[i].amax);
    }
    for (int i = 0; i < kVectors; ++i) states_[i].amax = amax[tile(i)];
  }
  void Butterfly(int distance) {
    for (int i = 0; i < kVectors; ++i) {
      if ((i & distance) != 0) continue;
      for (int j = 0; j < In::kVector; ++j) {
        const float low = states_[i].v[j];
        const float high = states_[i + distance].v[j];
        states_[i].v[j] = low + high;
        states_[i + distance].v[j] = low - high;
      }
    }
  }
  static int Log2(int power) {
    int log = 0;
    while (1 << log < power) ++log;
    return log;
  }

 private:
  const int64_t first_;
  const int64_t count_;
  LaneState<In> states_[kVectors];
};

template <class F>
void ForEach(int64_t count, const F& f) {
  for (int64_t i = 0; i < count; ++i) f(i);
}

template <class In, class F>
void ForEachWarpOfRows(const QuantizeArgs& a, const F& f) {
  const int64_t count = a.grid.size() / In::kVector;
  for (int64_t first = 0; first < count; first += kWarp) {
    HostLanes<In, kWarp> lanes(first, count);
    LoadRows<In>(a, lanes);
    f(lanes);
  }
}

template <class In, int kCount, int kLength, class F>
void ForEachColumns(const QuantizeArgs& a, const F& f) {
  const Grid& g = a.grid;
  ForEach(g.outer * g.col_blocks() * (g.inner / kCount), [&](int64_t task) {
    Columns<kCount, kLength> c;
    LoadColumns<In>(a, task, c);
    f(c);
  });
}

void RunColumns(const QuantizeArgs& a) {
  const Factors t = FactorsOf(a.FactorsOfRow(0));
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    const auto quantize = [&](auto& c) {
      WithCompiled</*kEvery=*/false>(a, [&](auto compiled) {
        QuantizeColumns<decltype(compiled), Out>(a, t, a.StepNow(), c);
      });
    };
    if (a.grid.block_cols <= kShortColumn) {
      ForEachColumns<In, kShortColumnCount, kShortColumn>(a, quantize);
    } else {
      ForEachColumns<In, kLongColumnCount, kLongColumn>(a, quantize);
    }
  });
}

void RunAmax(Kernel kernel, const QuantizeArgs& a) {
  uint32_t amax = 0;
  WithInput(a.in, [&](auto in) {
    using In = decltype(in);
    if (kernel == Kernel::kAmaxRows) {
      ForEachWarpOfRows<In>(
          a, [&](auto& lanes) { amax = AmaxOfRows<In>(a, amax, lanes); });
    } else if (a.grid.block_cols <= kShortColumn) {
      ForEachColumns<In, kShortColumnCount, kShortColumn>(
          a, [&](const auto& c) { amax = AmaxOfColumns(amax, c); });
    } else {
      ForEachColumns<In, kLongColumnCount, kLongColumn>(
          a, [&](const auto& c) { amax = AmaxOfColumns(amax, c); });
    }
  });
  AtomicMax(a.amax_bits, amax);
}

}  // namespace

absl::Status HostExecutor::Run(Kernel kernel, const QuantizeArgs& a) {
  const Grid& g = a.grid;
  switch (kernel) {
    case Kernel::kAmax: {
      uint32_t amax = 0;
      ForEach(g.size(), [&](int64_t i) { amax = LargerOfElement(a, amax, i); });
      AtomicMax(a.amax_bits, amax);
      break;
    }
    case Kernel::kAmaxRows:
    case Kernel::kAmaxColumns:
      RunAmax(kernel, a);
      break;
    case Kernel::kRows: {
      const Factors t = FactorsOf(a.FactorsOfRow(0));
      WithTypes(a, [&](auto in, auto out) {
        using In = decltype(in);
        WithCompiled</*kEvery=*/true>(a, [&](auto compiled) {
          ForEachWarpOfRows<In>(a, [&](auto& lanes) {
            QuantizeRows<decltype(compiled), In, decltype(out)>(
                a, t, a.StepNow(), lanes);
          });
        });
      });
      StoreTensorScale(a, 0);
      break;
    }
    case Kernel::kColumns:
      RunColumns(a);
      StoreTensorScale(a, 0);
      break;
    case Kernel::kTiles: {
      const Factors t = FactorsOf(a.FactorsOfRow(0));
      WithTypes(a, [&](auto in, auto out) {
        using In = decltype(in);
        WithCompiled</*kEvery=*/false>(a, [&](auto compiled) {
          const int64_t turns_a_row = TurnsARow<In>(g);
          const int64_t turns = g.num_blocks() / g.col_blocks() * turns_a_row;
          for (int64_t i = 0; i < turns; ++i) {
            const TileTurn turn = TileTurnAt<In>(g, i, turns, turns_a_row);
            HostLanes<In, kWarpTileVectors> lanes(0, kWarpTileVectors);
            LoadTiles<In>(a, turn, lanes);
            QuantizeTiles<decltype(compiled), In, decltype(out)>(
                a, t, a.StepNow(), turn, lanes);
          }
        });
      });
      StoreTensorScale(a, 0);
      break;
    }
    case Kernel::kTensorScales:
      ForEach(a.amax_per_row ? g.outer * g.inner : 1,
              [&](int64_t row) { StoreTensorScale(a, row); });
      break;
    case Kernel::kAmaxUnits:
      ForEach(NumUnits(g), [&](int64_t i) { TakeUnitAmax(a, i); });
      break;
    case Kernel::kBlockAmaxes:
      ForEach(NumUnits(g), [&](int64_t i) { TakeBlockAmax(a, i); });
      break;
    case Kernel::kBlockScales:
      ForEach(g.num_blocks(),
              [&](int64_t i) { ChooseBlockScale(a, a.StepNow(), i); });
      break;
    case Kernel::kElements:
      ForEach(NumUnits(g), [&](int64_t i) { QuantizeUnit(a, a.StepNow(), i); });
      break;
    case Kernel::kPack:
      ForEach((g.size() + 1) / 2, [&](int64_t i) { PackCodes(a, i); });
      break;
    case Kernel::kDequantizeRows:
      WithInput(a.out, [&](auto out) {
        ForEach(g.size() / 8,
                [&](int64_t i) { DequantizeVector<decltype(out)>(a, i); });
      });
      break;
    case Kernel::kDequantizeUnits:
      ForEach(NumUnits(g), [&](int64_t i) { DequantizeUnit(a, i); });
      break;
  }
  return absl::OkStatus();
}

absl::StatusOr<void*> HostExecutor::AllocateZeros(size_t bytes) {
  return std::calloc(std::max<size_t>(bytes, 1), 1);
}

void HostExecutor::Free(void* memory) { std::free(memory); }

absl::Status HostExecutor::Zero(void* memory, size_t bytes) {
  if (bytes > 0) std::memset(memory, 0, bytes);
  return absl::OkStatus();
}

}  // namespace cnn_fp4::quant::cuda
