#ifndef EXPERIMENTS_MACHINE_OPTIONS_H_
#define EXPERIMENTS_MACHINE_OPTIONS_H_

// Where a program that works with a trained net computes.
//
//   struct Options {
//     MachineOptions machine;
//     template <typename Self, typename Visitor>
//     static void VisitFields(Self& self, Visitor&& visit) {
//       MachineOptions::VisitFields(self.machine, visit);   // --device,
//       --threads
//     }
//   };
//   const absl::StatusOr<std::string> device = StartRuntime(options.machine);

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace cnn_fp4::experiments {

struct MachineOptions {
  std::string device = "cpu";
  int64_t threads = 0;

  template <typename Self, typename Visitor>
  static void VisitFields(Self& self, Visitor&& visit) {
    visit("device", self.device, "cpu, cuda, or auto: cuda if there is a GPU.");
    visit("threads", self.threads,
          "Number of CPU threads; 0 means one for each core, or "
          "OMP_NUM_THREADS.");
  }
};

// Call it before the first tensor operation. "cpu" or "cuda"; errors are
// CheckThreads' and nn::ResolveDevice's.
absl::StatusOr<std::string> StartRuntime(const MachineOptions& options);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_MACHINE_OPTIONS_H_
