// The cases of executor_quantizer_test.cc on a GPU, and what only a GPU has:
// large launches, streams, graphs.

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cuda/cuda_quantizer.h"
#include "quant/cuda/device_cases.h"
#include "quant/cuda/operand_cases.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant::cuda {
namespace {

#define ASSERT_CUDA(call) ASSERT_EQ(cudaSuccess, call)

class GpuMemory : public DeviceMemory {
 public:
  void* Allocate(size_t bytes) override {
    void* memory = nullptr;
    EXPECT_EQ(cudaSuccess, cudaMalloc(&memory, bytes));
    // Poison: everything must be written.
    EXPECT_EQ(cudaSuccess, cudaMemset(memory, 0xAB, bytes));
    return memory;
  }
  void Free(void* memory) override { EXPECT_EQ(cudaSuccess, cudaFree(memory)); }
  void ToDevice(const void* host, void* device, size_t bytes) override {
    EXPECT_EQ(cudaSuccess,
              cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice));
  }
  void ToHost(const void* device, void* host, size_t bytes) override {
    EXPECT_EQ(cudaSuccess,
              cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost));
  }
};

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
      GTEST_SKIP() << "no GPU";
    }
  }
  GpuMemory memory_;
};

TEST_F(GpuTest, EveryCaseIsTheReference) {
  for (const DeviceCase& c : AllDeviceCases()) {
    SCOPED_TRACE(ToString(c));
    ASSERT_NO_FATAL_FAILURE(RunDeviceCase(c, CudaQuantizer(), memory_));
  }
}

TEST_F(GpuTest, TwoOperandsFromOneRead) {
  std::vector<BothCase> cases = AllBothCases();
  // Every warp strides over several turns.
  for (const bool statistics : {false, true}) {
    cases.push_back({"nvfp4+sr+rht", "nvfp4+sr", 16, 64, 4096, DType::kFloat32,
                     false, statistics, true});
  }
  cases.push_back({"nvfp4", "nvfp4", 16, 64, 4096, DType::kBfloat16,
                   /*packed=*/true});
  for (const BothCase& c : cases) {
    SCOPED_TRACE(ToString(c));
    ASSERT_NO_FATAL_FAILURE(RunBothCase(c, CudaQuantizer(), memory_));
  }
}

TEST_F(GpuTest, WindowsAreTheTensorThatTheyStandFor) {
  std::vector<WindowCase> cases = AllWindowCases();
  cases.push_back({"nvfp4+rht", 16, {64, 32 * 64, 3, 64, 1, 1, 1}});
  for (const WindowCase& c : cases) {
    SCOPED_TRACE(ToString(c));
    ASSERT_NO_FATAL_FAILURE(RunWindowCase(c, CudaQuantizer(), memory_));
  }
}

// Which turn a warp takes does not show in the sums.
TEST_F(GpuTest, StatisticsAreTheSameOnEveryRun) {
  const Recipe recipe = *FindRecipe("nvfp4");
  const BlockGrid grid = *BlockGrid::Along({4096, 4096}, 1, recipe);
  const std::vector<float> x = Values(grid.size(), /*nonfinite=*/false);
  const DeviceTensor source(memory_, grid.size() * 4, 0);
  memory_.ToDevice(x.data(), source.data(), grid.size() * 4);
  const DeviceTensor values(memory_, grid.size() * 4, 0);
  DeviceSums sums(memory_);
  QuantizeOptions options;
  options.device.statistics = sums.get();
  DistortionSums first, again;
  for (DistortionSums* const one : {&first, &again}) {
    sums.Clear();
    const absl::Status status = CudaQuantizer().FakeQuantize(
        recipe, grid,
        {DType::kFloat32, source.data(), grid.size(), Device::kCuda},
        {DType::kFloat32, values.data(), grid.size(), Device::kCuda}, options);
    ASSERT_TRUE(status.ok()) << status;
    *one = sums.Fetch();
  }
  EXPECT_GT(first.finite, 0);
  EXPECT_EQ(first.ee, again.ee);
  EXPECT_EQ(first.xx, again.xx);
  EXPECT_EQ(first.xy, again.xy);
  EXPECT_EQ(first.codes.counts, again.codes.counts);
}

// Every thread strides over several shares.
TEST_F(GpuTest, LargeTensorsAreTheReference) {
  for (const DeviceCase& c : std::vector<DeviceCase>{
           {"nvfp4", {1024, 4096}, 1},
           {"nvfp4+sr+rht",
            {1024, 4096},
            1,
            -1,
            DType::kBfloat16,
            DType::kBfloat16,
            true},
           {"nvfp4+sr", {8, 64, 64, 128}, 1},
           {"nvfp4_2d",
            {2048, 2048},
            1,
            -1,
            DType::kBfloat16,
            DType::kBfloat16},
           {"mxfp4", {8, 64, 64, 128}, 1, -1, DType::kFloat16, DType::kFloat16},
           {"nvfp4_four_over_six", {512, 4096}, 1},
           {"fp4_per_tensor", {1 << 22}, 0},
           {"nvfp4_rowscaled", {4097, 1000}, 1}}) {
    SCOPED_TRACE(ToString(c));
    ASSERT_NO_FATAL_FAILURE(RunDeviceCase(c, CudaQuantizer(), memory_));
  }
}

// The functions of quant/quantizer.h, by way of the registration.
TEST_F(GpuTest, ReplaysOfAGraphDrawNewBits) {
  const Recipe recipe = *FindRecipe("nvfp4+sr");
  const int64_t size = 1 << 16;
  const BlockGrid grid = *BlockGrid::Along({size / 256, 256}, 1, recipe);
  std::vector<float> x(size);
  for (int64_t i = 0; i < size; ++i) {
    x[i] = static_cast<float>(i * 7919 % 4001) * 0.001f - 2.0f;
  }
  float *source = nullptr, *values = nullptr;
  uint64_t* counter = nullptr;
  ASSERT_CUDA(cudaMalloc(reinterpret_cast<void**>(&source), size * 4));
  ASSERT_CUDA(cudaMalloc(reinterpret_cast<void**>(&values), size * 4));
  ASSERT_CUDA(cudaMalloc(reinterpret_cast<void**>(&counter), 8));
  ASSERT_CUDA(cudaMemcpy(source, x.data(), size * 4, cudaMemcpyHostToDevice));
  cudaStream_t stream;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));

  QuantizeOptions options;
  options.device.stream = stream;
  options.device.step_counter = counter;
  cudaGraph_t graph;
  cudaGraphExec_t replay;
  ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  const absl::Status status =
      FakeQuantize(recipe, grid, {DType::kFloat32, source, size, Device::kCuda},
                   {DType::kFloat32, values, size, Device::kCuda}, options);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_CUDA(cudaStreamEndCapture(stream, &graph));
  ASSERT_CUDA(cudaGraphInstantiate(&replay, graph, 0));

  for (uint64_t step = 0; step < 3; ++step) {
    ASSERT_CUDA(
        cudaMemcpyAsync(counter, &step, 8, cudaMemcpyHostToDevice, stream));
    ASSERT_CUDA(cudaGraphLaunch(replay, stream));
    ASSERT_CUDA(cudaStreamSynchronize(stream));
    std::vector<float> actual(size), expected(size);
    ASSERT_CUDA(
        cudaMemcpy(actual.data(), values, size * 4, cudaMemcpyDeviceToHost));
    QuantizeOptions host;
    host.step = step;
    ASSERT_TRUE(
        FakeQuantize(recipe, grid, x, absl::MakeSpan(expected), host).ok());
    ASSERT_EQ(expected, actual) << "step " << step;
  }
  cudaGraphExecDestroy(replay);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
  cudaFree(counter);
  cudaFree(values);
  cudaFree(source);
}

}  // namespace
}  // namespace cnn_fp4::quant::cuda
