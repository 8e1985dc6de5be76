#include "base/read_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

TEST(ReadSmallFile, GivesTheBytes) {
  const std::string path = ::testing::TempDir() + "/small";
  const std::string bytes("a\0\nb\xff", 5);
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(*ReadSmallFile(path), bytes);
  std::ofstream(path, std::ios::trunc);
  EXPECT_EQ(*ReadSmallFile(path), "");
}

TEST(ReadSmallFile, NeverBeginsWhatMightNotEnd) {
  const std::string base = ::testing::TempDir();
  const std::string pipe = base + "/pipe";
  mkfifo(pipe.c_str(), 0600);
  for (const std::string& path :
       {pipe, base, std::string("/dev/zero"), std::string("/dev/null")}) {
    const absl::Status status = ReadSmallFile(path).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(status.message(), path + ": not a regular file");
  }
  const absl::Status none = ReadSmallFile(base + "/none").status();
  EXPECT_TRUE(absl::IsNotFound(none)) << none;
  EXPECT_EQ(none.message(), base + "/none: no such file");
  const std::string large = base + "/large";
  std::ofstream(large) << "x";
  std::filesystem::resize_file(large, int64_t{200} << 30);  // Sparse.
  EXPECT_EQ(ReadSmallFile(large).status().message(),
            large + ": 214748364800 bytes, more than the limit of 67108864");
  std::filesystem::remove(large);
}

}  // namespace
}  // namespace cnn_fp4::base
