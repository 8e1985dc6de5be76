#include "viz/page.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "viz/example_heatmaps.h"
#include "viz/heatmap.h"
#include "viz/overlay.h"

namespace cnn_fp4::viz {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

// Under bazel the pages stay in bazel-testlogs, to be looked at.
fs::path Directory(const std::string& name) {
  const char* outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  const fs::path directory =
      fs::path(outputs == nullptr ? ::testing::TempDir() : outputs) / name;
  fs::remove_all(directory);
  fs::create_directories(directory);
  return directory;
}

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void Touch(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "{}";
}

IndexPage Page() {
  IndexPage page{"fp16_vs_nvfp4_s025", "2026-08-21 22:02 UTC, 141 s, cpu",
                 base::Table({"arm", "loss", "mIoU"}), "<p>Curves</p>",
                 "{\n  \"models\": [\"fp16\", \"nvfp4\"]\n}"};
  page.result.AddRow({"fp16", {0.2134, 4}, {0.8312, 4}});
  page.result.AddRow({"nvfp4", {0.2269, 4}, {0.8197, 4}});
  return page;
}

// Every href and src, decoded.
std::set<std::string> Targets(const std::string& html) {
  std::set<std::string> targets;
  for (const std::string attribute : {"href=\"", "src=\""}) {
    for (size_t at = 0; (at = html.find(attribute, at)) != std::string::npos;) {
      at += attribute.size();
      const std::string url = html.substr(at, html.find('"', at) - at);
      std::string path;
      for (size_t i = 0; i < url.size(); ++i) {
        if (url[i] == '%') {
          path +=
              static_cast<char>(std::stoi(url.substr(i + 1, 2), nullptr, 16));
          i += 2;
        } else {
          path += url[i];
        }
      }
      targets.insert(path);
    }
  }
  return targets;
}

TEST(WriteIndexPageTest, LinksEverythingThatIsThereAndNothingElse) {
  const fs::path run = Directory("run");
  const fs::path source = run / "source";
  ASSERT_TRUE(WriteHeatmapSet(ExampleHeatmaps(), (source / "x").string()).ok());
  for (const std::string model : {"fp16", "nvfp4"}) {
    for (const std::string tensor : {"gradients", "weights/prequantize"}) {
      const fs::path target = run / "plots/heatmaps" / model / tensor;
      fs::create_directories(target);
      for (const std::string extension : {".png", ".html", ".json"}) {
        fs::copy(source / ("x" + extension), target / ("semantic" + extension));
      }
    }
  }
  fs::remove_all(source);
  OverlayRow row{"val/a.png",
                 {2, 1, {0, 9, 9, 200, 9, 9}},
                 {2, 1, {0, 1}},
                 {{"fp16", {2, 1, {0, 1}}}, {"nvfp4", {2, 1, {1, 1}}}}};
  ASSERT_TRUE(WriteOverlaySheet({row}, DefaultClassStyles({"none", "nucleus"}),
                                (run / "plots/overlays/semantic.png").string())
                  .ok());
  Touch(run / "metrics.jsonl");
  Touch(run / "plots/odd #1? & <b>/a b.png");
  Touch(run / "plots/.half.png.77.tmp");
  ASSERT_TRUE(WriteIndexPage(Page(), run.string()).ok());

  const std::string html = Read(run / "report.html");
  const std::set<std::string> targets = Targets(html);
  for (const std::string& target : targets) {
    EXPECT_TRUE(fs::exists(run / target)) << target;
  }
  // 4 heatmap sets of three files, the overlay, the odd one, the metrics.
  EXPECT_EQ(targets.size(), 4u * 3 + 3);
  EXPECT_EQ(targets.count("plots/odd #1? & <b>/a b.png"), 1u);
  for (const char* outside : {"http", "//", "<script", "{{", "%20#", "<b>/"}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(html, HasSubstr("<td class=\"number\">0.8197</td>"));
  EXPECT_THAT(html, HasSubstr("&quot;models&quot;"));
  EXPECT_LT(html.find("0.8197"), html.find("<img"));
}

TEST(WriteIndexPageTest, ARunThatLeftNothingHasAPageToo) {
  const fs::path run = Directory("empty");
  IndexPage page;
  page.title = "<x>";
  ASSERT_TRUE(WriteIndexPage(page, run.string()).ok());
  const std::string html = Read(run / "report.html");
  EXPECT_THAT(html, HasSubstr("<h1>&lt;x&gt;</h1>"));
  EXPECT_THAT(html, Not(HasSubstr("<h2>")));
}

TEST(WriteIndexPageTest, WithoutADirectoryThereIsNoPage) {
  const absl::Status status = WriteIndexPage(Page(), "/nonexistent/run");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/run"));
}

}  // namespace
}  // namespace cnn_fp4::viz
