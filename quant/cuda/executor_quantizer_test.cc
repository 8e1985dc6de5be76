#include "quant/cuda/executor_quantizer.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quant/cuda/device_cases.h"
#include "quant/cuda/host_executor.h"
#include "quant/cuda/tile.h"
#include "quant/quantizer.h"
#include "quant/scale_swizzle.h"

namespace cnn_fp4::quant::cuda {
namespace {

class HostMemory : public DeviceMemory {
 public:
  void* Allocate(size_t bytes) override {
    return std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  }
  void Free(void* memory) override { std::free(memory); }
  void ToDevice(const void* host, void* device, size_t bytes) override {
    if (bytes > 0) std::memcpy(device, host, bytes);
  }
  void ToHost(const void* device, void* host, size_t bytes) override {
    if (bytes > 0) std::memcpy(host, device, bytes);
  }
};

// Counts what is run.
class CountingExecutor : public HostExecutor {
 public:
  explicit CountingExecutor(std::map<Kernel, int>* runs) : runs_(runs) {}
  absl::Status Run(Kernel kernel, const QuantizeArgs& args) override {
    ++(*runs_)[kernel];
    return HostExecutor::Run(kernel, args);
  }

 private:
  std::map<Kernel, int>* const runs_;
};

class ExecutorQuantizerTest : public ::testing::Test {
 protected:
  std::map<Kernel, int> runs_;
  const ExecutorQuantizer quantizer_{
      Device::kCuda,
      [this](void*) { return std::make_unique<CountingExecutor>(&runs_); }};
  HostMemory memory_;
};

TEST_F(ExecutorQuantizerTest, EveryCaseIsTheReference) {
  for (const DeviceCase& c : AllDeviceCases()) {
    SCOPED_TRACE(ToString(c));
    ASSERT_NO_FATAL_FAILURE(RunDeviceCase(c, quantizer_, memory_));
  }
  // The cases take every way.
  for (const Kernel kernel :
       {Kernel::kAmax, Kernel::kAmaxRows, Kernel::kAmaxColumns, Kernel::kRows,
        Kernel::kColumns, Kernel::kTiles, Kernel::kTensorScales,
        Kernel::kAmaxUnits, Kernel::kBlockAmaxes, Kernel::kBlockScales,
        Kernel::kElements, Kernel::kPack, Kernel::kDequantizeRows,
        Kernel::kDequantizeUnits}) {
    EXPECT_GT(runs_[kernel], 0) << static_cast<int>(kernel);
  }
}

// What training asks for must not fall back.
TEST_F(ExecutorQuantizerTest, TrainingsRecipesTakeOnePassAfterTheAmax) {
  const struct {
    const char* recipe;
    std::vector<int64_t> shape;
    int axis;
    Kernel kernel;
  } kCases[] = {
      {"nvfp4", {2, 32, 8, 8}, 1, Kernel::kColumns},
      {"nvfp4+sr", {2, 32, 8, 8}, 1, Kernel::kColumns},
      {"nvfp4+sr+rht", {64, 256}, 1, Kernel::kRows},
      {"nvfp4", {2, 3, 8, 8}, 1, Kernel::kColumns},
      {"mxfp4", {2, 64, 8, 8}, 1, Kernel::kColumns},
      {"nvfp4_2d", {64, 64}, 1, Kernel::kTiles},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.recipe);
    const Recipe recipe = *FindRecipe(c.recipe);
    const BlockGrid grid = *BlockGrid::Along(c.shape, c.axis, recipe);
    // Aligned as every allocation of a device is.
    float* const x = static_cast<float*>(memory_.Allocate(grid.size() * 4));
    for (int64_t i = 0; i < grid.size(); ++i) x[i] = 0.5f;
    runs_.clear();
    float scale = 0.0f;
    EXPECT_TRUE(
        quantizer_
            .QuantizeOperand(
                recipe, grid, {DType::kFloat32, x, grid.size(), Device::kCuda},
                {DType::kFloat32, x, grid.size(), Device::kCuda}, &scale, {})
            .ok());
    EXPECT_EQ(runs_[c.kernel], 1);
    EXPECT_EQ(runs_.size(), recipe.tensor_scale == TensorScale::kNone ? 1 : 2);
    memory_.Free(x);
  }
}

TEST(Divisor, Divides) {
  std::vector<int64_t> numbers;
  for (const int64_t base :
       {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{7}, int64_t{9}, int64_t{16},
        int64_t{625}, int64_t{4095}, int64_t{65537}, int64_t{1000003},
        int64_t{1} << 30, (int64_t{1} << 31) - 1, int64_t{1} << 31,
        int64_t{1} << 40}) {
    for (int64_t d = -2; d <= 2; ++d) {
      if (base + d > 0) numbers.push_back(base + d);
    }
  }
  for (const int64_t d : numbers) {
    const Divisor divisor(d);
    for (const int64_t factor : numbers) {
      for (int64_t near = -1; near <= 1; ++near) {
        const int64_t n =
            factor > (int64_t{1} << 60) / d ? factor : factor * d + near;
        ASSERT_EQ(divisor.Divide(n).quotient, n / d) << n << " / " << d;
        ASSERT_EQ(divisor.Divide(n).remainder, n % d) << n << " % " << d;
      }
    }
    ASSERT_EQ(divisor.Divide(0).quotient, 0);
  }
}

TEST(FastE8m0ScaleCode, IsTheRule) {
  for (uint64_t bits = 0; bits < kInfinityBits; bits += 509) {
    for (const ScaleRule rule :
         {ScaleRule::kPow2RoundUp, ScaleRule::kPow2Even}) {
      const float a = BitCast<float>(static_cast<uint32_t>(bits));
      ASSERT_EQ(E8m0ScaleCode(rule, a), FastE8m0ScaleCode(rule, a)) << a;
    }
  }
  // Beside the bound.
  for (uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (int d = -3; d <= 3; ++d) {
      const float a = BitCast<float>((exponent << 23) + 0x400000u + d);
      ASSERT_EQ(E8m0ScaleCode(ScaleRule::kPow2RoundUp, a),
                FastE8m0ScaleCode(ScaleRule::kPow2RoundUp, a))
          << a;
    }
  }
}

TEST_F(ExecutorQuantizerTest, SwizzledScalesAreTheSwizzleOfThePlainOnes) {
  const Recipe recipe = *FindRecipe("nvfp4");
  for (const int64_t columns : {64, 112}) {
    const int64_t rows = 130;
    const BlockGrid grid = *BlockGrid::Along({rows, columns}, 1, recipe);
    std::vector<float> x(grid.size());
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(i * 37 % 1001) * 0.01f - 5.0f;
    }
    const PackedTensor packed = *Quantize(recipe, grid, x);
    std::vector<uint8_t> codes(packed.codes.size());
    // Poison: the padding must be written.
    std::vector<uint8_t> scales(SwizzledSize(rows, columns / 16), 0xAA);
    float tensor_scale = 0.0f;
    QuantizedView view;
    view.codes = codes.data();
    view.scales = scales.data();
    view.tensor_scales = &tensor_scale;
    view.swizzled = true;
    view.device = Device::kCuda;
    const absl::Status status = quantizer_.Quantize(
        recipe, grid, {DType::kFloat32, x.data(), grid.size(), Device::kCuda},
        view, {});
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(scales, *SwizzleScales(packed.scales, rows, columns / 16));
    std::vector<float> y(x.size()), expected(x.size());
    ASSERT_TRUE(Dequantize(packed, absl::MakeSpan(expected)).ok());
    ASSERT_TRUE(
        quantizer_
            .Dequantize(recipe, grid, view,
                        {DType::kFloat32, y.data(), grid.size(), Device::kCuda},
                        {})
            .ok());
    EXPECT_EQ(expected, y);
  }
}

TEST_F(ExecutorQuantizerTest, StepCounterFlagAndAmaxLieOnTheDevice) {
  const Recipe recipe = *FindRecipe("nvfp4+sr");
  const BlockGrid grid = *BlockGrid::Along({4, 64}, 1, recipe);
  std::vector<float> x(grid.size(), 0.3f), y(x.size()), expected(x.size());
  x[5] = 2.0f;
  QuantizeOptions host;
  host.step = 12;
  host.tensor_amax = 4.0f;
  ASSERT_TRUE(
      FakeQuantize(recipe, grid, x, absl::MakeSpan(expected), host).ok());
  const uint64_t counter = 2;
  const float amax = 4.0f;
  uint32_t nonfinite = 0;
  QuantizeOptions options;
  options.step = 10;
  options.device.step_counter = &counter;
  options.device.amax = &amax;
  options.device.nonfinite = &nonfinite;
  const TensorView source = {DType::kFloat32, x.data(), grid.size(),
                             Device::kCuda};
  const MutableTensorView values = {DType::kFloat32, y.data(), grid.size(),
                                    Device::kCuda};
  ASSERT_TRUE(
      quantizer_.FakeQuantize(recipe, grid, source, values, options).ok());
  EXPECT_EQ(expected, y);
  EXPECT_EQ(nonfinite, 0);
  EXPECT_EQ(runs_[Kernel::kAmax], 0);
  x[70] = std::numeric_limits<float>::infinity();
  ASSERT_TRUE(
      quantizer_.FakeQuantize(recipe, grid, source, values, options).ok());
  EXPECT_EQ(nonfinite, 1);
}

// The functions of quant/quantizer.h take views where they lie.
TEST_F(ExecutorQuantizerTest, SeamRunsWhereTheViewsLie) {
  const Recipe recipe = *FindRecipe("nvfp4");
  const BlockGrid grid = *BlockGrid::Along({4, 64}, 1, recipe);
  std::vector<float> x(grid.size(), 0.75f), y(x.size());
  const TensorView source = {DType::kFloat32, x.data(), grid.size(),
                             Device::kCuda};
  const MutableTensorView values = {DType::kFloat32, y.data(), grid.size(),
                                    Device::kCuda};
  absl::Status status = FakeQuantize(recipe, grid, source, values);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find("CUDA"), absl::string_view::npos) << status;

  RegisterDeviceQuantizer(Device::kCuda, &quantizer_);
  EXPECT_TRUE(FakeQuantize(recipe, grid, source, values).ok());
  EXPECT_EQ(runs_[Kernel::kRows] + runs_[Kernel::kElements], 1);
  status = FakeQuantize(recipe, grid, source,
                        MutableTensorView::Float32(absl::MakeSpan(y)));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("CPU"), absl::string_view::npos) << status;
  RegisterDeviceQuantizer(Device::kCuda, nullptr);
}

TEST_F(ExecutorQuantizerTest, RefusesWhatADeviceCannotDo) {
  const Recipe recipe = *FindRecipe("nvfp4");
  const BlockGrid grid = *BlockGrid::Along({64, 4}, 0, recipe);
  std::vector<float> x(grid.size(), 1.0f);
  const TensorView source = {DType::kFloat32, x.data(), grid.size(),
                             Device::kCuda};
  const MutableTensorView values = {DType::kFloat32, x.data(), grid.size(),
                                    Device::kCuda};
  const std::vector<float> scales(grid.num_blocks(), 1.0f);
  QuantizeOptions options;
  options.block_scales = scales;
  EXPECT_FALSE(
      quantizer_.FakeQuantize(recipe, grid, source, values, options).ok());
  QuantizedView view;
  std::vector<uint8_t> bytes(4096);
  float scale = 0.0f;
  view.codes = bytes.data();
  view.tensor_scales = &scale;
  view.device = Device::kCuda;
  EXPECT_FALSE(quantizer_.Quantize(recipe, grid, source, view, {}).ok());
  view.scales = bytes.data() + 2048;
  view.swizzled = true;
  EXPECT_FALSE(quantizer_.Quantize(recipe, grid, source, view, {}).ok());
}

}  // namespace
}  // namespace cnn_fp4::quant::cuda
