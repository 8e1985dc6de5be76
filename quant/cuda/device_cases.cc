#include "quant/cuda/device_cases.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "quant/quantizer.h"
#include "quant/reference/reference_quantizer.h"

namespace cnn_fp4::quant::cuda {
namespace {

BlockGrid GridOf(const DeviceCase& c, const Recipe& recipe) {
  const absl::StatusOr<BlockGrid> grid =
      c.tile_rows < 0 ? BlockGrid::Along(c.shape, c.axis, recipe)
                      : BlockGrid::Tiles(c.shape, c.tile_rows, c.axis, recipe);
  EXPECT_TRUE(grid.ok()) << grid.status();
  return *grid;
}

// One case under one policy.
class Comparison {
 public:
  Comparison(const DeviceCase& c, const DeviceQuantizer& device,
             DeviceMemory& memory, const QuantizeOptions& options)
      : case_(c),
        device_(device),
        memory_(memory),
        options_(options),
        recipe_(*FindRecipe(c.recipe)),
        grid_(GridOf(c, recipe_)),
        size_(grid_.size()),
        limit_(options.nonfinite == NonFinitePolicy::kSaturate),
        x_(memory, size_ * SizeOf(c.in), c.misaligned * SizeOf(c.in)) {
    const std::vector<uint8_t> bytes =
        ToBytes(c.in, Values(size_, c.nonfinite));
    memory.ToDevice(bytes.data(), x_.data(), bytes.size());
    const absl::StatusOr<reference::Result> expected =
        reference::Quantize(recipe_, grid_, FromBytes(c.in, bytes), options_);
    EXPECT_TRUE(expected.ok()) << expected.status();
    if (expected.ok()) expected_ = *expected;
    expected_sums_ = ExpectedSums(recipe_, grid_, options_,
                                  FromBytes(c.in, bytes), expected_);
  }

  void Run() {
    // With statistics other kernels run.
    for (const bool with_statistics : {false, true}) {
      DeviceSums sums(memory_);
      options_.device.statistics = with_statistics ? sums.get() : nullptr;
      SCOPED_TRACE(with_statistics ? "with statistics" : "");
      ASSERT_NO_FATAL_FAILURE(CompareValues());
      CompareSums(sums);
      sums.Clear();
      ASSERT_NO_FATAL_FAILURE(ComparePacked());
      CompareSums(sums);
      options_.device.statistics = nullptr;
    }
    ASSERT_NO_FATAL_FAILURE(CompareOperand());
  }

 private:
  TensorView Source() const {
    return {case_.in, x_.data(), size_, Device::kCuda};
  }

  std::vector<float> Fetch(const DeviceTensor& y) const {
    return cuda::Fetch(memory_, y.data(), case_.out, size_);
  }

  DeviceTensor Output() const {
    return {memory_, size_ * SizeOf(case_.out),
            case_.misaligned * SizeOf(case_.out)};
  }

  void CompareSums(const DeviceSums& sums) {
    if (options_.device.statistics == nullptr) return;
    ExpectSums(expected_sums_, sums.Fetch());
  }

  void CompareValues() {
    const DeviceTensor y = Output();
    const absl::Status status = device_.FakeQuantize(
        recipe_, grid_, Source(), {case_.out, y.data(), size_, Device::kCuda},
        options_);
    ASSERT_TRUE(status.ok()) << status;
    ExpectSame(Rounded(case_.out, limit_, expected_.values), Fetch(y),
               "values");
  }

  void CompareOperand() {
    if (recipe_.tensor_scale == TensorScale::kPerRow) return;
    const DeviceTensor y = Output();
    const DeviceTensor scale(memory_, sizeof(float), 0);
    const absl::Status status = device_.QuantizeOperand(
        recipe_, grid_, Source(), {case_.out, y.data(), size_, Device::kCuda},
        scale.As<float>(), options_);
    ASSERT_TRUE(status.ok()) << status;
    ExpectSame(Rounded(case_.out, limit_, expected_.operand), Fetch(y),
               "operand");
    std::vector<float> actual(1);
    memory_.ToHost(scale.data(), actual.data(), sizeof(float));
    ExpectSame(expected_.packed.tensor_scales, actual, "scale of the operand");
  }

  void ComparePacked() {
    const PackedTensor& packed = expected_.packed;
    const bool is_float32 = recipe_.scale_format == ScaleFormat::kFloat32;
    const int64_t blocks = grid_.num_blocks();
    const DeviceTensor codes(memory_, packed.codes.size(), case_.misaligned);
    const DeviceTensor scales(memory_, blocks * 4, 0);
    const DeviceTensor tensor_scales(memory_, packed.tensor_scales.size() * 4,
                                     0);
    QuantizedView view;
    view.codes = codes.As<uint8_t>();
    view.scales = is_float32 ? nullptr : scales.As<uint8_t>();
    view.scales_float32 = is_float32 ? scales.As<float>() : nullptr;
    view.tensor_scales = tensor_scales.As<float>();
    view.device = Device::kCuda;
    absl::Status status =
        device_.Quantize(recipe_, grid_, Source(), view, options_);
    ASSERT_TRUE(status.ok()) << status;
    std::vector<uint8_t> bytes(packed.codes.size());
    memory_.ToHost(codes.data(), bytes.data(), bytes.size());
    ASSERT_EQ(packed.codes, bytes) << "codes";
    if (is_float32) {
      std::vector<float> actual(blocks);
      memory_.ToHost(scales.data(), actual.data(), blocks * sizeof(float));
      ASSERT_NO_FATAL_FAILURE(
          ExpectSame(packed.scales_float32, actual, "scales"));
    } else {
      bytes.resize(blocks);
      memory_.ToHost(scales.data(), bytes.data(), blocks);
      ASSERT_EQ(packed.scales, bytes) << "scales";
    }
    std::vector<float> factors(packed.tensor_scales.size());
    memory_.ToHost(tensor_scales.data(), factors.data(), factors.size() * 4);
    ASSERT_NO_FATAL_FAILURE(
        ExpectSame(packed.tensor_scales, factors, "tensor scales"));

    const DeviceTensor y = Output();
    status = device_.Dequantize(recipe_, grid_, view,
                                {case_.out, y.data(), size_, Device::kCuda},
                                options_);
    ASSERT_TRUE(status.ok()) << status;
    ExpectSame(Rounded(case_.out, /*limit=*/false, expected_.values), Fetch(y),
               "de-quantised");
  }

  const DeviceCase& case_;
  const DeviceQuantizer& device_;
  DeviceMemory& memory_;
  QuantizeOptions options_;
  const Recipe recipe_;
  const BlockGrid grid_;
  const int64_t size_;
  const bool limit_;
  const DeviceTensor x_;
  reference::Result expected_;
  DistortionSums expected_sums_;
};

}  // namespace

std::string ToString(const DeviceCase& c) {
  return absl::StrCat(c.recipe, " [", absl::StrJoin(c.shape, ","), "] axis ",
                      c.axis, c.tile_rows < 0 ? "" : " tiles", " ",
                      NameOfType(c.in), "->", NameOfType(c.out),
                      c.nonfinite ? " nonfinite" : "",
                      c.misaligned > 0 ? " misaligned" : "");
}

std::vector<DeviceCase> AllDeviceCases() {
  constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat16,
                              DType::kBfloat16};
  std::vector<DeviceCase> cases;
  // Every recipe with every modifier, along memory, across, and where nothing
  // fits.
  for (const NamedRecipe& named : RecipeRegistry()) {
    for (const char* modifier : {"", "+ties_away", "+ties_to_zero", "+sr8",
                                 "+sr", "+sr_unbiased", "+rht", "+sr+rht"}) {
      const std::string recipe = named.recipe.name + modifier;
      const absl::StatusOr<Recipe> found = FindRecipe(recipe);
      if (!found.ok()) continue;
      if (found->block_rows > 1) {
        cases.push_back({recipe, {48, 32}, 1});
        cases.push_back({recipe, {2, 16, 3, 32}, 3, 1});
        cases.push_back({recipe, {32, 24, 3, 3}, 1, 0});
        cases.push_back({recipe, {33, 17}, 1});
        continue;
      }
      cases.push_back({recipe, {6, 64}, 1});
      cases.push_back({recipe, {2, 32, 4, 6}, 1});
      if (found->hadamard) continue;
      cases.push_back({recipe, {3, 37, 5}, 1});
      cases.push_back({recipe, {4, 21}, 1});
      cases.push_back({recipe, {2, 3, 8}, 1});
    }
  }
  // Blocks from one vector of 16 bytes to more than a warp's.
  for (const char* recipe :
       {"nvfp4+sr+block=", "mxfp4+block=", "mxfp4+sr+block="}) {
    for (const int block : {4, 8, 12, 16, 64, 128, 256}) {
      for (const DType type : {DType::kFloat32, DType::kBfloat16}) {
        cases.push_back(
            {absl::StrCat(recipe, block), {6, 768}, 1, -1, type, type});
      }
    }
  }
  // Every pair of types, on the ways of training's recipes.
  for (const char* recipe :
       {"nvfp4", "nvfp4+sr", "nvfp4+sr+rht", "mxfp4", "mxfp4+sr8", "pow2_1x16",
        "nvfp4_modelopt", "mxfp4+block=64", "nvfp4_2d", "nvfp4_2d+sr"}) {
    for (const DType in : kTypes) {
      for (const DType out : kTypes) {
        for (const bool nonfinite : {false, true}) {
          cases.push_back({recipe, {64, 64}, 1, -1, in, out, nonfinite});
          if (FindRecipe(recipe)->block_rows > 1) continue;
          cases.push_back({recipe, {2, 64, 8, 4}, 1, -1, in, out, nonfinite});
        }
      }
    }
    cases.push_back(
        {recipe, {64, 64}, 1, -1, DType::kFloat32, DType::kFloat32, false, 1});
    cases.push_back({recipe,
                     {64, 64},
                     1,
                     -1,
                     DType::kBfloat16,
                     DType::kBfloat16,
                     false,
                     3});
  }
  return cases;
}

void RunDeviceCase(const DeviceCase& c, const DeviceQuantizer& device,
                   DeviceMemory& memory) {
  for (const NonFinitePolicy policy :
       {NonFinitePolicy::kPropagate, NonFinitePolicy::kSaturate}) {
    QuantizeOptions options;
    options.nonfinite = policy;
    options.seed = 7;
    options.stream = 11;
    options.step = (uint64_t{1} << 40) + 5;
    Comparison comparison(c, device, memory, options);
    ASSERT_NO_FATAL_FAILURE(comparison.Run());
  }
}

}  // namespace cnn_fp4::quant::cuda
