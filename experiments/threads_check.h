#ifndef EXPERIMENTS_THREADS_CHECK_H_
#define EXPERIMENTS_THREADS_CHECK_H_

// How many CPU threads a program may be asked for.

#include <cstdint>

#include "absl/status/status.h"

namespace cnn_fp4::experiments {

// InvalidArgument that begins with "threads" for a negative number, and for
// more than four threads a core: at each operation they would wait for one
// another, and a training would hardly move. 0 is allowed: as many as there are
// cores.
absl::Status CheckThreads(int64_t threads);

}  // namespace cnn_fp4::experiments

#endif  // EXPERIMENTS_THREADS_CHECK_H_
