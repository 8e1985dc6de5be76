#include "telemetry/run.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::telemetry {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

// What the sinks below saw, kept beyond their life.
struct Seen {
  std::vector<std::string> records;
  int finished = 0;
};

std::string Describe(const Record& record) {
  if (const auto* scalars = std::get_if<Scalars>(&record.payload)) {
    return absl::StrCat("s", scalars->step);
  }
  if (const auto* text = std::get_if<Text>(&record.payload)) {
    return "t" + text->text;
  }
  if (const auto* gap = std::get_if<Gap>(&record.payload)) {
    return absl::StrCat("gap", gap->records);
  }
  if (const auto* exit = std::get_if<Exit>(&record.payload)) {
    return absl::StrCat("exit", exit->code);
  }
  return "other";
}

class FakeSink : public Sink {
 public:
  explicit FakeSink(Seen* seen, int fail_at = -1)
      : seen_(seen), fail_at_(fail_at) {}

  absl::Status Write(const Record& record) override {
    if (static_cast<int>(seen_->records.size()) == fail_at_) {
      return absl::ResourceExhaustedError("no space left");
    }
    seen_->records.push_back(Describe(record));
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    ++seen_->finished;
    return absl::OkStatus();
  }
  std::string name() const override { return "fake"; }

 private:
  Seen* seen_;
  int fail_at_;
};

// Holds the writer thread in the first Write until released.
class StuckSink : public FakeSink {
 public:
  StuckSink(Seen* seen, absl::Notification* entered,
            absl::Notification* release)
      : FakeSink(seen), entered_(entered), release_(release) {}

  absl::Status Write(const Record& record) override {
    if (!entered_->HasBeenNotified()) entered_->Notify();
    release_->WaitForNotification();
    return FakeSink::Write(record);
  }

 private:
  absl::Notification* entered_;
  absl::Notification* release_;
};

// Fails `failures` times, then works.
class FlakySink : public FakeSink {
 public:
  FlakySink(Seen* seen, int works, int failures,
            absl::StatusCode code = absl::StatusCode::kResourceExhausted)
      : FakeSink(seen), works_(works), failures_(failures), code_(code) {}

  absl::Status Write(const Record& record) override {
    if (works_-- <= 0 && failures_-- > 0) {
      return absl::Status(code_, "no space left");
    }
    return FakeSink::Write(record);
  }

 private:
  int works_;
  int failures_;
  absl::StatusCode code_;
};

template <typename... S>
std::vector<std::unique_ptr<Sink>> Sinks(S... sinks) {
  std::vector<std::unique_ptr<Sink>> list;
  (list.push_back(std::move(sinks)), ...);
  return list;
}

Record Step(int64_t step) { return {Scalars{step, {{"loss", 0.5f}}}, "fp16"}; }

TEST(RunTest, DeliversInOrderAndEndsWithExit) {
  Seen seen;
  telemetry::Run run(std::make_unique<FakeSink>(&seen));
  run.Log(Step(1));
  run.Log({Text{"note", "a"}});
  run.Log(Step(2));
  EXPECT_TRUE(run.Finish(143).ok());
  EXPECT_THAT(seen.records, ElementsAre("s1", "ta", "s2", "exit143"));
  EXPECT_EQ(seen.finished, 1);
  run.Log(Step(3));
  EXPECT_TRUE(run.Finish(0).ok());
  EXPECT_EQ(seen.records.size(), 4u);
  EXPECT_EQ(seen.finished, 1);
}

TEST(RunTest, WithoutFinishThereIsNoExitRecord) {
  Seen seen;
  {
    telemetry::Run run(std::make_unique<FakeSink>(&seen));
    run.Log(Step(1));
  }
  EXPECT_THAT(seen.records, ElementsAre("s1"));
  EXPECT_EQ(seen.finished, 1);
}

TEST(RunTest, FlushWaitsForWhatWasLogged) {
  Seen seen;
  telemetry::Run run(std::make_unique<FakeSink>(&seen));
  for (int64_t step = 0; step < 1000; ++step) run.Log(Step(step));
  run.Flush();
  EXPECT_EQ(seen.records.size(), 1000u);
}

TEST(RunTest, FlushWaitsForTheRecordThatIsBeingWritten) {
  Seen seen;
  absl::Notification entered;
  absl::Notification release;
  telemetry::Run run(std::make_unique<StuckSink>(&seen, &entered, &release));
  run.Log(Step(1));
  entered.WaitForNotification();  // The queue is empty now.
  std::thread releaser([&] {
    absl::SleepFor(absl::Milliseconds(50));
    release.Notify();
  });
  run.Flush();
  EXPECT_TRUE(release.HasBeenNotified());
  EXPECT_EQ(seen.records.size(), 1u);
  releaser.join();
}

TEST(RunTest, AFailingSinkSaysSoAndTheRunGoesWell) {
  Seen bad;
  Seen good;
  CaptureStderr();
  telemetry::Run run(std::make_unique<FakeSink>(&good),
                     Sinks(std::make_unique<FakeSink>(&bad, /*fail_at=*/1)));
  for (int64_t step = 1; step <= 3; ++step) run.Log(Step(step));
  EXPECT_TRUE(run.Finish(0).ok());
  EXPECT_EQ(GetCapturedStderr(),
            "telemetry: fake stopped: no space left\n"
            "telemetry: fake lacks the last 3 records\n");
  EXPECT_THAT(bad.records, ElementsAre("s1"));
  EXPECT_EQ(bad.finished, 0);
  EXPECT_THAT(good.records, ElementsAre("s1", "s2", "s3", "exit0"));
}

TEST(RunTest, AJournalThatFailsForAMomentLosesNothing) {
  Seen seen;
  telemetry::Run run(
      std::make_unique<FlakySink>(&seen, /*works=*/1, /*failures=*/2));
  for (int64_t step = 1; step <= 3; ++step) run.Log(Step(step));
  EXPECT_TRUE(run.Finish(0).ok());
  EXPECT_THAT(seen.records, ElementsAre("s1", "s2", "s3", "exit0"));
}

TEST(RunTest, WhatTheJournalLacksIsAGapAndTheRunHasFailed) {
  Seen seen;
  Seen other;
  CaptureStderr();
  telemetry::Run run(
      std::make_unique<FlakySink>(&seen, /*works=*/1, /*failures=*/3),
      Sinks(std::make_unique<FakeSink>(&other)),
      {1 << 20, absl::ZeroDuration()});
  for (int64_t step = 1; step <= 5; ++step) run.Log(Step(step));
  const absl::Status status = run.Finish(0);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("2 records"));
  EXPECT_EQ(GetCapturedStderr(), "telemetry: fake: no space left\n");
  // Step 2 fails, so does its gap, and the gap before step 3.
  EXPECT_THAT(seen.records, ElementsAre("s1", "gap2", "s4", "s5", "exit1"));
  EXPECT_THAT(other.records,
              ElementsAre("s1", "s2", "s3", "s4", "s5", "exit0"));
}

TEST(RunTest, AJournalThatWasRemovedIsNotWrittenAgain) {
  Seen seen;
  CaptureStderr();
  telemetry::Run run(std::make_unique<FlakySink>(
      &seen, /*works=*/1, /*failures=*/1, absl::StatusCode::kNotFound));
  run.Log(Step(1));
  run.Flush();
  EXPECT_TRUE(run.journal_status().ok());
  run.Log(Step(2));
  run.Flush();
  EXPECT_TRUE(absl::IsNotFound(run.journal_status()));
  run.Log(Step(3));
  EXPECT_FALSE(run.Finish(0).ok());
  GetCapturedStderr();
  EXPECT_THAT(seen.records, ElementsAre("s1"));
  EXPECT_EQ(seen.finished, 0);
}

TEST(RunTest, AStuckSinkCostsTextBeforeNumbersAndNeverBlocks) {
  Seen seen;
  absl::Notification entered;
  absl::Notification release;
  const Record a = {Text{"note", "a" + std::string(2000, '.')}};
  const Record b = {Text{"note", "b" + std::string(2000, '.')}};
  CaptureStderr();
  // Room for both texts and one step.
  telemetry::Run run(std::make_unique<StuckSink>(&seen, &entered, &release), {},
                     {Bytes(a) + Bytes(b) + Bytes(Step(1))});
  run.Log(Step(1));
  entered.WaitForNotification();
  run.Log(a);
  run.Log(Step(2));
  run.Log(b);
  EXPECT_EQ(run.lost(), 0);
  run.Log(Step(3));  // For text a.
  EXPECT_EQ(run.lost(), 1);
  int64_t step = 4;
  while (run.lost() == 1) run.Log(Step(step++));
  EXPECT_GT(step, 6);  // A text has the room of many numbers.
  while (run.lost() == 2) run.Log(Step(step++));  // The last one is lost.
  release.Notify();
  EXPECT_TRUE(absl::IsDataLoss(run.Finish(0)));
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("3 records lost"));
  EXPECT_THAT(seen.records, Contains("gap3"));
  EXPECT_THAT(seen.records, Contains(absl::StrCat("s", step - 2)));
  EXPECT_THAT(seen.records, Not(Contains(absl::StrCat("s", step - 1))));
  EXPECT_EQ(seen.records.back(), "exit1");
}

TEST(RunTest, StampsTheTimeOfTheCall) {
  class TimeSink : public Sink {
   public:
    explicit TimeSink(std::vector<absl::Time>* times) : times_(times) {}
    absl::Status Write(const Record& record) override {
      times_->push_back(record.time);
      return absl::OkStatus();
    }
    absl::Status Finish() override { return absl::OkStatus(); }
    std::string name() const override { return "time"; }

   private:
    std::vector<absl::Time>* times_;
  };
  std::vector<absl::Time> times;
  telemetry::Run run(std::make_unique<TimeSink>(&times));
  const absl::Time before = absl::Now();
  run.Log(Step(1));
  run.Log({Text{"", ""}, "", absl::FromUnixSeconds(7)});
  const absl::Time after = absl::Now();
  EXPECT_TRUE(run.Finish(0).ok());
  EXPECT_GE(times[0], before);
  EXPECT_LE(times[0], after);
  EXPECT_EQ(times[1], absl::FromUnixSeconds(7));
}

}  // namespace
}  // namespace cnn_fp4::telemetry
