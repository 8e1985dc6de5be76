#include "nn/precision/operand_format.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::nn {
namespace {

using ::testing::HasSubstr;

OperandFormat Parse(const std::string& text, Operand operand) {
  const auto format = ParseOperandFormat(text, operand);
  EXPECT_TRUE(format.ok()) << format.status();
  return *format;
}

std::string Error(const std::string& text, Operand operand) {
  return std::string(ParseOperandFormat(text, operand).status().message());
}

TEST(OperandFormat, AScaledOneIsItsRecipeTimesAPowerOfTwo) {
  const OperandFormat format = Parse("mxfp4+sr+scaled", Operand::kDgradDy);
  EXPECT_TRUE(format.scaled);
  EXPECT_EQ(format.recipe()->name, "mxfp4+sr");
  EXPECT_FALSE(Parse("mxfp4+sr", Operand::kDgradDy).scaled);
  EXPECT_NE(format, Parse("mxfp4+sr", Operand::kDgradDy));
  EXPECT_THAT(ToString(format), HasSubstr(", scaled by a power of two"));
  EXPECT_THAT(Error("bf16+scaled", Operand::kDgradDy),
              HasSubstr("'bf16+scaled' is neither fp32, fp16 nor bf16"));
}

TEST(OperandFormat, ScalesCanBeLearntInFpropAlone) {
  const OperandFormat w = Parse("nvfp4+lsq", Operand::kFpropW);
  EXPECT_TRUE(w.learned);
  EXPECT_EQ(w.recipe()->name, "nvfp4");
  EXPECT_EQ(w.blocking, Blocking::kReductionAxis);
  const OperandFormat x = Parse("fp4_per_tensor+pact", Operand::kFpropX);
  EXPECT_TRUE(x.learned);
  EXPECT_EQ(x.blocking, Blocking::kFlattened);
  EXPECT_THAT(ToString(w), HasSubstr(", scale learnt"));
  EXPECT_NE(w, Parse("nvfp4", Operand::kFpropW));
  EXPECT_THAT(Error("nvfp4+lsq", Operand::kFpropX),
              HasSubstr("+lsq is for fprop_w"));
  EXPECT_THAT(Error("nvfp4+pact", Operand::kFpropW),
              HasSubstr("+pact is for fprop_x"));
  EXPECT_THAT(Error("nvfp4+lsq", Operand::kDgradW),
              HasSubstr("+lsq is for fprop_w"));
  for (const char* const recipe : {"mxfp4", "nvfp4_2d", "nvfp4+sr"}) {
    EXPECT_THAT(Error(std::string(recipe) + "+lsq", Operand::kFpropW),
                HasSubstr("no scale that could be learnt"))
        << recipe;
  }
}

}  // namespace
}  // namespace cnn_fp4::nn
