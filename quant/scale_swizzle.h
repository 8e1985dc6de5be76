#ifndef QUANT_SCALE_SWIZZLE_H_
#define QUANT_SCALE_SWIZZLE_H_

// The 128x4 order in which cuBLASLt and CUTLASS read block scales (NVFP4 1x16
// and MX 1x32 alike). Scales [R, C], one byte each, are padded to a multiple of
// 128 rows and 4 columns with zeros; tiles of 512 bytes follow each other
// row-major, and scale (r, c) lies at
//
//   ((r / 128) * (C / 4) + c / 4) * 512 + (r % 32) * 16 + ((r % 128) / 32) * 4
//   + c % 4                                                 with the padded C.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace cnn_fp4::quant {

// Bytes of the swizzled scales of a rows x cols matrix, padding included; -1 if
// an extent is negative or they are 2^63 or more.
int64_t SwizzledSize(int64_t rows, int64_t cols);

// Row-major to 128x4. InvalidArgument unless scales has rows * cols entries.
absl::StatusOr<std::vector<uint8_t>> SwizzleScales(
    absl::Span<const uint8_t> scales, int64_t rows, int64_t cols);

// 128x4 to row-major, without the padding. InvalidArgument unless swizzled has
// SwizzledSize(rows, cols) entries.
absl::StatusOr<std::vector<uint8_t>> UnswizzleScales(
    absl::Span<const uint8_t> swizzled, int64_t rows, int64_t cols);

}  // namespace cnn_fp4::quant

#endif  // QUANT_SCALE_SWIZZLE_H_
