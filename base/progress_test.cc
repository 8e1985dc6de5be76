#include "base/progress.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/console.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

using Variables = std::map<std::string, std::string>;

Environment Fake(Variables variables) {
  auto shared = std::make_shared<Variables>(std::move(variables));
  return [shared](const char* name) -> const char* {
    const auto it = shared->find(name);
    return it == shared->end() ? nullptr : it->second.c_str();
  };
}

// Two ends of a terminal or of a pipe; a thread reads all that is written.
class Stream {
 public:
  static Stream Pipe() {
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    return Stream(fds[0], fds[1]);
  }
  static Stream Terminal(uint16_t columns) {
    int master = -1;
    int slave = -1;
    winsize size = {24, columns, 0, 0};
    termios raw = {};
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    // No translation of '\n': what is read is what was written.
    EXPECT_EQ(::tcgetattr(slave, &raw), 0);
    ::cfmakeraw(&raw);
    EXPECT_EQ(::tcsetattr(slave, TCSANOW, &raw), 0);
    return Stream(master, slave);
  }

  int fd() const { return write_fd_; }

  // Closes the writing end and returns everything.
  std::string Close() {
    ::close(write_fd_);
    reader_.join();
    ::close(read_fd_);
    return *text_;
  }

 private:
  Stream(int read_fd, int write_fd)
      : read_fd_(read_fd),
        write_fd_(write_fd),
        text_(std::make_unique<std::string>()),
        reader_([read_fd, text = text_.get()] {
          char buffer[4096];
          ssize_t n;
          while ((n = ::read(read_fd, buffer, sizeof(buffer))) > 0) {
            text->append(buffer, static_cast<size_t>(n));
          }
        }) {}

  int read_fd_;
  int write_fd_;
  std::unique_ptr<std::string> text_;
  std::thread reader_;
};

// Ten quick steps with a milestone in the middle.
void Loop(ProgressMode mode, Console* console, ProgressOptions options = {}) {
  options.console = console;
  Progress progress(mode, "fp16", 10, options);
  for (int64_t step = 1; step <= 10; ++step) {
    progress.Update(step, {{"loss", 1.0 / static_cast<double>(step)}});
    if (step == 5) progress.Milestone({{"mIoU", 0.5}});
    if (step == 7) progress.Message("a message");
  }
}

std::string Piped(ProgressMode mode) {
  Stream stream = Stream::Pipe();
  Console console(stream.fd(), Fake({}));
  Loop(mode, &console);
  return stream.Close();
}

std::string OnTerminal(ProgressMode mode, uint16_t columns,
                       const Variables& variables) {
  Stream stream = Stream::Terminal(columns);
  Console console(stream.fd(), Fake(variables));
  Loop(mode, &console);
  return stream.Close();
}

TEST(ProgressTest, PipedOutputIsCompletePlainLines) {
  const std::string text = Piped(ProgressMode::kAuto);
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\r")), Not(HasSubstr("\033")),
                          EndsWith("\n")));
  const std::vector<std::string> lines =
      absl::StrSplit(text, '\n', absl::SkipEmpty());
  // Start, milestone, message, end: ten steps in no time give no more.
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_THAT(lines[0], HasSubstr("fp16 0/10 0% "));
  EXPECT_THAT(lines[1], AllOf(HasSubstr("5/10 50%"), HasSubstr("mIoU=0.5")));
  EXPECT_EQ(lines[2], "a message");
  EXPECT_THAT(lines[3], AllOf(HasSubstr("10/10 100%"), HasSubstr("loss=0.1 ")));
}

TEST(ProgressTest, ABarWithoutATerminalIsLines) {
  EXPECT_THAT(Piped(ProgressMode::kBar),
              AllOf(Not(HasSubstr("\r")), HasSubstr("10/10 100%")));
}

TEST(ProgressTest, AMilestoneIsALineOfItsInterval) {
  Stream stream = Stream::Pipe();
  Console console(stream.fd(), Fake({}));
  ProgressOptions options;
  options.console = &console;
  options.redraw_interval = absl::Milliseconds(5);
  options.line_interval = absl::Seconds(1);
  {
    Progress progress(ProgressMode::kLines, "x", 0, options);
    progress.Update(1);
    absl::SleepFor(absl::Milliseconds(500));
    progress.Milestone();
    progress.Update(2);
    absl::SleepFor(absl::Milliseconds(600));
  }
  const std::vector<std::string> lines =
      absl::StrSplit(stream.Close(), '\n', absl::SkipEmpty());
  EXPECT_THAT(lines, SizeIs(3));  // Start, milestone, end.
}

TEST(ProgressTest, AMilestoneAtTheEndIsNotSaidTwice) {
  Stream stream = Stream::Pipe();
  Console console(stream.fd(), Fake({}));
  ProgressOptions options;
  options.console = &console;
  {
    Progress progress(ProgressMode::kLines, "x", 2, options);
    progress.Update(2);
    progress.Milestone({{"mIoU", 0.5}});
  }
  const std::vector<std::string> lines =
      absl::StrSplit(stream.Close(), '\n', absl::SkipEmpty());
  ASSERT_THAT(lines, SizeIs(2));  // Start, milestone.
  EXPECT_THAT(lines[1], HasSubstr("mIoU=0.5"));
}

TEST(ProgressTest, JsonIsALineForProgramsAtTheSameMoments) {
  Stream stream = Stream::Pipe();
  Console console(stream.fd(), Fake({}));
  ProgressOptions options;
  options.console = &console;
  {
    Progress progress(ProgressMode::kJson, "x", 2, options);
    progress.Update(2);
    progress.Milestone({{"mIoU", 0.5}});
  }
  const std::vector<std::string> lines =
      absl::StrSplit(stream.Close(), '\n', absl::SkipEmpty());
  ASSERT_THAT(lines, SizeIs(2));  // Start, milestone.
  EXPECT_THAT(lines[0], HasSubstr("\"done\":0,\"total\":2"));
  EXPECT_THAT(lines[1], HasSubstr("\"fields\":{\"mIoU\":0.5}}"));
}

TEST(ProgressTest, LinesComeAtTheInterval) {
  Stream stream = Stream::Pipe();
  Console console(stream.fd(), Fake({}));
  ProgressOptions options;
  options.console = &console;
  options.redraw_interval = absl::Milliseconds(5);
  options.line_interval = absl::Milliseconds(60);
  const absl::Time begin = absl::Now();
  {
    Progress progress(ProgressMode::kLines, "x", 0, options);
    for (int i = 1; i <= 25; ++i) {
      progress.Update(i);
      absl::SleepFor(absl::Milliseconds(10));
    }
  }
  const absl::Duration elapsed = absl::Now() - begin;
  const std::vector<std::string> lines =
      absl::StrSplit(stream.Close(), '\n', absl::SkipEmpty());
  // Start and end, and about four between; a busy machine may skip some.
  EXPECT_GE(lines.size(), 3u);
  EXPECT_LE(static_cast<double>(lines.size()),
            2 + absl::FDivDuration(elapsed, options.line_interval));
}

TEST(ProgressTest, TerminalGetsABarThatRedrawsInPlace) {
  const std::string text = OnTerminal(ProgressMode::kAuto, 80, {});
  EXPECT_THAT(text, HasSubstr("\rfp16:   0%|"));
  EXPECT_THAT(text, HasSubstr("\r\033[Ka message\nfp16:"));
  EXPECT_THAT(text, HasSubstr("100%|"));
  EXPECT_THAT(text, EndsWith("]\033[K\n"));
  // Only the message and the end break the line.
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(ProgressTest, RedrawsAreBounded) {
  Stream stream = Stream::Terminal(80);
  Console console(stream.fd(), Fake({}));
  ProgressOptions options;
  options.console = &console;
  {
    Progress progress(ProgressMode::kBar, "x", 1000000, options);
    const absl::Time end = absl::Now() + absl::Milliseconds(350);
    for (int64_t i = 1; absl::Now() < end; ++i) progress.Update(i);
  }
  const std::string text = stream.Close();
  const auto redraws = std::count(text.begin(), text.end(), '\r');
  EXPECT_GE(redraws, 2);
  EXPECT_LE(redraws, 2 + 4);
}

TEST(ProgressTest, NarrowTerminalsNeverWrap) {
  for (const uint16_t columns : {20, 40}) {
    const std::string text = OnTerminal(ProgressMode::kBar, columns, {});
    for (const absl::string_view redraw : absl::StrSplit(text, '\r')) {
      const absl::string_view bar = redraw.substr(0, redraw.find('\033'));
      EXPECT_LT(std::count_if(bar.begin(), bar.end(),
                              [](char c) { return (c & 0xc0) != 0x80; }),
                columns);
    }
  }
}

TEST(ProgressTest, DumbTerminalsAndCiGetLines) {
  for (const Variables& variables :
       {Variables{{"TERM", "dumb"}}, Variables{{"CI", "true"}}}) {
    const std::string text = OnTerminal(ProgressMode::kAuto, 80, variables);
    EXPECT_THAT(text, AllOf(Not(HasSubstr("\r")), Not(HasSubstr("\033")),
                            HasSubstr("10/10 100%")));
  }
  EXPECT_THAT(OnTerminal(ProgressMode::kAuto, 80, {{"CI", "false"}}),
              HasSubstr("\r"));
}

TEST(ProgressTest, OffPrintsMessagesOnly) {
  EXPECT_EQ(Piped(ProgressMode::kOff), "a message\n");
}

TEST(ProgressTest, NanIsRedUnlessNoColor) {
  for (const bool no_color : {false, true}) {
    Stream stream = Stream::Terminal(80);
    Console console(stream.fd(), Fake(no_color ? Variables{{"NO_COLOR", "1"}}
                                               : Variables{}));
    ProgressOptions options;
    options.console = &console;
    {
      Progress progress(ProgressMode::kBar, "x", 2, options);
      progress.Update(1, {{"loss", std::nan("")}});
    }
    const std::string text = stream.Close();
    EXPECT_THAT(text, HasSubstr("loss=NaN"));
    EXPECT_EQ(absl::StrContains(text, "\033[31m"), !no_color);
  }
}

TEST(ConsoleTest, WidthIsTheTerminalsThenColumnsThen80) {
  Stream wide = Stream::Terminal(132);
  Stream unknown = Stream::Terminal(0);
  EXPECT_EQ(Console(wide.fd(), Fake({{"COLUMNS", "50"}})).Width(), 132);
  EXPECT_EQ(Console(unknown.fd(), Fake({{"COLUMNS", "50"}})).Width(), 50);
  EXPECT_EQ(Console(unknown.fd(), Fake({{"COLUMNS", "x"}})).Width(), 80);
  wide.Close();
  unknown.Close();
}

TEST(ConsoleTest, WithoutATerminalThereIsNoStatusLine) {
  Stream stream = Stream::Pipe();
  Console console(stream.fd(), Fake({}));
  console.SetStatus("status");
  console.Line("line");
  console.EndStatus();
  EXPECT_EQ(stream.Close(), "line\n");
}

TEST(ConsoleTest, AClosedStreamIsNoError) {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  Console console(fd, Fake({}));
  console.Line("lost");
  ::close(fd);
  console.Line("lost too");
}

TEST(ParseProgressModeTest, KnowsItsNames) {
  EXPECT_EQ(*ParseProgressMode("auto"), ProgressMode::kAuto);
  EXPECT_EQ(*ParseProgressMode("bar"), ProgressMode::kBar);
  EXPECT_EQ(*ParseProgressMode("lines"), ProgressMode::kLines);
  EXPECT_EQ(*ParseProgressMode("json"), ProgressMode::kJson);
  EXPECT_EQ(*ParseProgressMode("off"), ProgressMode::kOff);
  EXPECT_THAT(std::string(ParseProgressMode("loud").status().message()),
              HasSubstr("auto, bar, lines, json or off"));
}

}  // namespace
}  // namespace cnn_fp4::base
