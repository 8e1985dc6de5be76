#include "telemetry/gpu_sampler.h"

#include <dlfcn.h>

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace cnn_fp4::telemetry {
namespace {

// The part of nvml.h that is used here; NVML keeps its binary interface.
using Result = int;
using DeviceHandle = void*;
constexpr Result kSuccess = 0;
constexpr unsigned int kTemperatureOfGpu = 0;
struct Utilization {
  unsigned int gpu, memory;  // Percent.
};
struct Memory {
  unsigned long long total, free, used;  // NOLINT: NVML's type. Bytes.
};

}  // namespace

struct GpuSampler::Functions {
  void* library = nullptr;
  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  Result (*count)(unsigned int*) = nullptr;
  Result (*handle)(unsigned int, DeviceHandle*) = nullptr;
  Result (*utilization)(DeviceHandle, Utilization*) = nullptr;
  Result (*memory)(DeviceHandle, Memory*) = nullptr;
  Result (*temperature)(DeviceHandle, unsigned int, unsigned int*) = nullptr;
  Result (*power)(DeviceHandle, unsigned int*) = nullptr;  // Milliwatts.

  ~Functions() {
    if (library != nullptr) ::dlclose(library);
  }
};

GpuSampler::GpuSampler(std::unique_ptr<Functions> functions)
    : functions_(std::move(functions)) {}

GpuSampler::~GpuSampler() { functions_->shutdown(); }

absl::StatusOr<std::unique_ptr<GpuSampler>> GpuSampler::Open(
    const std::string& library) {
  auto functions = std::make_unique<Functions>();
  functions->library = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (functions->library == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("loading the GPU driver's ", library, ": ", ::dlerror()));
  }
  std::string missing;
  const auto find = [&](const char* name, auto* function) {
    *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(
        ::dlsym(functions->library, name));
    if (*function == nullptr) missing = name;
  };
  find("nvmlInit_v2", &functions->init);
  find("nvmlShutdown", &functions->shutdown);
  find("nvmlDeviceGetCount_v2", &functions->count);
  find("nvmlDeviceGetHandleByIndex_v2", &functions->handle);
  find("nvmlDeviceGetUtilizationRates", &functions->utilization);
  find("nvmlDeviceGetMemoryInfo", &functions->memory);
  find("nvmlDeviceGetTemperature", &functions->temperature);
  find("nvmlDeviceGetPowerUsage", &functions->power);
  if (!missing.empty()) {
    return absl::UnavailableError(
        absl::StrCat(library, " has no function ", missing));
  }
  if (const Result result = functions->init(); result != kSuccess) {
    return absl::UnavailableError(
        absl::StrCat(library, ": the GPU driver answers with error ", result));
  }
  return std::unique_ptr<GpuSampler>(new GpuSampler(std::move(functions)));
}

std::vector<GpuStats> GpuSampler::Sample() const {
  unsigned int count = 0;
  if (functions_->count(&count) != kSuccess) return {};
  std::vector<GpuStats> gpus(count);
  for (unsigned int i = 0; i < count; ++i) {
    DeviceHandle device = nullptr;
    if (functions_->handle(i, &device) != kSuccess) continue;
    GpuStats& gpu = gpus[i];
    if (Utilization of = {}; functions_->utilization(device, &of) == kSuccess) {
      gpu.busy_percent = of.gpu;
    }
    if (Memory of = {}; functions_->memory(device, &of) == kSuccess) {
      gpu.memory_bytes = static_cast<int64_t>(of.used);
      gpu.memory_total_bytes = static_cast<int64_t>(of.total);
    }
    unsigned int value = 0;
    if (functions_->temperature(device, kTemperatureOfGpu, &value) ==
        kSuccess) {
      gpu.celsius = value;
    }
    if (functions_->power(device, &value) == kSuccess) {
      gpu.watts = value / 1000.0;
    }
  }
  return gpus;
}

}  // namespace cnn_fp4::telemetry
