#include "telemetry/system_sampler.h"

#include <ctime>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

TEST(SystemSampler, IsDueAtOnceAndThenOnceAnInterval) {
  const absl::Time start = absl::FromUnixSeconds(1000);
  SystemSampler sampler(start, absl::Seconds(10));
  EXPECT_TRUE(sampler.Sample(1, start + absl::Seconds(1)).has_value());
  EXPECT_FALSE(sampler.Sample(2, start + absl::Seconds(10)).has_value());
  EXPECT_TRUE(sampler.Sample(3, start + absl::Seconds(11)).has_value());
  EXPECT_FALSE(sampler.Sample(4, start + absl::Seconds(12)).has_value());
}

TEST(SystemSampler, SeesTheMemoryAndTheThreadsOfThisProcess) {
  SystemSampler sampler(absl::Now(), absl::ZeroDuration());
  const auto before = sampler.Sample(5, absl::Now());
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->step, 5);
  EXPECT_GT(before->available_bytes, 0);
  absl::Notification done;
  std::thread other([&done] { done.WaitForNotification(); });
  const std::vector<char> memory(size_t{64} << 20, 'x');
  const auto after = sampler.Sample(6, absl::Now());
  done.Notify();
  other.join();
  EXPECT_EQ(after->threads, before->threads + 1);
  EXPECT_GE(after->resident_bytes - before->resident_bytes, 60 << 20);
  EXPECT_EQ(memory.back(), 'x');
}

TEST(SystemSampler, CountsTheCpuSinceTheLastSample) {
  const absl::Time start = absl::FromUnixSeconds(1000);
  SystemSampler sampler(start, absl::ZeroDuration());
  // 0.2 s of this process's time, however long a busy machine takes for that.
  const std::clock_t begin = std::clock();
  volatile double sum = 0;
  while (std::clock() - begin < CLOCKS_PER_SEC / 5) {
    for (int i = 0; i < 1000; ++i) sum = sum + 1.0 / (i + 1);
  }
  // As if ten seconds had passed.
  const auto busy = sampler.Sample(1, start + absl::Seconds(10));
  EXPECT_GT(busy->cpu_percent, 1.9);
  EXPECT_LT(busy->cpu_percent, 3);
  const auto idle = sampler.Sample(2, start + absl::Seconds(20));
  EXPECT_LT(idle->cpu_percent, 0.2);
}

}  // namespace
}  // namespace cnn_fp4::telemetry
