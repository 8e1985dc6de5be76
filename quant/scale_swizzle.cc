#include "quant/scale_swizzle.h"

#include <limits>

#include "absl/strings/str_cat.h"

namespace cnn_fp4::quant {
namespace {

constexpr int64_t kTileRows = 128;
constexpr int64_t kTileCols = 4;
constexpr int64_t kTileBytes = kTileRows * kTileCols;

int64_t Tiles(int64_t n, int64_t tile) { return n / tile + (n % tile != 0); }

// Calls body(row-major offset, swizzled offset) for every scale.
template <class Body>
void ForEachScale(int64_t rows, int64_t cols, const Body& body) {
  if (cols == 0) return;  // However many rows.
  const int64_t tile_columns = Tiles(cols, kTileCols);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = r / kTileRows * tile_columns * kTileBytes +
                        r % 32 * 16 + r % kTileRows / 32 * kTileCols;
    for (int64_t c = 0; c < cols; ++c) {
      body(r * cols + c, row + c / kTileCols * kTileBytes + c % kTileCols);
    }
  }
}

// a * b, or -1 if it does not fit; a and b are not negative.
int64_t Product(int64_t a, int64_t b) {
  if (b != 0 && a > std::numeric_limits<int64_t>::max() / b) return -1;
  return a * b;
}

// `expected` is -1 for a matrix that is impossible.
absl::Status CheckCount(const char* what, int64_t rows, int64_t cols,
                        int64_t count, int64_t expected) {
  if (rows >= 0 && cols >= 0 && SwizzledSize(rows, cols) >= 0 &&
      count == expected) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      what, ": ", count, " bytes for ", rows, " x ", cols, " scales"));
}

}  // namespace

int64_t SwizzledSize(int64_t rows, int64_t cols) {
  if (rows < 0 || cols < 0) return -1;
  const int64_t tiles = Product(Tiles(rows, kTileRows), Tiles(cols, kTileCols));
  return tiles < 0 ? -1 : Product(tiles, kTileBytes);
}

absl::StatusOr<std::vector<uint8_t>> SwizzleScales(
    absl::Span<const uint8_t> scales, int64_t rows, int64_t cols) {
  // No product yet: it may overflow.
  const int64_t count = SwizzledSize(rows, cols) < 0 ? -1 : rows * cols;
  absl::Status status =
      CheckCount("scales to swizzle", rows, cols, scales.size(), count);
  if (!status.ok()) return status;
  std::vector<uint8_t> swizzled(SwizzledSize(rows, cols));
  ForEachScale(rows, cols, [&](int64_t plain, int64_t tiled) {
    swizzled[tiled] = scales[plain];
  });
  return swizzled;
}

absl::StatusOr<std::vector<uint8_t>> UnswizzleScales(
    absl::Span<const uint8_t> swizzled, int64_t rows, int64_t cols) {
  absl::Status status = CheckCount("swizzled scales", rows, cols,
                                   swizzled.size(), SwizzledSize(rows, cols));
  if (!status.ok()) return status;
  std::vector<uint8_t> scales(rows * cols);
  ForEachScale(rows, cols, [&](int64_t plain, int64_t tiled) {
    scales[plain] = swizzled[tiled];
  });
  return scales;
}

}  // namespace cnn_fp4::quant
