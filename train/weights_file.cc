#include "train/weights_file.h"

#include <torch/torch.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "base/read_file.h"
#include "io/safetensors/reader.h"
#include "io/safetensors/writer.h"

namespace cnn_fp4::train {
namespace {

using safetensors::DType;
using safetensors::TensorInfo;

// Shown of a file that fits nowhere.
constexpr size_t kShownNames = 5;

struct TypePair {
  DType file;
  at::ScalarType tensor;
};

constexpr TypePair kTypes[] = {
    {DType::kF32, at::kFloat},     {DType::kF16, at::kHalf},
    {DType::kBf16, at::kBFloat16}, {DType::kF64, at::kDouble},
    {DType::kI64, at::kLong},      {DType::kI32, at::kInt},
};

std::optional<at::ScalarType> TensorType(DType dtype) {
  for (const TypePair& pair : kTypes) {
    if (pair.file == dtype) return pair.tensor;
  }
  return std::nullopt;
}

std::optional<DType> FileType(at::ScalarType type) {
  for (const TypePair& pair : kTypes) {
    if (pair.tensor == type) return pair.file;
  }
  return std::nullopt;
}

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

NamedTensors TensorsOf(const torch::nn::Module& net) {
  NamedTensors tensors;
  for (const auto& parameter : net.named_parameters()) {
    tensors.emplace_back(parameter.key(), parameter.value());
  }
  for (const auto& buffer : net.named_buffers()) {
    tensors.emplace_back(buffer.key(), buffer.value());
  }
  return tensors;
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status Bad(const safetensors::Reader& file, const TensorInfo& info,
                 absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      file.name(), ": tensor ", safetensors::QuoteName(info.name), ": ", what));
}

// The file's values in the type of `to`, in memory of their own.
absl::StatusOr<at::Tensor> Read(const safetensors::Reader& file,
                                const TensorInfo& info, const at::Tensor& to) {
  const std::optional<at::ScalarType> type = TensorType(info.dtype);
  if (!type.has_value() ||
      at::isFloatingType(*type) != at::isFloatingType(to.scalar_type())) {
    return Bad(file, info,
               absl::StrCat("is of type ", DTypeName(info.dtype),
                            ", which holds no weights; weights are F32, F16, "
                            "BF16 or F64 (fp4 dequantize makes F32 of FP4)"));
  }
  at::Tensor values = at::empty(info.shape, *type);
  const absl::Span<const uint8_t> bytes = file.Data(info);
  // The file's bytes are not aligned.
  if (!bytes.empty()) {
    std::memcpy(values.mutable_data_ptr(), bytes.data(), bytes.size());
  }
  values = values.to(to.scalar_type());
  if (!values.isfinite().all().item<bool>()) {
    return Bad(file, info,
               absl::StrCat("holds a value that is not a finite ",
                            DTypeName(*FileType(to.scalar_type()))));
  }
  return values;
}

absl::Status NothingFits(const safetensors::Reader& file,
                         const NamedTensors& tensors) {
  std::vector<std::string> there, wanted;
  for (const TensorInfo& info : file.tensors()) {
    if (there.size() == kShownNames) break;
    there.push_back(absl::StrCat(info.name, " ", ShapeText(info.shape)));
  }
  for (const auto& [name, tensor] : tensors) {
    if (wanted.size() == kShownNames) break;
    wanted.push_back(absl::StrCat(name, " ", ShapeText(tensor.sizes())));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      file.name(), ": none of its ", file.tensors().size(),
      " tensors has the name and the shape of one of the net's; the file has ",
      absl::StrJoin(there, ", "), " ..., the net ", absl::StrJoin(wanted, ", "),
      " ..."));
}

}  // namespace

absl::StatusOr<WeightsMatch> LoadWeightsFile(const std::string& path,
                                             torch::nn::Module& net) {
  const auto file = safetensors::Reader::Open(path);
  if (!file.ok()) return file.status();
  const NamedTensors tensors = TensorsOf(net);
  WeightsMatch match;
  std::set<std::string> names;
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;  // To, from.
  for (const auto& [name, tensor] : tensors) {
    names.insert(name);
    const TensorInfo* const info = file->Find(name);
    if (info == nullptr) {
      match.kept.push_back(name);
    } else if (at::IntArrayRef(info->shape) != tensor.sizes()) {
      match.kept.push_back(
          absl::StrCat(name, " (its shape is ", ShapeText(tensor.sizes()),
                       ", in the file ", ShapeText(info->shape), ")"));
    } else {
      absl::StatusOr<at::Tensor> values = Read(*file, *info, tensor);
      if (!values.ok()) return values.status();
      copies.emplace_back(tensor, *std::move(values));
      match.loaded.push_back(name);
    }
  }
  for (const TensorInfo& info : file->tensors()) {
    if (names.count(info.name) == 0) match.unused.push_back(info.name);
  }
  if (match.loaded.empty()) return NothingFits(*file, tensors);
  const torch::NoGradGuard no_grad;
  for (auto& [to, from] : copies) to.copy_(from);
  return match;
}

absl::Status SaveWeightsFile(const std::string& path,
                             const torch::nn::Module& net) {
  NamedTensors tensors;
  std::vector<safetensors::TensorSpec> specs;
  for (const auto& [name, tensor] : TensorsOf(net)) {
    const at::Tensor values = tensor.detach().cpu().contiguous();
    const std::optional<DType> type = FileType(values.scalar_type());
    if (!type.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": cannot write ", name, ", which is of type ",
                       c10::toString(values.scalar_type())));
    }
    specs.push_back({name, *type, values.sizes().vec()});
    tensors.emplace_back(name, values);
  }
  // What PyTorch's own writer says of its files.
  const auto writer =
      safetensors::Writer::Create(path, std::move(specs), {{"format", "pt"}});
  if (!writer.ok()) return writer.status();
  for (const auto& [name, values] : tensors) {
    const absl::Status status =
        (*writer)->Write(name, 0,
                         {static_cast<const uint8_t*>(values.const_data_ptr()),
                          values.nbytes()});
    if (!status.ok()) return status;
  }
  return (*writer)->Finish();
}

absl::StatusOr<std::string> FileChecksum(const std::string& path) {
  // A device or a pipe may have no end.
  if (absl::Status status = base::CheckRegularFile(path);
      absl::IsInvalidArgument(status)) {
    return status;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  }
  std::array<char, 1 << 16> block;
  uLong crc = 0;
  do {
    file.read(block.data(), block.size());
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(block.data()),
                  static_cast<size_t>(file.gcount()));
  } while (file);
  if (file.bad() || !file.eof()) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot read"));
  }
  return absl::StrFormat("%08x", crc);
}

}  // namespace cnn_fp4::train
