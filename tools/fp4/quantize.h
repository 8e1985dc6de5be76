#ifndef TOOLS_FP4_QUANTIZE_H_
#define TOOLS_FP4_QUANTIZE_H_

// `fp4 quantize`: a safetensors file with its floating-point tensors in FP4.
//
// F32, F16 and BF16 tensors are quantised if their name matches, or, where no
// name is asked for, if they are what is usually quantised: at least two
// dimensions, no norm and no bias. All others are copied unchanged. The file is
// worked off tensor
// by tensor in chunks, twice for recipes with a tensor scale (first its amax).
// Memory: a few chunks, except for recipes with one block for all, whose chunk
// is the tensor.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/recipe.h"
#include "tools/fp4/element_stream.h"
#include "tools/fp4/file_record.h"

namespace cnn_fp4::fp4 {

struct QuantizeFileOptions {
  quant::Recipe recipe;
  Layout layout = Layout::kModelOpt;
  int64_t axis = -1;  // Negative: from the end of each tensor's shape.
  // By name: the axes of tensors for which it is another one.
  std::map<std::string, int64_t> axes;
  bool dequantized = false;  // Add X_dequantized.
  bool saturate = false;     // NaN -> 0, Inf -> FLT_MAX, instead of refusing.
  // Key of the stochastic roundings, with a hash of the tensor's name as the
  // stream: a tensor gets the same bits whatever else is in the file.
  uint32_t seed = 0;
  // Shell patterns (fnmatch): a tensor is quantised if it matches one of
  // `include` and none of `exclude`. An empty `include` stands for what is
  // usually quantised; "*" takes every tensor that has a dimension.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  // Elements at a time; does not change the result.
  int64_t chunk_elements = kChunkElements;
};

// What became of the tensors.
struct QuantizeSummary {
  int64_t quantized = 0;
  // Names of floating-point tensors that were copied because `include` is empty
  // and they are not what is usually quantised, in the order of the file.
  std::vector<std::string> left_by_default;
};

// Bytes of input done, of all.
using ProgressCallback = std::function<void(int64_t done, int64_t total)>;

// InvalidArgument naming file, tensor and remedy for input that cannot be
// quantised; the system's errors for files. `output` exists only, and replaces
// an existing file only, if the result is OK.
absl::StatusOr<QuantizeSummary> QuantizeFile(const std::string& input,
                                             const std::string& output,
                                             const QuantizeFileOptions& options,
                                             const ProgressCallback& progress);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_QUANTIZE_H_
