#include "base/atomic_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path Directory() {
  const fs::path directory =
      fs::path(::testing::TempDir()) /
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(directory);
  fs::create_directories(directory);
  return directory;
}

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(WriteFileAtomicallyTest, MakesDirectoriesAndLeavesNothingElse) {
  const fs::path path = Directory() / "a" / "b" / "file.txt";
  const std::string contents("x\0y", 3);
  ASSERT_TRUE(WriteFileAtomically(path.string(), contents).ok());
  EXPECT_EQ(Read(path), contents);
  EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), {}), 1);
}

TEST(WriteFileAtomicallyTest, ReplacesByRenameNotByTruncation) {
  const fs::path path = Directory() / "file.txt";
  ASSERT_TRUE(WriteFileAtomically(path.string(), "old contents").ok());
  std::ifstream reader(path);
  ASSERT_TRUE(WriteFileAtomically(path.string(), "new").ok());
  // Who had the old file open still reads it in full.
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}),
            "old contents");
  EXPECT_EQ(Read(path), "new");
}

TEST(WriteFileAtomicallyTest, ErrorNamesThePathAndLeavesNoTemporary) {
  const fs::path directory = Directory();
  // A directory under the final name makes the last action, the rename, fail.
  fs::create_directories(directory / "taken" / "inner");
  const absl::Status status =
      WriteFileAtomically((directory / "taken").string(), "x");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("taken"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 1);

  ASSERT_TRUE(WriteFileAtomically((directory / "file").string(), "x").ok());
  EXPECT_FALSE(
      WriteFileAtomically((directory / "file" / "below").string(), "x").ok());
}

}  // namespace
}  // namespace cnn_fp4::base
