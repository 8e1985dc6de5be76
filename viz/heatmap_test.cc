#include "viz/heatmap.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "viz/colormap.h"
#include "viz/example_heatmaps.h"
#include "viz/test_png.h"

namespace cnn_fp4::viz {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// Under bazel the pictures stay in bazel-testlogs, to be looked at.
fs::path Directory(const std::string& name) {
  const char* outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  const fs::path directory =
      fs::path(outputs == nullptr ? ::testing::TempDir() : outputs) / name;
  fs::remove_all(directory);
  return directory;
}

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ExampleTest : public ::testing::Test {
 protected:
  // Once for all: a sheet takes half a second.
  static void SetUpTestSuite() {
    set_ = ExampleHeatmaps();
    stem_ = (Directory("example") / "deep" / "semantic_weights").string();
    const absl::Status status = WriteHeatmapSet(set_, stem_);
    ASSERT_TRUE(status.ok()) << status;
  }

  static inline HeatmapSet set_;
  static inline std::string stem_;
};

TEST_F(ExampleTest, JsonHasEveryNumber) {
  const auto json = nlohmann::json::parse(Read(stem_ + ".json"));
  EXPECT_EQ(json["schema"], "cnn_fp4.heatmap_set");
  EXPECT_EQ(json["schema_version"], 1);
  EXPECT_EQ(json["model"], set_.model);
  ASSERT_EQ(json["statistics"].size(), set_.statistics.size());
  for (size_t s = 0; s < set_.statistics.size(); ++s) {
    const Heatmap& map = set_.statistics[s];
    const auto& written = json["statistics"][s];
    EXPECT_EQ(written["statistic"], map.statistic);
    EXPECT_EQ(written["unit"], map.unit);
    EXPECT_EQ(written["layers"], nlohmann::json(map.rows));
    EXPECT_EQ(written["steps"], nlohmann::json(map.columns));
    ASSERT_EQ(written["values"].size(), map.rows.size());
    for (size_t i = 0; i < map.values.size(); ++i) {
      const auto& cell =
          written["values"][i / map.columns.size()][i % map.columns.size()];
      if (!map.values[i].has_value()) {
        EXPECT_TRUE(cell.is_null());
      } else if (std::isnan(*map.values[i])) {
        EXPECT_EQ(cell, "NaN");
      } else if (std::isinf(*map.values[i])) {
        EXPECT_EQ(cell, *map.values[i] > 0 ? "Infinity" : "-Infinity");
      } else {
        EXPECT_EQ(cell.get<double>(), *map.values[i]);
      }
    }
  }
}

TEST_F(ExampleTest, PngHasTheReservedColoursInTheirProportions) {
  const TestPng picture = DecodePng(stem_ + ".png");
  EXPECT_GT(picture.width, 1500);
  EXPECT_LT(picture.width, 4000);
  EXPECT_GT(picture.height, 1500);
  const size_t nan = picture.Count(kNanColor);
  const size_t up = picture.Count(kPositiveInfColor);
  const size_t down = picture.Count(kNegativeInfColor);
  const size_t missing = picture.Count(kMissingColor);
  // A swatch in the legend, and 6, 1, 1 and 4 cells in each of eight panels.
  EXPECT_GT(up, 8u * 300);
  EXPECT_NEAR(static_cast<double>(up), static_cast<double>(down), 0.1 * up);
  EXPECT_NEAR(static_cast<double>(nan) / up, 6.0, 0.6);
  EXPECT_NEAR(static_cast<double>(missing) / up, 4.0, 0.4);
}

TEST_F(ExampleTest, HtmlIsOneFileWithAllTheData) {
  const std::string html = Read(stem_ + ".html");
  // No address of anything outside: the page works from file://, offline.
  for (const char* outside : {"http", "src=", "@import", "url(", "fetch("}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(html, Not(HasSubstr("{{")));
  for (const char* tag : {"script", "style", "head", "body", "html", "select",
                          "div", "p", "ul", "label", "button", "canvas"}) {
    size_t opened = 0;
    size_t closed = 0;
    for (size_t at = 0;
         (at = html.find(absl::StrCat("<", tag), at)) != std::string::npos;) {
      at += std::string(tag).size() + 1;
      opened += html[at] == ' ' || html[at] == '>';
    }
    for (size_t at = 0; (at = html.find(absl::StrCat("</", tag, ">"), at)) !=
                        std::string::npos;
         ++at) {
      ++closed;
    }
    EXPECT_EQ(opened, closed) << tag;
    EXPECT_GT(opened, 0u) << tag;
  }
  const std::string begin = R"(<script type="application/json" id="data">)";
  const size_t from = html.find(begin) + begin.size();
  const std::string data =
      html.substr(from, html.find("</script>", from) - from);
  EXPECT_EQ(nlohmann::json::parse(data),
            nlohmann::json::parse(Read(stem_ + ".json")));
}

TEST_F(ExampleTest, NoTemporaryIsLeft) {
  std::set<std::string> names;
  for (const auto& entry :
       fs::directory_iterator(fs::path(stem_).parent_path())) {
    names.insert(entry.path().filename().string());
  }
  EXPECT_EQ(names, (std::set<std::string>{"semantic_weights.html",
                                          "semantic_weights.json",
                                          "semantic_weights.png"}));
}

HeatmapSet Small() {
  return {"fp16",
          "gradients",
          "semantic",
          "x",
          {{"Mean",
            "mean",
            "",
            {"a", "b"},
            {0, 10},
            {1.0, 2.0, 3.0, 4.0},
            HeatmapScale::kLinear,
            ""}}};
}

TEST(WriteHeatmapSetTest, HostileTextStaysText) {
  HeatmapSet set = Small();
  set.experiment = "</script><script>alert(1)</script><!-- {{data}}";
  set.statistics[0].rows[0] = "</script>\xff";
  const std::string stem = (Directory("hostile") / "x").string();
  ASSERT_TRUE(WriteHeatmapSet(set, stem).ok());
  const std::string html = Read(stem + ".html");
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<!-- {{data}}")));
  const auto json = nlohmann::json::parse(Read(stem + ".json"));
  EXPECT_EQ(json["experiment"], set.experiment);
}

TEST(WriteHeatmapSetTest, ExtremeShapesDraw) {
  HeatmapSet set = Small();
  Heatmap& map = set.statistics[0];
  const fs::path directory = Directory("extreme");
  map.columns = {7};
  map.rows = {std::string(300, 'w')};
  map.values = {0.0};
  EXPECT_TRUE(WriteHeatmapSet(set, (directory / "one").string()).ok());
  map.values = {std::nullopt};
  map.scale = HeatmapScale::kLog;
  EXPECT_TRUE(WriteHeatmapSet(set, (directory / "missing").string()).ok());

  map.columns.clear();
  for (int64_t i = 0; i < 2500; ++i) map.columns.push_back(i * 1000);
  map.rows.assign(100, "layer");
  map.values.assign(2500 * 100, 1.0);
  map.values[2500 * 7 + 777] = std::nan("");
  ASSERT_TRUE(WriteHeatmapSet(set, (directory / "many").string()).ok());
  // One NaN in 250000 values does not vanish between the pixels; the
  // legend alone has fewer pixels than the other entries of it.
  const TestPng picture = DecodePng((directory / "many.png").string());
  EXPECT_GT(picture.Count(kNanColor), picture.Count(kPositiveInfColor));
}

TEST(WriteHeatmapSetTest, RefusesWhatDoesNotFitAndWritesNothing) {
  const fs::path directory = Directory("refused");
  const auto message = [&](const HeatmapSet& set) {
    const absl::Status status =
        WriteHeatmapSet(set, (directory / "bad").string());
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  HeatmapSet set = Small();
  set.statistics[0].values.pop_back();
  EXPECT_THAT(message(set), HasSubstr("\"mean\": 3 values for 2 layers and 2"));
  set = Small();
  set.statistics[0].columns = {10, 10};
  EXPECT_THAT(message(set), HasSubstr("steps do not increase"));
  set = Small();
  set.statistics.push_back(set.statistics[0]);
  EXPECT_THAT(message(set), HasSubstr("occurs twice"));
  set = Small();
  set.statistics[0].statistic = "";
  EXPECT_THAT(message(set), HasSubstr("title \"Mean\""));
  set = Small();
  set.statistics[0].rows.clear();
  set.statistics[0].values.clear();
  EXPECT_THAT(message(set), HasSubstr("no layers"));
  set = Small();
  set.statistics.clear();
  EXPECT_THAT(message(set), HasSubstr("fp16 gradients: no statistic"));
  EXPECT_FALSE(fs::exists(directory));
}

TEST(WriteHeatmapSetTest, NamesThePathThatCannotBeWritten) {
  const absl::Status status = WriteHeatmapSet(Small(), "/proc/none/x");
  EXPECT_THAT(std::string(status.message()), HasSubstr("/proc/none"));
}

TEST(WriteHeatmapSetTest, AMapOfSomethingElseHasItsOwnWords) {
  HeatmapSet set;
  Heatmap map;
  map.statistic = "share";
  map.rows = {"enc1"};
  map.columns = {0, 1};
  map.values = {0.25, 0.75};
  map.row_title = "layer";
  map.column_title = "FP4 value";
  map.column_names = {"-6", "0.5"};
  set.statistics = {map};
  const std::string stem = (Directory("words") / "map").string();
  ASSERT_TRUE(WriteHeatmapSet(set, stem).ok());
  const auto json = nlohmann::json::parse(Read(stem + ".json"));
  EXPECT_EQ(json["statistics"][0]["column_title"], "FP4 value");
  EXPECT_EQ(json["statistics"][0]["column_names"][1], "0.5");
  set.statistics[0].column_names = {"one"};
  const absl::Status status = WriteHeatmapSet(set, stem);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("1 names for 2 columns"));
}

}  // namespace
}  // namespace cnn_fp4::viz
