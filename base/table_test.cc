#include "base/table.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

Table Results() {
  Table table({"arm", "loss", "mIoU", "note"});
  table.AddRow({"fp16", {0.21344, 4}, {0.8, 3}, "a|b"});
  table.AddRow({"nvfp4 µ", {12.5, 4}, {std::nan(""), 3}});
  return table;
}

TEST(TableTest, TextAlignsNumbersRightByCodePoints) {
  EXPECT_EQ(Results().ToText(),
            "arm         loss   mIoU  note\n"
            "-------  -------  -----  ----\n"
            "fp16      0.2134  0.800  a|b\n"
            "nvfp4 µ  12.5000    NaN\n");
}

TEST(TableTest, MarkdownAlignsAndEscapes) {
  EXPECT_EQ(Results().ToMarkdown(),
            "| arm | loss | mIoU | note |\n"
            "| --- | ---: | ---: | --- |\n"
            "| fp16 | 0.2134 | 0.800 | a\\|b |\n"
            "| nvfp4 µ | 12.5000 | NaN |  |\n");
}

TEST(TableTest, AColumnWithTextIsNotNumeric) {
  Table table({"a", "b", "c"});
  table.AddRow({{1.0, 0}, "x", ""});
  table.AddRow({"", {1.0, 0}, ""});
  EXPECT_TRUE(table.IsNumeric(0));
  EXPECT_FALSE(table.IsNumeric(1));
  EXPECT_FALSE(table.IsNumeric(2));
}

TEST(TableTest, InfinitiesAreSpelledOut) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Cell(infinity, 2).text(), "Infinity");
  EXPECT_EQ(Cell(-infinity, 2).text(), "-Infinity");
}

TEST(TableDeathTest, TooManyCellsIsABug) {
  Table table({"a"});
  EXPECT_DEATH(table.AddRow({"1", "2"}), "more cells than columns");
}

}  // namespace
}  // namespace cnn_fp4::base
