#ifndef TRAIN_WEIGHTS_FILE_H_
#define TRAIN_WEIGHTS_FILE_H_

// A net's weights as a safetensors file: every parameter and buffer under its
// name in the net's modules, which is the name that PyTorch's state_dict gives
// it. So a PyTorch net of the same modules can begin a training here, and the
// other way round (docs/save_pytorch_unet.py).
//
// Unlike a checkpoint (train/checkpoint.h) it has neither the optimiser's state
// nor the step, and may be of another net: what fits is taken.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace torch::nn {
class Module;
}  // namespace torch::nn

namespace cnn_fp4::train {

// What was made of a file, by names and, where they do not fit, shapes.
struct WeightsMatch {
  std::vector<std::string> loaded;
  std::vector<std::string> kept;    // Of the net, and as they were before.
  std::vector<std::string> unused;  // Of the file, and not of the net.
};

// Copies the tensors of the file into those of the net that have the same name
// and shape. Values are converted: F16, BF16 and F64 weights are read, too.
// InvalidArgument, naming the file and the tensor, if none fits, for a value
// that is not finite, and for a type that holds no weights; the net is then as
// it was. The reader's errors (io/safetensors/reader.h).
absl::StatusOr<WeightsMatch> LoadWeightsFile(const std::string& path,
                                             torch::nn::Module& net);

// Replaces the file when it is complete. The system's errors, naming it.
absl::Status SaveWeightsFile(const std::string& path,
                             const torch::nn::Module& net);

// CRC-32 of the whole file, 8 hexadecimal digits: which weights they are.
absl::StatusOr<std::string> FileChecksum(const std::string& path);

}  // namespace cnn_fp4::train

#endif  // TRAIN_WEIGHTS_FILE_H_
