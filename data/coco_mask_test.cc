// The rasteriser and the run length decoder against the COCO API's own counts.
//
// Runs on a few annotations in testdata/coco. With COCO_MINI=<directory> in the
// environment (bazel test --test_env=COCO_MINI=...), on a whole COCO subset
// instead: <directory>/annotations/instances_{train,val}2017.json beside
// mask_pixels_{train,val}2017.csv, and compressed_rle/.

#include "data/coco_mask.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "data/coco_json.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::data {
namespace {

const char* CocoMini() { return std::getenv("COCO_MINI"); }

// Rows of integers, without the header.
std::vector<std::vector<int64_t>> ReadCsv(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<std::vector<int64_t>> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    rows.emplace_back();
    for (const absl::string_view field : absl::StrSplit(line, ',')) {
      int64_t value = 0;
      EXPECT_TRUE(absl::SimpleAtoi(field, &value)) << path << ": " << line;
      rows.back().push_back(value);
    }
  }
  return rows;
}

void ExpectSameCounts(const std::string& json, const std::string& csv) {
  absl::StatusOr<CocoInstances> instances =
      ReadCocoInstances(json, kDefaultMaxPixels);
  ASSERT_TRUE(instances.ok()) << instances.status();
  std::map<int64_t, ImageSize> sizes;
  for (const CocoImage& image : instances->images) {
    sizes[image.id] = image.size;
  }
  std::map<int64_t, int64_t> expected;
  for (const auto& row : ReadCsv(csv)) expected[row.at(0)] = row.at(3);
  ASSERT_EQ(expected.size(), instances->annotations.size());
  int equal = 0;
  int crowds = 0;
  int several_polygons = 0;
  for (const CocoAnnotation& annotation : instances->annotations) {
    absl::StatusOr<PixelRuns> runs =
        Rasterize(annotation, sizes.at(annotation.image_id));
    ASSERT_TRUE(runs.ok()) << runs.status();
    const int64_t count = CountPixels(*runs);
    EXPECT_EQ(count, expected.at(annotation.id)) << annotation.id;
    equal += count == expected.at(annotation.id);
    crowds += annotation.is_crowd;
    several_polygons += annotation.polygons.size() > 1;
  }
  EXPECT_GE(crowds, 4);
  EXPECT_GE(several_polygons, 4);
  std::cout << json << ": " << equal << " of " << expected.size()
            << " pixel counts equal\n";
}

TEST(CocoMaskTest, CountsPixelsAsTheCocoApi) {
  if (CocoMini() == nullptr) {
    ExpectSameCounts("data/testdata/coco/instances.json",
                     "data/testdata/coco/mask_pixels.csv");
    return;
  }
  for (const char* split : {"train2017", "val2017"}) {
    const std::string base = std::string(CocoMini()) + "/annotations/";
    ExpectSameCounts(base + "instances_" + split + ".json",
                     base + "mask_pixels_" + split + ".csv");
  }
}

TEST(CocoMaskTest, DecodesCompressedRunLengthsAsTheCocoApi) {
  const bool whole = CocoMini() != nullptr;
  const std::string base = whole ? std::string(CocoMini()) + "/compressed_rle/"
                                 : "data/testdata/coco/";
  std::ifstream file(
      base + (whole ? "results_compressed_rle.json" : "compressed_rle.json"));
  ASSERT_TRUE(file.is_open());
  const nlohmann::json results = nlohmann::json::parse(file);
  const auto rows =
      ReadCsv(base + (whole ? "expected.csv" : "compressed_rle.csv"));
  ASSERT_EQ(results.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    // expected.csv begins with index, image_id, category_id.
    const std::vector<int64_t> row(rows[i].begin() + (whole ? 3 : 0),
                                   rows[i].end());
    const nlohmann::json& segmentation =
        whole ? results[i]["segmentation"] : results[i];
    const ImageSize size = {static_cast<int>(row.at(1)),
                            static_cast<int>(row.at(0))};
    absl::StatusOr<std::vector<uint32_t>> counts =
        DecodeCompressedCounts(segmentation["counts"].get<std::string>());
    ASSERT_TRUE(counts.ok()) << counts.status();
    absl::StatusOr<PixelRuns> runs = RunsFromCounts(*counts, size);
    ASSERT_TRUE(runs.ok()) << runs.status();
    EXPECT_EQ(CountPixels(*runs), row.at(2)) << i;

    std::vector<uint8_t> mask(size_t(size.width) * size.height, 0);
    Paint(*runs, size, 1, &mask);
    int64_t left = size.width, top = size.height, right = -1, bottom = -1;
    for (int y = 0; y < size.height; ++y) {
      for (int x = 0; x < size.width; ++x) {
        if (mask[size_t(y) * size.width + x] == 0) continue;
        left = std::min<int64_t>(left, x);
        right = std::max<int64_t>(right, x);
        top = std::min<int64_t>(top, y);
        bottom = std::max<int64_t>(bottom, y);
      }
    }
    EXPECT_EQ(
        (std::vector<int64_t>{left, top, right - left + 1, bottom - top + 1}),
        std::vector<int64_t>(row.begin() + 3, row.end()))
        << i;
  }
}

// Draws a mask as text, rows from the top.
std::string Draw(const PixelRuns& runs, ImageSize size) {
  std::vector<uint8_t> mask(size_t(size.width) * size.height, '.');
  Paint(runs, size, '#', &mask);
  std::string text;
  for (int y = 0; y < size.height; ++y) {
    text.append(mask.begin() + y * size.width,
                mask.begin() + (y + 1) * size.width);
    text += '\n';
  }
  return text;
}

TEST(RasterizePolygonTest, SquaresCoverTheirPixels) {
  const ImageSize size = {5, 4};
  EXPECT_EQ(Draw(RasterizePolygon({1, 1, 4, 1, 4, 3, 1, 3}, size), size),
            ".....\n.###.\n.###.\n.....\n");
  // The direction does not matter, nor does a repeated point.
  EXPECT_EQ(Draw(RasterizePolygon({1, 3, 4, 3, 4, 3, 4, 1, 1, 1}, size), size),
            ".....\n.###.\n.###.\n.....\n");
}

TEST(RasterizePolygonTest, ClipsAtEveryBorder) {
  const ImageSize size = {3, 3};
  const std::string full = "###\n###\n###\n";
  EXPECT_EQ(Draw(RasterizePolygon({0, 0, 3, 0, 3, 3, 0, 3}, size), size), full);
  EXPECT_EQ(
      Draw(RasterizePolygon({-9, -9, 12, -9, 12, 12, -9, 12}, size), size),
      full);
  EXPECT_EQ(Draw(RasterizePolygon({-5, 1, 1, 1, 1, 9, -5, 9}, size), size),
            "...\n#..\n#..\n");
  EXPECT_TRUE(RasterizePolygon({5, 5, 8, 5, 8, 8}, size).empty());
}

TEST(RasterizePolygonTest, MayMissEveryCentreLine) {
  EXPECT_TRUE(RasterizePolygon({1.1, 0, 1.3, 0, 1.2, 3}, {3, 3}).empty());
}

TEST(RasterizePolygonTest, SelfIntersectionsAreEvenOdd) {
  const ImageSize size = {4, 4};
  // The same square twice round.
  EXPECT_TRUE(
      RasterizePolygon({0, 0, 4, 0, 4, 4, 0, 4, 0, 0, 4, 0, 4, 4, 0, 4}, size)
          .empty());
}

// The COCO API's way: every grid point of the outline, one after the other.
int64_t CountPixelsByWalking(const std::vector<double>& xy, ImageSize size) {
  std::vector<std::pair<int, int>> points;
  const auto grid = [](double v) { return static_cast<int>(5 * v + 0.5); };
  for (size_t i = 0; i < xy.size(); i += 2) {
    const size_t next = (i + 2) % xy.size();
    int x0 = grid(xy[i]), y0 = grid(xy[i + 1]);
    int x1 = grid(xy[next]), y1 = grid(xy[next + 1]);
    const int dx = std::abs(x1 - x0), dy = std::abs(y1 - y0);
    if (dx == 0 && dy == 0) continue;
    const bool along_x = dx >= dy;
    const bool flip = along_x ? x0 > x1 : y0 > y1;
    if (flip) std::swap(x0, x1), std::swap(y0, y1);
    const double slope = along_x ? static_cast<double>(y1 - y0) / dx
                                 : static_cast<double>(x1 - x0) / dy;
    const int steps = std::max(dx, dy);
    for (int i = 0; i <= steps; ++i) {
      const int t = flip ? steps - i : i;
      points.emplace_back(
          along_x ? t + x0 : static_cast<int>(x0 + slope * t + 0.5),
          along_x ? static_cast<int>(y0 + slope * t + 0.5) : t + y0);
    }
  }
  std::vector<int64_t> crossings;
  for (size_t i = 1; i < points.size(); ++i) {
    const auto [x, y] = points[i];
    const auto [last_x, last_y] = points[i - 1];
    const int left = std::min(x, last_x);
    if (x == last_x || left < 2 || left % 5 != 2) continue;
    if (left / 5 >= size.width) continue;
    const int upper = std::min(y, last_y);
    const int row = upper <= 2 ? 0 : (upper + 2) / 5;
    crossings.push_back(int64_t{left / 5} * size.height +
                        std::min(row, size.height));
  }
  std::sort(crossings.begin(), crossings.end());
  int64_t count = 0;
  for (size_t i = 0; i + 1 < crossings.size(); i += 2) {
    count += crossings[i + 1] - crossings[i];
  }
  return count;
}

TEST(RasterizePolygonTest, LooksAtTheCrossingsOnlyAndFindsTheSamePixels) {
  std::mt19937 random(1);
  const ImageSize size = {23, 31};
  int64_t covered = 0;
  for (int i = 0; i < 2000; ++i) {
    const double reach = i % 3 == 0 ? 2000 : 60;
    const double step = i % 2 == 0 ? 0.1 : 0.25;
    std::vector<double> xy;
    const size_t points = 3 + random() % 8;
    for (size_t j = 0; j < 2 * points; ++j) {
      const double unit = static_cast<double>(random()) / random.max();
      xy.push_back(std::round((unit - 0.4) * reach / step) * step);
    }
    const int64_t expected = CountPixelsByWalking(xy, size);
    ASSERT_EQ(CountPixels(RasterizePolygon(xy, size)), expected) << i;
    covered += expected;
  }
  EXPECT_GT(covered, 100000);
}

TEST(RasterizePolygonTest, WorkDependsOnTheImageAlone) {
  // A triangle to the end of what is allowed, and a zigzag of as long edges:
  // 40 million grid points each.
  const ImageSize size = {100, 100};
  const std::vector<double> triangle = {0, 0, 1e6, 0, 0, 1e6};
  EXPECT_EQ(CountCrossings(triangle, size), 200);
  EXPECT_EQ(CountPixels(RasterizePolygon(triangle, size)), 10000);
  std::vector<double> zigzag;
  for (int i = 0; i < 10000; ++i) {
    zigzag.push_back(i % 2 == 0 ? -1e6 : 1e6);
    zigzag.push_back(i);
  }
  EXPECT_EQ(CountCrossings(zigzag, size), 1000000);
  EXPECT_GT(CountCrossings(zigzag, size), MaxCrossings(size));
}

TEST(UnionTest, CountsAnOverlapOnce) {
  const PixelRuns a = {{0, 4}, {10, 12}};
  const PixelRuns b = {{2, 6}, {12, 13}};
  EXPECT_EQ(CountPixels(Union({a, b})), 9);
  EXPECT_EQ(Union({a, b}).size(), 2u);
  EXPECT_TRUE(Union({}).empty());
}

TEST(RunsFromCountsTest, NeedsTheWholeImage) {
  EXPECT_EQ(CountPixels(*RunsFromCounts({2, 3, 1}, {2, 3})), 3);
  EXPECT_EQ(CountPixels(*RunsFromCounts({0, 6}, {2, 3})), 6);
  EXPECT_EQ(RunsFromCounts({2, 3}, {2, 3}).status().message(),
            "run lengths add up to 5 pixels, not to 2x3");
  EXPECT_FALSE(RunsFromCounts({4294967295u, 4294967295u}, {2, 3}).ok());
}

TEST(DecodeCompressedCountsTest, RefusesWhatIsNoSuchString) {
  const auto message = [](const std::string& text) {
    return std::string(DecodeCompressedCounts(text).status().message());
  };
  EXPECT_EQ(*DecodeCompressedCounts("12"), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(message("1 2"),
            "compressed run lengths: character 1 is none of '0' to 'o'");
  EXPECT_EQ(message("1P"),
            "compressed run lengths: the number that character 2 should end "
            "goes on");
  EXPECT_EQ(message("PPPPPPPPPPP0").find("compressed run lengths"), 0u);
  EXPECT_EQ(message("@"), "compressed run lengths: run 0 has the length -16");
}

}  // namespace
}  // namespace cnn_fp4::data
