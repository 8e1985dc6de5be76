#ifndef QUANT_CUDA_DISPATCH_H_
#define QUANT_CUDA_DISPATCH_H_

// From the element types of a call, known at run time, to the ones that kernels
// are compiled for.

#include <type_traits>
#include <utility>

#include "quant/cuda/block.h"
#include "quant/cuda/columns.h"
#include "quant/cuda/elements.h"
#include "quant/cuda/quantize_args.h"
#include "quant/cuda/tile.h"
#include "quant/cuda/units.h"

namespace cnn_fp4::quant::cuda {

// Calls f(In()).
template <class F>
void WithInput(DType in, F&& f) {
  switch (in) {
    case DType::kFloat32:
      return f(Float32());
    case DType::kFloat16:
      return f(Float16());
    case DType::kBfloat16:
      return f(Bfloat16());
  }
}

// Calls f(In(), Out()).
template <class F>
void WithTypes(const QuantizeArgs& a, F&& f) {
  WithInput(a.in, [&](auto in) {
    if (a.values == nullptr) return f(in, Packed());
    WithInput(a.out, [&](auto out) { f(in, out); });
  });
}

// Whether WithTypes' types have a kernel on the ways that are compiled for
// them: FP16 to BF16 and back have not, they take Way::kUnits.
template <class In, class Out>
inline constexpr bool kHasKernel =
    !(std::is_same<In, Float16>::value && std::is_same<Out, Bfloat16>::value) &&
    !(std::is_same<In, Bfloat16>::value && std::is_same<Out, Float16>::value);

// The pairs that kColumns has: the same type, or what training asks for.
template <class In, class Out>
inline constexpr bool kHasColumnKernel = std::is_same<In, Out>::value ||
                                         std::is_same<Out, Packed>::value ||
                                         (std::is_same<In, Float32>::value &&
                                          std::is_same<Out, Bfloat16>::value);

// Those of statistics in the same pass: emulated training's, and what packs the
// weights of a checkpoint.
template <class In, class Out>
inline constexpr bool kHasPairsKernel = (std::is_same<In, Float32>::value &&
                                         std::is_same<Out, Float32>::value) ||
                                        (std::is_same<In, Bfloat16>::value &&
                                         std::is_same<Out, Packed>::value);

// Those of two operands at once.
template <class In, class Out, class Pairs>
inline constexpr bool kHasBothKernel =
    Pairs::kWanted
        ? std::is_same<In, Float32>::value&& std::is_same<Out, Float32>::value
        : !std::is_same<In, Float16>::value &&
              (std::is_same<In, Out>::value ||
               std::is_same<Out, Packed>::value);

// Calls f(Compiled()) for the kernel that a call takes; kEvery: whether one for
// every rule and rounding is compiled.
template <bool kEvery, class F>
void WithCompiled(const QuantizeArgs& a, F&& f) {
  if (IsTrainingRule(a.rule) && IsStochastic(a.rounding)) {
    f(StochasticOnly());
  } else if (IsTrainingRule(a.rule) && a.rounding == Rounding::kNearestEven) {
    f(NearestOnly());
  } else if constexpr (kEvery) {
    f(EveryRule());
  }
}

// Lengths of blocks that kColumns is compiled for, and how many neighbours a
// thread takes: together the elements that fit its registers.
inline constexpr int kShortColumn = 16;
inline constexpr int kShortColumnCount = 4;
inline constexpr int kLongColumn = 32;
inline constexpr int kLongColumnCount = 2;

// Calls f(count, length) with integral constants for blocks of block_cols.
template <class F>
void WithColumnLength(int64_t block_cols, F&& f) {
  if (block_cols <= kShortColumn) {
    f(std::integral_constant<int, kShortColumnCount>(),
      std::integral_constant<int, kShortColumn>());
  } else {
    f(std::integral_constant<int, kLongColumnCount>(),
      std::integral_constant<int, kLongColumn>());
  }
}

// Vectors of a lane in a turn of kRows with statistics.
inline constexpr int kPairsUnroll = 2;

// Turns of warps in a call of `way` with statistics: partial sums.
inline int64_t TurnsOf(const QuantizeArgs& a, Way way) {
  const Grid& g = a.grid;
  int64_t turns = 0;
  switch (way) {
    case Way::kRows:
      return (TurnsOfTasks(g.size() * SizeOf(a.in) / 16) + kPairsUnroll - 1) /
             kPairsUnroll;
    case Way::kColumns:
      WithColumnLength(g.block_cols, [&](auto count, auto) {
        turns = TurnsOfTasks(ColumnTasks<decltype(count)::value>(g));
      });
      return turns;
    case Way::kTiles:
      WithInput(a.in, [&](auto in) { turns = TileTurns<decltype(in)>(g); });
      return turns;
    case Way::kUnits:
      return TurnsOfTasks(NumUnits(g));
  }
  return turns;
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_DISPATCH_H_
