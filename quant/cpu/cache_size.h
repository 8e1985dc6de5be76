#ifndef QUANT_CPU_CACHE_SIZE_H_
#define QUANT_CPU_CACHE_SIZE_H_

#include <cstddef>

namespace cnn_fp4::quant::cpu {

// Whether an output of so many bytes leaves the caches before anyone reads it,
// so that writing past them (streaming stores) saves fetching what is
// overwritten: more than half of the last-level cache, of which other buffers
// want a share, or 8 MiB where its size is not known.
bool ShouldStream(size_t bytes);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_CACHE_SIZE_H_
