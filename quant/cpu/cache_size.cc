#include "quant/cpu/cache_size.h"

#include <unistd.h>

namespace cnn_fp4::quant::cpu {
namespace {

constexpr size_t kDefaultStreamBytes = size_t{8} << 20;

size_t FindStreamBytes() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);  // NOLINT: its type.
  if (cache > 0) return static_cast<size_t>(cache) / 2;
#endif
  return kDefaultStreamBytes;
}

}  // namespace

bool ShouldStream(size_t bytes) {
  static const size_t stream_bytes = FindStreamBytes();
  return bytes > stream_bytes;
}

}  // namespace cnn_fp4::quant::cpu
