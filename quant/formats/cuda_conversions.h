#ifndef QUANT_FORMATS_CUDA_CONVERSIONS_H_
#define QUANT_FORMATS_CUDA_CONVERSIONS_H_

// Holds our encoders against the host conversions of cuda_fp4.h and
// cuda_fp8.h, NVIDIA's own emulation of the hardware's. Test only.

#include <cstdint>

#include "cuda_fp4.h"
#include "cuda_fp8.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"

namespace cnn_fp4::quant {

// True if all encoders agree on the float with these bits. E2M1 has no code for
// NaN, so that is left out.
inline bool AgreesWithCuda(uint32_t bits) {
  const float x = BitCast<float>(bits);
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  const uint8_t e2m1 =
      __nv_cvt_float_to_fp4(x, __NV_E2M1, cudaRoundNearest) & 15;
  // cuda_fp8.h keeps the sign of NaN in no encoding of E4M3; both are NaN.
  const uint8_t e4m3 = __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3);
  const uint8_t e8m0 =
      __nv_cvt_float_to_e8m0(x, __NV_SATFINITE, cudaRoundPosInf);
  return (is_nan || EncodeE2m1(x) == e2m1) &&
         (is_nan ? (e4m3 & 0x7F) == 0x7F && EncodeE4m3(x) == kE4m3Nan
                 : EncodeE4m3(x) == e4m3) &&
         EncodeE8m0RoundUp(x) == e8m0;
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_CUDA_CONVERSIONS_H_
