#include "telemetry/chunk_moments.h"

#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace cnn_fp4::telemetry {
namespace {

std::vector<float> Values(size_t n) {
  std::mt19937 engine(3);
  std::normal_distribution<float> normal(0.25f, 2.0f);
  std::vector<float> x(n);
  for (float& v : x) v = normal(engine);
  for (size_t i = 0; i < n; i += 7) x[i] = 0.0f;
  return x;
}

auto Bits(const Moments& m) {
  return std::tuple(m.mean, m.min, m.max, m.zeros, m.m2, m.m3, m.m4);
}

TEST(ChunkMoments, TheSameBitsOnEveryInstructionSet) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const size_t n : {1, 7, 8, 31, 2048}) {
    const std::vector<float> x = Values(n);
    std::vector<float> last = x;
    last.back() = -infinity;
    std::vector<float> first = x;
    first.front() = std::numeric_limits<float>::quiet_NaN();
    const Moments expected = ChunkMoments(x.data(), n);
    for (const int64_t id : hwy::SupportedAndGeneratedTargets()) {
      SCOPED_TRACE(hwy::TargetName(id));
      hwy::SetSupportedTargetsForTest(id);
      hwy::GetChosenTarget().DeInit();  // The next dispatch chooses anew.
      EXPECT_EQ(Bits(ChunkMoments(x.data(), n)), Bits(expected)) << n;
      EXPECT_TRUE(AllFinite(x.data(), n)) << n;
      EXPECT_FALSE(AllFinite(last.data(), n)) << n;
      EXPECT_FALSE(AllFinite(first.data(), n)) << n;
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }
}

}  // namespace
}  // namespace cnn_fp4::telemetry
