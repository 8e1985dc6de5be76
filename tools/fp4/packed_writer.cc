#include "tools/fp4/packed_writer.h"

#include "tools/fp4/copy.h"
#include "tools/fp4/tensor_scale.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::DType;

constexpr auto kFloatBytes = static_cast<int64_t>(sizeof(float));

}  // namespace

void AddPackedSpecs(const std::string& tensor, Layout layout,
                    const quant::Recipe& recipe, const Geometry& geometry,
                    std::vector<safetensors::TensorSpec>& specs) {
  specs.push_back(
      {CodesName(layout, tensor), DType::kU8, geometry.CodesShape()});
  specs.push_back(
      {ScalesName(tensor), ScaleDType(layout, recipe), geometry.ScalesShape()});
  if (recipe.tensor_scale == quant::TensorScale::kNone) return;
  std::vector<int64_t> shape = geometry.TensorScalesShape();
  // compressed-tensors has a vector of one where modelopt has a scalar.
  if (shape.empty() && layout == Layout::kCompressedTensors) shape = {1};
  specs.push_back({TensorScaleName(layout, tensor), DType::kF32, shape});
}

PackedWriter::PackedWriter(safetensors::Writer& writer,
                           const std::string& tensor, Layout layout,
                           const quant::Recipe& recipe,
                           const Geometry& geometry)
    : writer_(writer),
      layout_(layout),
      recipe_(recipe),
      geometry_(geometry),
      codes_name_(CodesName(layout, tensor)),
      scales_name_(ScalesName(tensor)),
      tensor_scale_name_(TensorScaleName(layout, tensor)) {}

absl::Status PackedWriter::Write(const Chunk& chunk,
                                 const quant::PackedTensor& packed) {
  absl::Span<const uint8_t> codes = packed.codes;
  if (!geometry_.RowsAreEven()) {
    rows_.resize(geometry_.CodesBytes(chunk.begin, chunk.size));
    geometry_.ToFile(chunk.begin, chunk.size, packed.codes,
                     absl::MakeSpan(rows_));
    codes = rows_;
  }
  absl::Status status =
      writer_.Write(codes_name_, geometry_.CodesOffset(chunk.begin), codes);
  if (!status.ok()) return status;
  if (recipe_.scale_format == quant::ScaleFormat::kFloat32) {
    status = writer_.Write(scales_name_, chunk.scales_begin * kFloatBytes,
                           AsBytes(packed.scales_float32));
  } else {
    status = writer_.Write(scales_name_, chunk.scales_begin, packed.scales);
  }
  if (!status.ok()) return status;
  if (recipe_.tensor_scale != quant::TensorScale::kPerRow) {
    tensor_scale_ = packed.tensor_scales.front();
    return absl::OkStatus();
  }
  std::vector<float> scales = packed.tensor_scales;
  if (StoresReciprocal(layout_, recipe_)) {
    for (float& scale : scales) scale = Reciprocal(scale);
  }
  return writer_.Write(tensor_scale_name_,
                       chunk.tensor_scales_begin * kFloatBytes,
                       AsBytes(scales));
}

absl::Status PackedWriter::WriteOnes(const std::string& name,
                                     absl::Span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return writer_.Write(name, 0, AsBytes(std::vector<float>(count, 1.0f)));
}

absl::Status PackedWriter::Finish(std::optional<float> amax) {
  if (geometry_.size() == 0) {
    absl::Status status;
    // The one scale of one block for the whole tensor, or none.
    if (recipe_.scale_format == quant::ScaleFormat::kFloat32) {
      status = WriteOnes(scales_name_, geometry_.ScalesShape());
    }
    if (recipe_.tensor_scale == quant::TensorScale::kPerRow) {
      status.Update(
          WriteOnes(tensor_scale_name_, geometry_.TensorScalesShape()));
    }
    if (!status.ok()) return status;
  }
  if (recipe_.tensor_scale != quant::TensorScale::kPerTensor) {
    return absl::OkStatus();
  }
  float scale = tensor_scale_;
  if (StoresReciprocal(layout_, recipe_)) {
    const bool divides = layout_ == Layout::kCompressedTensors;
    scale = divides && amax ? Divisor(recipe_, *amax) : Reciprocal(scale);
  }
  return writer_.Write(tensor_scale_name_, 0, AsBytes({&scale, 1}));
}

}  // namespace cnn_fp4::fp4
