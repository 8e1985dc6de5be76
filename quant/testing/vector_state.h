#ifndef QUANT_TESTING_VECTOR_STATE_H_
#define QUANT_TESTING_VECTOR_STATE_H_

namespace cnn_fp4::quant {

// Whether the upper halves of this thread's vector registers are in use, as the
// CPU tells (XINUSE, Intel SDM vol. 1, 13.6). A kernel that returns so slows
// down all code of older instruction sets behind it. False where the CPU does
// not tell.
bool UpperHalvesInUse();

}  // namespace cnn_fp4::quant

#endif  // QUANT_TESTING_VECTOR_STATE_H_
