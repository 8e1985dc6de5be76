// The operands of wgrad, held bit for bit against the reference quantiser on
// im2col matrices that torch builds, and their product against FP64.

#include "nn/gemm/wgrad_operand.h"

#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nn/gemm/conv_gemms.h"
#include "quant/reference/reference_quantizer.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;
using Form = OperandForm;

struct Case {
  std::string name;
  ConvGeometry geometry;
  std::vector<int64_t> x, w;
  std::string dy_recipe, x_recipe;
  Form form;  // Of the unfolded operand.
};

// Where blocks of 16 stay in a row of dy, and where they do not.
std::vector<Case> Cases() {
  const ConvGeometry same = {{1, 1}, {1, 1}};
  const ConvGeometry stride2 = {{2, 2}, {1, 1}};
  const ConvGeometry dilated = {{1, 1}, {2, 2}, {2, 2}};
  const ConvGeometry up = {{2, 2}, {0, 0}, {1, 1}, {0, 0}, 1, true};
  ConvGeometry grouped = same, up_grouped = up, skip = {{3, 3}, {0, 0}};
  grouped.groups = up_grouped.groups = 2;
  ConvGeometry overlapping = {{2, 2}, {1, 1}, {1, 1}, {1, 1}, 1, true};
  std::vector<Case> cases;
  const struct {
    std::string dy, x;
  } kRecipes[] = {{"nvfp4", "nvfp4"},
                  {"nvfp4+sr+rht", "nvfp4+rht"},
                  {"mxfp4+sr", "mxfp4"},
                  {"nvfp4+sr", "mxfp4"},
                  {"pow2_1x16", "pow2_1x16+sr"},
                  {"nvfp4_1level", "nvfp4_four_over_six"},
                  {"nvfp4_1level+sr+scaled", "nvfp4_1level+scaled"}};
  for (const auto& r : kRecipes) {
    const bool x_sr = r.x == "pow2_1x16+sr";
    const auto add = [&](const std::string& name, const ConvGeometry& g,
                         std::vector<int64_t> x, std::vector<int64_t> w,
                         Form form) {
      // Copies that draw random bits draw bits of their own.
      const bool random = g.transposed ? absl::StrContains(r.dy, "+sr") : x_sr;
      if (random && form == Form::kWindows) form = Form::kMatrix;
      cases.push_back({name, g, std::move(x), std::move(w), r.dy, r.x, form});
    };
    add("windows", same, {2, 5, 3, 32}, {7, 5, 3, 3}, Form::kWindows);
    add("windows, stride 2", stride2, {2, 3, 6, 64}, {4, 3, 3, 3},
        Form::kWindows);
    add("windows, dilated", dilated, {1, 3, 7, 32}, {4, 3, 3, 3},
        Form::kWindows);
    add("windows, groups", grouped, {2, 6, 4, 32}, {4, 3, 3, 3},
        Form::kWindows);
    add("windows, transposed", up, {2, 3, 3, 32}, {3, 4, 2, 2}, Form::kWindows);
    add("rows that no sum holds", skip, {1, 2, 7, 96}, {3, 2, 1, 1},
        Form::kMatrix);
    add("matrix", same, {2, 5, 3, 9}, {7, 5, 3, 3}, Form::kMatrix);
    add("matrix, stride 2", stride2, {2, 3, 5, 9}, {4, 3, 3, 3}, Form::kMatrix);
    add("matrix, groups", grouped, {2, 6, 4, 5}, {4, 3, 3, 3}, Form::kMatrix);
    add("matrix, transposed, groups", up_grouped, {1, 6, 3, 5}, {6, 2, 2, 2},
        Form::kMatrix);
    add("matrix, overlapping copies", overlapping, {2, 3, 3, 4}, {3, 2, 3, 3},
        Form::kMatrix);
    add("1x1, whole blocks", {}, {2, 5, 4, 8}, {3, 5, 1, 1}, Form::kTensor);
    add("1x1, short blocks", {}, {2, 5, 3, 7}, {3, 5, 1, 1}, Form::kMatrix);
  }
  return cases;
}

OperandFormat Format(absl::string_view text) {
  const bool scaled = absl::ConsumeSuffix(&text, "+scaled");
  const auto found = quant::FindRecipe(text);
  EXPECT_TRUE(found.ok()) << found.status();
  return {*found, Blocking::kReductionAxis, scaled};
}

struct Tensors {
  at::Tensor x, dy;
};

Tensors Draw(const Case& c) {
  torch::manual_seed(5);
  Tensors t;
  t.x = at::randn(c.x);
  t.dy = at::randn_like(PlainConvolution(t.x, at::zeros(c.w), {}, c.geometry));
  return t;
}

bool IsUnfolded(const Case& c, Operand operand) {
  return operand ==
         (c.geometry.transposed ? Operand::kWgradDy : Operand::kWgradX);
}

// [rows of the GEMM, K], by torch's own im2col.
at::Tensor Rows(const Case& c, const at::Tensor& tensor, bool unfolded) {
  if (!unfolded) return tensor.transpose(0, 1).flatten(1);
  const ConvGeometry& g = c.geometry;
  return at::im2col(tensor, {c.w[2], c.w[3]}, g.dilation, g.padding, g.stride)
      .transpose(0, 1)
      .flatten(1);
}

struct Expected {
  at::Tensor rows;  // q * s8, padded to whole blocks.
  float scale;
};

// A scaled operand: of these tensors, whose amax is between 1 and 8, times a
// power of two with amax in (1344, 2688].
Expected ByReference(const at::Tensor& source, const OperandFormat& format,
                     const quant::QuantizeOptions& options) {
  const quant::Recipe& recipe = *format.recipe();
  float power = 1;
  if (format.scaled) {
    const double amax = source.abs().max().item<double>();
    power = amax > 5.25 ? 256 : amax > 2.625 ? 512 : 1024;
    EXPECT_GT(amax * power, 1344);
    EXPECT_LE(amax * power, 2688);
  }
  const at::Tensor rows = source * power;
  const int64_t block = recipe.block_cols, k = rows.size(1);
  const at::Tensor padded =
      at::constant_pad_nd(rows, {0, (block - k % block) % block}).contiguous();
  const auto made = quant::reference::Quantize(
      recipe, *quant::BlockGrid::Along(padded.sizes(), 1, recipe),
      {padded.data_ptr<float>(), static_cast<size_t>(padded.numel())}, options);
  EXPECT_TRUE(made.ok()) << made.status();
  Expected expected = {at::tensor(made->operand).view(padded.sizes()), 1.0f};
  if (recipe.tensor_scale == quant::TensorScale::kPerTensor) {
    expected.scale = made->packed.tensor_scales[0];
  }
  expected.scale /= power;
  return expected;
}

// The rows of the GEMM that a made operand stands for, without the padding.
at::Tensor RowsOf(const Case& c, const GemmOperand& operand, int64_t k,
                  int64_t rows, int64_t columns) {
  if (operand.form == Form::kMatrix) return operand.values.narrow(1, 0, k);
  if (operand.form == Form::kTensor) {
    return operand.values.transpose(0, 1).flatten(1);
  }
  const ConvGeometry& g = c.geometry;
  const int64_t kh = c.w[2], kw = c.w[3];
  const at::Tensor padded =
      at::constant_pad_nd(operand.values, {0, 0, g.padding[0], g.padding[0]});
  const at::Tensor windows = padded.unflatten(1, {g.groups, kw, -1});
  std::vector<at::Tensor> shifted;
  for (int64_t i = 0; i < kh; ++i) {
    const int64_t begin = i * g.dilation[0];
    shifted.push_back(windows.slice(
        4, begin, begin + (rows - 1) * g.stride[0] + 1, g.stride[0]));
  }
  // [kh, N, G, kw, C / G, P, Q] to [G, C / G, kh, kw, N, P, Q].
  return at::stack(shifted)
      .permute({2, 4, 0, 3, 1, 5, 6})
      .reshape({-1, padded.size(0) * rows * columns});
}

quant::QuantizeOptions Options(Operand operand) {
  quant::QuantizeOptions options;
  options.seed = 7;
  options.stream = operand == Operand::kWgradX ? 11 : 12;
  options.step = 3;
  return options;
}

TEST(WgradOperand, IsTheReferenceQuantisersIm2colMatrix) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name + ", " + c.dy_recipe + ", " + c.x_recipe);
    const Tensors t = Draw(c);
    const OperandFormat dy_format = Format(c.dy_recipe);
    const OperandFormat x_format = Format(c.x_recipe);
    const auto plan = PlanWgrad(t.x.sizes(), t.dy.sizes(), {c.w[2], c.w[3]},
                                c.geometry, dy_format, &x_format);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->unfolded, c.form);

    const at::Tensor& other = c.geometry.transposed ? t.x : t.dy;
    const int64_t p = other.size(2), q = other.size(3);
    const int64_t k = other.size(0) * p * q;
    at::Tensor rows[2];
    GemmOperand made[2];
    for (const Operand operand : {Operand::kWgradDy, Operand::kWgradX}) {
      SCOPED_TRACE(std::string(OperandName(operand)));
      const bool is_x = operand == Operand::kWgradX;
      const bool unfolded = IsUnfolded(c, operand);
      const at::Tensor& source = is_x ? t.x : t.dy;
      const OperandFormat& format = is_x ? x_format : dy_format;
      std::optional<QuantizedOperand> apart;
      const auto with = MakeWgradOperand(source, operand, *plan, format,
                                         Options(operand), &apart);
      const auto without =
          MakeWgradOperand(source, operand, *plan, format, Options(operand));
      ASSERT_TRUE(with.ok() && without.ok()) << with.status();
      EXPECT_TRUE(at::equal(with->values, without->values));
      EXPECT_EQ(with->form, without->form);
      if (unfolded) {
        EXPECT_EQ(with->form, c.form);
      }
      ASSERT_TRUE(apart.has_value());
      EXPECT_EQ(apart->source.numel(), apart->packed.grid.size());

      // Random bits count in the source where that is read as it is.
      const quant::Recipe& recipe = *format.recipe();
      const bool as_it_lies = (!unfolded || c.form == Form::kTensor) &&
                              p * q % recipe.block_cols == 0;
      Expected expected;
      if (as_it_lies) {
        expected =
            ByReference(source.reshape({-1, p * q}), format, Options(operand));
        expected.rows =
            expected.rows.view(source.sizes()).transpose(0, 1).flatten(1);
      } else {
        expected =
            ByReference(Rows(c, source, unfolded), format, Options(operand));
      }
      EXPECT_EQ(with->scale.item<float>(), expected.scale);
      const at::Tensor exact = expected.rows.narrow(1, 0, k);
      EXPECT_TRUE(at::equal(RowsOf(c, *with, k, p, q), exact));
      // The padding of rotated rows is not zero after the rotation.
      rows[unfolded] = expected.rows.to(at::kDouble);
      made[is_x] = *with;
    }

    const at::Tensor dw =
        AtenFp32Gemms().Wgrad(made[0], made[1], at::empty(c.w), c.geometry);
    const auto product = [&](const at::Tensor& a, const at::Tensor& b) {
      const int64_t groups = c.geometry.groups;
      const int64_t padded = std::max(a.size(1), b.size(1));
      const auto pad = [&](const at::Tensor& rows) {
        return at::constant_pad_nd(rows, {0, padded - rows.size(1)})
            .view({groups, -1, padded});
      };
      return at::bmm(pad(a), pad(b).transpose(1, 2)).view(c.w) *
             (made[0].scale.item<double>() * made[1].scale.item<double>());
    };
    const double epsilon = std::numeric_limits<float>::epsilon();
    const at::Tensor excess =
        (dw.to(at::kDouble) - product(rows[0], rows[1])).abs() -
        product(rows[0].abs(), rows[1].abs()) *
            (ConvGemmsTolerance(rows[0].size(1)) * epsilon);
    EXPECT_LE(excess.max().item<double>(), 0);
  }
}

// The transform of its own sign vector has one element that is not zero, which
// FP4 renders without error, so that nothing but the rotation is left.
TEST(WgradOperand, TheRotationCancels) {
  for (const int64_t width : {16, 20}) {  // Blocks in a row, and across rows.
    const at::Tensor signs = at::tensor(
        {1, 1, 1, -1, 1, -1, -1, -1, -1, -1, -1, 1, -1, 1, -1, -1}, at::kFloat);
    const at::Tensor dy = signs.repeat({4 * width / 16}).view({1, 1, 4, width});
    const at::Tensor x = dy.clone();
    const OperandFormat format = Format("nvfp4+rht");
    const at::Tensor w = at::zeros({1, 1, 1, 1});
    const ConvGeometry pointwise;
    const auto plan =
        PlanWgrad(x.sizes(), dy.sizes(), {1, 1}, pointwise, format, &format);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const auto a = MakeWgradOperand(dy, Operand::kWgradDy, *plan, format);
    const auto b = MakeWgradOperand(x, Operand::kWgradX, *plan, format);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ((a->values != 0).sum().item<int64_t>(), 4 * width / 16);
    EXPECT_EQ(AtenFp32Gemms().Wgrad(*a, *b, w, pointwise).item<float>(),
              static_cast<float>(4 * width));
  }
}

TEST(WgradOperand, PlainOperandsAndThoseOfFpropStayAsTheyAre) {
  const OperandFormat fp32, nvfp4 = Format("nvfp4");
  const ConvGeometry g = {{1, 1}, {1, 1}};
  for (const OperandFormat* const x_format :
       {&fp32, static_cast<const OperandFormat*>(nullptr)}) {
    const auto plan =
        PlanWgrad({2, 5, 3, 9}, {2, 7, 3, 9}, {3, 3}, g, nvfp4, x_format);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->unfolded, Form::kTensor);
    // Of dy, whose blocks cross rows and images, the tensor comes back.
    const at::Tensor dy = at::randn({2, 7, 3, 9});
    const auto made = MakeWgradOperand(dy, Operand::kWgradDy, *plan, nvfp4);
    ASSERT_TRUE(made.ok()) << made.status();
    const Expected expected =
        ByReference(dy.transpose(0, 1).flatten(1), nvfp4, {});
    EXPECT_TRUE(at::equal(made->values.transpose(0, 1).flatten(1),
                          expected.rows.narrow(1, 0, 54)));
  }
}

TEST(WgradOperand, ARotationOfOneOperandIsRefused) {
  const OperandFormat rotated = Format("nvfp4+rht"), straight = Format("nvfp4");
  const auto error = [&](const OperandFormat& dy, const OperandFormat* x) {
    return std::string(PlanWgrad({1, 1, 4, 4}, {1, 1, 4, 4}, {1, 1}, {}, dy, x)
                           .status()
                           .message());
  };
  EXPECT_THAT(error(rotated, &straight), HasSubstr("does not cancel"));
  EXPECT_THAT(error(straight, &rotated), HasSubstr("does not cancel"));
  EXPECT_THAT(error(rotated, nullptr), HasSubstr("does not cancel"));
  EXPECT_EQ(error(rotated, &rotated), "");
}

TEST(WgradOperand, ANonFiniteElementIsRefusedByDefaultAndPropagatesIfAsked) {
  const OperandFormat format = Format("nvfp4+rht");
  at::Tensor dy = at::ones({1, 1, 1, 32});
  dy[0][0][0][3] = std::numeric_limits<float>::infinity();
  const auto plan =
      PlanWgrad(dy.sizes(), dy.sizes(), {1, 1}, {}, format, &format);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(
      MakeWgradOperand(dy, Operand::kWgradDy, *plan, format).status().code(),
      absl::StatusCode::kInvalidArgument);
  quant::QuantizeOptions options;
  options.nonfinite = quant::NonFinitePolicy::kPropagate;
  const auto made =
      MakeWgradOperand(dy, Operand::kWgradDy, *plan, format, options);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->values.isnan().sum().item<int64_t>(), 16);
}

}  // namespace
}  // namespace cnn_fp4::nn
