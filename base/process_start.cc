#include "base/process_start.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/openmp_wait.h"

namespace cnn_fp4::base {

void StartProcess(char** argv) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // open takes the lowest number that is free, which is this one.
    if (fcntl(fd, F_GETFD) == -1) open("/dev/null", O_RDWR);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  LimitOpenMpSpinning(argv);
}

}  // namespace cnn_fp4::base
