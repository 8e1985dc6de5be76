// Files through QuantizeFile and DequantizeFile, held against //quant on whole
// tensors.

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/quantizer.h"
#include "tools/fp4/dequantize.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/test_files.h"
#include "tools/safetensors/reader.h"

namespace cnn_fp4::fp4 {
namespace {

using quant::BlockGrid;
using quant::Recipe;
using safetensors::DType;
using safetensors::Reader;
using ::testing::HasSubstr;

std::vector<float> Floats(const Reader& reader, const std::string& name) {
  const auto* info = reader.Find(name);
  EXPECT_NE(info, nullptr) << name;
  const auto bytes = reader.Data(*info);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Bitwise, so that zeros keep their sign.
void ExpectSameBits(absl::Span<const float> a, absl::Span<const float> b) {
  ASSERT_EQ(a.size(), b.size());
  int shown = 0;
  for (size_t i = 0; i < a.size() && shown < 3; ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) == 0) continue;
    ++shown;
    ADD_FAILURE() << "element " << i << ": " << a[i] << " and " << b[i];
  }
}

class RoundTripTest : public ::testing::Test {
 protected:
  absl::Status Quantize(const std::string& input,
                        const QuantizeFileOptions& options) {
    return QuantizeFile(input, quantized_, options, {});
  }
  void Dequantize() {
    const auto status = DequantizeFile(quantized_, back_, std::nullopt, {});
    ASSERT_TRUE(status.ok()) << status;
  }
  static QuantizeFileOptions Options(const std::string& recipe) {
    QuantizeFileOptions options;
    options.recipe = *quant::FindRecipe(recipe);
    return options;
  }

  TestDirectory directory_;
  const std::string quantized_ = directory_.Path("quantized");
  const std::string back_ = directory_.Path("back");
};

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

TEST_F(RoundTripTest, ModelOptLayoutIsWhatItSays) {
  const std::vector<float> values = TestValues(2 * 33, 1);
  const std::string input =
      directory_.Write("in", {FloatTensor("a.w", {2, 33}, values)});
  ASSERT_TRUE(Quantize(input, Options("nvfp4")).ok());
  const auto reader = Reader::Open(quantized_);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->Find("a.w")->dtype, DType::kU8);
  EXPECT_EQ(reader->Find("a.w")->shape, (std::vector<int64_t>{2, 17}));
  EXPECT_EQ(reader->Find("a.w_scale")->dtype, DType::kF8E4m3);
  EXPECT_EQ(reader->Find("a.w_scale")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_TRUE(reader->Find("a.w_scale_2")->shape.empty());
  const float amax = *quant::Amax(values);
  EXPECT_EQ(Floats(*reader, "a.w_scale_2")[0], amax / 2688.0f);
  // An odd row is padded with a zero nibble.
  const auto codes = reader->Data(*reader->Find("a.w"));
  EXPECT_EQ(codes[16] >> 4, 0);
  EXPECT_EQ(codes[33] >> 4, 0);

  ASSERT_TRUE(Quantize(input, Options("mxfp4")).ok());
  const auto mx = Reader::Open(quantized_);
  EXPECT_EQ(mx->Find("a.w_scale")->dtype, DType::kF8E8m0);
  EXPECT_EQ(mx->Find("a.w_scale_2"), nullptr);
}

TEST_F(RoundTripTest, CompressedTensorsLayoutDivides) {
  const std::vector<float> values = TestValues(64, 1);
  const float amax = *quant::Amax(values);
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {2, 32}, values)});
  QuantizeFileOptions options = Options("nvfp4");
  options.layout = Layout::kCompressedTensors;
  options.dequantized = true;
  ASSERT_TRUE(Quantize(input, options).ok());
  const auto reader = Reader::Open(quantized_);
  EXPECT_NE(reader->Find("w_packed"), nullptr);
  EXPECT_EQ(Floats(*reader, "w_global_scale")[0], 2688.0f / amax);
  Dequantize();
  const auto back = Reader::Open(back_);
  const std::vector<float> expected = Floats(*reader, "w_dequantized");
  const std::vector<float> values_back = Floats(*back, "w");
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(values_back[i], expected[i], std::fabs(expected[i]) * 3e-7f);
  }

  // Under the library's own recipe the file has the very number.
  options.recipe = *quant::FindRecipe("nvfp4_compressed_tensors");
  ASSERT_TRUE(Quantize(input, options).ok());
  Dequantize();
  const auto own = Reader::Open(quantized_);
  EXPECT_EQ(Floats(*own, "w_global_scale")[0], 2688.0f * (1.0f / amax));
  ExpectSameBits(Floats(*Reader::Open(back_), "w"),
                 Floats(*own, "w_dequantized"));
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
  std::vector<float> values(16, 1.0f);
  values[3] = -std::numeric_limits<float>::infinity();
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {16}, values)});
  QuantizeFileOptions options = Options("nvfp4");
  options.saturate = true;
  ASSERT_TRUE(Quantize(input, options).ok());
  Dequantize();
  EXPECT_LT(Floats(*Reader::Open(back_), "w")[3], -3e38f);
}

TEST_F(RoundTripTest, AFileCanReplaceItself) {
  const std::vector<float> values = TestValues(64, 1);
  const std::string path =
      directory_.Write("in", {FloatTensor("w", {64}, values)});
  ASSERT_TRUE(QuantizeFile(path, path, Options("nvfp4"), {}).ok());
  EXPECT_THAT(QuantizeFile(path, path, Options("nvfp4"), {}).message(),
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

TEST_F(RoundTripTest, FilesOfOthersNeedTheirLayout) {
  // A file without our record, as another program would have written it.
  const std::vector<float> values = TestValues(2 * 64, 1);
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {2, 64}, values)});
  QuantizeFileOptions options = Options("nvfp4_modelopt");
  options.dequantized = true;
  ASSERT_TRUE(Quantize(input, options).ok());
  const auto ours = Reader::Open(quantized_);
  std::vector<TestTensor> parts;
  for (const char* name : {"w", "w_scale", "w_scale_2"}) {
    const auto* info = ours->Find(name);
    const auto data = ours->Data(*info);
    parts.push_back(
        {name, info->dtype, info->shape, {data.begin(), data.end()}});
  }
  const std::string theirs = directory_.Write("theirs", parts);
  EXPECT_THAT(DequantizeFile(theirs, back_, std::nullopt, {}).message(),
              HasSubstr("say --layout="));
  EXPECT_THAT(
      DequantizeFile(theirs, back_, Layout::kCompressedTensors, {}).message(),
      HasSubstr("holds no quantised tensor"));
  const auto status = DequantizeFile(theirs, back_, Layout::kModelOpt, {});
  ASSERT_TRUE(status.ok()) << status;
  ExpectSameBits(Floats(*Reader::Open(back_), "w"),
                 Floats(*ours, "w_dequantized"));
  EXPECT_THAT(DequantizeFile(quantized_, back_, Layout::kCompressedTensors, {})
                  .message(),
              HasSubstr("has layout modelopt"));
}

TEST_F(RoundTripTest, PartsThatDoNotFitAreNamed) {
  const std::string record =
      R"({"version":1,"layout":"modelopt","tensors":{"w":{"shape":[2,16],)"
      R"("axis":1,"recipe":"nvfp4","dtype":"F32"}}})";
  const TestTensor codes = {"w", DType::kU8, {2, 8}, std::vector<uint8_t>(16)};
  const TestTensor scales = {"w_scale", DType::kF8E4m3, {2, 1}, {1, 2}};
  const TestTensor scale_2 = FloatTensor("w_scale_2", {}, {1.0f});
  const auto error = [&](const std::vector<TestTensor>& tensors,
                         const std::string& text) {
    const std::string path =
        directory_.Write("in", tensors, {{"cnn_fp4", text}});
    return std::string(DequantizeFile(path, back_, std::nullopt, {}).message());
  };
  EXPECT_EQ(error({codes, scales, scale_2}, record), "");
  EXPECT_THAT(error({codes, scale_2}, record),
              HasSubstr("tensor 'w_scale': is missing"));
  EXPECT_THAT(error({codes, scales}, record),
              HasSubstr("tensor 'w_scale_2': is missing"));
  TestTensor wrong = scales;
  wrong.shape = {1, 2};
  EXPECT_THAT(error({codes, wrong, scale_2}, record),
              HasSubstr("tensor 'w_scale': expected F8_E4M3 [2, 1], found "
                        "F8_E4M3 [1, 2]"));
  wrong = scales;
  wrong.dtype = DType::kF8E8m0;
  EXPECT_THAT(error({codes, wrong, scale_2}, record),
              HasSubstr("found F8_E8M0"));
  std::string bad = record;
  bad.replace(bad.find("nvfp4"), 5, "zzfp4");
  EXPECT_THAT(error({codes, scales, scale_2}, bad), HasSubstr("zzfp4"));
  bad = record;
  bad.replace(bad.find("[2,16]"), 6, "[4611686018427387904,4]");
  EXPECT_THAT(error({codes, scales, scale_2}, bad),
              HasSubstr("overflows 64 bits"));
}

}  // namespace
}  // namespace cnn_fp4::fp4
