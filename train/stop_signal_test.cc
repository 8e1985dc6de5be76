#include "train/stop_signal.h"

#include <signal.h>

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

TEST(StopSignal, RemembersTheFirstSignalAndDiesOfTheSecond) {
  InstallStopSignalHandlers();
  EXPECT_EQ(StopSignal(), 0);
  raise(SIGTERM);
  EXPECT_EQ(StopSignal(), SIGTERM);
  EXPECT_EXIT(raise(SIGTERM), ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace cnn_fp4::train
