#include "train/stop_signal.h"

#include <signal.h>

#include <atomic>

#include "glog/logging.h"

namespace cnn_fp4::train {
namespace {

std::atomic<int> stop_signal{0};
static_assert(std::atomic<int>::is_always_lock_free,
              "a signal handler may touch lock-free atomics only");

void Handle(int signal) {
  stop_signal.store(signal);
  // The next one is the operating system's.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void InstallStopSignalHandlers() {
  struct sigaction action = {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    PCHECK(sigaction(signal, nullptr, &before) == 0);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;
    PCHECK(sigaction(signal, &action, nullptr) == 0);
  }
}

int StopSignal() { return stop_signal.load(); }

}  // namespace cnn_fp4::train
