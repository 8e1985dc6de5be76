#include "base/process_start.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

// In a process of its own; the variable keeps it from being started anew.
void Start() {
  setenv("OMP_NUM_THREADS", "1", /*overwrite=*/1);
  char* arguments[] = {nullptr};
  StartProcess(arguments);
}

TEST(StartProcess, NoFileGetsTheNumberOfStandardError) {
  EXPECT_EXIT(
      {
        for (const int fd : {0, 1, 2}) close(fd);
        Start();
        const int fd = open("/dev/null", O_WRONLY);
        _exit(fd > 2 && write(2, "x", 1) == 1 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(StartProcess, WritingToNobodyIsAnError) {
  EXPECT_EXIT(
      {
        Start();
        int ends[2];
        if (pipe(ends) != 0) _exit(2);
        close(ends[0]);
        _exit(write(ends[1], "x", 1) == -1 && errno == EPIPE ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(StartProcess, WritingBeyondTheLimitIsAnError) {
  const std::string path = ::testing::TempDir() + "/limited";
  const rlimit limit = {0, 0};
  EXPECT_EXIT(
      {
        Start();
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
        const int fd = open(path.c_str(), O_WRONLY | O_CREAT, 0666);
        _exit(write(fd, "x", 1) == -1 && errno == EFBIG ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(StartProcess, AnExceptionThatNobodyCatchesIsALine) {
  const auto ends = [](auto exception) {
    Start();
    std::thread([&] { throw exception; }).join();
  };
  EXPECT_EXIT(ends(std::runtime_error("no luck\nat frame #0")),
              ::testing::ExitedWithCode(1), "^error: no luck\n$");
  EXPECT_EXIT(ends(std::bad_alloc()), ::testing::ExitedWithCode(1),
              "^error: out of memory; a smaller --batch_size or --crop needs "
              "less\n$");
  EXPECT_EXIT(ends(std::runtime_error(std::string(5000, 'x'))),
              ::testing::ExitedWithCode(1), "^error: x{999}\n$");
  EXPECT_EXIT(ends(3), ::testing::ExitedWithCode(1),
              "^error: an unknown exception\n$");
}

}  // namespace
}  // namespace cnn_fp4::base
