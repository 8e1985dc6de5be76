#ifndef QUANT_CUDA_DEVICE_MEMORY_H_
#define QUANT_CUDA_DEVICE_MEMORY_H_

// What tests of a device's quantiser share: its memory, values that try it, and
// comparisons with the reference.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/block_grid.h"
#include "quant/distortion_sums.h"
#include "quant/dtype.h"
#include "quant/quantize_options.h"
#include "quant/recipe.h"
#include "quant/reference/reference_quantizer.h"

namespace cnn_fp4::quant::cuda {

// The device's memory, as the cases see it.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  // At 256 bytes.
  virtual void* Allocate(size_t bytes) = 0;
  virtual void Free(void* memory) = 0;
  virtual void ToDevice(const void* host, void* device, size_t bytes) = 0;
  // Waits for the device.
  virtual void ToHost(const void* device, void* host, size_t bytes) = 0;
};

// Memory of the device that begins `offset` bytes after an aligned address.
class DeviceTensor {
 public:
  DeviceTensor(DeviceMemory& memory, int64_t bytes, int64_t offset)
      : memory_(memory),
        base_(static_cast<char*>(memory.Allocate(bytes + offset + 1))),
        data_(base_ + offset) {}
  ~DeviceTensor() { memory_.Free(base_); }
  DeviceTensor(const DeviceTensor&) = delete;
  DeviceTensor& operator=(const DeviceTensor&) = delete;

  void* data() const { return data_; }
  template <class T>
  T* As() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  DeviceMemory& memory_;
  char* const base_;
  char* const data_;
};

// Statistics in the device's memory.
class DeviceSums {
 public:
  explicit DeviceSums(DeviceMemory& memory)
      : memory_(memory), sums_(memory, sizeof(DistortionSums), 0) {
    Clear();
  }
  DistortionSums* get() const { return sums_.As<DistortionSums>(); }
  void Clear() {
    const DistortionSums none;
    memory_.ToDevice(&none, sums_.data(), sizeof(none));
  }
  DistortionSums Fetch() const {
    DistortionSums sums;
    memory_.ToHost(sums_.data(), &sums, sizeof(sums));
    return sums;
  }

 private:
  DeviceMemory& memory_;
  const DeviceTensor sums_;
};

// `size` elements of the device's memory.
std::vector<float> Fetch(DeviceMemory& memory, const void* from, DType type,
                         int64_t size);

// The bits of x in `type`, and back.
std::vector<uint8_t> ToBytes(DType type, const std::vector<float>& x);
std::vector<float> FromBytes(DType type, const std::vector<uint8_t>& bytes);

// What values become in `type`: rounded, and limited where asked.
std::vector<float> Rounded(DType type, bool limit, std::vector<float> values);

// Blocks of several magnitudes, zeros, ties of E2M1, the odd NaN.
std::vector<float> Values(int64_t size, bool nonfinite);

// Bit for bit; one NaN is as good as another.
void ExpectSame(const std::vector<float>& expected,
                const std::vector<float>& actual, const char* what);

// What statistics of a device are to be: those of the pairs of `x`, after
// policy and transform, and of what it was quantised to.
DistortionSums ExpectedSums(const Recipe& recipe, const BlockGrid& grid,
                            const QuantizeOptions& options,
                            const std::vector<float>& x,
                            const reference::Result& quantized);

// Counts are equal, sums within kDeviceSumTolerance.
void ExpectSums(const DistortionSums& expected, const DistortionSums& actual);

// "fp32".
const char* NameOfType(DType type);

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_DEVICE_MEMORY_H_
