#ifndef QUANT_CPU_PARALLEL_H_
#define QUANT_CPU_PARALLEL_H_

// A loop over tasks, shared among OpenMP's threads.

#ifdef _OPENMP
#include <omp.h>
#endif

#include <atomic>
#include <cstdint>
#include <memory>

namespace cnn_fp4::quant::cpu {

// Threads that a parallel region gets at most, and the number in it of the one
// that asks. A build without OpenMP (libFuzzer's compiler has none) has one.
inline int MaxThreads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}
inline int ThreadNumber() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

// Calls run(task, state) for task = 0 .. tasks - 1, in any order, on up to
// MaxThreads() threads, each with its own State, and then merge(state) for each
// state, one at a time.
//
// Neighbouring tasks go to the same thread, and the same ones to it in the next
// loop over as many: data stays in the cache of the core that it is in. A
// thread that is done takes over what another one has not come to, so one that
// shares its core with another program does not make all wait.
template <class State, class Run, class Merge>
void ParallelFor(int64_t tasks, bool parallel, const Run& run,
                 const Merge& merge) {
  // The tasks of one thread, on a cache line of its own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  const int threads = parallel && tasks > 1 ? MaxThreads() : 1;
  if (threads == 1) {
    // Without a parallel region: one of a single thread costs 0.4 us.
    State state;
    for (int64_t task = 0; task < tasks; ++task) run(task, state);
    merge(state);
    return;
  }
  const std::unique_ptr<Share[]> shares(new Share[threads]);
  for (int t = 0; t < threads; ++t) {
    shares[t].next = tasks * t / threads;
    shares[t].end = tasks * (t + 1) / threads;
  }
#pragma omp parallel num_threads(threads)
  {
    State state;
    const int own = ThreadNumber();
    for (int t = 0; t < threads; ++t) {
      Share& share = shares[(own + t) % threads];
      for (;;) {
        const int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= share.end) break;
        run(task, state);
      }
    }
#pragma omp critical(cnn_fp4_quant_cpu_merge)
    merge(state);
  }
}

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_PARALLEL_H_
