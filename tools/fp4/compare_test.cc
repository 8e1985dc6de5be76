#include "tools/fp4/compare.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/fp4/element_stream.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/quantized_file.h"
#include "tools/fp4/report.h"
#include "tools/fp4/test_files.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::DType;
using safetensors::Reader;
using ::testing::HasSubstr;

TEST(DifferenceTest, OfKnownNumbers) {
  Difference d;
  d.Add({3.0f}, {3.0f});
  d.Add({4.0f}, {4.5f});
  EXPECT_EQ(d.count(), 2);
  EXPECT_EQ(d.unequal, 1);
  EXPECT_EQ(d.max_error(), 0.5);
  EXPECT_DOUBLE_EQ(d.sqnr(), 20.0);  // 25 / 0.25
  EXPECT_DOUBLE_EQ(d.cosine(), 27.0 / 5.0 / std::sqrt(29.25));
}

TEST(DifferenceTest, NanEqualsOnlyNan) {
  Difference d;
  d.Add({NAN, INFINITY, 0.0f}, {NAN, INFINITY, -0.0f});
  EXPECT_EQ(d.count(), 3);
  EXPECT_EQ(d.unequal, 0);
  EXPECT_EQ(d.max_error(), 0.0);
  d.Add({1.0f, 1.0f}, {INFINITY, 2.0f});
  EXPECT_EQ(d.unequal, 2);
  EXPECT_EQ(d.max_error(), INFINITY);
  EXPECT_TRUE(std::isnan(d.sqnr()));
  EXPECT_TRUE(std::isnan(d.cosine()));
  d.Add({1.0f, 1.0f, INFINITY}, {NAN, 2.0f, 1.0f});
  EXPECT_EQ(d.unequal, 5);
  EXPECT_TRUE(std::isnan(d.max_error()));
  TensorComparison comparison;
  comparison.difference = d;
  EXPECT_TRUE(Breaks(comparison, {std::nullopt, 100.0, std::nullopt}));
  EXPECT_TRUE(Breaks(comparison, {-100.0, std::nullopt, std::nullopt}));
  EXPECT_TRUE(Breaks(comparison, {std::nullopt, std::nullopt, -1.0}));
  EXPECT_FALSE(Breaks(comparison, {}));
}

TEST(DifferenceTest, ZerosHaveNoCosineAndEqualTensorsKeepEveryLimit) {
  const Limits strict = {100.0, 0.0, 1.0};
  TensorComparison zeros;
  zeros.difference.Add({0.0f, 0.0f}, {0.0f, -0.0f});
  EXPECT_TRUE(std::isnan(zeros.difference.cosine()));
  EXPECT_FALSE(Breaks(zeros, strict));
  const TensorComparison empty;
  EXPECT_TRUE(std::isnan(empty.difference.sqnr()));
  EXPECT_FALSE(Breaks(empty, strict));
  TensorComparison lost;
  lost.difference.Add({0.0f, 0.0f}, {0.0f, 1.0f});
  EXPECT_TRUE(Breaks(lost, {std::nullopt, std::nullopt, -1.0}));
}

class CompareTest : public ::testing::Test {
 protected:
  std::vector<TensorComparison> Compare(const std::string& a,
                                        const std::string& b) {
    reader_a_.emplace(*Reader::Open(a));
    reader_b_.emplace(*Reader::Open(b));
    const auto result = CompareFiles(*reader_a_, *reader_b_, std::nullopt);
    EXPECT_TRUE(result.ok()) << result.status();
    return *result;
  }
  TestDirectory directory_;
  std::optional<Reader> reader_a_;
  std::optional<Reader> reader_b_;
};

TEST_F(CompareTest, QuantisedAlongDifferentAxes) {
  const std::vector<float> values = TestValues(48 * 35, 1);
  const std::string source =
      directory_.Write("source", {FloatTensor("w", {48, 35}, values)});
  const std::string a = directory_.Path("a");
  const std::string b = directory_.Path("b");
  QuantizeFileOptions options;
  options.include = {"*"};
  options.recipe = *quant::FindRecipe("nvfp4");
  options.dequantized = true;
  ASSERT_TRUE(QuantizeFile(source, a, options, {}).ok());
  options.axis = 0;
  ASSERT_TRUE(QuantizeFile(source, b, options, {}).ok());
  for (const auto& [left, right] :
       {std::make_pair(source, a), std::make_pair(source, b),
        std::make_pair(a, b)}) {
    const auto result = Compare(left, right);
    ASSERT_EQ(result.size(), 1u);
    EXPECT_EQ(result[0].problem, "");
    EXPECT_EQ(result[0].difference.count(), 48 * 35);
    EXPECT_GT(result[0].difference.sqnr(), 12.0);
    EXPECT_GT(result[0].difference.unequal, 100);
    EXPECT_TRUE(result[0].b_is_quantized);
    ASSERT_TRUE(result[0].codes.has_value());
    EXPECT_EQ(result[0].codes->total(), 48 * 35);
    EXPECT_EQ(result[0].codes->CodesUsed(), 15);
  }
  EXPECT_EQ(Compare(a, a)[0].difference.unequal, 0);
}

// One block of 16 with a scale of 1, so that what each value becomes is known:
// 7 is clipped to 6, -6 is only as large, and +-0.1 become zeros.
TEST_F(CompareTest, SaysWhatFp4DidInTheWordsOfTheHeatmaps) {
  const std::vector<float> values = {7.0f,  -6.0f, 0.1f,  -0.1f, 0.0f, 0.5f,
                                     1.0f,  1.5f,  2.0f,  3.0f,  4.0f, -0.5f,
                                     -1.0f, -1.5f, -2.0f, 0.0f};
  const std::string source =
      directory_.Write("source", {FloatTensor("w", {1, 16}, values)});
  const std::string packed = directory_.Path("packed");
  QuantizeFileOptions options;
  options.recipe = *quant::FindRecipe("mxfp4_floor+block=16");
  ASSERT_TRUE(QuantizeFile(source, packed, options, {}).ok());

  const TensorComparison forth = Compare(source, packed)[0];
  EXPECT_EQ(forth.difference.unequal, 3);
  EXPECT_EQ(forth.difference.finite.underflow(), 2);
  EXPECT_EQ(forth.difference.finite.saturated(), 1);
  EXPECT_EQ(forth.codes->counts[8], 1);  // -0, which is no value of its own.
  // In the other direction nothing was quantised on the way.
  const TensorComparison back = Compare(packed, source)[0];
  EXPECT_FALSE(back.b_is_quantized);
  const TensorComparison plain = Compare(source, source)[0];

  // Signal 125.02 and noise 1.02, or 112 and 1.02; product 118. 13 of the 15
  // values: -3 and -4 do not occur. Twelve have a share of 1/16 and zero has
  // 4/16, which makes 3.5 bits.
  EXPECT_EQ(
      CompareReport({forth, back, plain}, {}),
      "tensor  shape    SQNR dB  max error  cosine      unequal  Underflow  "
      "Saturation  FP4 values used  Entropy of the FP4 values  verdict\n"
      "w       [1, 16]   20.884          1  0.99720225        3     14.29%  "
      "     6.25%            13/15                 3.500 bits  ok\n"
      "w       [1, 16]   20.406          1  0.99720225        3          -  "
      "         -            13/15                 3.500 bits  ok\n"
      "w       [1, 16]      inf          0  1.00000000        0          -  "
      "         -                -                          -  equal\n");
  const auto inspect = InspectReport(*Reader::Open(packed), std::nullopt);
  ASSERT_TRUE(inspect.ok()) << inspect.status();
  EXPECT_THAT(
      *inspect,
      HasSubstr("zero scales  FP4 values used  Entropy of the FP4 values  "
                "zeros   at +-6\n"));
  EXPECT_THAT(
      *inspect,
      HasSubstr("          0            13/15                 3.500 bits  "
                "25.00%  12.50%\n"));
}

// The pieces of two files do not begin at the same elements.
TEST_F(CompareTest, CodesAreThoseOfTheNextElements) {
  std::vector<float> values(32);
  for (int i = 0; i < 32; ++i) {
    constexpr float kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    values[i] = (i % 16 < 8 ? 1.0f : -1.0f) * kMagnitudes[i % 8];
  }
  const std::string source =
      directory_.Write("source", {FloatTensor("w", {2, 16}, values)});
  const std::string packed = directory_.Path("packed");
  QuantizeFileOptions options;
  options.recipe = *quant::FindRecipe("mxfp4_floor+block=16");
  ASSERT_TRUE(QuantizeFile(source, packed, options, {}).ok());
  const Reader reader = *Reader::Open(packed);
  const auto contents = ReadContents(reader, std::nullopt);
  ASSERT_TRUE(contents.ok()) << contents.status();
  auto stream = ElementStream::Create(reader, contents->quantized[0],
                                      /*chunk_elements=*/16);
  ASSERT_TRUE(stream.ok()) << stream.status();
  // 16 and 16 elements, of which 5 are read at a time.
  std::vector<int> codes;
  while (true) {
    const auto next = stream->Next();
    ASSERT_TRUE(next.ok()) << next.status();
    if (next->empty()) break;
    std::vector<uint8_t> piece(std::min<size_t>(5, next->size()));
    stream->Codes(absl::MakeSpan(piece));
    codes.insert(codes.end(), piece.begin(), piece.end());
    stream->Skip(static_cast<int64_t>(piece.size()));
  }
  std::vector<int> expected(32);
  for (int i = 0; i < 32; ++i) expected[i] = i % 16;
  EXPECT_EQ(codes, expected);
}

TEST_F(CompareTest, WhatCannotBeComparedIsAProblem) {
  const std::vector<float> values = {1, 2, 3, 4};
  const TestTensor ids = {"ids", DType::kU8, {2}, {1, 2}};
  const TestTensor others = {"ids", DType::kU8, {2}, {1, 3}};
  const std::string a = directory_.Write(
      "a", {FloatTensor("w", {4}, values), FloatTensor("x", {4}, values), ids});
  const std::string b =
      directory_.Write("b", {FloatTensor("w", {2, 2}, values),
                             FloatTensor("y", {4}, values), others});
  const auto result = Compare(a, b);
  ASSERT_EQ(result.size(), 4u);
  EXPECT_THAT(result[0].problem, HasSubstr("not equal"));
  EXPECT_THAT(result[1].problem, HasSubstr("shapes [4] and [2, 2]"));
  EXPECT_THAT(result[2].problem, HasSubstr("is not in"));
  EXPECT_EQ(result[3].name, "y");
  for (const auto& comparison : result) EXPECT_TRUE(Breaks(comparison, {}));
  for (const auto& comparison : Compare(a, a)) {
    EXPECT_FALSE(Breaks(comparison, {}));
  }
}

TEST(ReportTest, TablesAlign) {
  EXPECT_EQ(FormatTable({{"name", "n"}, {"a", "10"}, {"bcdefg", "7"}}),
            "name    n\n"
            "a       10\n"
            "bcdefg   7\n");
}

TEST(ReportTest, HostileNamesAreEscaped) {
  TestDirectory directory;
  const std::string path =
      directory.Write("a", {{"\x1b[31m\n", DType::kU8, {}, {1}}});
  const auto report = InspectReport(*Reader::Open(path), std::nullopt);
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(*report, HasSubstr("\\x1b[31m\\n"));
}

}  // namespace
}  // namespace cnn_fp4::fp4
