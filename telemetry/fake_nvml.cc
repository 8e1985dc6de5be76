// A driver's management library with two GPUs, of which the second does not
// tell its temperature and its power: for tests on machines without a GPU.

extern "C" {

struct nvmlUtilization_t {
  unsigned int gpu, memory;
};
struct nvmlMemory_t {
  unsigned long long total, free, used;  // NOLINT: NVML's type.
};

int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }
int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 2;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  static int devices[2];
  *device = &devices[index];
  devices[index] = static_cast<int>(index);
  return 0;
}
int nvmlDeviceGetUtilizationRates(void* device, nvmlUtilization_t* rates) {
  *rates = {*static_cast<int*>(device) == 0 ? 87u : 3u, 40};
  return 0;
}
int nvmlDeviceGetMemoryInfo(void* device, nvmlMemory_t* memory) {
  const unsigned long long used =  // NOLINT
      *static_cast<int*>(device) == 0 ? 6ULL << 30 : 1ULL << 20;
  *memory = {80ULL << 30, (80ULL << 30) - used, used};
  return 0;
}
int nvmlDeviceGetTemperature(void* device, unsigned int sensor,
                             unsigned int* celsius) {
  if (*static_cast<int*>(device) != 0 || sensor != 0)
    return 3;  // Not supported.
  *celsius = 61;
  return 0;
}
int nvmlDeviceGetPowerUsage(void* device, unsigned int* milliwatts) {
  if (*static_cast<int*>(device) != 0) return 3;
  *milliwatts = 312500;
  return 0;
}

}  // extern "C"
