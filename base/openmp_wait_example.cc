// For openmp_wait_test.sh: says what it was started with.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/openmp_wait.h"

int main(int argc, char** argv) {
  cnn_fp4::base::LimitOpenMpSpinning(argv);
  const char* const spins = std::getenv("GOMP_SPINCOUNT");
  std::printf("pid %d spins %s", static_cast<int>(getpid()),
              spins == nullptr ? "unset" : spins);
  for (int i = 0; i < argc; ++i) std::printf(" [%s]", argv[i]);
  std::printf("\n");
  return 0;
}
