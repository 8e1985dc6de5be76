// The edges of the quantiser's contract: options, extents, memory, huge values.

#include <pthread.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/float16.h"
#include "quant/quantizer.h"
#include "quant/testing/reference_bits.h"

namespace cnn_fp4::quant {
namespace {

using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kMax = std::numeric_limits<float>::max();

std::vector<float> Ramp(int64_t n) {
  std::vector<float> x(n);
  for (int64_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(i * 37 % 101 - 50) / 16.0f;
  }
  return x;
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const NamedRecipe& named : RecipeRegistry()) {
    names.push_back(named.recipe.name);
  }
  return names;
}

TEST(Edges, BlocksAreAtMostAsLongAsTheirAxis) {
  for (const std::string modifier :
       {"+block=4611686018427387904", "+block=9223372036854775807", "+block=5",
        "+block=0"}) {
    for (const std::string& name : Names()) {
      const absl::StatusOr<Recipe> recipe = FindRecipe(name + modifier);
      if (!recipe.ok()) continue;
      for (const int axis : {0, 1, 2}) {
        if (recipe->block_rows > 1 && axis == 0) continue;
        const BlockGrid grid =
            BlockGrid::Along({4, 4, 6}, axis, *recipe).value();
        SCOPED_TRACE(ToString(*recipe) + " axis " + std::to_string(axis));
        EXPECT_LE(grid.block_cols(), 6);
        EXPECT_GE(grid.block_cols(), 1);
        ExpectReferenceBits(*recipe, grid, Ramp(96), {});
      }
    }
  }
  EXPECT_EQ(BlockExtent(0, 0), 1);
  EXPECT_EQ(BlockExtent(0, 7), 7);
  EXPECT_EQ(BlockExtent(16, 7), 7);
  EXPECT_EQ(BlockExtent(3, 7), 3);
  Recipe negative;
  negative.block_cols = -1;
  EXPECT_FALSE(BlockGrid::Along({4, 4}, 1, negative).ok());
  EXPECT_FALSE(BlockGrid::Tiles({4, 4}, 0, 1, negative).ok());
}

TEST(Edges, ElementIndicesAreChecked) {
  const Recipe recipe = FindRecipe("mxfp4+sr8").value();
  const BlockGrid grid = BlockGrid::Flat(64, recipe).value();
  const std::vector<float> x = Ramp(64);
  QuantizeOptions options;
  options.first_element = -9;
  EXPECT_THAT(Quantize(recipe, grid, x, options).status().message(),
              HasSubstr("first_element is -9"));
  options.first_element = std::numeric_limits<int64_t>::max() - 63;
  EXPECT_FALSE(Quantize(recipe, grid, x, options).ok());
  options.first_element = std::numeric_limits<int64_t>::max() - 64;
  EXPECT_TRUE(ExpectReferenceBits(recipe, grid, x, options));
}

TEST(Edges, NegativeZeroIsAnAmaxOfZero) {
  const std::vector<float> x = Ramp(256);
  for (const std::string& name : Names()) {
    const Recipe recipe = FindRecipe(name).value();
    if (recipe.tensor_scale != TensorScale::kPerTensor) continue;
    const BlockGrid grid = BlockGrid::Along({16, 16}, 1, recipe).value();
    QuantizeOptions options;
    std::vector<float> positive(256), negative(256);
    options.tensor_amax = 0.0f;
    ASSERT_TRUE(
        FakeQuantize(recipe, grid, x, absl::MakeSpan(positive), options).ok());
    options.tensor_amax = -0.0f;
    ASSERT_TRUE(
        FakeQuantize(recipe, grid, x, absl::MakeSpan(negative), options).ok());
    EXPECT_TRUE(SameBits(positive, negative)) << name;
    EXPECT_TRUE(ExpectReferenceBits(recipe, grid, x, options)) << name;
  }
  const Recipe recipe = FindRecipe("nvfp4_rowscaled").value();
  const BlockGrid grid = BlockGrid::Along({2, 16}, 1, recipe).value();
  QuantizeOptions options;
  const std::vector<float> amaxes = {-0.0f, 3.0f};
  options.row_amaxes = amaxes;
  EXPECT_TRUE(ExpectReferenceBits(recipe, grid, Ramp(32), options));
}

TEST(Edges, RowAmaxesAreOfRecipesThatScaleRows) {
  // In place and narrow, pieces have other rows than the tensor.
  const Recipe recipe = FindRecipe("mxfp4+sr8").value();
  const BlockGrid grid = BlockGrid::Along({4, 4096}, 1, recipe).value();
  std::vector<uint16_t> x(4 * 4096);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<uint16_t>(i % 0x4000);
  const std::vector<uint16_t> before = x;
  const std::vector<float> amaxes(4, 1.0f);
  QuantizeOptions options;
  options.row_amaxes = amaxes;
  const absl::Status status =
      FakeQuantize(recipe, grid, TensorView::Bfloat16(x),
                   MutableTensorView::Bfloat16(absl::MakeSpan(x)), options);
  EXPECT_THAT(status.message(), HasSubstr("no scale for each row"));
  EXPECT_EQ(x, before);
}

TEST(Edges, OverlapInPartIsRefused) {
  const Recipe recipe = FindRecipe("nvfp4").value();
  const BlockGrid grid = BlockGrid::Flat(1024, recipe).value();
  std::vector<float> memory = Ramp(1024 + 16);
  const auto all = absl::MakeSpan(memory);
  for (const auto& [in, out] : {std::pair(0, 16), std::pair(16, 0)}) {
    const absl::Status status = FakeQuantize(
        recipe, grid, all.subspan(in, 1024), all.subspan(out, 1024));
    EXPECT_THAT(status.message(), HasSubstr("overlap"));
    EXPECT_FALSE(QuantizeOperand(recipe, grid, all.subspan(in, 1024),
                                 all.subspan(out, 1024))
                     .ok());
  }
  EXPECT_EQ(memory, Ramp(1024 + 16));
  // Another type over the same bytes, in part and from the start.
  auto* const halves = reinterpret_cast<uint16_t*>(memory.data());
  for (const int64_t from : {0, 8, 2000}) {
    EXPECT_FALSE(FakeQuantize(recipe, grid,
                              TensorView::Float32(all.first(1024)),
                              {DType::kBfloat16, halves + from, 1024})
                     .ok())
        << from;
  }
}

// Values of every form are finite under kSaturate, whatever comes in.
TEST(Edges, SaturateGivesFiniteValues) {
  std::vector<float> x = Ramp(256);
  const float ends[] = {kInfinity,      -kInfinity,   kMax,         -kMax,
                        kNan,           0x1.8p127f,   0x1.fffp127f, 0x1p127f,
                        -0x1.7fffp127f, 0x1.8002p126f};
  for (size_t i = 0; i < 16; ++i) x[16 * i + i] = ends[i % 10];
  std::vector<std::string> names = Names();
  for (const char* name : {"pow2_1x16+sr8", "mxfp4+sr", "mxfp4_even+ties_away",
                           "nvfp4+rht", "mxfp4+rht", "nvfp4+sr_unbiased",
                           "fp4_per_tensor+sr_unbiased", "mxfp4+sr_unbiased"}) {
    names.emplace_back(name);
  }
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const Recipe recipe = FindRecipe(name).value();
    const BlockGrid grid = BlockGrid::Along({8, 32}, 1, recipe).value();
    QuantizeOptions options;
    options.nonfinite = NonFinitePolicy::kSaturate;
    ASSERT_TRUE(ExpectReferenceBits(recipe, grid, x, options));
    const PackedTensor packed = Quantize(recipe, grid, x, options).value();
    std::vector<float> y(x.size());
    ASSERT_TRUE(FakeQuantize(recipe, grid, x, absl::MakeSpan(y), options).ok());
    for (const float v : y) ASSERT_TRUE(std::isfinite(v)) << "value";
    ASSERT_TRUE(Dequantize(packed, absl::MakeSpan(y)).ok());
    for (const float v : y) ASSERT_TRUE(std::isfinite(v)) << "dequantised";
    for (const float v : packed.tensor_scales) ASSERT_TRUE(std::isfinite(v));
    if (recipe.tensor_scale != TensorScale::kPerRow) {
      ASSERT_TRUE(OperandValues(packed, absl::MakeSpan(y)).ok());
      for (const float v : y) ASSERT_TRUE(std::isfinite(v)) << "operand";
    }
    for (const bool half : {false, true}) {
      std::vector<uint16_t> narrow(x.size());
      const auto out = absl::MakeSpan(narrow);
      ASSERT_TRUE(FakeQuantize(recipe, grid, TensorView::Float32(x),
                               half ? MutableTensorView::Float16(out)
                                    : MutableTensorView::Bfloat16(out),
                               options)
                      .ok());
      const uint16_t exponent = half ? 0x7C00 : 0x7F80;
      for (const uint16_t v : narrow) {
        ASSERT_NE(v & exponent, exponent) << (half ? "FP16" : "BF16");
      }
    }
  }
}

TEST(Edges, SaturateLimitsFiniteNarrowTensorsToo) {
  // 65504 / 6 needs a scale of 2^14, with which 4 is 65536.
  const Recipe recipe = FindRecipe("mxfp4").value();
  const BlockGrid grid = BlockGrid::Flat(256, recipe).value();
  std::vector<uint16_t> x(256, 0x7BFF), y(256);
  QuantizeOptions options;
  options.nonfinite = NonFinitePolicy::kSaturate;
  ASSERT_TRUE(FakeQuantize(recipe, grid, TensorView::Float16(x),
                           MutableTensorView::Float16(absl::MakeSpan(y)),
                           options)
                  .ok());
  EXPECT_EQ(y, x);
  // Without it, the type's rounding.
  ASSERT_TRUE(FakeQuantize(recipe, grid, TensorView::Float16(x),
                           MutableTensorView::Float16(absl::MakeSpan(y)))
                  .ok());
  EXPECT_EQ(y, std::vector<uint16_t>(256, 0x7C00));
}

TEST(Edges, FiniteValuesMayOverflowOtherwise) {
  const Recipe recipe = FindRecipe("mxfp4").value();
  const BlockGrid grid = BlockGrid::Flat(32, recipe).value();
  const std::vector<float> x(32, kMax);
  const PackedTensor refuse = Quantize(recipe, grid, x).value();
  EXPECT_EQ(refuse.scales, std::vector<uint8_t>{253});
  QuantizeOptions options;
  options.nonfinite = NonFinitePolicy::kSaturate;
  const PackedTensor saturate = Quantize(recipe, grid, x, options).value();
  EXPECT_EQ(saturate.scales, std::vector<uint8_t>{252});
  EXPECT_EQ(saturate.codes, std::vector<uint8_t>(16, 0x77));
  // Given scales, too.
  const std::vector<float> scales = {0x1p127f};
  options.block_scales = scales;
  EXPECT_EQ(Quantize(recipe, grid, x, options).value().scales,
            std::vector<uint8_t>{252});
}

// Literal outcomes of the policies: what both implementations could get wrong
// together.
TEST(Edges, PoliciesSayWhatTheyDo) {
  const Recipe recipe = FindRecipe("pow2_1x16").value();
  const BlockGrid grid = BlockGrid::Flat(48, recipe).value();
  std::vector<float> x(48, 1.0f), y(48);
  x[0] = x[16] = x[32] = 6.0f;
  x[17] = kNan;
  x[18] = -kInfinity;
  x[40] = kInfinity;
  EXPECT_THAT(FakeQuantize(recipe, grid, x, absl::MakeSpan(y)).message(),
              HasSubstr("element 17 is NaN"));
  QuantizeOptions options;
  options.nonfinite = NonFinitePolicy::kSaturate;
  ASSERT_TRUE(FakeQuantize(recipe, grid, x, absl::MakeSpan(y), options).ok());
  EXPECT_EQ(y[0], 6.0f);
  EXPECT_EQ(y[1], 1.0f);
  EXPECT_EQ(y[17], 0.0f);
  EXPECT_FALSE(std::signbit(y[17]));
  EXPECT_EQ(y[18], -0x1.8p127f);
  EXPECT_EQ(y[40], 0x1.8p127f);
  EXPECT_EQ(y[41], 0.0f);
  // A NaN beside ordinary numbers: a large replacement would show.
  x[18] = 1.0f;
  ASSERT_TRUE(FakeQuantize(recipe, grid, x, absl::MakeSpan(y), options).ok());
  for (int i = 16; i < 32; ++i) {
    EXPECT_EQ(y[i], i == 16 ? 6.0f : i == 17 ? 0.0f : 1.0f) << i;
  }
  options.nonfinite = NonFinitePolicy::kPropagate;
  ASSERT_TRUE(FakeQuantize(recipe, grid, x, absl::MakeSpan(y), options).ok());
  for (int i = 0; i < 48; ++i) EXPECT_EQ(std::isnan(y[i]), i >= 16) << i;
  const PackedTensor packed = Quantize(recipe, grid, x, options).value();
  EXPECT_EQ(packed.scales, (std::vector<uint8_t>{127, 255, 255}));
  for (int i = 16; i < 48; ++i) EXPECT_EQ(CodeAt(packed, i), 0) << i;
}

// A narrow tensor on a thread whose stack is small.
TEST(Edges, SmallStacksSuffice) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "frames are larger";
#endif
  const auto body = [](void*) -> void* {
    const Recipe recipe = FindRecipe("mxfp4+sr8").value();
    const BlockGrid grid = BlockGrid::Flat(16384, recipe).value();
    std::vector<uint16_t> x(16384, 0x3F80);
    EXPECT_TRUE(FakeQuantize(recipe, grid, TensorView::Bfloat16(x),
                             MutableTensorView::Bfloat16(absl::MakeSpan(x)))
                    .ok());
    return nullptr;
  };
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 96 << 10), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, body, nullptr), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&attributes);
}

}  // namespace
}  // namespace cnn_fp4::quant
