// Operands are quantised where their tensor lies: nothing is copied, on the CPU
// and, where there is one and the kernels are linked, on a GPU.

#include "nn/gemm/device_operand.h"

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nn/gemm/gemm_operand.h"
#include "nn/gemm/gradient_operands.h"
#include "nn/gemm/wgrad_operand.h"
#include "nn/runtime.h"
#include "quant/cuda/executor_quantizer.h"
#include "quant/cuda/host_executor.h"
#include "quant/device_quantizer.h"

namespace cnn_fp4::nn {
namespace {

// Before the first tensor, as ResolveDevice wishes.
const bool kHasGpu = *ResolveDevice("auto") == "cuda";

// Calls of torch that move a tensor or wait for one.
std::vector<std::string>& Copies() {
  static auto* const copies = new std::vector<std::string>();
  return *copies;
}

std::unique_ptr<at::ObserverContext> OnCall(const at::RecordFunction& call) {
  const std::string name = call.name();
  if (name == "aten::copy_" || name == "aten::_to_copy" ||
      name == "aten::_local_scalar_dense") {
    Copies().push_back(name);
  }
  return nullptr;
}

// The copies that `body` makes.
template <class Body>
std::vector<std::string> CopiesOf(const Body& body) {
  Copies().clear();
  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&OnCall).scopes({at::RecordScope::FUNCTION}));
  body();
  at::removeCallback(handle);
  return Copies();
}

OperandFormat Format(const std::string& recipe) {
  OperandFormat format;
  format.format = *quant::FindRecipe(recipe);
  return format;
}

at::Tensor Source(at::Device device) {
  torch::manual_seed(3);
  return torch::randn({2, 32, 8, 16}).to(device);
}

TEST(DeviceOperand, TheCounterSeesCopies) {
  const at::Tensor x = torch::ones({3});
  EXPECT_FALSE(CopiesOf([&] { x.clone(); }).empty());
  EXPECT_FALSE(CopiesOf([&] { x.to(at::kHalf); }).empty());
  EXPECT_FALSE(CopiesOf([&] { x.sum().item<float>(); }).empty());
}

TEST(DeviceOperand, NoCopyOnTheCpu) {
  const at::Tensor x = Source(at::kCPU);
  absl::StatusOr<GemmOperand> operand;
  EXPECT_TRUE(CopiesOf([&] {
                operand =
                    MakeGemmOperand(x, Operand::kFpropX, {}, Format("nvfp4"));
              }).empty());
  EXPECT_TRUE(operand.ok()) << operand.status();
}

TEST(DeviceOperand, OnAGpuTheSameBitsWithoutACopy) {
  if (!kHasGpu) GTEST_SKIP() << "no GPU";
  if (quant::FindDeviceQuantizer(quant::Device::kCuda) == nullptr) {
    GTEST_SKIP() << "built without --config=cuda";
  }
  const at::Tensor host = Source(at::kCPU);
  const at::Tensor device = host.to(at::kCUDA);
  quant::QuantizeOptions options;
  options.seed = 5;
  options.stream = 6;
  options.step = 7;
  for (const char* recipe : {"nvfp4", "nvfp4+sr", "mxfp4", "pow2_1x16"}) {
    SCOPED_TRACE(recipe);
    const OperandFormat format = Format(recipe);
    absl::StatusOr<GemmOperand> on_device;
    EXPECT_TRUE(CopiesOf([&] {
                  on_device = MakeGemmOperand(device, Operand::kFpropX, {},
                                              format, options);
                }).empty());
    ASSERT_TRUE(on_device.ok()) << on_device.status();
    ASSERT_TRUE(on_device->values.is_cuda());
    const absl::StatusOr<GemmOperand> expected =
        MakeGemmOperand(host, Operand::kFpropX, {}, format, options);
    ASSERT_TRUE(expected.ok());
    EXPECT_TRUE(torch::equal(expected->values, on_device->values.cpu()));
    EXPECT_TRUE(torch::equal(expected->scale, on_device->scale.cpu()));

    const absl::StatusOr<WgradPlan> plan = PlanWgrad(
        host.sizes(), host.sizes(), {3, 3},
        ConvGeometry{/*stride=*/{1, 1}, /*padding=*/{1, 1}}, format, &format);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const absl::StatusOr<GemmOperand> windows =
        MakeWgradOperand(device, Operand::kWgradX, *plan, format, options);
    ASSERT_TRUE(windows.ok()) << windows.status();
    const absl::StatusOr<GemmOperand> expected_windows =
        MakeWgradOperand(host, Operand::kWgradX, *plan, format, options);
    ASSERT_TRUE(expected_windows.ok());
    EXPECT_TRUE(torch::equal(expected_windows->values, windows->values.cpu()));
  }
}

// The kernels' bodies on this CPU, whose memory stands for a device's.
class OnHostExecutor : public ::testing::Test {
 protected:
  const quant::cuda::ExecutorQuantizer quantizer_{
      [](void*) { return std::make_unique<quant::cuda::HostExecutor>(); }};
  const DeviceSide side_ = {&quantizer_, nullptr};
};

quant::QuantizeOptions Options(uint32_t stream) {
  quant::QuantizeOptions options;
  options.seed = 5;
  options.stream = stream;
  options.step = 7;
  return options;
}

void ExpectSame(const GemmOperand& expected, const GemmOperand& actual) {
  EXPECT_EQ(expected.form, actual.form);
  EXPECT_TRUE(torch::equal(expected.values, actual.values));
  EXPECT_TRUE(torch::equal(expected.scale, actual.scale));
}

TEST_F(OnHostExecutor, WindowsAreReadWithoutCopies) {
  // {H, W}, kernel, stride, padding, dilation, groups
  struct Case {
    ConvGeometry::Pair size, kernel, stride, padding, dilation;
    int64_t groups;
  };
  for (const Case& c :
       std::vector<Case>{{{8, 16}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1},
                         {{8, 32}, {3, 5}, {1, 1}, {1, 2}, {1, 1}, 4},
                         {{9, 32}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 2},
                         {{6, 32}, {1, 3}, {1, 1}, {0, 2}, {1, 2}, 1},
                         {{6, 18}, {1, 3}, {1, 1}, {0, 0}, {1, 1}, 1}}) {
    for (const char* recipe : {"nvfp4", "nvfp4+rht", "mxfp4+block=16"}) {
      SCOPED_TRACE(absl::StrCat(recipe, " ", c.size[0], "x", c.size[1],
                                " kernel ", c.kernel[0], "x", c.kernel[1],
                                " groups ", c.groups));
      ConvGeometry geometry{c.stride, c.padding};
      geometry.dilation = c.dilation;
      geometry.groups = c.groups;
      torch::manual_seed(3);
      const at::Tensor x = torch::randn({2, 8, c.size[0], c.size[1]});
      const auto extent = [&](int side) {
        return (c.size[side] + 2 * c.padding[side] -
                c.dilation[side] * (c.kernel[side] - 1) - 1) /
                   c.stride[side] +
               1;
      };
      const OperandFormat format = Format(recipe);
      const WgradPlan plan = PlanWgrad(x.sizes(), {2, 8, extent(0), extent(1)},
                                       c.kernel, geometry, format, &format)
                                 .value();
      ASSERT_EQ(plan.unfolded, OperandForm::kWindows);
      absl::StatusOr<GemmOperand> actual;
      EXPECT_TRUE(CopiesOf([&] {
                    actual = MakeWindowsOperand(side_, x, plan,
                                                *format.recipe(), Options(6));
                  }).empty());
      ASSERT_TRUE(actual.ok()) << actual.status();
      ExpectSame(
          *MakeWgradOperand(x, Operand::kWgradX, plan, format, Options(6)),
          *actual);
    }
  }
}

TEST_F(OnHostExecutor, BothOperandsOfDyAreTheCpus) {
  for (const int64_t groups : {1, 2}) {
    const at::Tensor dy = torch::randn({2, 32, 8, 16});
    ConvGeometry geometry{{1, 1}, {1, 1}};
    geometry.groups = groups;
    const GradientFormat dgrad = {Format("nvfp4+sr"), Options(6)};
    const GradientFormat wgrad = {Format("nvfp4+sr+rht"), Options(7)};
    const OperandFormat x = Format("nvfp4+rht");
    const WgradPlan plan =
        PlanWgrad(dy.sizes(), dy.sizes(), {3, 3}, geometry, wgrad.format, &x)
            .value();
    absl::StatusOr<std::optional<GradientOperands>> actual;
    EXPECT_TRUE(CopiesOf([&] {
                  actual =
                      MakeGradientOperandsOn(side_, dy, plan, dgrad, wgrad);
                }).empty());
    ASSERT_TRUE(actual.ok()) << actual.status();
    ASSERT_TRUE(actual->has_value());
    const absl::StatusOr<std::optional<GradientOperands>> expected =
        MakeGradientOperands(dy, plan, dgrad, wgrad);
    ASSERT_TRUE(expected.ok() && expected->has_value());
    ExpectSame((*expected)->dgrad, (*actual)->dgrad);
    ExpectSame((*expected)->wgrad, (*actual)->wgrad);
  }
}

}  // namespace
}  // namespace cnn_fp4::nn
