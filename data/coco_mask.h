#ifndef DATA_COCO_MASK_H_
#define DATA_COCO_MASK_H_

// Polygons and run lengths to pixels, pixel for pixel as the COCO API does
// (cocodataset/cocoapi, common/maskApi.c: rleFrPoly, rleFrString, rleMerge).
//
// COCO numbers pixels by columns: pixel (x, y) is x * height + y. Its polygon
// rule is its own, neither "pixel centre inside" nor an area rule: vertices are
// rounded onto a grid five times finer, edges become chains of grid points,
// and where a chain crosses the centre line of a pixel column it switches
// between outside and inside from the next pixel below on. Anything else
// differs from published masks in some border pixels, so tests compare pixel
// counts with those of the COCO API.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "data/image.h"

namespace cnn_fp4::data {

// Pixels [begin, end) by columns.
struct PixelRun {
  int64_t begin = 0;
  int64_t end = 0;
};

// A set of pixels: ascending, disjoint, not empty runs.
using PixelRuns = std::vector<PixelRun>;

// Coordinates beyond this are refused by the reader: they are errors.
inline constexpr double kMaxPolygonCoordinate = 1e6;

// The polygon x0, y0, x1, y1, ... in pixels (at least 3 points, each within
// +-kMaxPolygonCoordinate; checked), clipped to the image. May be empty: a
// polygon thinner than a pixel can miss every centre line. Time and memory grow
// with CountCrossings, however far the polygon goes beyond the image.
PixelRuns RasterizePolygon(absl::Span<const double> xy, ImageSize size);

// How many times the outline crosses the centre line of a column in the image's
// width. The same conditions.
int64_t CountCrossings(absl::Span<const double> xy, ImageSize size);

// The reader refuses a polygon of more crossings: with as many as there are
// pixels every second pixel of each column is inside, so it outlines nothing.
int64_t MaxCrossings(ImageSize size);

// Run lengths in turn of pixels outside and inside. InvalidArgument unless
// they add up to the image.
absl::StatusOr<PixelRuns> RunsFromCounts(absl::Span<const uint32_t> counts,
                                         ImageSize size);

// The string form of run lengths: 5 bits a character from '0' on, the lowest
// first, bit 5 set when more follow, sign extended; from the fourth run length
// on it is the difference to the one two before. InvalidArgument with the
// character's position when it is no such string.
absl::StatusOr<std::vector<uint32_t>> DecodeCompressedCounts(
    absl::string_view text);

PixelRuns Union(const std::vector<PixelRuns>& parts);

int64_t CountPixels(const PixelRuns& runs);

// Sets the pixels in a row-major mask of size.width * size.height.
void Paint(const PixelRuns& runs, ImageSize size, uint8_t value,
           std::vector<uint8_t>* mask);

}  // namespace cnn_fp4::data

#endif  // DATA_COCO_MASK_H_
