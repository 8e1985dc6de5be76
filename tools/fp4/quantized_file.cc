#include "tools/fp4/quantized_file.h"

#include <cstring>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "io/safetensors/header.h"
#include "tools/fp4/tensor_scale.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::DType;
using safetensors::QuoteName;
using safetensors::Reader;
using safetensors::TensorInfo;

absl::Status Bad(const Reader& reader, absl::string_view tensor,
                 absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(
      reader.name(), ": tensor ", QuoteName(tensor), ": ", message));
}

// Data of a file need not be aligned.
std::vector<float> ReadFloats(absl::Span<const uint8_t> bytes, int64_t begin,
                              int64_t count) {
  std::vector<float> values(count);
  if (count == 0) return values;
  std::memcpy(values.data(), bytes.data() + begin * sizeof(float),
              count * sizeof(float));
  return values;
}

// One part of a quantised tensor, checked against what its geometry demands.
absl::StatusOr<const TensorInfo*> Part(const Reader& reader,
                                       const std::string& name,
                                       absl::Span<const DType> dtypes,
                                       absl::Span<const int64_t> shape) {
  const TensorInfo* info = reader.Find(name);
  if (info == nullptr) return Bad(reader, name, "is missing");
  if (absl::c_linear_search(dtypes, info->dtype) &&
      absl::MakeConstSpan(info->shape) == shape) {
    return info;
  }
  return Bad(reader, name,
             absl::StrCat("expected ", safetensors::DTypeName(dtypes[0]), " [",
                          absl::StrJoin(shape, ", "), "], found ",
                          safetensors::DTypeName(info->dtype), " [",
                          absl::StrJoin(info->shape, ", "), "]"));
}

absl::StatusOr<QuantizedTensor> Assemble(const Reader& reader, Layout layout,
                                         TensorRecord record) {
  QuantizedTensor tensor;
  tensor.layout = layout;
  absl::StatusOr<quant::Recipe> recipe = quant::FindRecipe(record.recipe);
  if (!recipe.ok()) {
    return Bad(reader, record.name, recipe.status().message());
  }
  tensor.recipe = *std::move(recipe);
  if (const auto count = safetensors::NumElements(record.shape); !count.ok()) {
    return Bad(reader, record.name, count.status().message());
  }
  absl::StatusOr<Geometry> geometry =
      Geometry::Create(record.shape, record.axis, tensor.recipe);
  if (!geometry.ok()) {
    return Bad(reader, record.name, geometry.status().message());
  }
  tensor.geometry = *std::move(geometry);
  const auto codes = Part(reader, CodesName(layout, record.name), {DType::kU8},
                          tensor.geometry.CodesShape());
  if (!codes.ok()) return codes.status();
  tensor.codes = *codes;
  std::vector<DType> dtypes = {ScaleDType(layout, tensor.recipe)};
  // Programs differ in what they call the bytes of E8M0.
  if (tensor.recipe.scale_format == quant::ScaleFormat::kE8m0) {
    dtypes.insert(dtypes.end(), {DType::kF8E8m0, DType::kU8});
  }
  const auto scales = Part(reader, ScalesName(record.name), dtypes,
                           tensor.geometry.ScalesShape());
  if (!scales.ok()) return scales.status();
  tensor.scales = *scales;
  if (tensor.recipe.tensor_scale != quant::TensorScale::kNone) {
    const std::string name = TensorScaleName(layout, record.name);
    std::vector<int64_t> shape = tensor.geometry.TensorScalesShape();
    // A scalar is [] or [1], as the program likes.
    const TensorInfo* info = reader.Find(name);
    if (shape.empty() && info != nullptr && info->shape.size() == 1) {
      shape = {1};
    }
    const auto scale = Part(reader, name, {DType::kF32}, shape);
    if (!scale.ok()) return scale.status();
    tensor.tensor_scale = *scale;
  }
  tensor.record = std::move(record);
  return tensor;
}

// Without a record: what the parts of a tensor tell. nullopt: not quantised.
std::optional<TensorRecord> Guess(const Reader& reader, Layout layout,
                                  const TensorInfo& codes) {
  absl::string_view name = codes.name;
  if (layout == Layout::kCompressedTensors &&
      !absl::ConsumeSuffix(&name, "_packed")) {
    return std::nullopt;
  }
  const TensorInfo* scales = reader.Find(ScalesName(name));
  if (codes.dtype != DType::kU8 || codes.shape.empty() || scales == nullptr ||
      scales->shape.size() != codes.shape.size() ||
      codes.shape.back() > INT64_MAX / 2) {
    return std::nullopt;
  }
  TensorRecord record;
  record.name = std::string(name);
  record.shape = codes.shape;
  record.shape.back() *= 2;
  record.axis = static_cast<int64_t>(codes.shape.size()) - 1;
  record.dtype = "BF16";
  if (scales->dtype == DType::kF8E4m3) {
    const bool two_levels =
        reader.Find(TensorScaleName(layout, name)) != nullptr;
    record.recipe = !two_levels                   ? "nvfp4_1level"
                    : layout == Layout::kModelOpt ? "nvfp4_modelopt"
                                                  : "nvfp4_compressed_tensors";
    return record;
  }
  if (scales->dtype != DType::kF8E8m0 && scales->dtype != DType::kU8) {
    return std::nullopt;
  }
  const bool blocks_of_32 =
      scales->shape.back() == (record.shape.back() + 31) / 32;
  record.recipe = blocks_of_32 ? "mxfp4" : "pow2_1x16";
  return record;
}

absl::StatusOr<FileRecord> RecordOf(const Reader& reader,
                                    std::optional<Layout> layout) {
  const auto found = reader.metadata().find(std::string(kRecordKey));
  if (found != reader.metadata().end()) {
    absl::StatusOr<FileRecord> record =
        ParseFileRecord(reader.name(), found->second);
    if (record.ok() && layout && *layout != record->layout) {
      return absl::InvalidArgumentError(absl::StrCat(
          reader.name(), ": has layout ", LayoutName(record->layout), ", not ",
          LayoutName(*layout), ": leave --layout out"));
    }
    return record;
  }
  FileRecord record;
  if (!layout) return record;
  record.layout = *layout;
  for (const TensorInfo& info : reader.tensors()) {
    if (auto guess = Guess(reader, *layout, info)) {
      record.tensors.push_back(*std::move(guess));
    }
  }
  return record;
}

}  // namespace

absl::StatusOr<FileContents> ReadContents(const Reader& reader,
                                          std::optional<Layout> layout) {
  absl::StatusOr<FileRecord> record = RecordOf(reader, layout);
  if (!record.ok()) return record.status();
  FileContents contents;
  std::set<absl::string_view> parts;
  for (TensorRecord& tensor : record->tensors) {
    absl::StatusOr<QuantizedTensor> quantized =
        Assemble(reader, record->layout, std::move(tensor));
    if (!quantized.ok()) return quantized.status();
    std::vector<const TensorInfo*> used = {quantized->codes, quantized->scales,
                                           quantized->tensor_scale};
    const auto* extra = reader.Find(DequantizedName(quantized->record.name));
    if (extra != nullptr && extra->dtype == DType::kF32 &&
        extra->shape == quantized->record.shape) {
      used.push_back(extra);
    }
    for (const TensorInfo* info : used) {
      if (info == nullptr) continue;
      if (!parts.insert(info->name).second) {
        return Bad(reader, info->name, "belongs to two quantised tensors");
      }
    }
    contents.quantized.push_back(*std::move(quantized));
  }
  for (const TensorInfo& info : reader.tensors()) {
    if (parts.count(info.name) == 0) contents.plain.push_back(&info);
  }
  return contents;
}

quant::PackedTensor LoadChunk(const Reader& reader,
                              const QuantizedTensor& tensor,
                              const Chunk& chunk) {
  const Geometry& geometry = tensor.geometry;
  quant::PackedTensor packed;
  packed.recipe = tensor.recipe;
  packed.grid = chunk.grid;
  const absl::Span<const uint8_t> codes =
      reader.Data(*tensor.codes)
          .subspan(geometry.CodesOffset(chunk.begin),
                   geometry.CodesBytes(chunk.begin, chunk.size));
  if (geometry.RowsAreEven()) {
    packed.codes.assign(codes.begin(), codes.end());
  } else {
    packed.codes.resize((chunk.size + 1) / 2);
    geometry.FromFile(chunk.begin, chunk.size, codes,
                      absl::MakeSpan(packed.codes));
  }
  const absl::Span<const uint8_t> scales = reader.Data(*tensor.scales);
  if (tensor.recipe.scale_format == quant::ScaleFormat::kFloat32) {
    packed.scales_float32 =
        ReadFloats(scales, chunk.scales_begin, chunk.num_scales);
  } else {
    const auto begin = scales.begin() + chunk.scales_begin;
    packed.scales.assign(begin, begin + chunk.num_scales);
  }
  packed.tensor_scales = {1.0f};
  if (tensor.tensor_scale != nullptr) {
    packed.tensor_scales =
        ReadFloats(reader.Data(*tensor.tensor_scale), chunk.tensor_scales_begin,
                   chunk.num_tensor_scales);
    packed.recipe = RecipeOfFile(tensor.layout, tensor.recipe);
  }
  return packed;
}

}  // namespace cnn_fp4::fp4
