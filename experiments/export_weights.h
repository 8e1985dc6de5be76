#ifndef EXPERIMENTS_EXPORT_WEIGHTS_H_
#define EXPERIMENTS_EXPORT_WEIGHTS_H_

// A net's weights as a safetensors file, in FP32 or with the kernels of its
// convolutions packed in FP4.
//
// Packed kernels have their blocks along the axis that the forward pass sums
// over: the input channels, dimension 1 of a convolution's kernel and dimension
// 0 of a transposed one's. The file's metadata say so for each tensor; `fp4
// dequantize` reads them (tools/fp4/file_record.h). The output layer, biases
// and norms stay in FP32.
//
// Limit: the blocks of a grouped transposed convolution may reach over two
// groups, which share dimension 0.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/arm_net.h"
#include "quant/recipe.h"
#include "tools/fp4/file_record.h"

namespace cnn_fp4::experiments {

struct ExportOptions {
  std::string output;
  std::optional<quant::Recipe> recipe;  // nullopt: FP32.
  fp4::Layout layout = fp4::Layout::kModelOpt;
  // Shell patterns of kernels that stay in FP32, as in "enc1.conv1.weight".
  std::vector<std::string> exclude;
};

// Returns how many kernels are packed. The output is there, and replaces an
// older file, only if the result is OK. Errors: the system's, naming the file,
// and for a recipe that cannot be packed along the axis, naming the tensor.
absl::StatusOr<int64_t> ExportWeights(const ArmNet& net,
                                      const ExportOptions& options);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_EXPORT_WEIGHTS_H_
