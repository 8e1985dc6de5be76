#ifndef TRAIN_OUT_OF_MEMORY_H_
#define TRAIN_OUT_OF_MEMORY_H_

// LibTorch says that memory was refused in the text of a c10::Error.

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::train {

// Whether that is what `what` says, of either device.
inline bool SaysOutOfMemory(absl::string_view what) {
  return absl::StrContains(what, "DefaultCPUAllocator") ||
         absl::StrContains(what, "CUDA out of memory");
}

}  // namespace cnn_fp4::train

#endif  // TRAIN_OUT_OF_MEMORY_H_
