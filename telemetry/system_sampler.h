#ifndef TELEMETRY_SYSTEM_SAMPLER_H_
#define TELEMETRY_SYSTEM_SAMPLER_H_

// What this process takes of the machine, from time to time: read from /proc
// and getrusage(2) in some microseconds, by the thread that asks; and what GPUs
// do, on request.
//
//   SystemSampler sampler;
//   if (auto stats = sampler.Sample(step, absl::Now())) run.Log({*stats, arm});

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "telemetry/gpu_sampler.h"
#include "telemetry/record.h"

namespace cnn_fp4::telemetry {

class SystemSampler {
 public:
  // `now`: from when on the CPU's use is counted.
  // `gpus`: null, or asked for each sample.
  explicit SystemSampler(absl::Time now,
                         absl::Duration every = absl::Seconds(10),
                         std::unique_ptr<GpuSampler> gpus = nullptr);

  // What is taken now, and of the CPU since the last sample: at the first call,
  // and then when `every` has passed since the last sample; nullopt in between.
  // Memory and threads are 0 where /proc does not tell.
  std::optional<SystemStats> Sample(int64_t step, absl::Time now);

 private:
  const absl::Duration every_;
  const std::unique_ptr<GpuSampler> gpus_;
  absl::Time due_ = absl::InfinitePast();
  absl::Time last_;
  absl::Duration cpu_at_last_;
};

}  // namespace cnn_fp4::telemetry

#endif  // TELEMETRY_SYSTEM_SAMPLER_H_
