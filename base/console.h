#ifndef BASE_CONSOLE_H_
#define BASE_CONSOLE_H_

// Lines and at most one status line (a progress bar) on one file descriptor.
// Everything that a process tells a person while it works goes through one
// Console, so that a log line and a bar never mix.
//
//   Console::Stderr().Line("checkpoint step-000040.pt");

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace cnn_fp4::base {

// An environment variable, or nullptr.
using Environment = std::function<const char*(const char*)>;

// Thread-safe. Errors of write(2) are ignored: a closed terminal must not stop
// a training.
class Console {
 public:
  // `fd` is not owned. An empty `environment` is getenv.
  explicit Console(int fd, Environment environment = {});

  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  static Console& Stderr();

  // A terminal that understands '\r' and escape sequences: TERM is not "dumb".
  bool is_terminal() const { return is_terminal_; }
  // A terminal, and NO_COLOR (https://no-color.org) is unset or empty.
  bool color() const { return color_; }
  // The locale's character set is UTF-8.
  bool utf8() const { return utf8_; }
  // CI is set to something other than "", "0", "false".
  bool ci() const { return ci_; }

  // Columns now: of the terminal, else COLUMNS, else 80.
  int Width() const;

  // Writes the line, and on a terminal redraws the status below it.
  void Line(absl::string_view line);

  // Called with each Line after it was written, by the thread that wrote it;
  // {}: nobody is. A call may still be going on when this returns.
  using Listener = std::function<void(absl::string_view line)>;
  void SetListener(Listener listener);

  // Draws or replaces the status line, in one write(2). It must not be wider
  // than the terminal. Ignored unless is_terminal().
  void SetStatus(absl::string_view status);

  // Ends the status line with a line break and forgets it.
  void EndStatus();

 private:
  void Write(absl::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int fd_;
  const Environment environment_;
  bool is_terminal_;
  bool color_;
  bool utf8_;
  bool ci_;

  absl::Mutex mutex_;
  std::string status_ ABSL_GUARDED_BY(mutex_);
  Listener listener_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cnn_fp4::base

#endif  // BASE_CONSOLE_H_
