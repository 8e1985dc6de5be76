// What the two layouts are, byte by byte, and how files of other programs are
// read.

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/safetensors/reader.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/quantizer.h"
#include "tools/fp4/dequantize.h"
#include "tools/fp4/round_trip.h"
#include "tools/fp4/test_files.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::DType;
using safetensors::Reader;
using ::testing::HasSubstr;

using LayoutsTest = RoundTrip;

TEST_F(LayoutsTest, ModelOptLayoutIsWhatItSays) {
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

TEST_F(LayoutsTest, CompressedTensorsLayoutDivides) {
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
  const float g = Floats(*reader, "w_global_scale")[0];
  EXPECT_EQ(g, 2688.0f / amax);
  Dequantize();
  // What that library computes from the file: q * (s8 / g).
  const auto codes = reader->Data(*reader->Find("w_packed"));
  const auto scales = reader->Data(*reader->Find("w_scale"));
  std::vector<float> expected(64);
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i] = quant::DecodeE2m1(codes[i / 2] >> (4 * (i % 2)) & 15) *
                  (quant::DecodeE4m3(scales[i / 16]) / g);
  }
  ExpectSameBits(Floats(*Reader::Open(back_), "w"), expected);
  // The recipe's own values are apart from that in the last place only.
  const std::vector<float> own_values = Floats(*reader, "w_dequantized");
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(own_values[i], expected[i], std::fabs(expected[i]) * 3e-7f);
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

TEST_F(LayoutsTest, EveryRecipeIsDividedInCompressedTensorsLayout) {
  const std::vector<float> values = TestValues(40 * 48, 1);
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {40, 48}, values)});
  for (const char* name : {"nvfp4_four_over_six", "nvfp4_2d", "nvfp4_static4",
                           "nvfp4+sr_unbiased", "nvfp4_torchao"}) {
    SCOPED_TRACE(name);
    QuantizeFileOptions options = Options(name);
    options.layout = Layout::kCompressedTensors;
    ASSERT_TRUE(Quantize(input, options).ok());
    Dequantize();
    const auto reader = Reader::Open(quantized_);
    const float g = Floats(*reader, "w_global_scale")[0];
    const auto codes = reader->Data(*reader->Find("w_packed"));
    const auto scales = reader->Data(*reader->Find("w_scale"));
    const int64_t block_rows = options.recipe.block_rows;
    std::vector<float> expected(values.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t scale = i / 48 / block_rows * 3 + i % 48 / 16;
      expected[i] = quant::DecodeE2m1(codes[i / 2] >> (4 * (i % 2)) & 15) *
                    (quant::DecodeE4m3(scales[scale]) / g);
    }
    ExpectSameBits(Floats(*Reader::Open(back_), "w"), expected);
  }
}

TEST_F(LayoutsTest, E8m0ScalesAreBytesInCompressedTensorsLayout) {
  const std::vector<float> values = TestValues(64, 1);
  const std::string input =
      directory_.Write("in", {FloatTensor("w", {2, 32}, values)});
  QuantizeFileOptions options = Options("mxfp4");
  options.layout = Layout::kCompressedTensors;
  options.dequantized = true;
  ASSERT_TRUE(Quantize(input, options).ok());
  const auto reader = Reader::Open(quantized_);
  EXPECT_EQ(reader->Find("w_scale")->dtype, DType::kU8);
  Dequantize();
  ExpectSameBits(Floats(*Reader::Open(back_), "w"),
                 Floats(*reader, "w_dequantized"));
}

TEST_F(LayoutsTest, FilesOfOthersNeedTheirLayout) {
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

TEST_F(LayoutsTest, PartsThatDoNotFitAreNamed) {
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
