#ifndef TOOLS_FP4_DEQUANTIZE_H_
#define TOOLS_FP4_DEQUANTIZE_H_

// `fp4 dequantize`: a quantised safetensors file with its tensors as F32 again,
// under their names and in their shapes; everything else is copied.
//
// Values are those of quant::FakeQuantize, bit for bit, in the modelopt layout.
// The compressed-tensors layout keeps 2688/amax instead of amax/2688, which can
// change the last bit.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "io/safetensors/reader.h"
#include "tools/fp4/file_record.h"
#include "tools/fp4/quantize.h"

namespace cnn_fp4::fp4 {

// `layout` is needed only for files that are not ours. InvalidArgument, naming
// file and tensor, for a file that is not quantised or whose parts do not fit.
absl::Status DequantizeFile(const std::string& input, const std::string& output,
                            std::optional<Layout> layout,
                            const ProgressCallback& progress);

// The same with an open file.
absl::Status DequantizeReader(const safetensors::Reader& reader,
                              const std::string& output,
                              std::optional<Layout> layout,
                              const ProgressCallback& progress);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_DEQUANTIZE_H_
