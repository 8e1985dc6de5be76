#ifndef TOOLS_FP4_PACKED_WRITER_H_
#define TOOLS_FP4_PACKED_WRITER_H_

// The parts of a quantised tensor in the file that is written.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "io/safetensors/writer.h"
#include "quant/packed_tensor.h"
#include "quant/recipe.h"
#include "tools/fp4/file_record.h"
#include "tools/fp4/geometry.h"

namespace cnn_fp4::fp4 {

// Appends the codes, scales and tensor scale of `tensor` to a file's tensors.
void AddPackedSpecs(const std::string& tensor, Layout layout,
                    const quant::Recipe& recipe, const Geometry& geometry,
                    std::vector<safetensors::TensorSpec>& specs);

class PackedWriter {
 public:
  // `writer` has the tensors of AddPackedSpecs; all have to outlive this.
  PackedWriter(safetensors::Writer& writer, const std::string& tensor,
               Layout layout, const quant::Recipe& recipe,
               const Geometry& geometry);

  // Every chunk once.
  absl::Status Write(const Chunk& chunk, const quant::PackedTensor& packed);

  // The tensor scale, which all chunks of a tensor share: s2 = amax/2688 of the
  // modelopt layout as the recipe computed it. The divisor of the
  // compressed-tensors layout is 2688/amax if the caller knows amax, else 1/s2;
  // under that library's own recipe it is the recipe's. (2688 is what the
  // recipe has in its place.) A tensor without elements has no chunk and gets
  // 1, wherever its layout has a scale all the same.
  absl::Status Finish(std::optional<float> amax);

 private:
  // Ones for all of a tensor of scales.
  absl::Status WriteOnes(const std::string& name,
                         absl::Span<const int64_t> shape);

  safetensors::Writer& writer_;
  const Layout layout_;
  const quant::Recipe& recipe_;
  const Geometry& geometry_;
  const std::string codes_name_;
  const std::string scales_name_;
  const std::string tensor_scale_name_;
  float tensor_scale_ = 1.0f;  // kPerTensor: of the last chunk.
  std::vector<uint8_t> rows_;
};

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_PACKED_WRITER_H_
