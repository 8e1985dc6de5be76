#include "train/checkpoint.h"

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/atomic_file.h"

namespace cnn_fp4::train {
namespace {

namespace fs = std::filesystem;

constexpr char kFormat[] = "cnn_fp4_emulation checkpoint 1";

at::Generator CpuGenerator() { return at::detail::getDefaultCPUGenerator(); }

}  // namespace

absl::Status SaveCheckpoint(const std::string& path, const nn::UNet& net,
                            torch::optim::Optimizer& optimizer,
                            const std::string& metadata) {
  torch::serialize::OutputArchive archive;
  archive.write("format", c10::IValue(std::string(kFormat)));
  archive.write("metadata", c10::IValue(metadata));
  archive.write("rng_state", CpuGenerator().get_state());
  torch::serialize::OutputArchive parameters, state;
  for (const nn::NamedParameter& parameter : net.parameters()) {
    parameters.write(parameter.name, *parameter.tensor);
  }
  optimizer.save(state);
  archive.write("parameters", parameters);
  archive.write("optimizer", state);
  std::ostringstream stream;
  archive.save_to(stream);
  return base::WriteFileAtomically(path, stream.str());
}

absl::StatusOr<std::string> LoadCheckpoint(const std::string& path,
                                           nn::UNet& net,
                                           torch::optim::Optimizer* optimizer) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": no such checkpoint"));
  }
  try {
    torch::serialize::InputArchive archive, parameters;
    archive.load_from(path);
    c10::IValue format, metadata;
    if (!archive.try_read("format", format) ||
        format.toStringRef() != kFormat) {
      return absl::DataLossError(
          absl::StrCat(path, ": not a checkpoint of this program"));
    }
    archive.read("metadata", metadata);
    archive.read("parameters", parameters);
    const torch::NoGradGuard no_grad;
    for (const nn::NamedParameter& parameter : net.parameters()) {
      at::Tensor value;
      if (!parameters.try_read(parameter.name, value) ||
          value.sizes() != parameter.tensor->sizes()) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ": parameter ", parameter.name,
            " is missing or has another shape; the checkpoint is of another "
            "net"));
      }
      parameter.tensor->copy_(value);
    }
    if (optimizer != nullptr) {
      torch::serialize::InputArchive state;
      archive.read("optimizer", state);
      optimizer->load(state);
      at::Tensor rng_state;
      archive.read("rng_state", rng_state);
      CpuGenerator().set_state(rng_state);
    }
    return metadata.toStringRef();
  } catch (const c10::Error& c10_error) {
    return absl::DataLossError(absl::StrCat(
        path, ": not a readable checkpoint (",
        absl::StripSuffix(c10_error.what_without_backtrace(), "\n"),
        "); remove it to continue from the one before"));
  }
}

std::string CheckpointPath(const std::string& directory, int64_t step) {
  return absl::StrFormat("%s/step-%06d.pt", directory, step);
}

std::string BestCheckpointPath(const std::string& directory) {
  return directory + "/best.pt";
}

std::vector<int64_t> CheckpointSteps(const std::string& directory) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    absl::string_view digits = name;
    int64_t step = 0;
    if (absl::ConsumePrefix(&digits, "step-") &&
        absl::ConsumeSuffix(&digits, ".pt") &&
        absl::SimpleAtoi(digits, &step)) {
      steps.push_back(step);
    }
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

absl::Status PruneCheckpoints(const std::string& directory, int keep) {
  std::vector<int64_t> steps = CheckpointSteps(directory);
  while (steps.size() > static_cast<size_t>(keep)) {
    const std::string path = CheckpointPath(directory, steps.front());
    std::error_code error;
    if (!fs::remove(path, error)) {
      return absl::InternalError(
          absl::StrCat(path, ": cannot be removed: ", error.message()));
    }
    steps.erase(steps.begin());
  }
  return absl::OkStatus();
}

}  // namespace cnn_fp4::train
