#include "telemetry/gpu_sampler.h"

#include <cmath>
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/system_sampler.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::HasSubstr;

constexpr char kFakeNvml[] = "telemetry/libfake_nvml.so";

TEST(GpuSampler, TellsWhatEachGpuTells) {
  const auto sampler = GpuSampler::Open(kFakeNvml);
  ASSERT_TRUE(sampler.ok()) << sampler.status();
  const std::vector<GpuStats> gpus = (*sampler)->Sample();
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[0].busy_percent, 87);
  EXPECT_EQ(gpus[0].memory_bytes, int64_t{6} << 30);
  EXPECT_EQ(gpus[0].memory_total_bytes, int64_t{80} << 30);
  EXPECT_EQ(gpus[0].celsius, 61);
  EXPECT_EQ(gpus[0].watts, 312.5);
  EXPECT_EQ(gpus[1].busy_percent, 3);
  EXPECT_EQ(gpus[1].memory_bytes, 1 << 20);
  EXPECT_TRUE(std::isnan(gpus[1].celsius));
  EXPECT_TRUE(std::isnan(gpus[1].watts));
}

TEST(GpuSampler, StandsBesideTheProcess) {
  SystemSampler sampler(absl::Now(), absl::ZeroDuration(),
                        *GpuSampler::Open(kFakeNvml));
  EXPECT_EQ(sampler.Sample(1, absl::Now())->gpus.size(), 2u);
}

TEST(GpuSampler, AMachineWithoutADriverSaysSo) {
  const absl::Status status = GpuSampler::Open("libno_such_driver.so").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("libno_such_driver.so"));
  // Another library than NVML.
  EXPECT_THAT(std::string(GpuSampler::Open("libm.so.6").status().message()),
              HasSubstr("libm.so.6 has no function nvml"));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
