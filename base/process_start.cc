#include "base/process_start.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "base/openmp_wait.h"

namespace cnn_fp4::base {
namespace {

// The first line of what the exception says, in memory that is there: this may
// be the lack of it.
void Terminate() {
  const char* what = "the program ended by std::terminate";
  size_t length = std::strlen(what);
  static char text[1000];
  if (const std::exception_ptr exception = std::current_exception()) {
    what = "an unknown exception";
    try {
      std::rethrow_exception(exception);
    } catch (const std::bad_alloc&) {
      what = "out of memory; a smaller --batch_size or --crop needs less";
    } catch (const std::exception& error) {
      std::strncpy(text, error.what(), sizeof(text) - 1);
      what = text;
    } catch (...) {
    }
    length = std::strcspn(what, "\n");
  }
  std::fprintf(stderr, "error: %.*s\n", static_cast<int>(length), what);
  // Nothing else of the process can be relied on. Files that have a name are
  // whole.
  _exit(1);
}

}  // namespace

void StartProcess(char** argv) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // open takes the lowest number that is free, which is this one.
    if (fcntl(fd, F_GETFD) == -1) open("/dev/null", O_RDWR);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  std::set_terminate(Terminate);
  LimitOpenMpSpinning(argv);
}

}  // namespace cnn_fp4::base
