#include "base/console.h"

#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace cnn_fp4::base {
namespace {

using ::testing::ElementsAre;

TEST(ConsoleTest, TheListenerHearsLinesAndNoStatus) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Console console(ends[1]);
  std::vector<std::string> heard;
  console.Line("before");
  console.SetListener(
      [&heard](absl::string_view line) { heard.emplace_back(line); });
  console.Line("one");
  console.SetStatus("a bar");
  console.Line("two");
  console.SetListener({});
  console.Line("after");
  EXPECT_THAT(heard, ElementsAre("one", "two"));
  close(ends[1]);
  std::string written(64, '\0');
  written.resize(static_cast<size_t>(read(ends[0], &written[0], 64)));
  EXPECT_EQ(written, "before\none\ntwo\nafter\n");
  close(ends[0]);
}

}  // namespace
}  // namespace cnn_fp4::base
