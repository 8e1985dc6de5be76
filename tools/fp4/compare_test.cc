#include "tools/fp4/compare.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/fp4/quantize.h"
#include "tools/fp4/report.h"
#include "tools/fp4/test_files.h"

namespace cnn_fp4::fp4 {
namespace {

using safetensors::DType;
using safetensors::Reader;
using ::testing::HasSubstr;

TEST(DifferenceTest, OfKnownNumbers) {
  Difference d;
  d.Add(3.0f, 3.0f);
  d.Add(4.0f, 4.5f);
  EXPECT_EQ(d.count, 2);
  EXPECT_EQ(d.unequal, 1);
  EXPECT_EQ(d.max_error, 0.5);
  EXPECT_DOUBLE_EQ(d.sqnr(), 20.0);  // 25 / 0.25
  EXPECT_DOUBLE_EQ(d.cosine(), 27.0 / 5.0 / std::sqrt(29.25));
}

TEST(DifferenceTest, NanEqualsOnlyNan) {
  Difference d;
  d.Add(NAN, NAN);
  d.Add(0.0f, -0.0f);
  EXPECT_EQ(d.unequal, 0);
  d.Add(1.0f, NAN);
  d.Add(1.0f, 2.0f);
  EXPECT_EQ(d.unequal, 2);
  EXPECT_TRUE(std::isnan(d.max_error));
  TensorComparison comparison;
  comparison.difference = d;
  EXPECT_TRUE(Breaks(comparison, {std::nullopt, 100.0, std::nullopt}));
  EXPECT_TRUE(Breaks(comparison, {-100.0, std::nullopt, std::nullopt}));
  EXPECT_FALSE(Breaks(comparison, {}));
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
    EXPECT_EQ(result[0].difference.count, 48 * 35);
    EXPECT_GT(result[0].difference.sqnr(), 12.0);
    EXPECT_GT(result[0].difference.unequal, 100);
    ASSERT_TRUE(result[0].code_use.has_value());
    EXPECT_EQ(result[0].code_use->total(), 48 * 35);
    EXPECT_EQ(result[0].code_use->codes_used(), 16);
  }
  EXPECT_EQ(Compare(a, a)[0].difference.unequal, 0);
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

TEST(CodeUseTest, EntropyAndShares) {
  CodeUse use;
  use.counts[0] = use.counts[8] = use.counts[7] = use.counts[3] = 5;
  EXPECT_EQ(use.codes_used(), 4);
  EXPECT_DOUBLE_EQ(use.entropy(), 2.0);
  EXPECT_DOUBLE_EQ(use.zero_share(), 0.5);
  EXPECT_DOUBLE_EQ(use.saturated_share(), 0.25);
  EXPECT_EQ(CodeUse().entropy(), 0.0);
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
