#include "quant/cpu/parallel.h"

#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::quant::cpu {
namespace {

class ParallelForTest : public ::testing::TestWithParam<int> {
 protected:
  ParallelForTest() { omp_set_num_threads(GetParam()); }
  ~ParallelForTest() override { omp_set_num_threads(max_threads_); }

 private:
  const int max_threads_ = omp_get_max_threads();
};

TEST_P(ParallelForTest, EveryTaskOnceAndEveryStateMerged) {
  struct State {
    int64_t count = 0;
  };
  for (const int64_t tasks : {0, 1, 2, 3, 7, 1000}) {
    for (const bool parallel : {false, true}) {
      std::vector<std::atomic<int>> runs(tasks);
      int64_t merged = 0;
      ParallelFor<State>(
          tasks, parallel,
          [&](int64_t task, State& state) {
            ++runs[task];
            ++state.count;
          },
          [&](const State& state) { merged += state.count; });
      for (int64_t t = 0; t < tasks; ++t) EXPECT_EQ(runs[t], 1) << t;
      EXPECT_EQ(merged, tasks);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, ParallelForTest, ::testing::Values(1, 2, 5));

// As many states as threads: no more of them than tasks.
TEST(ParallelFor, NoMoreThreadsThanTasks) {
  struct Nothing {};
  const int max_threads = omp_get_max_threads();
  omp_set_num_threads(8);
  for (const int64_t tasks : {1, 2, 3, 7, 8, 9, 100}) {
    int64_t states = 0;
    ParallelFor<Nothing>(
        tasks, true, [](int64_t, Nothing&) {},
        [&](const Nothing&) { ++states; });
    EXPECT_EQ(states, std::min<int64_t>(tasks, 8));
  }
  omp_set_num_threads(max_threads);
}

TEST(ParallelFor, WorksInAForkedProcess) {
  struct Sum {
    int64_t value = 0;
  };
  const int max_threads = omp_get_max_threads();
  omp_set_num_threads(2);
  const auto sum = [] {
    int64_t total = 0;
    ParallelFor<Sum>(
        100, true, [](int64_t task, Sum& s) { s.value += task; },
        [&](const Sum& s) { total += s.value; });
    return total;
  };
  EXPECT_EQ(sum(), 4950);  // OpenMP's threads are there.
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    _exit(sum() == 4950 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(sum(), 4950);
  omp_set_num_threads(max_threads);
}

TEST(ParallelFor, ThrowsWhatATaskThrows) {
  struct Nothing {};
  const int max_threads = omp_get_max_threads();
  for (const int threads : {1, 2}) {
    omp_set_num_threads(threads);
    EXPECT_THROW(ParallelFor<Nothing>(
                     100, true,
                     [](int64_t task, Nothing&) {
                       if (task == 60) throw std::bad_alloc();
                     },
                     [](const Nothing&) {}),
                 std::bad_alloc);
  }
  omp_set_num_threads(max_threads);
}

// The first task waits until all others are done: its thread's share has to be
// taken over.
TEST(ParallelFor, AnotherThreadTakesOver) {
  struct Nothing {};
  constexpr int64_t kTasks = 100;
  const int max_threads = omp_get_max_threads();
  omp_set_num_threads(2);
  std::atomic<int64_t> done{0};
  std::atomic<bool> gave_up{false};
  ParallelFor<Nothing>(
      kTasks, true,
      [&](int64_t task, Nothing&) {
        const auto deadline =
            std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (task == 0 && done < kTasks - 1 && !gave_up) {
          if (std::chrono::steady_clock::now() > deadline) gave_up = true;
          std::this_thread::yield();
        }
        ++done;
      },
      [](const Nothing&) {});
  omp_set_num_threads(max_threads);
  EXPECT_EQ(done, kTasks);
  EXPECT_FALSE(gave_up);
}

}  // namespace
}  // namespace cnn_fp4::quant::cpu
