#include "telemetry/system_sampler.h"

#include <sys/resource.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace cnn_fp4::telemetry {
namespace {

// Of all threads, in user and system mode.
absl::Duration CpuTime() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) +
         absl::DurationFromTimeval(usage.ru_stime);
}

// The number of a line "KEY:   123 kB" of a file in /proc; 0: there is none.
int64_t NumberIn(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t number = 0;
    if (words >> name >> number && name == key) return number;
  }
  return 0;
}

constexpr int64_t kKibi = 1024;

}  // namespace

SystemSampler::SystemSampler(absl::Time now, absl::Duration every,
                             std::unique_ptr<GpuSampler> gpus)
    : every_(every),
      gpus_(std::move(gpus)),
      last_(now),
      cpu_at_last_(CpuTime()) {}

std::optional<SystemStats> SystemSampler::Sample(int64_t step, absl::Time now) {
  if (now < due_) return std::nullopt;
  const absl::Duration cpu = CpuTime();
  SystemStats stats;
  stats.step = step;
  if (now > last_) {
    stats.cpu_percent =
        100 * absl::FDivDuration(cpu - cpu_at_last_, now - last_);
  }
  stats.resident_bytes = kKibi * NumberIn("/proc/self/status", "VmRSS:");
  stats.threads = NumberIn("/proc/self/status", "Threads:");
  stats.available_bytes = kKibi * NumberIn("/proc/meminfo", "MemAvailable:");
  if (gpus_ != nullptr) stats.gpus = gpus_->Sample();
  cpu_at_last_ = cpu;
  last_ = now;
  due_ = now + every_;
  return stats;
}

}  // namespace cnn_fp4::telemetry
