#include "nn/runtime.h"

#include <dlfcn.h>
#include <torch/torch.h>

#include "gtest/gtest.h"

namespace cnn_fp4::nn {
namespace {

bool CudaIsLoaded() {
  return dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD) != nullptr;
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
