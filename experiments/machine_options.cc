#include "experiments/machine_options.h"

#include "experiments/threads_check.h"
#include "nn/runtime.h"

namespace cnn_fp4::experiments {

absl::StatusOr<std::string> StartRuntime(const MachineOptions& options) {
  if (absl::Status status = CheckThreads(options.threads); !status.ok()) {
    return status;
  }
  nn::InitRuntime(static_cast<int>(options.threads));
  return nn::ResolveDevice(options.device);
}

}  // namespace cnn_fp4::experiments
