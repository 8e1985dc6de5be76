#include "quant/cuda/operand_cases.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "quant/reference/reference_quantizer.h"
#include "quant/scale_swizzle.h"

namespace cnn_fp4::quant::cuda {
namespace {

QuantizeOptions OptionsOf(NonFinitePolicy policy, uint32_t stream) {
  QuantizeOptions options;
  options.nonfinite = policy;
  options.seed = 7;
  options.stream = stream;
  options.step = (uint64_t{1} << 40) + 5;
  return options;
}

// One of the two operands: where it is written, and what is expected there.
class OneWay {
 public:
  OneWay(const BothCase& c, const std::string& recipe, const BlockGrid& grid,
         const QuantizeOptions& options, bool swizzled,
         const std::vector<float>& x, DeviceMemory& memory)
      : case_(c),
        swizzled_(swizzled),
        memory_(memory),
        values_(memory, grid.size() * 4, 0),
        scales_(memory, ScaleBytes(grid), 0),
        tensor_scale_(memory, sizeof(float), 0),
        sums_(memory) {
    operand_.recipe = *FindRecipe(recipe);
    operand_.grid = grid;
    operand_.options = options;
    if (c.statistics) operand_.options.device.statistics = sums_.get();
    operand_.tensor_scale = tensor_scale_.As<float>();
    operand_.values = {c.type, values_.data(), grid.size(), Device::kCuda};
    if (c.packed) {
      operand_.packed.codes = values_.As<uint8_t>();
      operand_.packed.scales = scales_.As<uint8_t>();
      operand_.packed.tensor_scales = tensor_scale_.As<float>();
      operand_.packed.swizzled = swizzled;
      operand_.packed.device = Device::kCuda;
    }
    expected_ = *reference::Quantize(operand_.recipe, grid, x, options);
    expected_sums_ = ExpectedSums(operand_.recipe, grid, options, x, expected_);
  }

  const DeviceOperand& operand() const { return operand_; }

  void Expect() {
    ASSERT_NO_FATAL_FAILURE(case_.packed ? ExpectPacked() : ExpectValues());
    ExpectSame(expected_.packed.tensor_scales,
               Fetch(memory_, tensor_scale_.data(), DType::kFloat32, 1),
               "tensor scale");
    if (case_.statistics) ExpectSums(expected_sums_, sums_.Fetch());
  }

 private:
  int64_t ScaleBytes(const BlockGrid& grid) const {
    return swizzled_ ? static_cast<int64_t>(
                           SwizzledSize(grid.outer(), grid.block_count_cols()))
                     : grid.num_blocks();
  }

  void ExpectValues() {
    const bool limit = operand_.options.nonfinite == NonFinitePolicy::kSaturate;
    ExpectSame(Rounded(case_.type, limit, expected_.operand),
               Fetch(memory_, values_.data(), case_.type, operand_.grid.size()),
               "operand");
  }

  void ExpectPacked() {
    const PackedTensor& packed = expected_.packed;
    std::vector<uint8_t> bytes(packed.codes.size());
    memory_.ToHost(values_.data(), bytes.data(), bytes.size());
    ASSERT_EQ(packed.codes, bytes) << "codes";
    bytes.resize(ScaleBytes(operand_.grid));
    memory_.ToHost(scales_.data(), bytes.data(), bytes.size());
    ASSERT_EQ(swizzled_ ? *SwizzleScales(packed.scales, operand_.grid.outer(),
                                         operand_.grid.block_count_cols())
                        : packed.scales,
              bytes)
        << "scales";
  }

  const BothCase& case_;
  const bool swizzled_;
  DeviceMemory& memory_;
  const DeviceTensor values_, scales_, tensor_scale_;
  const DeviceSums sums_;
  DeviceOperand operand_;
  reference::Result expected_;
  DistortionSums expected_sums_;
};

void RunBothCase(const BothCase& c, NonFinitePolicy policy,
                 const DeviceQuantizer& device, DeviceMemory& memory) {
  const BlockGrid along = *BlockGrid::Along(
      {c.images * c.channels, c.positions}, 1, *FindRecipe(c.rows));
  const BlockGrid across = *BlockGrid::Along(
      {c.images, c.channels, c.positions}, 1, *FindRecipe(c.columns));
  const std::vector<uint8_t> bytes =
      ToBytes(c.type, Values(along.size(), c.nonfinite));
  const DeviceTensor x(memory, bytes.size(), 0);
  memory.ToDevice(bytes.data(), x.data(), bytes.size());
  const std::vector<float> source = FromBytes(c.type, bytes);
  OneWay rows(c, c.rows, along, OptionsOf(policy, 11), c.swizzled, source,
              memory);
  OneWay columns(c, c.columns, across, OptionsOf(policy, 12), false, source,
                 memory);
  const absl::Status status =
      device.QuantizeBothWays({c.type, x.data(), along.size(), Device::kCuda},
                              rows.operand(), columns.operand());
  ASSERT_TRUE(status.ok()) << status;
  {
    SCOPED_TRACE("rows");
    ASSERT_NO_FATAL_FAILURE(rows.Expect());
  }
  SCOPED_TRACE("columns");
  ASSERT_NO_FATAL_FAILURE(columns.Expect());
}

// What SourceWindow says, as a tensor [images * kernel * rows, positions].
std::vector<float> BuildWindow(const SourceWindow& w, int64_t images,
                               const std::vector<float>& x) {
  std::vector<float> built;
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t k = 0; k < w.kernel; ++k) {
      for (int64_t row = 0; row < w.rows; ++row) {
        for (int64_t q = 0; q < w.positions; ++q) {
          const int64_t at = q * w.stride + k * w.dilation - w.padding;
          built.push_back(at < 0 || at >= w.width
                              ? 0.0f
                              : x[(image * w.rows + row) * w.width + at]);
        }
      }
    }
  }
  return built;
}

}  // namespace

std::string ToString(const BothCase& c) {
  return absl::StrCat(
      c.rows, " and ", c.columns, " of [", c.images, ",", c.channels, ",",
      c.positions, "] ", NameOfType(c.type), c.packed ? " packed" : "",
      c.statistics ? " with statistics" : "", c.nonfinite ? " nonfinite" : "",
      c.swizzled ? " swizzled" : "");
}

std::vector<BothCase> AllBothCases() {
  std::vector<BothCase> cases;
  const auto add = [&](BothCase c) {
    for (const bool packed : {false, true}) {
      for (const bool statistics : {false, true}) {
        c.packed = packed;
        c.statistics = statistics;
        BothCase one = c;
        one.one_read = c.one_read &&
                       (!statistics || (c.type == DType::kFloat32 && !packed));
        cases.push_back(one);
      }
    }
  };
  for (const DType type : {DType::kFloat32, DType::kBfloat16}) {
    for (const bool nonfinite : {false, true}) {
      // Channels that are whole blocks, more than one, and less than one.
      for (const int64_t channels : {16, 32, 24, 5}) {
        add({"nvfp4+sr+rht", "nvfp4+sr", 2, channels, 64, type, false, false,
             nonfinite});
      }
      add({"nvfp4", "nvfp4", 3, 16, 16, type, false, false, nonfinite});
      add({"mxfp4+sr", "mxfp4+sr", 1, 40, 96, type, false, false, nonfinite});
      add({"nvfp4+rht", "nvfp4+rht", 2, 32, 48, type, false, false, nonfinite});
      add({"mxfp4+sr8", "nvfp4+sr", 2, 16, 64, type, false, false, nonfinite});
      add({"pow2_1x16", "mxfp4", 2, 33, 32, type, false, false, nonfinite});
      add({"nvfp4+block=64", "nvfp4", 1, 16, 192, type, false, false,
           nonfinite});
    }
  }
  // More than one warp, the last one not full.
  add({"nvfp4+sr+rht", "nvfp4+sr", 3, 48, 208});
  cases.push_back({"nvfp4", "nvfp4", 2, 16, 64, DType::kFloat32,
                   /*packed=*/true, false, false, /*swizzled=*/true});
  // Rows that blocks do not fill, other types, rules and roundings: two calls.
  for (BothCase c :
       std::vector<BothCase>{{"nvfp4", "nvfp4", 2, 16, 24},
                             {"nvfp4", "nvfp4", 2, 16, 64, DType::kFloat16},
                             {"nvfp4_four_over_six", "nvfp4", 2, 16, 64},
                             {"nvfp4", "nvfp4_four_over_six", 2, 16, 64},
                             {"nvfp4+ties_away", "nvfp4", 2, 16, 64},
                             {"nvfp4+sr", "nvfp4", 2, 16, 64},
                             {"nvfp4+block=48", "nvfp4", 2, 16, 96},
                             {"nvfp4", "nvfp4+block=64", 2, 64, 32}}) {
    c.one_read = false;
    add(c);
  }
  return cases;
}

void RunBothCase(const BothCase& c, const DeviceQuantizer& device,
                 DeviceMemory& memory) {
  for (const NonFinitePolicy policy :
       {NonFinitePolicy::kPropagate, NonFinitePolicy::kSaturate}) {
    ASSERT_NO_FATAL_FAILURE(RunBothCase(c, policy, device, memory));
  }
}

std::string ToString(const WindowCase& c) {
  const SourceWindow& w = c.window;
  return absl::StrCat(
      c.recipe, " window of ", c.images, "x", w.rows, "x", w.width, " kernel ",
      w.kernel, " positions ", w.positions, " stride ", w.stride, " dilation ",
      w.dilation, " padding ", w.padding, " ", NameOfType(c.in), "->",
      NameOfType(c.out), c.statistics ? " with statistics" : "");
}

std::vector<WindowCase> AllWindowCases() {
  std::vector<WindowCase> cases;
  const auto add = [&](const char* recipe, const SourceWindow& window, DType in,
                       DType out) {
    for (const bool statistics : {false, true}) {
      cases.push_back({recipe, 2, window, in, out, statistics});
    }
  };
  // {width, rows, kernel, positions, stride, dilation, padding}
  const SourceWindow kThree = {32, 6, 3, 32, 1, 1, 1};
  for (const char* recipe : {"nvfp4", "nvfp4+rht", "mxfp4", "nvfp4+sr",
                             "nvfp4_four_over_six", "nvfp4_rowscaled"}) {
    add(recipe, kThree, DType::kFloat32, DType::kFloat32);
  }
  for (const DType type :
       {DType::kFloat32, DType::kFloat16, DType::kBfloat16}) {
    add("nvfp4+rht", kThree, type, type);
    add("nvfp4", kThree, DType::kFloat32, type);
    add("nvfp4", kThree, type, DType::kFloat32);
    // Strides, dilations, widths of any kind, a kernel of one column.
    add("nvfp4", {33, 5, 3, 16, 2, 1, 1}, type, type);
    add("nvfp4", {18, 3, 5, 16, 1, 2, 3}, type, type);
    add("nvfp4", {17, 1, 2, 16, 1, 1, 0}, type, type);
    add("nvfp4", {48, 4, 1, 48, 1, 1, 0}, type, type);
    // A row of which blocks are left over.
    add("nvfp4", {21, 4, 3, 21, 1, 1, 1}, type, type);
  }
  return cases;
}

void RunWindowCase(const WindowCase& c, const DeviceQuantizer& device,
                   DeviceMemory& memory) {
  const SourceWindow& w = c.window;
  const Recipe recipe = *FindRecipe(c.recipe);
  const BlockGrid grid =
      *BlockGrid::Along({c.images * w.kernel * w.rows, w.positions}, 1, recipe);
  const int64_t size = c.images * w.rows * w.width;
  const std::vector<uint8_t> bytes =
      ToBytes(c.in, Values(size, /*nonfinite=*/true));
  // At no vector's boundary.
  const DeviceTensor x(memory, bytes.size(), SizeOf(c.in));
  memory.ToDevice(bytes.data(), x.data(), bytes.size());
  const DeviceTensor y(memory, grid.size() * SizeOf(c.out), 0);
  DeviceSums sums(memory);
  const std::vector<float> built =
      BuildWindow(w, c.images, FromBytes(c.in, bytes));
  for (const NonFinitePolicy policy :
       {NonFinitePolicy::kPropagate, NonFinitePolicy::kSaturate}) {
    QuantizeOptions options = OptionsOf(policy, 3);
    const reference::Result expected =
        *reference::Quantize(recipe, grid, built, options);
    options.device.window = w;
    sums.Clear();
    if (c.statistics) options.device.statistics = sums.get();
    const absl::Status status = device.FakeQuantize(
        recipe, grid, {c.in, x.data(), size, Device::kCuda},
        {c.out, y.data(), grid.size(), Device::kCuda}, options);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_NO_FATAL_FAILURE(ExpectSame(
        Rounded(c.out, policy == NonFinitePolicy::kSaturate, expected.values),
        Fetch(memory, y.data(), c.out, grid.size()), "values"));
    if (!c.statistics) continue;
    ExpectSums(ExpectedSums(recipe, grid, options, built, expected),
               sums.Fetch());
  }
}

}  // namespace cnn_fp4::quant::cuda
