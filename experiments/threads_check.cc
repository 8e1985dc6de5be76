#include "experiments/threads_check.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/spec_check.h"

namespace cnn_fp4::experiments {

absl::Status CheckThreads(int64_t threads) {
  constexpr int64_t kMaxPerCore = 4;
  const int64_t cores =
      std::max<int64_t>(1, std::thread::hardware_concurrency());
  return base::Require(
      threads >= 0 && threads <= kMaxPerCore * cores, "threads",
      absl::StrCat("is ", threads, "; this machine has ", cores,
                   cores == 1 ? " core" : " cores", ", so it must be 0 to ",
                   kMaxPerCore * cores));
}

}  // namespace cnn_fp4::experiments
