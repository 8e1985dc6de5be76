#ifndef QUANT_CPU_PARALLEL_H_
#define QUANT_CPU_PARALLEL_H_

// A loop over tasks, shared among OpenMP's threads.

#include <cstdint>

namespace cnn_fp4::quant::cpu {

// Calls run(task, state) for task = 0 .. tasks - 1, in any order, on up to
// omp_get_max_threads() threads, each with its own State, and then
// merge(state) for each state, one at a time.
template <class State, class Run, class Merge>
void ParallelFor(int64_t tasks, bool parallel, const Run& run,
                 const Merge& merge) {
#pragma omp parallel if (parallel && tasks > 1)
  {
    State state;
#pragma omp for schedule(dynamic, 1) nowait
    for (int64_t task = 0; task < tasks; ++task) run(task, state);
#pragma omp critical(cnn_fp4_quant_cpu_merge)
    merge(state);
  }
}

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_PARALLEL_H_
