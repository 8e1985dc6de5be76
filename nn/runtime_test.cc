#include "nn/runtime.h"

#include <dlfcn.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::nn {
namespace {

bool CudaIsLoaded() {
  return dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD) != nullptr;
}

// Pages that the kernel has given to this process since it began.
int64_t PageFaults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

TEST(RuntimeTest, AStepsMemoryIsKeptForTheNext) {
  InitRuntime(1);
  // Larger than what glibc would keep of itself.
  constexpr int64_t kTensors = 4, kElements = 10 << 20;
  const auto step = [] {
    const int64_t before = PageFaults();
    std::vector<at::Tensor> tensors;
    for (int64_t i = 0; i < kTensors; ++i) {
      tensors.push_back(at::ones({kElements}));
    }
    return PageFaults() - before;
  };
  const int64_t first = step();
  EXPECT_GT(first, 1000);
  // glibc asks for a little more than it finds free until blocks have merged.
  for (int i = 0; i < 5; ++i) step();
  EXPECT_LT(step(), first / 100);
}

// One test, because what is loaded stays loaded.
TEST(RuntimeTest, OnlyWhoAsksForAGpuLoadsCuda) {
  EXPECT_EQ(ResolveDevice("tpu").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*ResolveDevice("cpu"), "cpu");
  EXPECT_FALSE(CudaIsLoaded());
  const absl::StatusOr<std::string> device = ResolveDevice("auto");
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_EQ(*device, torch::cuda::is_available() ? "cuda" : "cpu");
  EXPECT_EQ(ResolveDevice("cuda").ok(), *device == "cuda");
  if (!CudaIsLoaded()) GTEST_SKIP() << "LibTorch without CUDA";
  // The stand-in for a missing CUDA part says no.
  EXPECT_TRUE(at::detail::getCUDAHooks().hasCUDART());
}

}  // namespace
}  // namespace cnn_fp4::nn
