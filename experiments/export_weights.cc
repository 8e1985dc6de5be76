#include "experiments/export_weights.h"

#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "nn/layers/quantize.h"
#include "nn/net.h"
#include "nn/precision/layer_info.h"
#include "tools/fp4/quantize.h"
#include "train/weights_file.h"

namespace cnn_fp4::experiments {

absl::StatusOr<int64_t> ExportWeights(const ArmNet& net,
                                      const ExportOptions& options) {
  if (!options.recipe.has_value()) {
    absl::Status status = train::SaveWeightsFile(options.output, *net.net);
    if (!status.ok()) return status;
    return 0;
  }
  fp4::QuantizeFileOptions quantize;
  quantize.recipe = *options.recipe;
  quantize.layout = options.layout;
  quantize.exclude = options.exclude;
  for (const nn::NamedLayer& layer : nn::QuantLayers(*net.net)) {
    if (layer.info.role == nn::LayerRole::kOutput) continue;
    const std::string kernel = absl::StrCat(layer.info.name, ".weight");
    quantize.include.push_back(kernel);
    quantize.axes[kernel] = layer.info.transposed ? 0 : 1;
  }
  // The packing reads a file. Beside the output, where there is room for it.
  const std::string full =
      absl::StrCat(options.output, ".fp32-", getpid(), ".safetensors");
  const auto remove = absl::MakeCleanup([&] {
    std::error_code error;
    std::filesystem::remove(full, error);
  });
  absl::Status status = train::SaveWeightsFile(full, *net.net);
  if (!status.ok()) return status;
  const absl::StatusOr<fp4::QuantizeSummary> summary =
      fp4::QuantizeFile(full, options.output, quantize, nullptr);
  if (!summary.ok()) return summary.status();
  return summary->quantized;
}

}  // namespace cnn_fp4::experiments
