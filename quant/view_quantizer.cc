// The functions of quant/quantizer.h for TensorViews: each goes to the device
// that its tensors lie on, and on the CPU to the code for their types.

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quant/cpu/job.h"
#include "quant/cpu/narrow.h"
#include "quant/device_quantizer.h"
#include "quant/guarded_call.h"
#include "quant/quantize_checks.h"
#include "quant/quantizer.h"

namespace cnn_fp4::quant {
namespace {

absl::Span<const float> Float32Of(const TensorView& x) {
  return {static_cast<const float*>(x.data), static_cast<size_t>(x.size)};
}
absl::Span<float> Float32Of(const MutableTensorView& y) {
  return {static_cast<float*>(y.data), static_cast<size_t>(y.size)};
}

std::vector<float> Widened(const TensorView& x) {
  std::vector<float> wide(x.size);
  cpu::WidenAll(x, wide.data());
  return wide;
}

// The implementation for a call whose views are not both the CPU's.
absl::StatusOr<const DeviceQuantizer*> DeviceOf(Device x, Device y) {
  if (absl::Status status = CheckOneDevice(x, y); !status.ok()) return status;
  const DeviceQuantizer* const quantizer = FindDeviceQuantizer(x);
  if (quantizer == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("no quantiser for ", NameOf(x),
                     " tensors is linked: add //quant/cuda to the binary's "
                     "deps, or copy the tensor to the CPU"));
  }
  return quantizer;
}

absl::StatusOr<float> AmaxOf(const TensorView& x) {
  if (x.dtype == DType::kFloat32) return Amax(Float32Of(x));
  const std::optional<float> amax = cpu::NarrowAmax(x);
  if (amax.has_value()) return *amax;
  return Amax(absl::MakeConstSpan(Widened(x)));  // Says which element.
}

absl::Status FakeQuantizeViews(const Recipe& recipe, const BlockGrid& grid,
                               const TensorView& x, const MutableTensorView& y,
                               const QuantizeOptions& options) {
  if (x.size != y.size || x.size != grid.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the input has ", x.size, " elements, the output ", y.size,
                     ", the grid ", grid.size()));
  }
  if (x.dtype == DType::kFloat32 && y.dtype == DType::kFloat32) {
    return FakeQuantize(recipe, grid, Float32Of(x), Float32Of(y), options);
  }
  absl::Status status = CheckOverlap(x.data, x.size * SizeOf(x.dtype), y.data,
                                     y.size * SizeOf(y.dtype));
  const bool in_place = x.size > 0 && x.data == y.data;
  if (status.ok() && in_place && x.dtype != y.dtype) {
    status = absl::InvalidArgumentError(
        "in place needs the same type for input and output");
  }
  if (!status.ok()) return status;
  std::vector<float> wide = Widened(x);
  status = FakeQuantize(recipe, grid, wide, absl::MakeSpan(wide), options);
  if (!status.ok()) return status;
  cpu::NarrowAll(wide.data(), options.nonfinite == NonFinitePolicy::kSaturate,
                 y);
  return status;
}

// QuantizeInto of an FP16 or BF16 tensor.
absl::Status QuantizeNarrowInto(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x, PackedTensor* out,
                                const QuantizeOptions& options) {
  QuantizeOptions with_amax = options;
  const bool of_tensor = recipe.tensor_scale == TensorScale::kPerTensor;
  if (of_tensor && !options.tensor_amax.has_value() && !recipe.hadamard) {
    with_amax.tensor_amax = cpu::NarrowAmax(x);
  }
  cpu::Job job = cpu::MakeJob(recipe, grid, {}, with_amax);
  if (job.plan.path == cpu::Path::kChunks &&
      (recipe.tensor_scale == TensorScale::kNone ||
       (of_tensor && with_amax.tensor_amax.has_value()))) {
    job.narrow = x;
    return RunPackedJob(job, out);
  }
  // Also where an amax is not that of x as it is: transformed, or not finite.
  return QuantizeInto(recipe, grid, Widened(x), out, options);
}

}  // namespace

absl::StatusOr<float> Amax(const TensorView& x) {
  return Guarded([&] { return AmaxOf(x); });
}

absl::StatusOr<float> ScaleAmax(const Recipe& recipe, const BlockGrid& grid,
                                const TensorView& x,
                                const QuantizeOptions& options) {
  return Guarded([&]() -> absl::StatusOr<float> {
    if (x.dtype == DType::kFloat32) {
      return ScaleAmax(recipe, grid, Float32Of(x), options);
    }
    const absl::Status status =
        CheckQuantizeArguments(recipe, grid, x.size, options);
    if (!status.ok()) return status;
    if (recipe.tensor_scale == TensorScale::kPerTensor && !recipe.hadamard &&
        !options.tensor_amax.has_value()) {
      const std::optional<float> amax = cpu::NarrowAmax(x);
      if (amax.has_value()) return *amax;
    }
    return ScaleAmax(recipe, grid, Widened(x), options);
  });
}

absl::Status FakeQuantize(const Recipe& recipe, const BlockGrid& grid,
                          const TensorView& x, const MutableTensorView& y,
                          const QuantizeOptions& options) {
  if (x.device != Device::kCpu || y.device != Device::kCpu) {
    const absl::StatusOr<const DeviceQuantizer*> device =
        DeviceOf(x.device, y.device);
    if (!device.ok()) return device.status();
    return (*device)->FakeQuantize(recipe, grid, x, y, options);
  }
  return Guarded(
      [&] { return FakeQuantizeViews(recipe, grid, x, y, options); });
}

absl::Status QuantizeOperand(const Recipe& recipe, const BlockGrid& grid,
                             const TensorView& x, const MutableTensorView& y,
                             float* tensor_scale,
                             const QuantizeOptions& options) {
  if (x.device != Device::kCpu || y.device != Device::kCpu) {
    const absl::StatusOr<const DeviceQuantizer*> device =
        DeviceOf(x.device, y.device);
    if (!device.ok()) return device.status();
    return (*device)->QuantizeOperand(recipe, grid, x, y, tensor_scale,
                                      options);
  }
  if (x.dtype != DType::kFloat32 || y.dtype != DType::kFloat32) {
    return absl::UnimplementedError(
        "operands of another type than FP32 are made on a device only");
  }
  const absl::StatusOr<float> scale =
      QuantizeOperand(recipe, grid, Float32Of(x), Float32Of(y), options);
  if (!scale.ok()) return scale.status();
  *tensor_scale = *scale;
  return absl::OkStatus();
}

absl::StatusOr<PackedTensor> Quantize(const Recipe& recipe,
                                      const BlockGrid& grid,
                                      const TensorView& x,
                                      const QuantizeOptions& options) {
  PackedTensor packed;
  const absl::Status status = QuantizeInto(recipe, grid, x, &packed, options);
  if (!status.ok()) return status;
  return packed;
}

absl::Status QuantizeInto(const Recipe& recipe, const BlockGrid& grid,
                          const TensorView& x, PackedTensor* out,
                          const QuantizeOptions& options) {
  return Guarded([&] {
    if (x.dtype == DType::kFloat32) {
      return QuantizeInto(recipe, grid, Float32Of(x), out, options);
    }
    const absl::Status status =
        CheckQuantizeArguments(recipe, grid, x.size, options);
    if (!status.ok()) return status;
    return QuantizeNarrowInto(recipe, grid, x, out, options);
  });
}

absl::Status Dequantize(const PackedTensor& packed,
                        const MutableTensorView& y) {
  return Guarded([&] {
    if (y.dtype == DType::kFloat32) return Dequantize(packed, Float32Of(y));
    std::vector<float> wide(y.size);
    absl::Status status = Dequantize(packed, absl::MakeSpan(wide));
    if (status.ok()) cpu::NarrowAll(wide.data(), /*limit=*/false, y);
    return status;
  });
}

}  // namespace cnn_fp4::quant
