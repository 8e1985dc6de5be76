#include "quant/cpu/parallel.h"

#include <pthread.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <thread>
#include <vector>
#endif

namespace cnn_fp4::quant::cpu {
namespace {

std::atomic<bool> was_forked{false};
std::atomic<int64_t> worth_threads{65536};

// From the start of the program on: any other part of it may have started
// OpenMP's threads before the first loop here.
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { was_forked = true; });

}  // namespace

int MaxThreads() {
#ifdef _OPENMP
  return was_forked ? 1 : omp_get_max_threads();
#else
  return 1;
#endif
}

bool WorthThreads(int64_t elements) { return elements >= worth_threads; }

void SetWorthThreadsForTest(int64_t elements) { worth_threads = elements; }

#if defined(__SANITIZE_THREAD__)

// ThreadSanitizer does not see how OpenMP's threads wait for each other.
void RunOnThreads(int threads, absl::FunctionRef<void(int)> body) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(body, t);
  body(0);
  for (std::thread& other : others) other.join();
}

#elif defined(_OPENMP)

void RunOnThreads(int threads, absl::FunctionRef<void(int)> body) {
#pragma omp parallel num_threads(threads)
  body(omp_get_thread_num());
}

#else

void RunOnThreads(int, absl::FunctionRef<void(int)> body) { body(0); }

#endif

}  // namespace cnn_fp4::quant::cpu
