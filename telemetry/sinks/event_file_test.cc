#include "telemetry/sinks/event_file.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

// RFC 3720, B.4.
TEST(EventFileTest, ChecksumsAreCrc32c) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(MaskedCrc32c("\x1a\x11"
                         "CRC test, one two"),
            0x5794d08au);
}

TEST(EventFileTest, EachRecordIsFramedAndInTheFileAtOnce) {
  const std::string path = ::testing::TempDir() + "/events.out.tfevents.1";
  std::remove(path.c_str());
  auto file = EventFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append("abc").ok());
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  ASSERT_EQ(bytes.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(12, 3), "abc");
  EXPECT_TRUE(absl::IsAlreadyExists(EventFile::Create(path).status()));
}

TEST(EventFileTest, AMissingDirectoryIsAnError) {
  EXPECT_FALSE(EventFile::Create("/nonexistent/events").ok());
}

}  // namespace
}  // namespace cnn_fp4::telemetry
