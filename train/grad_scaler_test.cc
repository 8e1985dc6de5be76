#include "train/grad_scaler.h"

#include "gtest/gtest.h"

namespace cnn_fp4::train {
namespace {

TEST(GradScaler, BacksOffAndGrowsAsTorchs) {
  GradScalerOptions options;
  options.growth_interval = 3;
  GradScaler scaler(options);
  EXPECT_EQ(scaler.scale(), 65536.0);
  EXPECT_FALSE(scaler.Update(false));
  EXPECT_EQ(scaler.scale(), 32768.0);
  EXPECT_TRUE(scaler.Update(true));
  EXPECT_TRUE(scaler.Update(true));
  // A bad step starts the count anew.
  EXPECT_FALSE(scaler.Update(false));
  EXPECT_EQ(scaler.scale(), 16384.0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(scaler.scale(), 16384.0);
    EXPECT_TRUE(scaler.Update(true));
  }
  EXPECT_EQ(scaler.scale(), 32768.0);
  EXPECT_EQ(scaler.state().skipped_steps, 2);
}

TEST(GradScaler, DisabledSkipsBadStepsAtScaleOne) {
  GradScalerOptions options;
  options.enabled = false;
  options.growth_interval = 1;
  GradScaler scaler(options);
  EXPECT_TRUE(scaler.Update(true));
  EXPECT_FALSE(scaler.Update(false));
  EXPECT_EQ(scaler.scale(), 1.0);
}

TEST(GradScaler, ContinuesFromASavedState) {
  GradScaler a({}), b({});
  a.Update(false);
  a.Update(true);
  b.set_state(a.state());
  EXPECT_EQ(b.scale(), a.scale());
  EXPECT_EQ(b.state().good_steps, 1);
}

}  // namespace
}  // namespace cnn_fp4::train
