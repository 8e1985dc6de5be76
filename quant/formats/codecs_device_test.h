#ifndef QUANT_FORMATS_CODECS_DEVICE_TEST_H_
#define QUANT_FORMATS_CODECS_DEVICE_TEST_H_

// The codecs and the scale rules, compiled for the device.

#include <cstdint>

namespace cnn_fp4::quant {

// For each of n floats (by their bits) what the encoders give on the device:
// E2M1 in bits 0-3, E4M3 in bits 8-15, E8M0 in bits 16-23, and in bits 24-31
// the NVFP4 block scale of |x| in a tensor of amax 8. Returns CUDA's error
// text, or null.
const char* EncodeOnDevice(const uint32_t* float_bits, int n,
                           uint32_t* encoded);

// The same on the host, from the same source.
uint32_t EncodeOnHost(uint32_t float_bits);

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_CODECS_DEVICE_TEST_H_
