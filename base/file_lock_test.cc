#include "base/file_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

using ::testing::HasSubstr;

std::string Path(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

TEST(FileLockTest, IsHeldUntilItsEnd) {
  const std::string path = Path("scope");
  {
    const auto first = FileLock::Acquire(path);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(FileLock::Acquire(path).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_TRUE(FileLock::Acquire(path).ok());
}

TEST(FileLockTest, TellsWhetherItIsHeldWithoutTakingIt) {
  const std::string path = Path("held");
  EXPECT_FALSE(FileLock::IsHeld(path));
  {
    const auto lock = FileLock::Acquire(path);
    ASSERT_TRUE(lock.ok()) << lock.status();
    EXPECT_TRUE(FileLock::IsHeld(path));
  }
  EXPECT_FALSE(FileLock::IsHeld(path));
  EXPECT_TRUE(FileLock::Acquire(path).ok());
}

TEST(FileLockTest, MovesWithItsObject) {
  const std::string path = Path("move");
  FileLock kept;
  {
    auto lock = FileLock::Acquire(path);
    ASSERT_TRUE(lock.ok()) << lock.status();
    kept = *std::move(lock);
  }
  EXPECT_FALSE(FileLock::Acquire(path).ok());
  kept = FileLock();
  EXPECT_TRUE(FileLock::Acquire(path).ok());
}

// A child takes the lock, says so through a pipe, and is killed: what it held
// is free again.
TEST(FileLockTest, NamesTheProcessAndSurvivesItsKilling) {
  const std::string path = Path("process");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FileLock::Acquire(path);
    const char answer = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &answer, 1) == 1) pause();
    _exit(0);
  }
  char answer = '?';
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_THAT(FileLock::Acquire(path).status().message(),
              HasSubstr(absl::StrCat("process ", child, " holds it")));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock::Acquire(path).ok());
}

TEST(FileLockTest, NamesAFileThatCannotBe) {
  EXPECT_THAT(FileLock::Acquire(Path("none/lock")).status().message(),
              HasSubstr("none/lock"));
}

}  // namespace
}  // namespace cnn_fp4::base
