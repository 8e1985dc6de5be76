#include "tools/fp4/geometry.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::fp4 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

quant::Recipe Find(const char* name) { return *quant::FindRecipe(name); }

Geometry Make(const std::vector<int64_t>& shape, int64_t axis,
              const char* recipe) {
  return *Geometry::Create(shape, axis, Find(recipe));
}

TEST(GeometryTest, ShapesOfThePartsFollowTheAxis) {
  const Geometry last = Make({2, 5, 33}, -1, "nvfp4");
  EXPECT_EQ(last.axis(), 2);
  EXPECT_THAT(last.CodesShape(), ElementsAre(2, 5, 17));
  EXPECT_THAT(last.ScalesShape(), ElementsAre(2, 5, 3));
  EXPECT_THAT(last.TensorScalesShape(), IsEmpty());

  const Geometry middle = Make({2, 33, 5}, 1, "mxfp4");
  EXPECT_THAT(middle.CodesShape(), ElementsAre(2, 33, 3));
  EXPECT_THAT(middle.ScalesShape(), ElementsAre(2, 2, 5));

  const Geometry tiles = Make({3, 17, 40}, -1, "nvfp4_2d");
  EXPECT_THAT(tiles.ScalesShape(), ElementsAre(3, 2, 3));

  const Geometry rows = Make({4, 20, 3}, 1, "nvfp4_rowscaled");
  EXPECT_THAT(rows.TensorScalesShape(), ElementsAre(4, 1, 3));

  EXPECT_THAT(Make({4, 20}, 0, "fp4_per_channel").ScalesShape(),
              ElementsAre(1, 20));
  EXPECT_THAT(Make({4, 20}, 0, "fp4_per_tensor").ScalesShape(), IsEmpty());
  EXPECT_THAT(Make({4, 20}, 0, "fp4_per_tensor+sr").ScalesShape(), IsEmpty());
}

TEST(GeometryTest, RefusesWhatHasNoBlocks) {
  const auto message = [](const std::vector<int64_t>& shape, int64_t axis,
                          const char* recipe) {
    return std::string(
        Geometry::Create(shape, axis, Find(recipe)).status().message());
  };
  EXPECT_THAT(message({}, -1, "nvfp4"), HasSubstr("a scalar"));
  EXPECT_THAT(message({4}, 1, "nvfp4"), HasSubstr("axis 1 is out of range"));
  EXPECT_THAT(message({4}, -2, "nvfp4"), HasSubstr("axis -2 is out of range"));
  EXPECT_THAT(message({4}, -1, "nvfp4_2d"), HasSubstr("last two dimensions"));
  EXPECT_THAT(message({4, 4}, 0, "nvfp4_2d"), HasSubstr("last two"));
}

// Chunks are in order, cover elements and scales once, and have whole blocks.
void ExpectCover(const Geometry& geometry, int64_t target, const char* what) {
  SCOPED_TRACE(testing::Message() << what << ", target " << target);
  const auto chunks = geometry.Chunks(target);
  ASSERT_TRUE(chunks.ok()) << chunks.status();
  int64_t elements = 0;
  int64_t scales = 0;
  for (const Chunk& chunk : *chunks) {
    EXPECT_EQ(chunk.begin, elements);
    EXPECT_EQ(chunk.scales_begin, scales);
    EXPECT_EQ(chunk.grid.size(), chunk.size);
    EXPECT_EQ(chunk.grid.num_blocks(), chunk.num_scales);
    // Starts a byte of the file.
    EXPECT_EQ(chunk.begin % geometry.shape().back() % 2, 0);
    elements += chunk.size;
    scales += chunk.num_scales;
  }
  EXPECT_EQ(elements, geometry.size());
  int64_t expected = geometry.size() == 0 ? 0 : 1;
  for (const int64_t extent : geometry.ScalesShape()) expected *= extent;
  EXPECT_EQ(scales, expected);
}

TEST(GeometryTest, ChunksCoverTheTensor) {
  for (const char* recipe :
       {"nvfp4", "mxfp4", "nvfp4_2d", "nvfp4_rowscaled", "fp4_per_channel",
        "fp4_per_tensor", "mxfp4+block=5"}) {
    for (const int64_t target : {1, 40, 100, 1000, 1 << 20}) {
      ExpectCover(Make({3, 37, 35}, 2, recipe), target, recipe);
      ExpectCover(Make({2, 100}, 1, recipe), target, recipe);
      ExpectCover(Make({0, 100}, 1, recipe), target, recipe);
      ExpectCover(Make({100, 0}, 1, recipe), target, recipe);
      if (Find(recipe).block_rows > 1) continue;
      ExpectCover(Make({3, 37, 35}, 1, recipe), target, recipe);
      ExpectCover(Make({3, 37, 35}, 0, recipe), target, recipe);
      ExpectCover(Make({1000}, 0, recipe), target, recipe);
    }
  }
}

TEST(GeometryTest, ChunksAreAsSmallAsTheirBlocksAllow) {
  EXPECT_EQ(Make({64, 64}, 1, "nvfp4").Chunks(256)->size(), 16u);
  EXPECT_EQ(Make({64, 64}, 0, "nvfp4").Chunks(1)->size(), 4u);
  EXPECT_EQ(Make({64, 64}, 1, "nvfp4_2d").Chunks(1)->size(), 4u);
  EXPECT_EQ(Make({4096}, 0, "mxfp4").Chunks(1024)->size(), 4u);
}

TEST(GeometryTest, RowsBeginABytes) {
  const Geometry geometry = Make({2, 3}, 1, "nvfp4");
  EXPECT_FALSE(geometry.RowsAreEven());
  // Elements 1..6, even element low.
  const std::vector<uint8_t> packed = {0x21, 0x43, 0x65};
  std::vector<uint8_t> file(geometry.CodesBytes(0, 6));
  geometry.ToFile(0, 6, packed, absl::MakeSpan(file));
  EXPECT_THAT(file, ElementsAre(0x21, 0x03, 0x54, 0x06));
  std::vector<uint8_t> back(3);
  geometry.FromFile(0, 6, file, absl::MakeSpan(back));
  EXPECT_EQ(back, packed);
  // The second row alone.
  EXPECT_EQ(geometry.CodesOffset(3), 2);
  EXPECT_EQ(geometry.CodesBytes(3, 3), 2);
}

TEST(GeometryTest, ABlockBeyondAllBoundsIsTheWholeAxis) {
  const Geometry geometry = Make({3, 7}, 1, "mxfp4+block=9223372036854775807");
  EXPECT_THAT(geometry.ScalesShape(), ElementsAre(3, 1));
  EXPECT_EQ(geometry.Chunks(1)->size(), 3u);
}

TEST(GeometryTest, TilesAreAtMostAsLargeAsTheTensor) {
  for (const char* recipe :
       {"nvfp4_2d+block=0", "nvfp4_2d+block=9223372036854775807"}) {
    const Geometry geometry = Make({40, 7}, 1, recipe);
    EXPECT_THAT(geometry.ScalesShape(), ElementsAre(3, 1)) << recipe;
    ExpectCover(geometry, 1, recipe);
    EXPECT_THAT(Make({5, 0}, 1, recipe).ScalesShape(), ElementsAre(1, 0));
  }
}

}  // namespace
}  // namespace cnn_fp4::fp4
