#include "base/user_path.h"

#include <cstdlib>

#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

TEST(UserPathTest, RelativePathsAreMeantFromTheCallersDirectory) {
  setenv("BUILD_WORKING_DIRECTORY", "/home/me/project", 1);
  EXPECT_EQ(UserPath("images"), "/home/me/project/images");
  EXPECT_EQ(UserPath("../images"), "/home/me/images");
  EXPECT_EQ(UserPath("/data"), "/data");
  EXPECT_EQ(UserPath(""), "");
}

TEST(UserPathTest, OutsideOfBazelRunPathsStayAsTheyAre) {
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(UserPath("../images"), "../images");
  EXPECT_EQ(CallerDirectory(), "");
}

}  // namespace
}  // namespace cnn_fp4::base
