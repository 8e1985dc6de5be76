#ifndef QUANT_CPU_CACHE_SIZE_H_
#define QUANT_CPU_CACHE_SIZE_H_

#include <cstddef>

namespace cnn_fp4::quant::cpu {

// Whether an output leaves the caches before anyone reads it, so that writing
// past them (streaming stores) saves fetching what is overwritten: if it and
// the input fill the last-level cache (16 MiB where its size is not known).
// Several threads may have several such caches, and write as fast as memory
// takes it without much help: twice as much then.
bool ShouldStream(size_t read_bytes, size_t written_bytes);

// From how many bytes on; 0 for the above. For tests: small tensors can be
// streamed, too.
void SetStreamedBytesForTest(size_t bytes);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_CACHE_SIZE_H_
