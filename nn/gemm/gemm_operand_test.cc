#include "nn/gemm/gemm_operand.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

using Position = std::vector<int64_t>;

constexpr float kE2m1[] = {0, .5, 1, 1.5, 2, 3, 4, 6};
constexpr uint8_t kCodeOfSix = 7;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

float E2m1(uint8_t code) { return code < 8 ? kE2m1[code] : -kE2m1[code - 8]; }

// Of a normal or subnormal code of 7 bits.
double E4m3(uint8_t code) {
  return code < 8 ? std::ldexp(code, -9)
                  : std::ldexp(8 + code % 8, code / 8 - 10);
}

double ScaleValue(const quant::Recipe& recipe, uint8_t code) {
  return recipe.scale_format == quant::ScaleFormat::kE8m0
             ? std::ldexp(1.0, code - 127)
             : E4m3(code);
}

// One operand of one convolution, and, written out by hand, where its blocks
// lie: the block that an element belongs to, as a position that counts blocks
// instead of elements along the blocked axis, and the place of the element
// among the packed elements. Blocks are numbered in the order of these
// positions.
struct Case {
  std::string name;
  Operand operand;
  ConvGeometry geometry;
  Position shape;
  OperandFormat format;
  Position (*block)(const Position& at, const Position& shape, int64_t size);
};

OperandFormat Format(const std::string& recipe,
                     Blocking blocking = Blocking::kReductionAxis) {
  return {*quant::FindRecipe(recipe), blocking};
}

ConvGeometry Geometry(bool transposed, int64_t groups) {
  ConvGeometry geometry;
  geometry.transposed = transposed;
  geometry.groups = groups;
  return geometry;
}

// Two groups of 19 channels, or one of 38, where a block of 16 or 32 is full
// and the next one short, at different extents of all dimensions.
constexpr int64_t kTwo = 2;
constexpr int64_t kInGroup = 19;

Position AlongChannels(const Position& at, const Position&, int64_t b) {
  return {at[0], at[1] / b, at[2], at[3]};
}
Position AlongChannelsOfTwoGroups(const Position& at, const Position&,
                                  int64_t b) {
  return {at[0], at[1] / kInGroup, at[1] % kInGroup / b, at[2], at[3]};
}
Position AlongDimension0(const Position& at, const Position&, int64_t b) {
  return {at[0] / b, at[1], at[2], at[3]};
}
Position AlongDimension0OfTwoGroups(const Position& at, const Position&,
                                    int64_t b) {
  return {at[0] / kInGroup, at[0] % kInGroup / b, at[1], at[2], at[3]};
}
Position TilesOfTwoGroups(const Position& at, const Position&, int64_t b) {
  return {at[0] / kInGroup, at[0] % kInGroup / b, at[1] / b, at[2], at[3]};
}
Position AlongWidth(const Position& at, const Position&, int64_t b) {
  return {at[0], at[1], at[2], at[3] / b};
}
Position Flattened(const Position& at, const Position& shape, int64_t b) {
  const int64_t row = (at[0] * shape[1] + at[1]) * shape[2] + at[2];
  return {(row * shape[3] + at[3]) / b};
}

std::vector<Case> Cases() {
  using O = Operand;
  const Position x = {3, kTwo * kInGroup, 2, 5};
  // Dimension 1 holds the channels of one group.
  const Position w = {kTwo * kInGroup, kInGroup, 2, 3};
  std::vector<Case> cases;
  for (const std::string recipe : {"pow2_1x16", "mxfp4", "nvfp4"}) {
    const OperandFormat f = Format(recipe);
    for (const int64_t groups : {1, 2}) {
      const bool one = groups == 1;
      const auto channels = one ? AlongChannels : AlongChannelsOfTwoGroups;
      const auto dimension0 =
          one ? AlongDimension0 : AlongDimension0OfTwoGroups;
      for (const bool up : {false, true}) {
        const ConvGeometry g = Geometry(up, groups);
        cases.push_back({"fprop_x", O::kFpropX, g, x, f, channels});
        cases.push_back({"dgrad_dy", O::kDgradDy, g, x, f, channels});
        // Plain weights are OIHW, transposed ones IOHW.
        cases.push_back(
            {"fprop_w", O::kFpropW, g, w, f, up ? dimension0 : AlongChannels});
        cases.push_back(
            {"dgrad_w", O::kDgradW, g, w, f, up ? AlongChannels : dimension0});
      }
    }
  }
  const OperandFormat tiles = Format("nvfp4_2d");
  const OperandFormat width = Format("pow2_1x16", Blocking::kLastDimension);
  const OperandFormat flat = Format("pow2_1x16", Blocking::kFlattened);
  const Position wide = {2, 3, 2, 19};
  for (const O o : {O::kFpropW, O::kDgradW}) {
    for (const bool up : {false, true}) {
      cases.push_back(
          {"tiles", o, Geometry(up, 2), w, tiles, TilesOfTwoGroups});
    }
  }
  for (const O o : kOperands) {
    cases.push_back({"width", o, {}, wide, width, AlongWidth});
    cases.push_back({"flattened", o, {}, wide, flat, Flattened});
  }
  return cases;
}

std::string Title(const Case& c) {
  return c.name + " " + ToString(c.format) +
         (c.geometry.transposed ? " transposed" : "") + ", groups " +
         std::to_string(c.geometry.groups);
}

// A tensor whose blocks identify themselves. Each begins with a 6 and has a
// scale of its own, so that it is quantised without error exactly where the
// blocks lie as the case says, and to expected codes and scales.
struct Identified {
  at::Tensor tensor;
  float tensor_scale = 1;
  std::vector<uint8_t> codes;   // In the order of the packed elements.
  std::vector<uint8_t> scales;  // In the order of the blocks.
};

// Scale number `index` of a permutation of many scales. The first is E4M3's
// largest, so that the tensor scale is known.
uint8_t ScaleCode(const quant::Recipe& recipe, int64_t index) {
  return recipe.scale_format == quant::ScaleFormat::kE8m0
             ? static_cast<uint8_t>(60 + index * 37 % 127)
             : static_cast<uint8_t>(126 - index * 37 % 126);
}

Identified MakeIdentified(const Case& c) {
  const quant::Recipe& recipe = *c.format.recipe();
  const Position& s = c.shape;
  Identified made;
  made.tensor = at::empty(s);
  if (recipe.tensor_scale == quant::TensorScale::kPerTensor) {
    made.tensor_scale = 0.25;
  }
  std::vector<Position> order;
  for (int64_t n = 0; n < s[0]; ++n) {
    for (int64_t channel = 0; channel < s[1]; ++channel) {
      for (int64_t h = 0; h < s[2]; ++h) {
        for (int64_t w = 0; w < s[3]; ++w) order.push_back({n, channel, h, w});
      }
    }
  }
  std::map<Position, int64_t> elements;  // How many, by block.
  for (const Position& at : order) {
    ++elements[c.block(at, s, recipe.block_cols)];
  }
  std::map<Position, int64_t> numbers;
  for (const auto& [block, size] : elements) {
    const int64_t number = static_cast<int64_t>(numbers.size());
    numbers[block] = number;
    made.scales.push_back(ScaleCode(recipe, number));
  }
  std::map<Position, int64_t> seen;
  for (const Position& at : order) {
    const Position block = c.block(at, s, recipe.block_cols);
    const int64_t number = numbers[block], place = seen[block]++;
    const uint8_t code =
        place == 0 ? kCodeOfSix
                   : static_cast<uint8_t>((5 * place + 3 * number) % 16);
    made.codes.push_back(code);
    const int64_t offset =
        ((at[0] * s[1] + at[1]) * s[2] + at[2]) * s[3] + at[3];
    made.tensor.data_ptr<float>()[offset] =
        static_cast<float>(E2m1(code) * made.tensor_scale *
                           ScaleValue(recipe, made.scales[number]));
  }
  return made;
}

std::vector<uint8_t> Codes(const quant::PackedTensor& packed) {
  std::vector<uint8_t> codes;
  for (int64_t i = 0; i < packed.grid.size(); ++i) {
    codes.push_back(quant::CodeAt(packed, i));
  }
  return codes;
}

TEST(GemmOperand, BlocksThatIdentifyThemselvesLieWhereTheGemmNeedsThem) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(Title(c));
    const Identified source = MakeIdentified(c);
    std::optional<QuantizedOperand> apart;
    const auto operand = MakeGemmOperand(source.tensor, c.operand, c.geometry,
                                         c.format, {}, &apart);
    ASSERT_TRUE(operand.ok()) << operand.status();
    EXPECT_EQ(operand->scale.item<float>(), source.tensor_scale);
    EXPECT_TRUE(
        at::equal(operand->values, source.tensor / source.tensor_scale));

    ASSERT_TRUE(apart.has_value());
    EXPECT_THAT(apart->packed.scales, ElementsAreArray(source.scales));
    EXPECT_THAT(Codes(apart->packed), ElementsAreArray(source.codes));
    EXPECT_TRUE(at::equal(apart->source, source.tensor));
    EXPECT_TRUE(apart->source.is_contiguous());
  }
}

// The tensors of the test above are no operands of another layout: with blocks
// elsewhere the values change, too.
TEST(GemmOperand, BlocksElsewhereChangeTheValues) {
  for (const Case& c : Cases()) {
    const Identified source = MakeIdentified(c);
    for (const Case& other : Cases()) {
      if (c.block == other.block || c.shape != other.shape ||
          c.format != other.format) {
        continue;
      }
      const auto operand = MakeGemmOperand(source.tensor, other.operand,
                                           other.geometry, other.format);
      ASSERT_TRUE(operand.ok()) << operand.status();
      EXPECT_FALSE(at::equal(operand->values * operand->scale, source.tensor))
          << Title(c) << " as " << Title(other);
    }
  }
}

// {outer, rows, middle, cols, inner, block_rows, block_cols, blocks}
Position Grid(const Position& shape, Operand operand,
              const ConvGeometry& geometry, const OperandFormat& format) {
  const auto grid = OperandGrid(shape, operand, geometry, format);
  EXPECT_TRUE(grid.ok()) << grid.status();
  return {grid->outer(),      grid->rows(),      grid->middle(),
          grid->cols(),       grid->inner(),     grid->block_rows(),
          grid->block_cols(), grid->num_blocks()};
}

TEST(OperandGrid, IsThatOfTheReductionAxis) {
  using O = Operand;
  const OperandFormat nvfp4 = Format("nvfp4"), tiles = Format("nvfp4_2d");
  const ConvGeometry plain = Geometry(false, 2), up = Geometry(true, 2);
  const Position x = {3, 40, 5, 7}, w = {40, 18, 2, 3};
  const Position channels = {6, 1, 1, 20, 35, 1, 16, 420};
  const Position dimension0 = {2, 1, 1, 20, 108, 1, 16, 432};
  const Position dimension1 = {40, 1, 1, 18, 6, 1, 16, 480};
  const Position squares = {2, 20, 1, 18, 6, 16, 16, 48};
  for (const ConvGeometry& g : {plain, up}) {
    EXPECT_EQ(Grid(x, O::kFpropX, g, nvfp4), channels);
    EXPECT_EQ(Grid(x, O::kDgradDy, g, nvfp4), channels);
    EXPECT_EQ(Grid(w, O::kFpropW, g, tiles), squares);
    EXPECT_EQ(Grid(w, O::kDgradW, g, tiles), squares);
  }
  EXPECT_EQ(Grid(w, O::kFpropW, plain, nvfp4), dimension1);
  EXPECT_EQ(Grid(w, O::kDgradW, plain, nvfp4), dimension0);
  EXPECT_EQ(Grid(w, O::kFpropW, up, nvfp4), dimension0);
  EXPECT_EQ(Grid(w, O::kDgradW, up, nvfp4), dimension1);
}

TEST(GemmOperand, TakenApartOrNotItIsTheSame) {
  torch::manual_seed(3);
  for (const Case& c : Cases()) {
    SCOPED_TRACE(Title(c));
    // Neither contiguous nor exact in FP4.
    const at::Tensor source =
        at::randn(c.shape).contiguous(at::MemoryFormat::ChannelsLast);
    std::optional<QuantizedOperand> apart;
    const auto with =
        MakeGemmOperand(source, c.operand, c.geometry, c.format, {}, &apart);
    const auto without =
        MakeGemmOperand(source, c.operand, c.geometry, c.format);
    ASSERT_TRUE(with.ok() && without.ok()) << with.status();
    EXPECT_TRUE(at::equal(with->values, without->values));
    EXPECT_TRUE(at::equal(with->scale, without->scale));
    EXPECT_EQ(with->values.sizes(), source.sizes());
    EXPECT_FALSE(at::equal(with->values * with->scale, source));

    // Codes times scales, block by block.
    ASSERT_TRUE(apart.has_value());
    const quant::PackedTensor& packed = apart->packed;
    at::Tensor values = at::empty_like(apart->source);
    for (int64_t b = 0; b < packed.grid.num_blocks(); ++b) {
      const auto block = packed.grid.block(b);
      const double scale = ScaleValue(packed.recipe, packed.scales[b]);
      for (int64_t i = 0; i < block.rows * block.cols; ++i) {
        const int64_t element = block.offset +
                                i / block.cols * packed.grid.row_stride() +
                                i % block.cols * packed.grid.col_stride();
        values.data_ptr<float>()[element] =
            static_cast<float>(E2m1(quant::CodeAt(packed, element)) * scale);
      }
    }
    EXPECT_TRUE(at::equal(values, with->values));
    EXPECT_EQ(with->scale.item<float>(), packed.tensor_scales[0]);

    const auto only =
        QuantizeOperandTensor(source, c.operand, c.geometry, c.format);
    ASSERT_TRUE(only.ok()) << only.status();
    EXPECT_EQ(only->packed.codes, packed.codes);
    EXPECT_EQ(only->packed.scales, packed.scales);
    EXPECT_TRUE(at::equal(only->source, apart->source));
  }
}

// Six significant bits at most, in the range of FP16: exact operands of tensor
// cores.
TEST(GemmOperand, QuantisedValuesAreExactInHalfAndBfloat16) {
  torch::manual_seed(3);
  const at::Tensor x = at::randn({2, 48, 5, 5}) * 1e-3;
  const auto operand =
      MakeGemmOperand(x, Operand::kFpropX, {}, Format("nvfp4"));
  ASSERT_TRUE(operand.ok()) << operand.status();
  const at::Tensor& v = operand->values;
  EXPECT_TRUE(at::equal(v, v.to(at::kBFloat16).to(at::kFloat)));
  EXPECT_TRUE(at::equal(v, v.to(at::kHalf).to(at::kFloat)));
  EXPECT_EQ(v.abs().max().item<float>(), 2688.0f);
}

TEST(GemmOperand, ANonFiniteElementIsRefusedByItsIndex) {
  at::Tensor x = at::zeros({2, 3, 4, 5});
  x[1][2][3][4] = kInfinity;
  for (const Operand operand : {Operand::kFpropX, Operand::kFpropW,
                                Operand::kDgradDy, Operand::kDgradW}) {
    const auto made = MakeGemmOperand(x, operand, {}, Format("mxfp4"));
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(made.status().message(), HasSubstr("119"));
  }
}

}  // namespace
}  // namespace cnn_fp4::nn
