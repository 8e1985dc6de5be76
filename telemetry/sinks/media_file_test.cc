#include "telemetry/sinks/media_file.h"

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::HasSubstr;

TEST(ReadMediaFile, GivesTheBytesOfAFileInTheRunsDirectory) {
  const std::string run = ::testing::TempDir();
  const std::string bytes("a\0\r\n\xff", 5);
  std::ofstream(run + "/picture.png", std::ios::binary) << bytes;
  const auto read = ReadMediaFile(run, "picture.png");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, bytes);
}

TEST(ReadMediaFile, NamesWhatIsMissingOrElsewhere) {
  const std::string run = ::testing::TempDir();
  const absl::Status missing = ReadMediaFile(run, "plots/none.png").status();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(std::string(missing.message()), HasSubstr("plots/none.png"));
  for (const char* outside : {"../a.png", "a/../../b.png", "/etc/passwd", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ReadMediaFile(run, outside).status()))
        << outside;
  }
}

TEST(PngSize, ReadsTheHeader) {
  const std::string png(
      "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\x02\0\0\0\x03\x08\x02\0\0\0",
      29);
  const auto size = PngSize(png);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(size->width, 258u);
  EXPECT_EQ(size->height, 3u);
  EXPECT_FALSE(PngSize(png.substr(0, 23)).ok());
  EXPECT_FALSE(PngSize("<html>").ok());
}

}  // namespace
}  // namespace cnn_fp4::telemetry
