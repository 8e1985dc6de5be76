#ifndef TOOLS_FP4_QUANTIZED_FILE_H_
#define TOOLS_FP4_QUANTIZED_FILE_H_

// Which tensors of a safetensors file are quantised, and what they are made of.
//
// A file of ours says so in its metadata (file_record.h). A file of another
// program has no such record: given its layout, a tensor is taken for quantised
// when its parts are there, blocks run along the last axis, and the type of the
// scales and the size of the blocks tell the recipe.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "io/safetensors/reader.h"
#include "quant/packed_tensor.h"
#include "quant/recipe.h"
#include "tools/fp4/file_record.h"
#include "tools/fp4/geometry.h"

namespace cnn_fp4::fp4 {

struct QuantizedTensor {
  TensorRecord record;
  Layout layout = Layout::kModelOpt;
  quant::Recipe recipe;
  Geometry geometry;
  // Of the reader. tensor_scale is null for a recipe without one.
  const safetensors::TensorInfo* codes = nullptr;
  const safetensors::TensorInfo* scales = nullptr;
  const safetensors::TensorInfo* tensor_scale = nullptr;
};

struct FileContents {
  std::vector<QuantizedTensor> quantized;
  // Everything else, except `X_dequantized` of a quantised X.
  std::vector<const safetensors::TensorInfo*> plain;
};

// `layout` is for files without a record; without it they are all plain.
// InvalidArgument, naming file and tensor: a record that does not fit the
// file's tensors, or another layout than the record's. The result points into
// the reader.
absl::StatusOr<FileContents> ReadContents(const safetensors::Reader& reader,
                                          std::optional<Layout> layout);

// A chunk of a quantised tensor, for quant::Dequantize.
quant::PackedTensor LoadChunk(const safetensors::Reader& reader,
                              const QuantizedTensor& tensor,
                              const Chunk& chunk);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_QUANTIZED_FILE_H_
