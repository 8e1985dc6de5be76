#include "quant/float16.h"

#include <algorithm>
#include <cstdint>

#include "glog/logging.h"
#include "quant/cpu/narrow_kernels.h"
#include "quant/cpu/parallel.h"

namespace cnn_fp4::quant {
namespace {

constexpr int64_t kTaskElements = 32768;

struct Nothing {};

template <class Kernel>
void RunAll(absl::Span<const float> x, absl::Span<float> y,
            const Kernel& kernel) {
  CHECK_EQ(x.size(), y.size());
  const int64_t n = x.size();
  cpu::ParallelFor<Nothing>(
      (n + kTaskElements - 1) / kTaskElements, cpu::WorthThreads(n / 2),
      [&](int64_t task, Nothing&) {
        const int64_t first = task * kTaskElements;
        kernel(x.data() + first, std::min(kTaskElements, n - first),
               y.data() + first);
      },
      [](const Nothing&) {});
}

}  // namespace

void RoundToHalf(absl::Span<const float> x, absl::Span<float> y) {
  RunAll(x, y, cpu::RoundToHalfGrid);
}

void RoundToBfloat16(absl::Span<const float> x, absl::Span<float> y) {
  RunAll(x, y, cpu::RoundToBfloat16Grid);
}

}  // namespace cnn_fp4::quant
