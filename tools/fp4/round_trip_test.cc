// Files through QuantizeFile and DequantizeFile, held against //quant on whole
// tensors.

#include "tools/fp4/round_trip.h"

#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include <cfenv>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/safetensors/reader.h"
#include "quant/quantizer.h"
#include "tools/fp4/dequantize.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/test_files.h"

namespace cnn_fp4::fp4 {
namespace {

using quant::BlockGrid;
using quant::Recipe;
using safetensors::DType;
using safetensors::Reader;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using RoundTripTest = RoundTrip;

struct Case {
  std::vector<int64_t> shape;
  int64_t axis;
};

TEST_F(RoundTripTest, EveryRecipeHasTheBitsOfFakeQuantize) {
  std::vector<std::string> recipes;
  for (const auto& named : quant::RecipeRegistry()) {
    recipes.push_back(named.recipe.name);
  }
  recipes.insert(recipes.end(), {"nvfp4+sr8", "mxfp4+sr", "nvfp4+sr_unbiased",
                                 "mxfp4+block=7", "nvfp4+ties_away"});
  const std::vector<Case> cases = {
      {{5, 48}, -1}, {{4, 33}, 1}, {{37, 6}, 0}, {{3, 20, 5}, 1}, {{70}, 0}};
  for (const std::string& name : recipes) {
    const Recipe recipe = *quant::FindRecipe(name);
    for (const Case& c : cases) {
      const bool last = c.axis == -1 || c.axis + 1 == int64_t(c.shape.size());
      if (recipe.block_rows > 1 && (!last || c.shape.size() < 2)) continue;
      SCOPED_TRACE(testing::Message()
                   << name << " axis " << c.axis << " rank " << c.shape.size());
      int64_t size = 1;
      for (const int64_t extent : c.shape) size *= extent;
      const std::vector<float> values = TestValuesBf16(size, 3);
      const std::string input = directory_.Write(
          "in", {FloatTensor("w", c.shape, values, DType::kBf16)});
      QuantizeFileOptions options = Options(name);
      options.axis = c.axis;
      options.dequantized = true;
      options.seed = 11;
      options.chunk_elements = 64;
      const auto status = Quantize(input, options);
      ASSERT_TRUE(status.ok()) << status;
      Dequantize();

      const bool flat = name == "fp4_per_tensor";
      const BlockGrid grid =
          flat ? *BlockGrid::Flat(size, recipe)
               : *BlockGrid::Along(c.shape, static_cast<int>(c.axis), recipe);
      quant::QuantizeOptions quantize_options;
      quantize_options.seed = 11;
      // FNV-1a of "w".
      quantize_options.stream = (2166136261u ^ 'w') * 16777619u;
      std::vector<float> expected(size);
      const auto fake = quant::FakeQuantize(
          recipe, grid, values, absl::MakeSpan(expected), quantize_options);
      ASSERT_TRUE(fake.ok()) << fake;
      const auto quantized = Reader::Open(quantized_);
      ExpectSameBits(Floats(*quantized, "w_dequantized"), expected);
      const auto back = Reader::Open(back_);
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->Find("w")->shape, c.shape);
      // A divisor kept as a factor can change the last bit.
      if (recipe.scale_rule == quant::ScaleRule::kCompressedTensors) continue;
      ExpectSameBits(Floats(*back, "w"), expected);
    }
  }
}

TEST_F(RoundTripTest, HadamardRecipesToo) {
  const std::vector<float> values = TestValues(96, 3);
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {3, 32}, values)});
  for (const char* name : {"nvfp4+rht", "mxfp4+rht"}) {
    QuantizeFileOptions options = Options(name);
    options.chunk_elements = 32;
    ASSERT_TRUE(Quantize(input, options).ok());
    Dequantize();
    std::vector<float> expected(96);
    const auto grid = BlockGrid::Along({3, 32}, 1, options.recipe);
    ASSERT_TRUE(quant::FakeQuantize(options.recipe, *grid, values,
                                    absl::MakeSpan(expected))
                    .ok());
    ExpectSameBits(Floats(*Reader::Open(back_), "w"), expected);
  }
}

// Bytes do not depend on the caller's floating-point environment, F16
// subnormals included.
TEST_F(RoundTripTest, HostileFloatEnvironments) {
  std::vector<uint8_t> halves;
  for (int i = 0; i < 64; ++i) {
    halves.push_back(static_cast<uint8_t>(1 + i));
    halves.push_back(0);
  }
  const std::vector<float> tiny(64, 3e-39f);
  const std::string input = directory_.Write(
      "in",
      {{"h", DType::kF16, {2, 32}, halves}, FloatTensor("w", {64}, tiny)});
  const auto run = [&](const char* recipe) {
    EXPECT_TRUE(Quantize(input, Options(recipe)).ok());
    EXPECT_TRUE(DequantizeFile(quantized_, back_, std::nullopt, {}).ok());
    return ReadText(quantized_) + ReadText(back_);
  };
  for (const char* recipe : {"mxfp4", "nvfp4"}) {
    const std::string expected = run(recipe);
    fesetround(FE_UPWARD);
#ifdef __SSE__
    const unsigned control = _mm_getcsr();
    _mm_setcsr(control | 0x8040);  // FTZ and DAZ.
#endif
    const std::string hostile = run(recipe);
#ifdef __SSE__
    _mm_setcsr(control);
#endif
    fesetround(FE_TONEAREST);
    EXPECT_EQ(hostile, expected) << recipe;
  }
}

TEST_F(RoundTripTest, ZeroTensorsComeBackAsZeros) {
  const std::vector<float> zeros(40, 0.0f);
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {40}, zeros)});
  for (const auto& named : quant::RecipeRegistry()) {
    if (named.recipe.block_rows > 1) continue;
    for (const Layout layout :
         {Layout::kModelOpt, Layout::kCompressedTensors}) {
      QuantizeFileOptions options = Options(named.recipe.name);
      options.layout = layout;
      ASSERT_TRUE(Quantize(input, options).ok());
      Dequantize();
      for (const float value : Floats(*Reader::Open(back_), "w")) {
        EXPECT_EQ(value, 0.0f) << named.recipe.name;
      }
    }
  }
}

TEST_F(RoundTripTest, TensorsWithoutElements) {
  const std::string input = directory_.Write(
      "in", {FloatTensor("a", {0, 16}, {}), FloatTensor("b", {16, 0}, {}),
             FloatTensor("c", {2, 0, 16}, {})});
  for (const auto& named : quant::RecipeRegistry()) {
    for (const int64_t axis : {-1, 0}) {
      if (named.recipe.block_rows > 1 && axis == 0) continue;
      for (const Layout layout :
           {Layout::kModelOpt, Layout::kCompressedTensors}) {
        SCOPED_TRACE(testing::Message()
                     << named.recipe.name << " axis " << axis);
        QuantizeFileOptions options = Options(named.recipe.name);
        options.layout = layout;
        options.axis = axis;
        options.dequantized = true;
        const auto status = Quantize(input, options);
        ASSERT_TRUE(status.ok()) << status;
        Dequantize();
        const auto reader = Reader::Open(back_);
        for (const char* tensor : {"a", "b", "c"}) {
          EXPECT_TRUE(Floats(*reader, tensor).empty());
          EXPECT_EQ(reader->Find(tensor)->shape,
                    Reader::Open(input)->Find(tensor)->shape);
        }
      }
    }
  }
}

TEST_F(RoundTripTest, TheRestIsCopied) {
  const std::vector<float> values = TestValues(32, 1);
  const std::string input = directory_.Write(
      "in",
      {FloatTensor("conv.weight", {2, 16}, values),
       FloatTensor("conv.bias", {16}, absl::MakeSpan(values).first(16)),
       FloatTensor("norm.weight", {16}, absl::MakeSpan(values).last(16)),
       FloatTensor("scalar", {}, absl::MakeSpan(values).first(1)),
       FloatTensor("nothing", {0, 16}, {}),
       {"ids", DType::kI64, {2}, std::vector<uint8_t>(16, 9)}},
      {{"format", "pt"}});
  QuantizeFileOptions options = Options("nvfp4");
  options.include = {"conv.*", "norm.weigh?"};
  options.exclude = {"*.bias"};
  ASSERT_TRUE(Quantize(input, options).ok());
  const auto source = Reader::Open(input);
  const auto reader = Reader::Open(quantized_);
  EXPECT_EQ(reader->Find("conv.weight")->dtype, DType::kU8);
  EXPECT_EQ(reader->Find("norm.weight")->dtype, DType::kU8);
  EXPECT_EQ(reader->metadata().at("format"), "pt");
  for (const char* name : {"conv.bias", "scalar", "nothing", "ids"}) {
    const auto* a = source->Find(name);
    const auto* b = reader->Find(name);
    ASSERT_NE(b, nullptr);
    EXPECT_EQ(a->dtype, b->dtype);
    EXPECT_EQ(a->shape, b->shape);
    EXPECT_EQ(source->Data(*a), reader->Data(*b)) << name;
  }
  Dequantize();
  const auto back = Reader::Open(back_);
  EXPECT_EQ(back->tensors().size(), 6u);
  EXPECT_EQ(back->metadata(), source->metadata());
  EXPECT_EQ(back->Find("conv.weight")->dtype, DType::kF32);
}

TEST_F(RoundTripTest, WhatNobodyQuantisesIsCopiedByDefault) {
  const std::vector<float> values = TestValues(32, 1);
  const auto all = absl::MakeSpan(values);
  const std::string input = directory_.Write(
      "in", {FloatTensor("conv.weight", {2, 16}, values),
             FloatTensor("conv.bias", {16}, all.first(16)),
             FloatTensor("attn.rel_Bias", {2, 16}, values),
             FloatTensor("LayerNorm.weight", {2, 16}, values),
             FloatTensor("gain", {32}, values),
             FloatTensor("scalar", {}, all.first(1)),
             {"ids", DType::kI64, {1, 2}, std::vector<uint8_t>(16, 9)}});
  QuantizeFileOptions options;
  options.recipe = *quant::FindRecipe("nvfp4");
  const auto summary = QuantizeFile(input, quantized_, options, {});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->quantized, 1);
  EXPECT_THAT(summary->left_by_default,
              UnorderedElementsAre("conv.bias", "attn.rel_Bias",
                                   "LayerNorm.weight", "gain"));
  const auto reader = Reader::Open(quantized_);
  EXPECT_EQ(reader->Find("conv.weight")->dtype, DType::kU8);
  for (const char* name :
       {"conv.bias", "attn.rel_Bias", "LayerNorm.weight", "gain"}) {
    EXPECT_EQ(reader->Find(name)->dtype, DType::kF32) << name;
  }
  // Names that are asked for are taken, whatever they are.
  options.include = {"gain", "*bias"};
  const auto asked = QuantizeFile(input, quantized_, options, {});
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(asked->quantized, 2);
  EXPECT_THAT(asked->left_by_default, IsEmpty());
}

TEST_F(RoundTripTest, AFailedRunLeavesTheOutput) {
  std::vector<float> values = TestValues(64, 1);
  values[40] = std::nanf("");
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {4, 16}, values)});
  directory_.WriteText("quantized", "old");
  const int files = directory_.NumFiles();
  const auto status = Quantize(input, Options("nvfp4"));
  EXPECT_THAT(status.message(), HasSubstr("tensor 'w': NaN at index [2, 8]"));
  EXPECT_EQ(ReadText(quantized_), "old");
  EXPECT_EQ(directory_.NumFiles(), files);

  QuantizeFileOptions options = Options("nvfp4");
  options.saturate = true;
  EXPECT_TRUE(Quantize(input, options).ok());
  Dequantize();
  EXPECT_EQ(Floats(*Reader::Open(back_), "w")[40], 0.0f);
}

TEST_F(RoundTripTest, InfinitySaturates) {
  std::vector<float> values(32, 1.0f);
  values[3] = -std::numeric_limits<float>::infinity();
  for (const DType type : {DType::kF32, DType::kBf16}) {
    const std::string input =
        directory_.Write("in", {FloatTensor("w", {32}, values, type)});
    QuantizeFileOptions options = Options("nvfp4");
    options.saturate = true;
    ASSERT_TRUE(Quantize(input, options).ok());
    Dequantize();
    EXPECT_LT(Floats(*Reader::Open(back_), "w")[3], -3e38f);
    // Six times the scale is finite, too.
    options.recipe = *quant::FindRecipe("mxfp4");
    ASSERT_TRUE(Quantize(input, options).ok());
    Dequantize();
    EXPECT_EQ(Floats(*Reader::Open(back_), "w")[3], -0x1.8p127f);
    options.saturate = false;
    const auto refused = Quantize(input, options);
    EXPECT_THAT(refused.message(), HasSubstr("infinity at index [3]"));
  }
}

TEST_F(RoundTripTest, AFileCanReplaceItself) {
  const std::vector<float> values = TestValues(64, 1);
  const std::string path =
      directory_.Write("in", {FloatTensor("w", {64}, values)});
  ASSERT_TRUE(QuantizeFile(path, path, Options("nvfp4"), {}).ok());
  EXPECT_THAT(QuantizeFile(path, path, Options("nvfp4"), {}).status().message(),
              HasSubstr("is quantised already"));
  ASSERT_TRUE(DequantizeFile(path, path, std::nullopt, {}).ok());
  EXPECT_EQ(Floats(*Reader::Open(path), "w").size(), 64u);
}

TEST_F(RoundTripTest, NamesMustNotCollide) {
  const std::vector<float> values = TestValues(16, 1);
  const std::string input = directory_.Write(
      "in",
      {FloatTensor("w", {16}, values), FloatTensor("w_scale", {16}, values)});
  EXPECT_THAT(Quantize(input, Options("nvfp4")).message(),
              HasSubstr("two tensors are named 'w_scale'"));
}

TEST_F(RoundTripTest, AnAxisThatATensorLacksIsNamed) {
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {16}, TestValues(16, 1))});
  QuantizeFileOptions options = Options("nvfp4");
  options.axis = 1;
  EXPECT_THAT(Quantize(input, options).message(),
              HasSubstr("tensor 'w': axis 1 is out of range"));
}

}  // namespace
}  // namespace cnn_fp4::fp4
