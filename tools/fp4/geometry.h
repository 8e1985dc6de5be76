#ifndef TOOLS_FP4_GEOMETRY_H_
#define TOOLS_FP4_GEOMETRY_H_

// Where the codes and scales of a quantised tensor lie in its file, and how the
// tensor is cut into pieces that can be quantised one after the other.
//
// For a tensor of shape S, blocks of B along axis a, in row-major order:
//   codes          S with the last extent n replaced by ceil(n / 2): two codes
//                  a byte, even index in the low nibble, an odd row is padded
//                  with a zero nibble
//   scales         S with extent a replaced by ceil(S[a] / B); for 2-D tiles
//                  both of the last two extents, and a scalar for
//                  fp4_per_tensor
//   tensor scales  one, or for a row-scaled recipe S with extent a replaced
//                  by 1
//
// A chunk is a contiguous range of the tensor's elements whose blocks are all
// its own; its scales are contiguous too. Hence a file larger than memory can
// be worked off chunk by chunk.

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quant/block_grid.h"
#include "quant/recipe.h"

namespace cnn_fp4::fp4 {

struct Chunk {
  // Elements [begin, begin + size) of the tensor.
  int64_t begin = 0;
  int64_t size = 0;
  int64_t scales_begin = 0;
  int64_t num_scales = 0;
  int64_t tensor_scales_begin = 0;
  int64_t num_tensor_scales = 0;
  // The chunk as a tensor of its own.
  quant::BlockGrid grid;
};

class Geometry {
 public:
  // `axis` may be negative: from the end. InvalidArgument for a scalar, an axis
  // out of range, or 2-D tiles along another axis than the last.
  static absl::StatusOr<Geometry> Create(absl::Span<const int64_t> shape,
                                         int64_t axis,
                                         const quant::Recipe& recipe);

  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t axis() const { return axis_; }  // From the front.
  int64_t size() const { return outer_ * length_ * inner_; }

  std::vector<int64_t> CodesShape() const;
  std::vector<int64_t> ScalesShape() const;
  // Empty, a scalar, unless the recipe is row-scaled.
  std::vector<int64_t> TensorScalesShape() const;

  // The tensor as chunks of about `target` elements, in order; at least one row
  // of blocks each. A tensor without elements has no chunk.
  absl::StatusOr<std::vector<Chunk>> Chunks(int64_t target) const;

  // Moves the codes of the elements [begin, begin + size) between the order of
  // quant::PackedTensor (two a byte without regard to rows) and the file's
  // (every row begins a byte). `begin` has to be a chunk's. `file` begins at
  // CodesOffset(begin) and has CodesBytes(begin, size) bytes.
  int64_t CodesOffset(int64_t begin) const;
  int64_t CodesBytes(int64_t begin, int64_t size) const;
  void ToFile(int64_t begin, int64_t size, absl::Span<const uint8_t> packed,
              absl::Span<uint8_t> file) const;
  void FromFile(int64_t begin, int64_t size, absl::Span<const uint8_t> file,
                absl::Span<uint8_t> packed) const;
  // Whether the two orders are the same, so that nothing needs to be moved.
  bool RowsAreEven() const { return shape_.back() % 2 == 0; }

 private:
  absl::StatusOr<Chunk> MakeChunk(int64_t outer_begin, int64_t num_outer,
                                  int64_t length_begin,
                                  int64_t num_length) const;

  quant::Recipe recipe_;
  std::vector<int64_t> shape_;
  int64_t axis_ = 0;
  bool flat_ = false;  // One block for the whole tensor.
  // The tensor as [outer, length, inner], where blocks do not cross multiples
  // of step_ in length: the block axis, or for tiles the rows.
  int64_t outer_ = 1;
  int64_t length_ = 1;
  int64_t inner_ = 1;
  int64_t step_ = 1;
  // Scales at each (outer, block of length).
  int64_t scales_inner_ = 1;
};

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_GEOMETRY_H_
