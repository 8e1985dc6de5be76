#include "telemetry/sinks/wandb_system.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "telemetry/sinks/wandb_row.h"

namespace cnn_fp4::telemetry {

void AddWandbSystem(const SystemStats& system, uint32_t cores,
                    wandb::StatsRecord* stats) {
  const auto add = [stats](const std::string& key, double value) {
    if (std::isnan(value)) return;
    wandb::StatsRecord::Item* const item = stats->add_item();
    item->set_key(key);
    item->set_value_json(WandbNumber(value));
  };
  // The process's share of all cores, and MiB.
  add("cpu", system.cpu_percent / std::max(1u, cores));
  add("proc.memory.rssMB",
      static_cast<double>(system.resident_bytes) / (1 << 20));
  add("proc.memory.availableMB",
      static_cast<double>(system.available_bytes) / (1 << 20));
  add("proc.cpu.threads", static_cast<double>(system.threads));
  for (size_t i = 0; i < system.gpus.size(); ++i) {
    const GpuStats& gpu = system.gpus[i];
    const std::string prefix = absl::StrCat("gpu.", i, ".");
    const auto used = static_cast<double>(gpu.memory_bytes);
    add(prefix + "gpu", gpu.busy_percent);
    if (gpu.memory_total_bytes > 0) {
      // In percent.
      add(prefix + "memoryAllocated",
          100 * used / static_cast<double>(gpu.memory_total_bytes));
      add(prefix + "memoryAllocatedBytes", used);
    }
    add(prefix + "temp", gpu.celsius);
    add(prefix + "powerWatts", gpu.watts);
  }
}

}  // namespace cnn_fp4::telemetry
