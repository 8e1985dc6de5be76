#include "viz/plotly_script.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::viz {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(PlotlyScript, IsOneFileForAllPagesOfARoot) {
  const fs::path root = fs::path(::testing::TempDir()) / "root";
  fs::remove_all(root);
  const fs::path page = root / "train" / "run" / "plots";
  fs::create_directories(page);
  const auto way = PlacePlotly(page.string(), root.string());
  if (!HasPlotly()) {
    EXPECT_TRUE(absl::IsNotFound(way.status())) << way.status();
    EXPECT_TRUE(fs::exists(root / "train"));
    GTEST_SKIP() << "this is built without plotly.js";
  }
  ASSERT_TRUE(way.ok()) << way.status();
  EXPECT_EQ(way->substr(0, 9 + 7), "../../../plotly-");
  const std::string script = Read(page / *way);
  EXPECT_THAT(script.substr(0, 200), HasSubstr("plotly.js v"));
  // It may stand inside a page.
  EXPECT_EQ(script.find("</script"), std::string::npos);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    if (entry.path().extension() == ".txt") {
      EXPECT_THAT(Read(entry.path()), HasSubstr("MIT"));
    }
  }
  EXPECT_EQ(files, 2);

  // The next page finds it there.
  const auto written = fs::last_write_time(page / *way);
  fs::create_directories(root / "study");
  const auto other = PlacePlotly((root / "study").string(), root.string());
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ("../../" + *other, *way);
  EXPECT_EQ(fs::last_write_time(page / *way), written);
}

}  // namespace
}  // namespace cnn_fp4::viz
