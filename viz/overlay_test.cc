#include "viz/overlay.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "viz/test_png.h"

namespace cnn_fp4::viz {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Under bazel the pictures stay in bazel-testlogs, to be looked at.
std::string Path(const std::string& name) {
  const char* outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  return (fs::path(outputs == nullptr ? ::testing::TempDir() : outputs) / name)
      .string();
}

struct Disc {
  double x, y, r;
  int32_t value;
};

ClassMask Draw(int width, int height, const std::vector<Disc>& discs,
               double shift) {
  ClassMask mask{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      int32_t value = 0;
      for (const Disc& d : discs) {
        if (std::hypot(x - d.x - shift, y - d.y) < d.r) value = d.value;
      }
      mask.classes.push_back(value);
    }
  }
  return mask;
}

// Bright discs on dark ground, like nuclei under fluorescence.
OverlayRow Row(const std::string& name, int width, int height) {
  std::vector<Disc> discs;
  for (int i = 0; i < 9; ++i) {
    discs.push_back({width * (0.1 + 0.1 * i),
                     height * (0.15 + 0.09 * i * (i % 3 + 1) / 2.5),
                     0.04 * (width + height) / 2 + i, 1 + i % 3 / 2});
  }
  OverlayRow row;
  row.name = name;
  row.truth = Draw(width, height, discs, 0.0);
  row.image = {width, height, {}};
  for (size_t i = 0; i < row.truth.classes.size(); ++i) {
    const auto noise =
        static_cast<uint8_t>(static_cast<uint32_t>(i) * 2654435761u >> 28);
    const uint8_t level = row.truth.classes[i] != 0 ? 150 : 30;
    for (int c = 0; c < 3; ++c) {
      row.image.pixels.push_back(static_cast<uint8_t>(level + noise));
    }
  }
  row.predictions = {{"fp16", Draw(width, height, discs, 1.0)},
                     {"nvfp4", Draw(width, height, discs, 4.0)}};
  return row;
}

ClassMask Mask(std::vector<int32_t> classes) {
  return {static_cast<int>(classes.size()), 1, std::move(classes)};
}

TEST(ForegroundIouTest, TwoClasses) {
  EXPECT_DOUBLE_EQ(ForegroundIou(Mask({0, 1, 1, 1}), Mask({1, 1, 1, 0}), 2),
                   0.5);
  EXPECT_DOUBLE_EQ(ForegroundIou(Mask({0, 1}), Mask({0, 1}), 2), 1.0);
  EXPECT_TRUE(std::isnan(ForegroundIou(Mask({0, 0}), Mask({0, 0}), 2)));
}

TEST(ForegroundIouTest, MeanOverThePresentClasses) {
  // Class 1: 1 of 2, class 2: 1 of 2, class 3: nowhere.
  EXPECT_DOUBLE_EQ(ForegroundIou(Mask({0, 1, 1, 2}), Mask({0, 1, 2, 2}), 4),
                   0.5);
}

TEST(ForegroundIouTest, UnjudgedPixelsDoNotCount) {
  EXPECT_DOUBLE_EQ(ForegroundIou(Mask({255, -1, 1, 1}), Mask({1, 1, 1, 0}), 2),
                   0.5);
}

TEST(DefaultClassStylesTest, ColoursDiffer) {
  std::vector<std::string> names(40, "class");
  std::set<std::tuple<int, int, int>> colors;
  for (const ClassStyle& style : DefaultClassStyles(names)) {
    colors.insert({style.color.r, style.color.g, style.color.b});
  }
  EXPECT_EQ(colors.size(), names.size());
}

TEST(WriteOverlaySheetTest, ShowsTheClassesOnTruthAndPredictionsOnly) {
  const std::vector<OverlayRow> rows = {Row("val/wide.png", 320, 256),
                                        Row("val/tall.png", 96, 160)};
  const auto styles = DefaultClassStyles({"background", "nucleus", "mitosis"});
  const std::string path = Path("overlay.png");
  ASSERT_TRUE(WriteOverlaySheet(rows, styles, path).ok());
  const TestPng png = DecodePng(path);
  ASSERT_GT(png.width, 4 * 250);
  // Full-strength outlines of a class: three of the four columns have them.
  const int column = png.width / 4;
  for (const Rgb color : {styles[1].color, styles[2].color}) {
    EXPECT_EQ(png.Count(color, 0, column, png.height * 9 / 10), 0u);
    for (int c = 1; c < 4; ++c) {
      EXPECT_GT(
          png.Count(color, c * column, (c + 1) * column, png.height * 9 / 10),
          100u);
    }
  }
}

TEST(WriteOverlaySheetTest, NamesTheRowThatDoesNotFit) {
  const auto styles = DefaultClassStyles({"background", "nucleus"});
  const std::string path = Path("refused.png");
  const auto message = [&](const std::vector<OverlayRow>& rows) {
    const absl::Status status = WriteOverlaySheet(rows, styles, path);
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  const OverlayRow good = Row("a.png", 32, 32);
  EXPECT_THAT(message({}), HasSubstr("no images"));
  OverlayRow bad = Row("b.png", 32, 32);
  bad.image.pixels.pop_back();
  EXPECT_THAT(message({good, bad}), HasSubstr("b.png: width, height"));
  bad = Row("b.png", 32, 32);
  bad.truth.height = 16;
  EXPECT_THAT(message({good, bad}), HasSubstr("b.png: the truth"));
  bad = Row("b.png", 32, 32);
  bad.predictions[1].mask.classes.clear();
  EXPECT_THAT(message({good, bad}), HasSubstr("prediction of nvfp4"));
  bad = Row("b.png", 32, 32);
  bad.predictions[0].label = "fp32";
  EXPECT_THAT(message({good, bad}), HasSubstr("fp32"));
  bad.predictions.pop_back();
  EXPECT_THAT(message({good, bad}), HasSubstr("number of predictions"));
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace cnn_fp4::viz
