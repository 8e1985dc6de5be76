#include "quant/device_quantizer.h"

#include <array>
#include <atomic>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace cnn_fp4::quant {
namespace {

std::atomic<const DeviceQuantizer*>& Slot(Device device) {
  static std::array<std::atomic<const DeviceQuantizer*>, 2> slots = {};
  return slots[static_cast<int>(device)];
}

}  // namespace

absl::string_view NameOf(Device device) {
  return device == Device::kCpu ? "CPU" : "CUDA";
}

absl::Status CheckOneDevice(Device input, Device output) {
  if (input == output) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the input lies on ", NameOf(input), ", the output on ",
                   NameOf(output), ": both must lie on one device"));
}

void RegisterDeviceQuantizer(Device device, const DeviceQuantizer* quantizer) {
  CHECK(device != Device::kCpu) << "the CPU's is built in";
  CHECK(Slot(device).exchange(quantizer) == nullptr || quantizer == nullptr)
      << "two quantisers for " << NameOf(device);
}

const DeviceQuantizer* FindDeviceQuantizer(Device device) {
  return Slot(device);
}

}  // namespace cnn_fp4::quant
