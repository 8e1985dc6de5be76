#include "train/stop_signal.h"

#include <signal.h>

#include <cstdlib>

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

TEST(StopSignal, HangingUpIsAStopUnlessItWasIgnored) {
  const auto raise_after = [](void (*before)(int)) {
    signal(SIGHUP, before);
    InstallStopSignalHandlers();
    raise(SIGHUP);
    std::exit(StopSignal());
  };
  EXPECT_EXIT(raise_after(SIG_DFL), ::testing::ExitedWithCode(SIGHUP), "");
  EXPECT_EXIT(raise_after(SIG_IGN), ::testing::ExitedWithCode(0), "");
}

TEST(StopSignal, RemembersTheFirstSignalAndDiesOfTheSecond) {
  InstallStopSignalHandlers();
  EXPECT_EQ(StopSignal(), 0);
  raise(SIGTERM);
  EXPECT_EQ(StopSignal(), SIGTERM);
  EXPECT_EXIT(raise(SIGTERM), ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace cnn_fp4::train
