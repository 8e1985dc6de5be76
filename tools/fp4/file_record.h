#ifndef TOOLS_FP4_FILE_RECORD_H_
#define TOOLS_FP4_FILE_RECORD_H_

// What a quantised safetensors file says about itself, in its metadata under
// kRecordKey, so that it can be de-quantised without flags:
//
//   {"version": 1, "layout": "modelopt", "tensors": {
//      "conv1.weight": {"shape": [64, 3, 3, 3], "axis": 1, "recipe": "nvfp4",
//                       "dtype": "F32"}}}
//
// and the names under which each layout keeps the parts of tensor X:
//
//   modelopt            X          X_scale   X_scale_2, a factor
//   compressed-tensors  X_packed   X_scale   X_global_scale, a divisor

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::fp4 {

inline constexpr absl::string_view kRecordKey = "cnn_fp4";

enum class Layout { kModelOpt, kCompressedTensors };

absl::string_view LayoutName(Layout layout);
// InvalidArgument, listing the names, for an unknown one.
absl::StatusOr<Layout> ParseLayout(absl::string_view name);

std::string CodesName(Layout layout, absl::string_view tensor);
std::string ScalesName(absl::string_view tensor);
std::string TensorScaleName(Layout layout, absl::string_view tensor);
std::string DequantizedName(absl::string_view tensor);

struct TensorRecord {
  std::string name;
  std::vector<int64_t> shape;
  int64_t axis = 0;    // From the front.
  std::string recipe;  // For quant::FindRecipe.
  std::string dtype;   // Of the source.
};

struct FileRecord {
  Layout layout = Layout::kModelOpt;
  std::vector<TensorRecord> tensors;  // By name.
};

std::string ToJson(const FileRecord& record);

// InvalidArgument, beginning with `file`, for anything that ToJson does not
// write; shapes and axes are only checked for their type.
absl::StatusOr<FileRecord> ParseFileRecord(absl::string_view file,
                                           absl::string_view json);

}  // namespace cnn_fp4::fp4

#endif  // TOOLS_FP4_FILE_RECORD_H_
