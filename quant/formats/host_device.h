#ifndef QUANT_FORMATS_HOST_DEVICE_H_
#define QUANT_FORMATS_HOST_DEVICE_H_

// CNN_FP4_HOST_DEVICE marks functions that nvcc compiles for the host and for
// the device; it is empty for other compilers. CNN_FP4_UNROLL before a loop
// unrolls it on the device, so that arrays that the loop indexes stay in
// registers. BitCast is C++20's std::bit_cast<To>(from), usable in constant
// expressions and on the device.

#if defined(__CUDACC__)
#define CNN_FP4_HOST_DEVICE __host__ __device__
#else
#define CNN_FP4_HOST_DEVICE
#endif
#if defined(__CUDA_ARCH__)
#define CNN_FP4_UNROLL _Pragma("unroll")
#else
#define CNN_FP4_UNROLL
#endif

namespace cnn_fp4::quant {

template <typename To, typename From>
CNN_FP4_HOST_DEVICE constexpr To BitCast(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "BitCast keeps every bit");
  return __builtin_bit_cast(To, from);
}

}  // namespace cnn_fp4::quant

#endif  // QUANT_FORMATS_HOST_DEVICE_H_
