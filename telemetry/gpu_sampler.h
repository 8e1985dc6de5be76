#ifndef TELEMETRY_GPU_SAMPLER_H_
#define TELEMETRY_GPU_SAMPLER_H_

// What the NVIDIA GPUs of this machine do, as their driver's management library
// (NVML) tells: it is loaded when this is opened, so that nothing is linked to
// it.
//
//   if (auto gpus = GpuSampler::Open(); gpus.ok()) stats = (*gpus)->Sample();

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "telemetry/record.h"

namespace cnn_fp4::telemetry {

class GpuSampler {
 public:
  // Unavailable where there is no driver, or it does not answer.
  static absl::StatusOr<std::unique_ptr<GpuSampler>> Open(
      const std::string& library = "libnvidia-ml.so.1");
  ~GpuSampler();
  GpuSampler(const GpuSampler&) = delete;
  GpuSampler& operator=(const GpuSampler&) = delete;

  // Of each GPU, in NVML's order, which is that of their places on the bus and
  // knows nothing of CUDA_VISIBLE_DEVICES. Takes some milliseconds at most.
  std::vector<GpuStats> Sample() const;

 private:
  struct Functions;
  explicit GpuSampler(std::unique_ptr<Functions> functions);

  const std::unique_ptr<Functions> functions_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_GPU_SAMPLER_H_
