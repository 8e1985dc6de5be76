#include "base/console.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cnn_fp4::base {
namespace {

constexpr int kDefaultWidth = 80;
// Back to the first column; erase from the cursor to the end of the line.
constexpr char kReturn[] = "\r";
constexpr char kEraseRest[] = "\033[K";

std::string Get(const Environment& environment, const char* name) {
  const char* value = environment ? environment(name) : ::getenv(name);
  return value == nullptr ? "" : value;
}

// Asks the locale of the environment without setting the process's.
bool LocaleIsUtf8() {
  const locale_t locale = ::newlocale(LC_CTYPE_MASK, "", nullptr);
  if (locale == nullptr) return false;
  const std::string codeset = ::nl_langinfo_l(CODESET, locale);
  ::freelocale(locale);
  return codeset == "UTF-8";
}

}  // namespace

Console::Console(int fd, Environment environment)
    : fd_(fd), environment_(std::move(environment)) {
  is_terminal_ = ::isatty(fd) == 1 && Get(environment_, "TERM") != "dumb";
  color_ = is_terminal_ && Get(environment_, "NO_COLOR").empty();
  utf8_ = LocaleIsUtf8();
  const std::string ci = Get(environment_, "CI");
  ci_ = !ci.empty() && ci != "0" && ci != "false";
}

Console& Console::Stderr() {
  // Never destroyed: other static objects may still speak.
  static Console* const console = new Console(STDERR_FILENO);
  return *console;
}

int Console::Width() const {
  winsize size = {};
  if (::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  int columns = 0;
  if (absl::SimpleAtoi(Get(environment_, "COLUMNS"), &columns) && columns > 0) {
    return columns;
  }
  return kDefaultWidth;
}

void Console::Line(absl::string_view line) {
  Listener listener;
  {
    absl::MutexLock lock(&mutex_);
    if (status_.empty()) {
      Write(absl::StrCat(line, "\n"));
    } else {
      Write(absl::StrCat(kReturn, kEraseRest, line, "\n", status_));
    }
    listener = listener_;
  }
  if (listener) listener(line);
}

void Console::SetListener(Listener listener) {
  absl::MutexLock lock(&mutex_);
  listener_ = std::move(listener);
}

void Console::SetStatus(absl::string_view status) {
  if (!is_terminal_) return;
  absl::MutexLock lock(&mutex_);
  status_ = std::string(status);
  Write(absl::StrCat(kReturn, status_, kEraseRest));
}

void Console::EndStatus() {
  absl::MutexLock lock(&mutex_);
  if (status_.empty()) return;
  status_.clear();
  Write("\n");
}

void Console::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace cnn_fp4::base
