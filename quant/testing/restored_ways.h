#ifndef QUANT_TESTING_RESTORED_WAYS_H_
#define QUANT_TESTING_RESTORED_WAYS_H_

// Tests make small tensors go the ways of large ones, and choose threads and
// instruction sets; what they set is for all of the process.

#include <omp.h>

#include "quant/cpu/cache_size.h"
#include "quant/cpu/instruction_sets.h"
#include "quant/cpu/parallel.h"

namespace cnn_fp4::quant {

// At the end of its scope all of that is as it was at the start of a program.
class RestoredWays {
 public:
  RestoredWays() = default;
  RestoredWays(const RestoredWays&) = delete;
  RestoredWays& operator=(const RestoredWays&) = delete;
  ~RestoredWays() {
    cpu::UseInstructionSet(0);
    cpu::SetWorthThreadsForTest(65536);
    cpu::SetStreamedBytesForTest(0);
    omp_set_num_threads(max_threads_);
  }

 private:
  const int max_threads_ = omp_get_max_threads();
};

}  // namespace cnn_fp4::quant

#endif  // QUANT_TESTING_RESTORED_WAYS_H_
