#include "tools/fp4/geometry.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace cnn_fp4::fp4 {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

uint8_t NibbleAt(absl::Span<const uint8_t> bytes, int64_t index) {
  return bytes[index / 2] >> (index % 2 * 4) & 0xF;
}

// Only the name tells this recipe from fp4_per_channel.
bool IsPerTensor(const quant::Recipe& recipe) {
  constexpr absl::string_view kName = "fp4_per_tensor";
  return recipe.name == kName ||
         absl::StartsWith(recipe.name, absl::StrCat(kName, "+"));
}

}  // namespace

absl::StatusOr<Geometry> Geometry::Create(absl::Span<const int64_t> shape,
                                          int64_t axis,
                                          const quant::Recipe& recipe) {
  const auto rank = static_cast<int64_t>(shape.size());
  if (rank == 0) {
    return absl::InvalidArgumentError("a scalar has no axis to quantise along");
  }
  if (axis < -rank || axis >= rank) {
    return absl::InvalidArgumentError(absl::StrCat(
        "axis ", axis, " is out of range for ", rank, " dimensions"));
  }
  Geometry geometry;
  geometry.recipe_ = recipe;
  geometry.shape_.assign(shape.begin(), shape.end());
  geometry.axis_ = axis < 0 ? axis + rank : axis;
  geometry.flat_ = IsPerTensor(recipe);
  if (geometry.flat_) {
    for (const int64_t extent : shape) geometry.length_ *= extent;
    geometry.step_ = std::max<int64_t>(geometry.length_, 1);
    return geometry;
  }
  int64_t split = geometry.axis_;
  if (recipe.block_rows > 1) {
    if (rank < 2 || geometry.axis_ != rank - 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("recipe ", recipe.name,
                       " tiles the last two dimensions: it needs two, and the "
                       "last axis"));
    }
    split = rank - 2;
  }
  for (int64_t i = 0; i < rank; ++i) {
    int64_t& part = i < split    ? geometry.outer_
                    : i == split ? geometry.length_
                                 : geometry.inner_;
    part *= shape[i];
  }
  if (recipe.block_rows > 1) {
    geometry.step_ = quant::BlockExtent(recipe.block_rows, geometry.length_);
    geometry.scales_inner_ =
        CeilDiv(geometry.inner_,
                quant::BlockExtent(recipe.block_cols, geometry.inner_));
  } else {
    geometry.step_ = quant::BlockExtent(recipe.block_cols, geometry.length_);
    geometry.scales_inner_ = geometry.inner_;
  }
  return geometry;
}

std::vector<int64_t> Geometry::CodesShape() const {
  std::vector<int64_t> shape = shape_;
  shape.back() = CeilDiv(shape.back(), 2);
  return shape;
}

std::vector<int64_t> Geometry::ScalesShape() const {
  if (flat_) return {};
  std::vector<int64_t> shape = shape_;
  if (recipe_.block_rows > 1) {
    shape[axis_ - 1] = CeilDiv(shape[axis_ - 1], step_);
    shape[axis_] = scales_inner_;
  } else {
    shape[axis_] = CeilDiv(shape[axis_], step_);
  }
  return shape;
}

std::vector<int64_t> Geometry::TensorScalesShape() const {
  if (recipe_.tensor_scale != quant::TensorScale::kPerRow) return {};
  std::vector<int64_t> shape = shape_;
  shape[axis_] = 1;
  return shape;
}

absl::StatusOr<Chunk> Geometry::MakeChunk(int64_t outer_begin,
                                          int64_t num_outer,
                                          int64_t length_begin,
                                          int64_t num_length) const {
  Chunk chunk;
  chunk.begin = (outer_begin * length_ + length_begin) * inner_;
  chunk.size = num_outer * num_length * inner_;
  chunk.scales_begin =
      (outer_begin * CeilDiv(length_, step_) + length_begin / step_) *
      scales_inner_;
  chunk.num_scales = num_outer * CeilDiv(num_length, step_) * scales_inner_;
  chunk.num_tensor_scales = 1;
  if (recipe_.tensor_scale == quant::TensorScale::kPerRow) {
    chunk.tensor_scales_begin = outer_begin * inner_;
    chunk.num_tensor_scales = num_outer * inner_;
  }
  const int axis = recipe_.block_rows > 1 ? 2 : 1;
  absl::StatusOr<quant::BlockGrid> grid =
      quant::BlockGrid::Along({num_outer, num_length, inner_}, axis, recipe_);
  if (!grid.ok()) return grid.status();
  CHECK_EQ(grid->size(), chunk.size);
  CHECK_EQ(grid->num_blocks(), chunk.num_scales);
  chunk.grid = *std::move(grid);
  return chunk;
}

absl::StatusOr<std::vector<Chunk>> Geometry::Chunks(int64_t target) const {
  std::vector<Chunk> chunks;
  if (size() == 0) return chunks;
  const int64_t slab = length_ * inner_;
  // A row needs its whole extent; otherwise a large slab is cut. Even lengths
  // keep every chunk at the start of a byte.
  const int64_t unit = step_ % 2 == 0 ? step_ : 2 * step_;
  int64_t num_length = length_;
  if (recipe_.tensor_scale != quant::TensorScale::kPerRow && slab > target) {
    const int64_t units = std::max<int64_t>(target / (unit * inner_), 1);
    num_length = std::min(units * unit, length_);
  }
  const int64_t num_outer =
      num_length == length_ ? std::max<int64_t>(target / slab, 1) : 1;
  for (int64_t o = 0; o < outer_; o += num_outer) {
    for (int64_t l = 0; l < length_; l += num_length) {
      absl::StatusOr<Chunk> chunk =
          MakeChunk(o, std::min(num_outer, outer_ - o), l,
                    std::min(num_length, length_ - l));
      if (!chunk.ok()) return chunk.status();
      chunks.push_back(*std::move(chunk));
    }
  }
  return chunks;
}

int64_t Geometry::CodesOffset(int64_t begin) const {
  const int64_t row = shape_.back();
  return begin / row * CeilDiv(row, 2) + begin % row / 2;
}

int64_t Geometry::CodesBytes(int64_t begin, int64_t size) const {
  if (size == 0) return 0;
  const int64_t last = begin + size - 1;
  return CodesOffset(last) + 1 - CodesOffset(begin);
}

void Geometry::ToFile(int64_t begin, int64_t size,
                      absl::Span<const uint8_t> packed,
                      absl::Span<uint8_t> file) const {
  std::fill(file.begin(), file.end(), uint8_t{0});
  const int64_t row = shape_.back();
  const int64_t first = CodesOffset(begin);
  for (int64_t i = 0; i < size; ++i) {
    const int64_t column = (begin + i) % row;
    file[CodesOffset(begin + i) - first] |= NibbleAt(packed, i)
                                            << (column % 2 * 4);
  }
}

void Geometry::FromFile(int64_t begin, int64_t size,
                        absl::Span<const uint8_t> file,
                        absl::Span<uint8_t> packed) const {
  std::fill(packed.begin(), packed.end(), uint8_t{0});
  const int64_t row = shape_.back();
  const int64_t first = CodesOffset(begin);
  for (int64_t i = 0; i < size; ++i) {
    const int64_t position = begin + i;
    const uint8_t byte = file[CodesOffset(position) - first];
    packed[i / 2] |= (byte >> (position % row % 2 * 4) & 0xF) << (i % 2 * 4);
  }
}

}  // namespace cnn_fp4::fp4
