#ifndef TRAIN_CHECKPOINT_H_
#define TRAIN_CHECKPOINT_H_

// Checkpoints of one arm: <directory>/step-NNNNNN.pt, the last `keep` of them,
// and best.pt. A file is written under a temporary name, synced and renamed, so
// whatever has a final name is whole.
//
// Contents: a LibTorch archive with the net's parameters, the optimiser's
// state, torch's random number generator, and one JSON text for everything
// else.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nn/unet.h"

namespace torch::optim {
class Optimizer;
}  // namespace torch::optim

namespace cnn_fp4::train {

// Writes everything that a bit-exact continuation needs. `metadata` is a JSON
// text of the caller's.
absl::Status SaveCheckpoint(const std::string& path, const nn::UNet& net,
                            torch::optim::Optimizer& optimizer,
                            const std::string& metadata);

// Reads what SaveCheckpoint wrote into `net` and `optimizer` (null: leave out)
// and returns the metadata. DataLoss, naming the file, for a file that is no
// checkpoint; InvalidArgument for one of another net.
absl::StatusOr<std::string> LoadCheckpoint(const std::string& path,
                                           nn::UNet& net,
                                           torch::optim::Optimizer* optimizer);

// "<directory>/step-000040.pt".
std::string CheckpointPath(const std::string& directory, int64_t step);
std::string BestCheckpointPath(const std::string& directory);

// Steps of the checkpoints in `directory`, ascending; empty if there is none.
std::vector<int64_t> CheckpointSteps(const std::string& directory);

// Removes all but the newest `keep` numbered checkpoints.
absl::Status PruneCheckpoints(const std::string& directory, int keep);

}  // namespace cnn_fp4::train

#endif  // TRAIN_CHECKPOINT_H_
