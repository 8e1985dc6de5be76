#include "quant/cpu/cache_size.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "quant/cpu/parallel.h"

namespace cnn_fp4::quant::cpu {
namespace {

constexpr size_t kDefaultCacheBytes = size_t{16} << 20;

std::atomic<size_t> streamed_bytes{0};

// The last-level cache that CPU 0 shares; 0 if not known. The kernel's word
// first: the C library's is the sum over the caches of a socket on CPUs that
// have several.
size_t LastLevelCacheBytes() {
  unsigned long kilobytes = 0;  // NOLINT(google-runtime-int): fscanf's type.
  FILE* file = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
  if (file != nullptr) {
    if (fscanf(file, "%luK", &kilobytes) != 1) kilobytes = 0;
    fclose(file);
  }
  if (kilobytes > 0) return size_t{kilobytes} << 10;
#ifdef _SC_LEVEL3_CACHE_SIZE
  const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);  // NOLINT: its type.
  if (cache > 0) return static_cast<size_t>(cache);
#endif
  return 0;
}

}  // namespace

bool ShouldStream(size_t read_bytes, size_t written_bytes) {
  if (const size_t least = streamed_bytes; least > 0) {
    return read_bytes + written_bytes >= least;
  }
  static const size_t known = LastLevelCacheBytes();
  const size_t cache = known > 0 ? known : kDefaultCacheBytes;
  const size_t caches = MaxThreads() > 1 ? 2 : 1;
  return read_bytes + written_bytes >= caches * cache;
}

void SetStreamedBytesForTest(size_t bytes) { streamed_bytes = bytes; }

}  // namespace cnn_fp4::quant::cpu
