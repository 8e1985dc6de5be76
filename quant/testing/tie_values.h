#ifndef QUANT_TESTING_TIE_VALUES_H_
#define QUANT_TESTING_TIE_VALUES_H_

// Tensors that tell orders of operations apart. On ordinary data all ways to
// write a scale chain give the same codes; they part only where a block scale
// lies on a midpoint of E4M3, or an element on one of E2M1.

#include <vector>

namespace cnn_fp4::quant {

// Blocks of 16, the first of which holds the tensor's amax: one block for each
// midpoint of E4M3, its amax the fraction midpoint / 448 of the tensor's, its
// other elements at E2M1's midpoints under that scale and the floats beside.
std::vector<float> TieValues(float tensor_amax);

// Amaxes of few bits, with which many of those fractions are exact.
std::vector<float> TieAmaxes();

}  // namespace cnn_fp4::quant

#endif  // QUANT_TESTING_TIE_VALUES_H_
