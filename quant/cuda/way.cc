#include "quant/cuda/way.h"

#include <algorithm>

#include "quant/cuda/dispatch.h"

namespace cnn_fp4::quant::cuda {
namespace {

// Whether an output's `count` neighbours can be written at once.
bool OutputIsAligned(const QuantizeArgs& a, int64_t count) {
  if (a.values == nullptr)
    return IsAligned(a.codes, std::max<int64_t>(count / 2, 1));
  return IsAligned(a.values, std::min<int64_t>(count * SizeOf(a.out), 16));
}

// What the kernels that are not compiled for every rule have.
bool IsForTraining(const QuantizeArgs& a) {
  return IsTrainingRule(a.rule) &&
         (a.rounding == Rounding::kNearestEven || IsStochastic(a.rounding));
}

bool HasPairsKernel(const QuantizeArgs& a) {
  bool has = false;
  WithTypes(a, [&](auto in, auto out) {
    has = kHasPairsKernel<decltype(in), decltype(out)>;
  });
  return has && IsForTraining(a);
}

bool HasBothKernel(const QuantizeArgs& a) {
  bool has = false;
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    has = a.statistics != nullptr ? kHasBothKernel<In, Out, LanePairs>
                                  : kHasBothKernel<In, Out, NoPairs>;
  });
  return has && IsForTraining(a);
}

bool HasRowsKernel(const QuantizeArgs& a) {
  if (a.statistics != nullptr) return a.window.width == 0 && HasPairsKernel(a);
  bool has = false;
  WithTypes(a, [&](auto in, auto out) {
    using In = decltype(in);
    using Out = decltype(out);
    has = a.window.width == 0 ? kHasKernel<In, Out>
                              : kHasColumnKernel<In, Out> && IsForTraining(a);
  });
  return has;
}

bool HasColumnsKernel(const QuantizeArgs& a) {
  if (a.statistics != nullptr) return HasPairsKernel(a);
  bool has = false;
  WithTypes(a, [&](auto in, auto out) {
    has = kHasColumnKernel<decltype(in), decltype(out)>;
  });
  return has && IsForTraining(a);
}

int64_t VectorOf(DType type) { return 16 / SizeOf(type); }

bool IsAlongMemory(const Grid& g) {
  return IsOneDimensional(g) && g.inner == 1;
}

// Whether the kernels of one block's scale from its amax will do.
bool IsSimple(const QuantizeArgs& a) {
  return !ComparesErrors(a.rule) && a.block_scales == nullptr &&
         !a.amax_per_row && a.grid.size() > 0;
}

}  // namespace

Way ChooseWay(const QuantizeArgs& a) {
  const Grid& g = a.grid;
  // A window is read an element after the other.
  if (!IsSimple(a) || (a.window.width == 0 && !IsAligned(a.x, 16))) {
    return Way::kUnits;
  }
  const int64_t vector = VectorOf(a.in);
  if (IsAlongMemory(g)) {
    const int64_t lanes = g.block_cols / vector;
    // Two vectors or more: a lane's neighbours may share a scale.
    const bool fits = g.cols % g.block_cols == 0 &&
                      g.block_cols % vector == 0 && lanes >= 2 &&
                      lanes <= kWarp && (lanes & (lanes - 1)) == 0;
    return fits && OutputIsAligned(a, vector) && HasRowsKernel(a) ? Way::kRows
                                                                  : Way::kUnits;
  }
  if (IsOneDimensional(g)) {
    const int64_t count =
        g.block_cols <= kShortColumn ? kShortColumnCount : kLongColumnCount;
    const bool fits = g.block_cols <= kLongColumn && g.inner % count == 0;
    return fits && OutputIsAligned(a, count) && HasColumnsKernel(a)
               ? Way::kColumns
               : Way::kUnits;
  }
  const bool fits = g.inner == 1 && g.block_rows == kTileSide &&
                    g.block_cols == kTileSide && g.rows % kTileSide == 0 &&
                    g.cols % kTileSide == 0;
  return fits && OutputIsAligned(a, vector) && HasRowsKernel(a) &&
                 IsForTraining(a)
             ? Way::kTiles
             : Way::kUnits;
}

bool FitsBothWays(const QuantizeArgs& rows, const QuantizeArgs& columns) {
  const Grid& r = rows.grid;
  const Grid& c = columns.grid;
  if (!IsSimple(rows) || ChooseWay(columns) != Way::kColumns ||
      !IsAlongMemory(r) || !HasBothKernel(rows) ||
      IsStochastic(rows.rounding) != IsStochastic(columns.rounding)) {
    return false;
  }
  int64_t count = 0;
  WithColumnLength(c.block_cols, [&](auto n, auto) { count = n; });
  const int64_t lanes = r.block_cols / count;
  // A block of `rows` is the neighbours of successive lanes of one warp.
  return r.block_cols % kHadamardSize == 0 && lanes <= kWarp &&
         (lanes & (lanes - 1)) == 0 && c.inner % r.block_cols == 0 &&
         r.cols % r.block_cols == 0 && OutputIsAligned(rows, count) &&
         (rows.values == nullptr) == (columns.values == nullptr) &&
         (rows.values == nullptr || rows.out == columns.out) &&
         rows.saturate == columns.saturate && rows.window.width == 0 &&
         columns.window.width == 0 &&
         (rows.statistics == nullptr) == (columns.statistics == nullptr);
}

std::string ToString(Way way) {
  switch (way) {
    case Way::kRows:
      return "rows";
    case Way::kColumns:
      return "columns";
    case Way::kTiles:
      return "tiles";
    case Way::kUnits:
      return "units";
  }
  return "?";
}

bool IsOneDimensional(const Grid& grid) {
  return grid.rows == 1 && grid.middle == 1;
}

bool IsAligned(const void* pointer, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

}  // namespace cnn_fp4::quant::cuda
