#ifndef QUANT_CPU_INSTRUCTION_SETS_H_
#define QUANT_CPU_INSTRUCTION_SETS_H_

// Which instruction sets the kernels can use here, and how to hold them to one,
// for tests and benchmarks.

#include <cstdint>
#include <string>
#include <vector>

namespace cnn_fp4::quant::cpu {

struct InstructionSet {
  std::string name;  // "SSSE3", "SSE4", "AVX2", "AVX3" (AVX-512).
  int64_t id = 0;    // Highway's.
};

// Those compiled in that this CPU offers, the best first.
std::vector<InstructionSet> SupportedInstructionSets();

// Holds all kernels of the process to one set; 0 lifts that again. Not while
// another thread quantises.
void UseInstructionSet(int64_t id);

}  // namespace cnn_fp4::quant::cpu

#endif  // QUANT_CPU_INSTRUCTION_SETS_H_
