#ifndef QUANT_CPU_PARALLEL_H_
#define QUANT_CPU_PARALLEL_H_

// A loop over tasks, shared among threads: OpenMP's, so that a program that has
// such threads already gets no more.
//
//   struct Sum { double value = 0.0; };
//   double sum = 0.0;
//   ParallelFor<Sum>(tasks, /*parallel=*/true,
//                    [&](int64_t task, Sum& s) { s.value += Of(task); },
//                    [&](const Sum& s) { sum += s.value; });
//
// Tasks run in the library's floating-point environment, whatever that of the
// thread is.

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include "absl/functional/function_ref.h"
#include "quant/float_environment.h"

namespace cnn_fp4::quant::cpu {

// Threads that a loop gets at most. One without OpenMP (libFuzzer's compiler
// has none), and one in a process that was forked: the parent's threads are not
// copied, and OpenMP would wait for them for ever.
int MaxThreads();

// Whether a loop over so many elements is worth a second thread: from 65536 on,
// or from what a test says (so that small tensors go every way that large ones
// do; before any loop runs).
bool WorthThreads(int64_t elements);
void SetWorthThreadsForTest(int64_t elements);

// Calls body(thread) for thread = 0 .. n - 1, n <= threads, each on a thread of
// its own, and returns when all are done. body must not throw.
void RunOnThreads(int threads, absl::FunctionRef<void(int)> body);

// Calls run(task, state) for task = 0 .. tasks - 1, in any order, on up to
// MaxThreads() threads, but no more than there are tasks, each with its own
// State, and then, on the caller's thread, merge(state) for each state in the
// order of the threads. States are made before the first task. std::bad_alloc
// in a task ends the loop and is thrown on the caller's thread.
//
// Neighbouring tasks go to the same thread, and the same ones to it in the next
// loop over as many: data stays in the cache of the core that it is in. A
// thread that is done takes over what another one has not come to, so one that
// shares its core with another program does not make all wait.
template <class State, class Run, class Merge>
void ParallelFor(int64_t tasks, bool parallel, const Run& run,
                 const Merge& merge) {
  int threads = parallel ? MaxThreads() : 1;
  if (threads > tasks) threads = tasks > 1 ? static_cast<int>(tasks) : 1;
  if (threads == 1) {
    // Without a parallel region: one of a single thread costs 0.4 us.
    const FloatEnvironment environment;
    State state;
    for (int64_t task = 0; task < tasks; ++task) run(task, state);
    merge(state);
    return;
  }
  // One thread's tasks and state, on cache lines of its own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
    State state;
  };
  const std::unique_ptr<Share[]> shares(new Share[threads]);
  for (int t = 0; t < threads; ++t) {
    shares[t].next = tasks * t / threads;
    shares[t].end = tasks * (t + 1) / threads;
  }
  std::atomic<bool> out_of_memory{false};
  RunOnThreads(threads, [&](int own) {
    const FloatEnvironment environment;
    State& state = shares[own].state;
    try {
      for (int t = 0; t < threads; ++t) {
        Share& share = shares[(own + t) % threads];
        while (!out_of_memory.load(std::memory_order_relaxed)) {
          const int64_t task =
              share.next.fetch_add(1, std::memory_order_relaxed);
          if (task >= share.end) break;
          run(task, state);
        }
      }
    } catch (const std::bad_alloc&) {
      // Out of a thread it would end the process.
      out_of_memory = true;
    }
  });
  if (out_of_memory) throw std::bad_alloc();
  for (int t = 0; t < threads; ++t) merge(shares[t].state);
}

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_PARALLEL_H_
