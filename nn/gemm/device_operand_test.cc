// Operands are quantised where their tensor lies: nothing is copied, on the CPU
// and, where there is one and the kernels are linked, on a GPU.

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nn/gemm/gemm_operand.h"
#include "nn/gemm/wgrad_operand.h"
#include "nn/runtime.h"
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

}  // namespace
}  // namespace cnn_fp4::nn
