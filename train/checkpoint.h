#ifndef TRAIN_CHECKPOINT_H_
#define TRAIN_CHECKPOINT_H_

// Checkpoints of one arm: <directory>/step-NNNNNN.pt, the last `keep` of them,
// and best.pt. A file is written under a temporary name, synced and renamed, so
// whatever has a final name is whole.
//
// A file is a line of text that names the format and its version, a line of
// JSON ({"arm": "nvfp4", "step": 40, "validated": true}), a LibTorch archive
// (the net's parameters and buffers, the optimiser's state, torch's random
// number generator, a JSON text for everything else) and a line with the CRC-32
// of all that. Its size does not depend on the number of steps.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace torch::nn {
class Module;
}  // namespace torch::nn
namespace torch::optim {
class Optimizer;
}  // namespace torch::optim

namespace cnn_fp4::train {

struct Checkpoint {
  std::string arm;    // Key of the arm that wrote it.
  int64_t step = 0;   // Steps that were done.
  std::string state;  // A JSON text of the trainer's.
  // false: a validation is due after this step, and was not done yet.
  bool validated = true;
};

// Writes everything that a bit-exact continuation needs.
absl::Status SaveCheckpoint(const std::string& path,
                            const Checkpoint& checkpoint,
                            const torch::nn::Module& net,
                            torch::optim::Optimizer& optimizer);

// Reads what SaveCheckpoint wrote into `net` and `optimizer` (null: leave out).
// DataLoss, naming the file, for a file that is damaged or no checkpoint;
// InvalidArgument for one of an older version, of another arm than `arm`
// (empty: any) or of another net. `net` is as it was after any of these.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path,
                                          const std::string& arm,
                                          torch::nn::Module& net,
                                          torch::optim::Optimizer* optimizer);

// "<directory>/step-000040.pt".
std::string CheckpointPath(const std::string& directory, int64_t step);
std::string BestCheckpointPath(const std::string& directory);

// Steps of the checkpoints in `directory`, ascending; empty if there is none.
std::vector<int64_t> CheckpointSteps(const std::string& directory);

// Where an arm continues.
struct ResumeStep {
  int64_t step = 0;       // 0: from its beginning, without a checkpoint.
  bool validated = true;  // As in Checkpoint.
  // A line for each newer checkpoint that was damaged: its path, what is wrong
  // with it, and how many steps are lost.
  std::vector<std::string> damaged;
};

// The newest checkpoint in `directory` that is whole, by its checksum. Newer
// ones that are damaged are kept as damaged-step-NNNNNN.pt, which nothing reads
// and nothing removes. DataLoss if there are checkpoints and none is whole;
// InvalidArgument for one of another version.
absl::StatusOr<ResumeStep> FindResumeStep(const std::string& directory);

// Removes all but the newest `keep` numbered checkpoints.
absl::Status PruneCheckpoints(const std::string& directory, int64_t keep);

}  // namespace cnn_fp4::train

#endif  // TRAIN_CHECKPOINT_H_
