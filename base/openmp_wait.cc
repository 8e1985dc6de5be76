#include "base/openmp_wait.h"

#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::base {

void LimitOpenMpSpinning(char** argv) {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const absl::string_view text = *variable;
    if (absl::StartsWith(text, "OMP_") || absl::StartsWith(text, "GOMP_")) {
      return;
    }
  }
  setenv("GOMP_SPINCOUNT", kOpenMpSpinCount, /*overwrite=*/0);
  execv("/proc/self/exe", argv);
}

}  // namespace cnn_fp4::base
