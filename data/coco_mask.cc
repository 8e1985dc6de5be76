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

// Collects where a closed chain of grid points crosses centre lines.
class CrossingFinder {
 public:
  explicit CrossingFinder(ImageSize size) : size_(size) {}

  // The next point of the chain.
  void Visit(GridPoint point) {
    if (started_ && point.x != last_.x) Step(point);
    last_ = point;
    started_ = true;
  }

  // Numbers of the first pixels behind a crossing; unsorted.
  std::vector<int64_t>& crossings() { return crossings_; }

 private:
  void Step(GridPoint point) {
    const int left = point.x < last_.x ? point.x : point.x - 1;
    if (left < kCentre || left % kGrid != kCentre) return;
    const int column = left / kGrid;
    if (column >= size_.width) return;
    const int upper = std::min(point.y, last_.y);
    // The first pixel whose centre is not above `upper`.
    const int row =
        upper <= kCentre ? 0 : (upper - kCentre + kGrid - 1) / kGrid;
    crossings_.push_back(int64_t{column} * size_.height +
                         std::min(row, size_.height));
  }

  const ImageSize size_;
  bool started_ = false;
  GridPoint last_ = {0, 0};
  std::vector<int64_t> crossings_;
};

// All grid points of the edge in order, one for each step along its longer
// side. They are computed from the end with the smaller coordinate along that
// side, so that neighbours who share an edge get the same points.
void WalkEdge(GridPoint from, GridPoint to, CrossingFinder* finder) {
  const int dx = std::abs(to.x - from.x);
  const int dy = std::abs(to.y - from.y);
  if (dx == 0 && dy == 0) return;
  const bool along_x = dx >= dy;
  const bool backwards = along_x ? from.x > to.x : from.y > to.y;
  const GridPoint start = backwards ? to : from;
  const GridPoint end = backwards ? from : to;
  const int steps = along_x ? dx : dy;
  const double slope = along_x ? static_cast<double>(end.y - start.y) / dx
                               : static_cast<double>(end.x - start.x) / dy;
  for (int i = 0; i <= steps; ++i) {
    const int t = backwards ? steps - i : i;
    if (along_x) {
      finder->Visit({start.x + t, static_cast<int>(start.y + slope * t + 0.5)});
    } else {
      finder->Visit({static_cast<int>(start.x + slope * t + 0.5), start.y + t});
    }
  }
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

PixelRuns RasterizePolygon(absl::Span<const double> xy, ImageSize size) {
  CHECK_GE(xy.size(), 6u);
  CHECK_EQ(xy.size() % 2, 0u);
  for (const double coordinate : xy) {
    CHECK_LE(std::abs(coordinate), kMaxPolygonCoordinate);
  }
  CrossingFinder finder(size);
  const GridPoint first = {ToGrid(xy[0]), ToGrid(xy[1])};
  GridPoint from = first;
  for (size_t i = 2; i < xy.size(); i += 2) {
    const GridPoint to = {ToGrid(xy[i]), ToGrid(xy[i + 1])};
    WalkEdge(from, to, &finder);
    from = to;
  }
  WalkEdge(from, first, &finder);

  // Two crossings bound a run, whichever column each is in.
  std::vector<int64_t>& crossings = finder.crossings();
  std::sort(crossings.begin(), crossings.end());
  CHECK_EQ(crossings.size() % 2, 0u);  // The chain is closed.
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
