#include "quant/cuda/cuda_quantizer.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "quant/cuda/executor_quantizer.h"
#include "quant/cuda/kernels.h"

namespace cnn_fp4::quant::cuda {
namespace {

absl::Status ToStatus(const char* error) {
  if (error == nullptr) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("CUDA: ", error));
}

const char* Launch(Kernel kernel, const QuantizeArgs& args, void* stream) {
  const bool quantizes =
      kernel == Kernel::kRows || kernel == Kernel::kColumns ||
      kernel == Kernel::kTiles || kernel == Kernel::kElements;
  if (quantizes && args.pairs != nullptr) {
    return LaunchPairs(kernel, args, stream);
  }
  if (args.window.width != 0 &&
      (kernel == Kernel::kRows || kernel == Kernel::kAmaxRows)) {
    return LaunchWindows(kernel, args, stream);
  }
  switch (kernel) {
    case Kernel::kAmax:
    case Kernel::kAmaxRows:
    case Kernel::kRows:
      return LaunchRows(kernel, args, stream);
    case Kernel::kAmaxColumns:
    case Kernel::kColumns:
      return LaunchColumns(kernel, args, stream);
    case Kernel::kTiles:
      return LaunchTiles(args, stream);
    default:
      return LaunchUnits(kernel, args, stream);
  }
}

class StreamExecutor : public Executor {
 public:
  explicit StreamExecutor(void* stream) : stream_(stream) {}

  absl::Status Run(Kernel kernel, const QuantizeArgs& args) override {
    return ToStatus(Launch(kernel, args, stream_));
  }
  absl::Status RunBoth(BothKernel kernel, const QuantizeArgs& rows,
                       const QuantizeArgs& columns) override {
    return ToStatus(LaunchBoth(kernel, rows, columns, stream_));
  }
  absl::StatusOr<void*> AllocateZeros(size_t bytes) override {
    void* memory = nullptr;
    absl::Status status = ToStatus(AllocateOnStream(bytes, stream_, &memory));
    if (status.ok()) status = Zero(memory, bytes);
    if (!status.ok()) return status;
    return memory;
  }
  void Free(void* memory) override { FreeOnStream(memory, stream_); }
  absl::Status Zero(void* memory, size_t bytes) override {
    return ToStatus(ZeroOnStream(memory, bytes, stream_));
  }

 private:
  void* const stream_;
};

[[maybe_unused]] const bool kRegistered = [] {
  RegisterDeviceQuantizer(Device::kCuda, &CudaQuantizer());
  return true;
}();

}  // namespace

const DeviceQuantizer& CudaQuantizer() {
  static const auto* const quantizer = new ExecutorQuantizer(
      [](void* stream) { return std::make_unique<StreamExecutor>(stream); });
  return *quantizer;
}

}  // namespace cnn_fp4::quant::cuda
