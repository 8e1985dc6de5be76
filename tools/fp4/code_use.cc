#include "tools/fp4/code_use.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "tools/fp4/element_stream.h"

namespace cnn_fp4::fp4 {
namespace {

void AddScale(float scale, CodeUse& use) {
  ++use.num_scales;
  if (std::isnan(scale)) {
    ++use.nan_scales;
  } else if (scale == 0.0f) {
    ++use.zero_scales;
  } else {
    const bool first = use.num_scales - use.nan_scales - use.zero_scales == 1;
    use.min_scale = first ? scale : std::min(use.min_scale, scale);
    use.max_scale = first ? scale : std::max(use.max_scale, scale);
  }
}

void AddScales(const quant::PackedTensor& packed, CodeUse& use) {
  for (const float scale : packed.scales_float32) AddScale(scale, use);
  for (const uint8_t code : packed.scales) {
    AddScale(packed.recipe.scale_format == quant::ScaleFormat::kE4m3
                 ? quant::DecodeE4m3(code)
                 : quant::DecodeE8m0(code),
             use);
  }
}

}  // namespace

absl::StatusOr<CodeUse> CountCodes(const safetensors::Reader& reader,
                                   const QuantizedTensor& tensor) {
  const auto chunks = tensor.geometry.Chunks(kChunkElements);
  if (!chunks.ok()) return chunks.status();
  CodeUse use;
  for (const Chunk& chunk : *chunks) {
    const quant::PackedTensor packed = LoadChunk(reader, tensor, chunk);
    // Whole bytes by their value first: one look at memory for two codes.
    std::array<int64_t, 256> bytes = {};
    for (const uint8_t byte : packed.codes) ++bytes[byte];
    for (int byte = 0; byte < 256; ++byte) {
      use.codes.counts[byte & 15] += bytes[byte];
      use.codes.counts[byte >> 4] += bytes[byte];
    }
    // An odd chunk ends with a nibble of padding.
    if (chunk.size % 2 != 0) --use.codes.counts[packed.codes.back() >> 4];
    AddScales(packed, use);
  }
  return use;
}

}  // namespace cnn_fp4::fp4
