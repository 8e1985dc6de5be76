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
#include "quant/cuda/operand_cases.h"
#include "quant/cuda/pairs.h"
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
  CountingExecutor(std::map<Kernel, int>* runs,
                   std::map<BothKernel, int>* both_runs)
      : runs_(runs), both_runs_(both_runs) {}
  absl::Status Run(Kernel kernel, const QuantizeArgs& args) override {
    ++(*runs_)[kernel];
    return HostExecutor::Run(kernel, args);
  }
  absl::Status RunBoth(BothKernel kernel, const QuantizeArgs& rows,
                       const QuantizeArgs& columns) override {
    ++(*both_runs_)[kernel];
    return HostExecutor::RunBoth(kernel, rows, columns);
  }

 private:
  std::map<Kernel, int>* const runs_;
  std::map<BothKernel, int>* const both_runs_;
};

class ExecutorQuantizerTest : public ::testing::Test {
 protected:
  std::map<Kernel, int> runs_;
  std::map<BothKernel, int> both_runs_;
  const ExecutorQuantizer quantizer_{[this](void*) {
    return std::make_unique<CountingExecutor>(&runs_, &both_runs_);
  }};
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
        Kernel::kElements, Kernel::kPack, Kernel::kSumPairs,
        Kernel::kDequantizeRows, Kernel::kDequantizeUnits}) {
    EXPECT_GT(runs_[kernel], 0) << static_cast<int>(kernel);
  }
}

TEST_F(ExecutorQuantizerTest, TwoOperandsFromOneRead) {
  for (const BothCase& c : AllBothCases()) {
    SCOPED_TRACE(ToString(c));
    runs_.clear();
    both_runs_.clear();
    ASSERT_NO_FATAL_FAILURE(RunBothCase(c, quantizer_, memory_));
    // Once under each policy, after one pass for the amaxes.
    EXPECT_EQ(both_runs_[BothKernel::kQuantize], c.one_read ? 2 : 0);
    EXPECT_LE(both_runs_[BothKernel::kAmax], 2);
    if (c.one_read) {
      EXPECT_EQ(runs_.size(), c.statistics ? 1 : 0);
    }
  }
}

TEST_F(ExecutorQuantizerTest, AGivenAmaxOfEitherOperandIsNotTaken) {
  const Recipe recipe = *FindRecipe("nvfp4");
  std::vector<float> x(2 * 16 * 32, 0.7f), a(x.size()), b(x.size());
  const auto size = static_cast<int64_t>(x.size());
  float scales[2] = {};
  DeviceOperand rows, columns;
  rows.recipe = columns.recipe = recipe;
  rows.grid = *BlockGrid::Along({32, 32}, 1, recipe);
  rows.values = {DType::kFloat32, a.data(), size, Device::kCuda};
  rows.tensor_scale = &scales[0];
  columns.grid = *BlockGrid::Along({2, 16, 32}, 1, recipe);
  columns.values = {DType::kFloat32, b.data(), size, Device::kCuda};
  columns.tensor_scale = &scales[1];
  columns.options.tensor_amax = 2688.0f;
  const TensorView source = {DType::kFloat32, x.data(), size, Device::kCuda};
  ASSERT_TRUE(quantizer_.QuantizeBothWays(source, rows, columns).ok());
  EXPECT_EQ(scales[0], 0.7f / 2688.0f);
  EXPECT_EQ(scales[1], 1.0f);
  rows.options.tensor_amax = 5376.0f;
  both_runs_.clear();
  ASSERT_TRUE(quantizer_.QuantizeBothWays(source, rows, columns).ok());
  EXPECT_EQ(scales[0], 2.0f);
  EXPECT_EQ(both_runs_[BothKernel::kAmax], 0);
  // Outputs of their own.
  columns.values.data = a.data() + 8;
  EXPECT_FALSE(quantizer_.QuantizeBothWays(source, rows, columns).ok());
  columns.values.data = x.data();
  EXPECT_FALSE(quantizer_.QuantizeBothWays(source, rows, columns).ok());
}

TEST_F(ExecutorQuantizerTest, WindowsAreTheTensorThatTheyStandFor) {
  for (const WindowCase& c : AllWindowCases()) {
    SCOPED_TRACE(ToString(c));
    ASSERT_NO_FATAL_FAILURE(RunWindowCase(c, quantizer_, memory_));
  }
  // Those of training are read once after the amax.
  runs_.clear();
  WindowCase training;
  training.recipe = "nvfp4+rht";
  training.window = {32, 6, 3, 32, 1, 1, 1};
  ASSERT_NO_FATAL_FAILURE(RunWindowCase(training, quantizer_, memory_));
  EXPECT_EQ(runs_[Kernel::kRows], 2);
  EXPECT_EQ(runs_[Kernel::kAmaxRows], 2);
  EXPECT_EQ(runs_.size(), 2);
}

TEST_F(ExecutorQuantizerTest, RefusesAWindowThatIsNotTheGrids) {
  const Recipe recipe = *FindRecipe("nvfp4");
  const BlockGrid grid = *BlockGrid::Along({12, 16}, 1, recipe);
  std::vector<float> x(4 * 18), y(grid.size());
  const SourceWindow good = {18, 2, 3, 16, 1, 1, 0};
  const auto run = [&](const SourceWindow& window, int64_t size) {
    QuantizeOptions options;
    options.device.window = window;
    return quantizer_.FakeQuantize(
        recipe, grid, {DType::kFloat32, x.data(), size, Device::kCuda},
        {DType::kFloat32, y.data(), grid.size(), Device::kCuda}, options);
  };
  EXPECT_TRUE(run(good, 72).ok());
  EXPECT_FALSE(run(good, 71).ok());
  for (int64_t SourceWindow::*extent :
       {&SourceWindow::width, &SourceWindow::rows, &SourceWindow::kernel,
        &SourceWindow::positions, &SourceWindow::stride,
        &SourceWindow::dilation, &SourceWindow::padding}) {
    SourceWindow bad = good;
    bad.*extent = -1;
    EXPECT_FALSE(run(bad, 72).ok());
    bad.*extent = int64_t{1} << 40;
    EXPECT_FALSE(run(bad, 72).ok());
  }
  SourceWindow bad = good;
  bad.kernel = 5;
  EXPECT_FALSE(run(bad, 72).ok());
}

// More partial sums than one round adds up.
TEST_F(ExecutorQuantizerTest, StatisticsOfALargeTensorAreAddedToTheCallers) {
  const Recipe recipe = *FindRecipe("nvfp4");
  const BlockGrid grid = *BlockGrid::Along({2048, 1024}, 1, recipe);
  const std::vector<float> x = Values(grid.size(), /*nonfinite=*/false);
  std::vector<float> y(x.size());
  DistortionSums once, twice;
  QuantizeOptions options;
  options.device.statistics = &once;
  const auto run = [&] {
    return quantizer_.FakeQuantize(
        recipe, grid, {DType::kFloat32, x.data(), grid.size(), Device::kCuda},
        {DType::kFloat32, y.data(), grid.size(), Device::kCuda}, options);
  };
  ASSERT_TRUE(run().ok());
  EXPECT_GT(grid.size() / 256, kPairsOfRound * kPairsOfRound);
  EXPECT_EQ(runs_[Kernel::kSumPairs], 3);
  ExpectSums(
      ExpectedSums(recipe, grid, {}, x, *reference::Quantize(recipe, grid, x)),
      once);
  options.device.statistics = &twice;
  ASSERT_TRUE(run().ok());
  ASSERT_TRUE(run().ok());
  once.Merge(once);
  ExpectSums(once, twice);
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
