#include "data/coco_mask.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "data/image.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

// Grid points a pixel side. The centre line of column c lies between the grid
// columns 5c + 2 and 5c + 3.
constexpr int kGrid = 5;
constexpr int kCentre = kGrid / 2;

struct GridPoint {
  int x;
  int y;
};

// Rounds as the COCO API: half up, and towards zero below zero.
int ToGrid(double coordinate) {
  return static_cast<int>(kGrid * coordinate + 0.5);
}

// The columns whose centre lines an edge crosses, clipped to the image; none if
// `first` is beyond `last`.
struct Columns {
  int first;
  int last;
};

Columns CrossedColumns(GridPoint a, GridPoint b, ImageSize size) {
  const int low = std::min(a.x, b.x);
  const int high = std::max(a.x, b.x);
  return {low <= kCentre ? 0 : (low - kCentre + kGrid - 1) / kGrid,
          high <= kCentre
              ? -1
              : std::min((high - kCentre - 1) / kGrid, size.width - 1)};
}

// Adds the numbers of the first pixels behind the crossings of an edge.
//
// The edge is a chain of grid points, one for each step along its longer side,
// computed from the end with the smaller coordinate along that side, so that
// neighbours who share an edge get the same points. Of these only the pairs
// about the centre lines inside the image are looked at: an edge may be a
// million times as long as the image.
void AddCrossings(GridPoint from, GridPoint to, ImageSize size,
                  std::vector<int64_t>* crossings) {
  const Columns columns = CrossedColumns(from, to, size);
  if (columns.first > columns.last) return;
  const int dx = std::abs(to.x - from.x);
  const int dy = std::abs(to.y - from.y);
  const bool along_x = dx >= dy;
  const bool backwards = along_x ? from.x > to.x : from.y > to.y;
  const GridPoint start = backwards ? to : from;
  const GridPoint end = backwards ? from : to;
  const double slope = along_x ? static_cast<double>(end.y - start.y) / dx
                               : static_cast<double>(end.x - start.x) / dy;
  const auto y_at = [&](int x) {
    return static_cast<int>(start.y + slope * (x - start.x) + 0.5);
  };
  const auto x_after = [&](int steps) {
    return static_cast<int>(start.x + slope * steps + 0.5);
  };
  for (int column = columns.first; column <= columns.last; ++column) {
    const int left = kGrid * column + kCentre;  // The line, and left + 1.
    int upper;
    if (along_x) {
      upper = std::min(y_at(left), y_at(left + 1));
    } else {
      // x changes in one direction, by at most 1 a step.
      const bool starts_left = start.x <= left;
      int before = 0;
      int behind = dy;
      while (behind - before > 1) {
        const int middle = before + (behind - before) / 2;
        const bool is_left = x_after(middle) <= left;
        (is_left == starts_left ? before : behind) = middle;
      }
      upper = start.y + before;
    }
    // The first pixel whose centre is not above `upper`.
    const int row =
        upper <= kCentre ? 0 : (upper - kCentre + kGrid - 1) / kGrid;
    crossings->push_back(int64_t{column} * size.height +
                         std::min(row, size.height));
  }
}

// Calls visit(from, to) for each edge of the polygon.
template <typename Visit>
void VisitEdges(absl::Span<const double> xy, Visit visit) {
  CHECK_GE(xy.size(), 6u);
  CHECK_EQ(xy.size() % 2, 0u);
  for (const double coordinate : xy) {
    CHECK_LE(std::abs(coordinate), kMaxPolygonCoordinate);
  }
  const GridPoint first = {ToGrid(xy[0]), ToGrid(xy[1])};
  GridPoint from = first;
  for (size_t i = 2; i < xy.size(); i += 2) {
    const GridPoint to = {ToGrid(xy[i]), ToGrid(xy[i + 1])};
    visit(from, to);
    from = to;
  }
  visit(from, first);
}

void AppendRun(int64_t begin, int64_t end, PixelRuns* runs) {
  if (begin == end) return;
  if (!runs->empty() && begin <= runs->back().end) {
    runs->back().end = std::max(runs->back().end, end);
  } else {
    runs->push_back({begin, end});
  }
}

int64_t PixelsOf(ImageSize size) { return int64_t{size.width} * size.height; }

}  // namespace

int64_t CountCrossings(absl::Span<const double> xy, ImageSize size) {
  int64_t count = 0;
  VisitEdges(xy, [&](GridPoint from, GridPoint to) {
    const Columns columns = CrossedColumns(from, to, size);
    count += std::max(0, columns.last - columns.first + 1);
  });
  return count;
}

int64_t MaxCrossings(ImageSize size) {
  constexpr int64_t kForSmallImages = 1 << 16;
  return PixelsOf(size) + kForSmallImages;
}

PixelRuns RasterizePolygon(absl::Span<const double> xy, ImageSize size) {
  std::vector<int64_t> crossings;
  VisitEdges(xy, [&](GridPoint from, GridPoint to) {
    AddCrossings(from, to, size, &crossings);
  });

  // Two crossings bound a run, whichever column each is in.
  std::sort(crossings.begin(), crossings.end());
  CHECK_EQ(crossings.size() % 2, 0u);  // The outline is closed.
  PixelRuns runs;
  for (size_t i = 0; i < crossings.size(); i += 2) {
    AppendRun(crossings[i], crossings[i + 1], &runs);
  }
  return runs;
}

absl::StatusOr<PixelRuns> RunsFromCounts(absl::Span<const uint32_t> counts,
                                         ImageSize size) {
  PixelRuns runs;
  int64_t position = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const int64_t end = position + counts[i];
    if (i % 2 == 1) AppendRun(position, end, &runs);
    position = end;
  }
  if (position != PixelsOf(size)) {
    return absl::InvalidArgumentError(
        absl::StrCat("run lengths add up to ", position, " pixels, not to ",
                     size.width, "x", size.height));
  }
  return runs;
}

absl::StatusOr<std::vector<uint32_t>> DecodeCompressedCounts(
    absl::string_view text) {
  constexpr char kFirst = '0';
  constexpr int kPayloadBits = 5;
  constexpr int kMaxCharacters = 7;  // 35 bits, more than any count needs.
  std::vector<uint32_t> counts;
  size_t at = 0;
  while (at < text.size()) {
    int64_t value = 0;
    bool more = true;
    for (int i = 0; more; ++i, ++at) {
      if (at == text.size() || i == kMaxCharacters) {
        return absl::InvalidArgumentError(
            absl::StrCat("compressed run lengths: the number that character ",
                         at, " should end goes on"));
      }
      const int digit = text[at] - kFirst;
      if (digit < 0 || digit > 63) {
        return absl::InvalidArgumentError(
            absl::StrCat("compressed run lengths: character ", at,
                         " is none of '0' to 'o'"));
      }
      value |= int64_t{digit & 31} << (kPayloadBits * i);
      more = (digit & 32) != 0;
      if (!more && (digit & 16) != 0) {
        value -= int64_t{1} << (kPayloadBits * (i + 1));
      }
    }
    if (counts.size() > 2) value += counts[counts.size() - 2];
    if (value < 0 || value > std::numeric_limits<uint32_t>::max()) {
      return absl::InvalidArgumentError(
          absl::StrCat("compressed run lengths: run ", counts.size(),
                       " has the length ", value));
    }
    counts.push_back(static_cast<uint32_t>(value));
  }
  return counts;
}

PixelRuns Union(const std::vector<PixelRuns>& parts) {
  if (parts.size() == 1) return parts[0];
  PixelRuns all;
  for (const PixelRuns& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  std::sort(all.begin(), all.end(), [](const PixelRun& a, const PixelRun& b) {
    return a.begin < b.begin;
  });
  PixelRuns runs;
  for (const PixelRun& run : all) AppendRun(run.begin, run.end, &runs);
  return runs;
}

int64_t CountPixels(const PixelRuns& runs) {
  int64_t count = 0;
  for (const PixelRun& run : runs) count += run.end - run.begin;
  return count;
}

void Paint(const PixelRuns& runs, ImageSize size, uint8_t value,
           std::vector<uint8_t>* mask) {
  CHECK_EQ(static_cast<int64_t>(mask->size()), PixelsOf(size));
  for (const PixelRun& run : runs) {
    int64_t x = run.begin / size.height;
    int64_t y = run.begin % size.height;
    for (int64_t i = run.begin; i < run.end; ++i) {
      (*mask)[y * size.width + x] = value;
      if (++y == size.height) {
        y = 0;
        ++x;
      }
    }
  }
}

}  // namespace cnn_fp4::data
