#include "train/checkpoint.h"

#include <torch/torch.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/atomic_file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr absl::string_view kFormat = "cnn_fp4_emulation checkpoint 2\n";
constexpr absl::string_view kAnyVersion = "cnn_fp4_emulation checkpoint ";
// Eight hexadecimal digits and a line break.
constexpr size_t kChecksumBytes = 9;

at::Generator CpuGenerator() { return at::detail::getDefaultCPUGenerator(); }

std::string ChecksumLine(absl::string_view bytes) {
  return absl::StrFormat(
      "%08x\n",
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": not a readable checkpoint (",
                                          what, "); take another one"));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat(path, ": no such checkpoint"));
  }
  std::string contents(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("reading ", path));
  }
  return contents;
}

// What comes before the payload, and the payload, which points into `file`.
struct Parts {
  Checkpoint checkpoint;
  absl::string_view payload;
};

absl::StatusOr<Parts> TakeApart(const std::string& path,
                                absl::string_view file) {
  if (!absl::StartsWith(file, kFormat)) {
    // Version 1 was an archive without a line before it.
    if (absl::StartsWith(file, kAnyVersion) || absl::StartsWith(file, "PK")) {
      return absl::InvalidArgumentError(absl::StrCat(
          path,
          ": was written by another version of this program, whose checkpoints "
          "this one does not read; start the run anew"));
    }
    return Damaged(path, "it does not begin as one");
  }
  if (file.size() < kFormat.size() + kChecksumBytes) {
    return Damaged(path, "it is cut short");
  }
  const absl::string_view checked =
      file.substr(0, file.size() - kChecksumBytes);
  if (file.substr(checked.size()) != ChecksumLine(checked)) {
    return Damaged(path, "its checksum does not match its contents");
  }
  // From here on the bytes are those that were written, though perhaps not by
  // this program.
  const absl::string_view rest = checked.substr(kFormat.size());
  const size_t line_end = std::min(rest.find('\n'), rest.size());
  const absl::StatusOr<json> header = base::ParseJson(rest.substr(0, line_end));
  if (!header.ok()) return Damaged(path, header.status().message());
  Parts parts;
  try {
    parts.checkpoint.arm = header->at("arm");
    parts.checkpoint.step = base::IntegerFromJson(header->at("step"));
    // A checkpoint of an older version was written after the validation.
    parts.checkpoint.validated = header->value("validated", true);
  } catch (const json::exception&) {
    return Damaged(path, "its header lacks the arm or the step");
  }
  parts.payload = rest.substr(std::min(line_end + 1, rest.size()));
  return parts;
}

// Calls visit(name, tensor) for everything that a net has learnt.
template <typename Visitor>
void VisitTensors(const torch::nn::Module& net, Visitor&& visit) {
  for (const auto& parameter : net.named_parameters()) {
    visit("parameter", parameter.key(), parameter.value());
  }
  for (const auto& buffer : net.named_buffers()) {
    visit("buffer", buffer.key(), buffer.value());
  }
}

absl::StatusOr<std::vector<at::Tensor>> ReadTensors(
    const std::string& path, const torch::nn::Module& net,
    torch::serialize::InputArchive& archive) {
  std::vector<at::Tensor> values;
  absl::Status status;
  VisitTensors(net, [&](const char* kind, const std::string& name,
                        const at::Tensor& tensor) {
    at::Tensor value;
    if (!archive.try_read(name, value) || value.sizes() != tensor.sizes()) {
      status.Update(absl::InvalidArgumentError(absl::StrCat(
          path, ": ", kind, " ", name,
          " is missing or has another shape; the checkpoint is of another "
          "net")));
    }
    values.push_back(value);
  });
  if (!status.ok()) return status;
  return values;
}

}  // namespace

absl::Status SaveCheckpoint(const std::string& path,
                            const Checkpoint& checkpoint,
                            const torch::nn::Module& net,
                            torch::optim::Optimizer& optimizer) {
  torch::serialize::OutputArchive archive, tensors, optimizer_state;
  archive.write("state", c10::IValue(checkpoint.state));
  archive.write("rng_state", CpuGenerator().get_state());
  VisitTensors(
      net, [&](const char*, const std::string& name, const at::Tensor& tensor) {
        tensors.write(name, tensor);
      });
  optimizer.save(optimizer_state);
  archive.write("net", tensors);
  archive.write("optimizer", optimizer_state);
  std::ostringstream stream;
  const json header = {{"arm", checkpoint.arm},
                       {"step", checkpoint.step},
                       {"validated", checkpoint.validated}};
  stream << kFormat << header.dump() << "\n";
  archive.save_to(stream);
  std::string contents = std::move(stream).str();
  contents += ChecksumLine(contents);
  return base::WriteFileAtomically(path, contents);
}

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path,
                                          const std::string& arm,
                                          torch::nn::Module& net,
                                          torch::optim::Optimizer* optimizer) {
  const absl::StatusOr<std::string> file = ReadFile(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<Parts> parts = TakeApart(path, *file);
  if (!parts.ok()) return parts.status();
  Checkpoint& checkpoint = parts->checkpoint;
  if (!arm.empty() && checkpoint.arm != arm) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is of the arm ", checkpoint.arm, ", not of ", arm,
                     "; put it back where it was"));
  }
  try {
    torch::serialize::InputArchive archive, tensors;
    archive.load_from(parts->payload.data(), parts->payload.size());
    c10::IValue state;
    archive.read("state", state);
    checkpoint.state = state.toStringRef();
    archive.read("net", tensors);
    const auto values = ReadTensors(path, net, tensors);
    if (!values.ok()) return values.status();
    const torch::NoGradGuard no_grad;
    auto value = values->begin();
    VisitTensors(
        net, [&](const char*, const std::string&, const at::Tensor& tensor) {
          tensor.copy_(*value++);
        });
    if (optimizer != nullptr) {
      torch::serialize::InputArchive optimizer_state;
      archive.read("optimizer", optimizer_state);
      optimizer->load(optimizer_state);
      at::Tensor rng_state;
      archive.read("rng_state", rng_state);
      CpuGenerator().set_state(rng_state);
    }
    return checkpoint;
  } catch (const c10::Error& error) {
    return Damaged(path,
                   absl::StripSuffix(error.what_without_backtrace(), "\n"));
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

absl::StatusOr<ResumeStep> FindResumeStep(const std::string& directory) {
  std::vector<int64_t> steps = CheckpointSteps(directory);
  ResumeStep found;
  if (steps.empty()) return found;
  const int64_t newest = steps.back();
  std::vector<absl::Status> damaged;
  for (; !steps.empty(); steps.pop_back()) {
    const std::string path = CheckpointPath(directory, steps.back());
    const absl::StatusOr<std::string> file = ReadFile(path);
    if (!file.ok()) return file.status();
    const absl::StatusOr<Parts> parts = TakeApart(path, *file);
    if (parts.ok()) {
      found.step = steps.back();
      found.validated = parts->checkpoint.validated;
      break;
    }
    if (!absl::IsDataLoss(parts.status())) return parts.status();
    damaged.push_back(parts.status());
  }
  if (steps.empty()) {
    return absl::DataLossError(absl::StrCat(
        directory, ": none of its ", damaged.size(),
        " checkpoints can be read, the newest because of ",
        damaged[0].message(), "; remove the directory to train the arm anew"));
  }
  steps = CheckpointSteps(directory);
  for (const absl::Status& status : damaged) {
    const int64_t step = steps.back();
    steps.pop_back();
    const std::string path = CheckpointPath(directory, step);
    const std::string aside = absl::StrCat(directory, "/damaged-",
                                           fs::path(path).filename().string());
    std::error_code error;
    fs::rename(path, aside, error);
    if (error) {
      return absl::InternalError(
          absl::StrCat(path, ": cannot be renamed: ", error.message()));
    }
    found.damaged.push_back(absl::StrCat(
        absl::StripSuffix(status.message(), "; take another one"),
        "; it is kept as ", aside, ", and the arm continues from step ",
        found.step, ", so that ", newest - found.step, " steps are lost"));
  }
  return found;
}

absl::Status PruneCheckpoints(const std::string& directory, int64_t keep) {
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
