// Golden vectors: blocks of BF16 values whose codes and scales were worked out
// with the host conversions of cuda_fp4.h and cuda_fp8.h (BF16 inputs produce
// exact ties and so tell the orders of operations apart), and numbers that the
// test suites of public implementations hold theirs to.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "quant/float16.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/host_device.h"
#include "quant/philox.h"
#include "quant/quantizer.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant {
namespace {

using Block = std::vector<float>;

Block FromBfloat16(const std::vector<uint16_t>& halves) {
  Block block;
  for (const uint16_t h : halves) {
    block.push_back(BitCast<float>(uint32_t{h} << 16));
  }
  return block;
}

const Block& B0() {
  static const auto* const block = new Block(FromBfloat16(
      {0x3E9A, 0xBFDA, 0x401D, 0x0000, 0xBCA4, 0x40A3, 0xC053, 0x3F9F, 0x3F29,
       0xBF66, 0x408D, 0xC00D, 0x3DE1, 0x407A, 0xC0BD, 0x3F80}));
  return *block;
}
const Block& B1() {
  static const auto* const block = new Block(FromBfloat16(
      {0x0000, 0x3C0D, 0x3D50, 0x3D02, 0x3C84, 0x3ABB, 0xBCB5, 0xBD30, 0xBCEA,
       0x3B80, 0x3D88, 0x3D6A, 0x3C55, 0xB988, 0xBC40, 0xBD9D}));
  return *block;
}
const Block& B2() {
  static const auto* const block = new Block(FromBfloat16(
      {0xB5E4, 0xB2AC, 0x35A6, 0x3694, 0x3683, 0x34A1, 0x0000, 0xB65D, 0xB572,
       0x33EC, 0x3586, 0x3624, 0x36AB, 0x3531, 0xB614, 0xB6C6}));
  return *block;
}

Block Join(const std::vector<Block>& blocks) {
  Block joined;
  for (const Block& b : blocks) joined.insert(joined.end(), b.begin(), b.end());
  return joined;
}

PackedTensor QuantizeFlat(const std::string& name, const Block& x) {
  const Recipe recipe = FindRecipe(name).value();
  const BlockGrid grid = BlockGrid::Flat(x.size(), recipe).value();
  return Quantize(recipe, grid, x).value();
}

// "scale:codes" of each block.
std::vector<std::string> Hex(const PackedTensor& packed) {
  std::vector<std::string> blocks;
  const int64_t bytes = packed.grid.block_cols() / 2;
  for (size_t b = 0; b < packed.scales.size(); ++b) {
    std::string text = absl::StrFormat("%02X:", packed.scales[b]);
    for (int64_t i = 0; i < bytes; ++i) {
      absl::StrAppendFormat(&text, "%02X", packed.codes[b * bytes + i]);
    }
    blocks.push_back(text);
  }
  return blocks;
}

using Expected = std::vector<std::string>;

TEST(Golden, Nvfp4IsTransformerEngines) {
  const PackedTensor packed = QuantizeFlat("nvfp4", Join({B0(), B1(), B2()}));
  // The scale of B2 rounds to zero: zero codes with the elements' signs.
  EXPECT_EQ(Hex(packed), (Expected{"7E:B104783DA1C6602F", "4C:104602DB1C6782FA",
                                   "00:8800008008000088"}));
  EXPECT_EQ(packed.tensor_scales, std::vector<float>{0x1.7ap+2f / 2688.0f});
}

// The steps between, to the bit.
TEST(Golden, Nvfp4FactorsAreTransformerEngines) {
  constexpr ScaleRule kRule = ScaleRule::kTransformerEngine;
  const TensorFactors tensor = MakeTensorFactors(kRule, Rounding::kNearestEven,
                                                 kE4m3Max, true, 0x1.7ap+2f);
  EXPECT_EQ(BitCast<uint32_t>(tensor.encode), 0x43E38E39u);
  const BlockFactors b0 = MakeBlockFactors(kRule, tensor, 0x1.7ap+2f);
  EXPECT_EQ(b0.code, 0x7E);
  EXPECT_EQ(b0.factor, 0x1.041042p+0f);
  const BlockFactors b1 = MakeBlockFactors(kRule, tensor, 0x1.3ap-4f);
  EXPECT_EQ(b1.code, 0x4C);
  EXPECT_EQ(b1.factor, 0x1.2f684cp+6f);
}

TEST(Golden, FourOverSixTakesFour) {
  for (const char* name : {"nvfp4_four_over_six", "nvfp4_four_over_six_mae"}) {
    const PackedTensor packed = QuantizeFlat(name, Join({B0(), B1(), B2()}));
    const Expected blocks = Hex(packed);
    EXPECT_EQ(blocks[0], "7C:A003582C91B5501E") << name;
    EXPECT_EQ(blocks[1], "4A:103502CA0B5581E9") << name;
    EXPECT_EQ(blocks[2].substr(0, 3), "00:") << name;
  }
}

TEST(Golden, Mxfp4) {
  for (const char* name :
       {"mxfp4", "mxfp4_floor", "mxfp4_rceil", "mxfp4_even", "mxfp4_midmax"}) {
    EXPECT_EQ(Hex(QuantizeFlat(name, Join({B0(), B1()}))),
              (Expected{"7F:B104782DA1C6602F0000008808008088"}))
        << name;
  }
  EXPECT_EQ(Hex(QuantizeFlat("mxfp4_ceil", Join({B0(), B1()}))),
            (Expected{"80:A002581B91A4401D0000008808008088"}));
}

TEST(Golden, Pow2) {
  const Block x = Join({B0(), B1(), B2()});
  EXPECT_EQ(Hex(QuantizeFlat("pow2_1x16", x)),
            (Expected{"7F:B104782DA1C6602F", "79:104502DB0C6682EA",
                      "6C:8A4104B0093115DA"}));
  EXPECT_EQ(Hex(QuantizeFlat("mxfp4_floor+block=16", x)),
            (Expected{"7F:B104782DA1C6602F", "79:104502DB0C6682EA",
                      "6B:8C6316D00A5217FC"}));
  EXPECT_EQ(Hex(QuantizeFlat("mxfp4_ceil+block=16", x)),
            (Expected{"80:A002581B91A4401D", "7A:102301B90A4481C9",
                      "6C:8A4104B0093115DA"}));
  for (const char* name : {"mxfp4_even+block=16", "mxfp4_midmax+block=16"}) {
    EXPECT_EQ(Hex(QuantizeFlat(name, B2())), (Expected{"6B:8C6316D00A5217FC"}))
        << name;
  }
}

// Rows of Model-Optimizer's MXFP4 tests: each is one (short) block.
TEST(Golden, Mxfp4OfModelOptimizer) {
  const std::vector<std::pair<Block, Block>> rows = {
      {{.1f, .2f, .35f, .16f, .85f, .9f, .67f, .76f},
       {.125f, .25f, .375f, .125f, .75f, 1, .75f, .75f}},
      {{0, .5f, 1, 1.5f, 2, 3, 4, 6}, {0, .5f, 1, 1.5f, 2, 3, 4, 6}},
      {{0, .25f, .75f, 1.25f, 1.75f, 2.5f, 3.5f, 5}, {0, 0, 1, 1, 2, 2, 4, 4}},
      {{.1f, 2, 10, 16, 39, 49.5f, 30.5f, 98.8f},
       {0, 0, 16, 16, 32, 48, 32, 96}},
      {{2.3f, 9, .5f, 100.5f, 900.3f, 10000, 2000, 360000},
       {0, 0, 0, 0, 0, 0, 0, 393216}},
  };
  const Recipe recipe = FindRecipe("mxfp4").value();
  for (const auto& [x, expected] : rows) {
    const BlockGrid grid = BlockGrid::Flat(x.size(), recipe).value();
    Block y(x.size());
    ASSERT_TRUE(FakeQuantize(recipe, grid, x, absl::MakeSpan(y)).ok());
    EXPECT_EQ(y, expected);
  }
}

// Model-Optimizer's bounds of the stored scale: never above 448, never zero.
TEST(Golden, ScaleClampOfModelOptimizer) {
  const Recipe recipe = FindRecipe("nvfp4_modelopt").value();
  // The ratio a / (6 * s2) is the block's amax: s2 = 1/6.
  QuantizeOptions options;
  options.tensor_amax = 448.0f;
  for (const float ratio :
       {100.0f, 448.0f, 1e3f, 1e6f, 0.0f, 1e-12f, 1e-6f, 0x1p-10f}) {
    const Block x = {ratio};
    const BlockGrid grid = BlockGrid::Flat(1, recipe).value();
    const PackedTensor packed = Quantize(recipe, grid, x, options).value();
    const float scale = DecodeE4m3(packed.scales[0]);
    EXPECT_GT(scale, 0.0f) << ratio;
    EXPECT_LE(scale, kE4m3Max) << ratio;
  }
}

// Model-Optimizer's closed form of an MXFP4 tensor with block scales 2^k in
// NVFP4: A = 6 * 448 * 2^m, m = max(k) - 8, block scales 2^(k - m). Exact where
// E4M3 has that power of two, max(k) - k <= 17.
TEST(Golden, Mxfp4BecomesNvfp4AsInModelOptimizer) {
  const auto lossless = [](const std::vector<int>& exponents) {
    const Recipe nvfp4 = FindRecipe("nvfp4+block=32").value();
    const int m = *std::max_element(exponents.begin(), exponents.end()) - 8;
    Block x;
    std::vector<float> scales;
    for (const int k : exponents) {
      for (int i = 0; i < 32; ++i) {
        x.push_back(std::ldexp(DecodeE2m1(i % 16), k));
      }
      scales.push_back(std::ldexp(1.0f, k - m));
    }
    QuantizeOptions options;
    options.tensor_amax = std::ldexp(6.0f * kE4m3Max, m);
    options.block_scales = scales;
    const BlockGrid grid = BlockGrid::Flat(x.size(), nvfp4).value();
    Block y(x.size());
    EXPECT_TRUE(FakeQuantize(nvfp4, grid, x, absl::MakeSpan(y), options).ok());
    int blocks = 0;
    for (size_t b = 0; b < x.size(); b += 32) {
      blocks += std::equal(&x[b], &x[b] + 32, &y[b]);
    }
    return blocks;
  };
  EXPECT_EQ(lossless({0, -3, 3, 1, -1, 2}), 6);
  EXPECT_EQ(lossless({5, 5, -12}), 3);
  EXPECT_EQ(lossless({5, 5, -13}), 2);
}

// fouroversix, test_stochastic_rounding: the L2 norm of the error on 1024^2
// standard normal BF16 values, within 5 %.
TEST(Golden, StochasticErrorsAreThoseOfFourOverSix) {
  constexpr double kPublishedTolerance = 0.05;
  constexpr size_t kSize = 1024 * 1024;
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  Block gaussian(kSize);
  for (float& v : gaussian) v = normal(engine);
  Block x(kSize);
  RoundToBfloat16(gaussian, absl::MakeSpan(x));
  const std::vector<std::pair<const char*, double>> published = {
      {"nvfp4+sr", 141},
      {"nvfp4+sr8", 141},
      {"nvfp4+sr_unbiased", 158},
      {"nvfp4_four_over_six+sr", 126},
      {"nvfp4_four_over_six+sr_unbiased", 139},
  };
  for (const auto& [name, distance] : published) {
    const Recipe recipe = FindRecipe(name).value();
    const BlockGrid grid = BlockGrid::Flat(kSize, recipe).value();
    Block y(kSize);
    ASSERT_TRUE(FakeQuantize(recipe, grid, x, absl::MakeSpan(y)).ok());
    double square = 0;
    for (size_t i = 0; i < kSize; ++i) {
      square += std::pow(static_cast<double>(y[i]) - x[i], 2);
    }
    EXPECT_NEAR(std::sqrt(square), distance, kPublishedTolerance * distance)
        << name;
  }
}

// compressed-tensors' round_to_power_2: the scale of EVEN for an amax of 4
// times the value.
// Which random bits an element takes and what it does with them, at a step and
// an index beyond 32 bits: a scale of 1, and elements below the smallest
// positive code .5, whose code is 1 if they are rounded up.
TEST(Golden, StochasticDrawsFollowTheContract) {
  QuantizeOptions options;
  options.seed = 0xA4093822;
  options.stream = 0x299F31D0;
  options.step = 0x0370734413198A2E;
  options.first_element = (int64_t{0x12345} << 36) + 5;
  const PhiloxKey key{options.seed, options.stream};
  Block x(256, 0.3f);
  for (size_t i = 0; i < x.size(); i += 16) x[i] = 6.0f;
  const auto codes_of = [&](const char* name) {
    const Recipe recipe = FindRecipe(name).value();
    const BlockGrid grid = BlockGrid::Flat(x.size(), recipe).value();
    return Quantize(recipe, grid, x, options).value();
  };
  const PackedTensor eight = codes_of("pow2_1x16+sr8");
  const PackedTensor exact = codes_of("pow2_1x16+sr");
  for (int64_t i = 0; i < 256; ++i) {
    if (i % 16 == 0) continue;
    const uint64_t at = options.first_element + i;
    const PhiloxBlock bytes =
        Philox4x32({{static_cast<uint32_t>(at >> 4),
                     static_cast<uint32_t>(at >> 36), 0x13198A2E, 0x03707344}},
                   key);
    const uint32_t byte = bytes.words[at % 16 / 4] >> (8 * (at % 4)) & 255;
    // .3 + byte / 256 * .5 >= .5
    EXPECT_EQ(CodeAt(eight, i), byte >= 103) << i;
    const PhiloxBlock words =
        Philox4x32({{static_cast<uint32_t>(at >> 2),
                     static_cast<uint32_t>(at >> 34), 0x13198A2E, 0x03707344}},
                   key);
    // word < .3 / .5 * 2^32, with .3 as the float that it is.
    EXPECT_EQ(CodeAt(exact, i), words.words[at % 4] < 0.3f * 2.0 * 0x1p32) << i;
  }
  const PackedTensor before = exact;
  ++options.step;
  EXPECT_NE(codes_of("pow2_1x16+sr").codes, before.codes);
}

TEST(Golden, EvenRoundsAsCompressedTensors) {
  const std::vector<std::pair<float, float>> pairs = {
      {5.687891f, 4}, {8.291567f, 8},   {1.540329f, 1},      {.315635f, .25f},
      {.965272f, 1},  {6.944130f, 4},   {.073246f, .0625f},  {.451778f, .5f},
      {8.571118f, 8}, {9.856593f, 8},   {.040571f, .03125f}, {.708509f, .5f},
      {2.485657f, 2}, {4.003352f, 4},   {.995600f, 1},       {.224199f, .25f},
      {5.032586f, 4}, {1.309816f, 1},   {.621958f, .5f},     {7.290238f, 8},
      {1.501562f, 1}, {.379829f, .25f},
  };
  for (const auto& [value, power] : pairs) {
    const PackedTensor packed = QuantizeFlat("mxfp4_even", {4.0f * value});
    EXPECT_EQ(BitCast<float>(uint32_t{packed.scales[0]} << 23), power) << value;
  }
}

TEST(Golden, DequantizeEqualsFakeQuantizeForEveryRecipe) {
  Block x = Join({B0(), B1(), B2(), B0()});
  x.resize(57);  // The last block is short.
  for (const NamedRecipe& named : RecipeRegistry()) {
    const Recipe& recipe = named.recipe;
    const auto grid = recipe.block_rows > 1
                          ? BlockGrid::Tiles({3, 19}, 0, 1, recipe)
                          : BlockGrid::Along({3, 19}, 1, recipe);
    Block fake(x.size());
    ASSERT_TRUE(FakeQuantize(recipe, *grid, x, absl::MakeSpan(fake)).ok());
    const auto packed = Quantize(recipe, *grid, x);
    ASSERT_TRUE(packed.ok()) << packed.status();
    Block y(x.size());
    ASSERT_TRUE(Dequantize(*packed, absl::MakeSpan(y)).ok());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(BitCast<uint32_t>(y[i]), BitCast<uint32_t>(fake[i]))
          << ToString(recipe) << " element " << i;
    }
  }
}

}  // namespace
}  // namespace cnn_fp4::quant
