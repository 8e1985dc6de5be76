#ifndef QUANT_CUDA_ELEMENTS_H_
#define QUANT_CUDA_ELEMENTS_H_

// Elements of FP32, FP16 and BF16 in memory, one by one and 16 bytes at a time.
// Host and device: the conversions of a GPU are one instruction each and give
// the bits of quant/formats/float16.h but for the payload of NaN.

#include <cstdint>

#include "quant/dtype.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/float16.h"
#include "quant/formats/host_device.h"

namespace cnn_fp4::quant::cuda {

inline constexpr float kLargestHalf = 65504.0f;
inline constexpr float kLargestBfloat16 = 0x1.FEp127f;

CNN_FP4_HOST_DEVICE inline float WidenHalf(uint16_t bits) {
#if defined(__CUDA_ARCH__)
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
#else
  return DecodeHalf(bits);
#endif
}

// Two elements as the 16 low and the 16 high bits of a word.
struct Float16 {
  CNN_FP4_HOST_DEVICE static float Low(uint32_t word) {
    return WidenHalf(static_cast<uint16_t>(word));
  }
  CNN_FP4_HOST_DEVICE static float High(uint32_t word) {
    return WidenHalf(static_cast<uint16_t>(word >> 16));
  }
  CNN_FP4_HOST_DEVICE static uint32_t Pair(float low, float high) {
#if defined(__CUDA_ARCH__)
    uint32_t word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
#else
    return EncodeHalf(low) | uint32_t{EncodeHalf(high)} << 16;
#endif
  }
  static constexpr DType kDType = DType::kFloat16;
  static constexpr int kVector = 8;  // Elements in 16 bytes.
  static constexpr float kLargest = kLargestHalf;
};

struct Bfloat16 {
  CNN_FP4_HOST_DEVICE static float Low(uint32_t word) {
    return BitCast<float>(word << 16);
  }
  CNN_FP4_HOST_DEVICE static float High(uint32_t word) {
    return BitCast<float>(word & 0xFFFF0000u);
  }
  CNN_FP4_HOST_DEVICE static uint32_t Pair(float low, float high) {
#if defined(__CUDA_ARCH__)
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
#else
    return EncodeBfloat16(low) | uint32_t{EncodeBfloat16(high)} << 16;
#endif
  }
  static constexpr DType kDType = DType::kBfloat16;
  static constexpr int kVector = 8;
  static constexpr float kLargest = kLargestBfloat16;
};

struct Float32 {
  static constexpr DType kDType = DType::kFloat32;
  static constexpr int kVector = 4;
};

// Where a kernel writes codes instead of values.
struct Packed {};

// Four, eight and sixteen bytes that are moved by one instruction each.
template <int kWords>
struct alignas(4 * kWords) Words {
  uint32_t w[kWords];
};

// A word or several from or to `at`, which is aligned to them. On the device by
// the vector types that ptxas makes one access of.
template <int kWords>
CNN_FP4_HOST_DEVICE inline Words<kWords> LoadWords(const void* at) {
#if defined(__CUDA_ARCH__)
  if constexpr (kWords == 4) {
    const uint4 v = *static_cast<const uint4*>(at);
    return {{v.x, v.y, v.z, v.w}};
  } else if constexpr (kWords == 2) {
    const uint2 v = *static_cast<const uint2*>(at);
    return {{v.x, v.y}};
  } else {
    return {{*static_cast<const uint32_t*>(at)}};
  }
#else
  return *static_cast<const Words<kWords>*>(at);
#endif
}

template <int kWords>
CNN_FP4_HOST_DEVICE inline void StoreWords(const Words<kWords>& words,
                                           void* at) {
#if defined(__CUDA_ARCH__)
  // Streaming: what is written is not read here again.
  if constexpr (kWords == 4) {
    __stcs(static_cast<uint4*>(at),
           make_uint4(words.w[0], words.w[1], words.w[2], words.w[3]));
  } else if constexpr (kWords == 2) {
    __stcs(static_cast<uint2*>(at), make_uint2(words.w[0], words.w[1]));
  } else {
    *static_cast<uint32_t*>(at) = words.w[0];
  }
#else
  *static_cast<Words<kWords>*>(at) = words;
#endif
}

// The elements in kWords words.
template <class T, int kWords>
CNN_FP4_HOST_DEVICE inline void Unpack(const Words<kWords>& words, float* v) {
  CNN_FP4_UNROLL
  for (int i = 0; i < kWords; ++i) {
    if constexpr (T::kDType == DType::kFloat32) {
      v[i] = BitCast<float>(words.w[i]);
    } else {
      v[2 * i] = T::Low(words.w[i]);
      v[2 * i + 1] = T::High(words.w[i]);
    }
  }
}

// kCount elements, 2, 4 or 8, to element `offset` of y, aligned to them.
template <class T, int kCount>
CNN_FP4_HOST_DEVICE inline void StoreElements(const float* v, void* y,
                                              int64_t offset) {
  if constexpr (T::kDType == DType::kFloat32) {
    constexpr int kWords = kCount < 4 ? kCount : 4;
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount; i += kWords) {
      Words<kWords> words;
      CNN_FP4_UNROLL
      for (int j = 0; j < kWords; ++j) words.w[j] = BitCast<uint32_t>(v[i + j]);
      StoreWords<kWords>(words, static_cast<float*>(y) + offset + i);
    }
  } else {
    Words<kCount / 2> words;
    CNN_FP4_UNROLL
    for (int i = 0; i < kCount / 2; ++i) {
      words.w[i] = T::Pair(v[2 * i], v[2 * i + 1]);
    }
    StoreWords<kCount / 2>(words, static_cast<uint16_t*>(y) + offset);
  }
}

// kCount codes of four bits, 2, 4 or 8, to element `offset`, aligned to them.
template <int kCount>
CNN_FP4_HOST_DEVICE inline void StoreCodes(uint32_t codes, uint8_t* y,
                                           int64_t offset) {
  uint8_t* const at = y + offset / 2;
  if constexpr (kCount == 8) {
    *reinterpret_cast<uint32_t*>(at) = codes;
  } else if constexpr (kCount == 4) {
    *reinterpret_cast<uint16_t*>(at) = static_cast<uint16_t>(codes);
  } else {
    *at = static_cast<uint8_t>(codes);
  }
}

// A block scale, finite and not negative, to E4M3 and back: EncodeE4m3 and
// DecodeE4m3, by the conversions that Ada and later have.
CNN_FP4_HOST_DEVICE inline uint8_t EncodeScale(float scale) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  uint16_t codes;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;"
      : "=h"(codes)
      : "f"(0.0f), "f"(scale));
  return static_cast<uint8_t>(codes);
#else
  return EncodeE4m3(scale);
#endif
}
CNN_FP4_HOST_DEVICE inline float DecodeScale(uint8_t code) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  uint32_t halves;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;"
      : "=r"(halves)
      : "h"(static_cast<uint16_t>(code)));
  return WidenHalf(static_cast<uint16_t>(halves));
#else
  return DecodeE4m3(code);
#endif
}

// One element of a type that is known at run time only.
CNN_FP4_HOST_DEVICE inline float LoadElement(DType type, const void* x,
                                             int64_t i) {
  switch (type) {
    case DType::kFloat16:
      return WidenHalf(static_cast<const uint16_t*>(x)[i]);
    case DType::kBfloat16:
      return Bfloat16::Low(static_cast<const uint16_t*>(x)[i]);
    default:
      return static_cast<const float*>(x)[i];
  }
}

// The same, and with `limit` at most the largest finite value.
CNN_FP4_HOST_DEVICE inline float Limited(float v, float largest) {
  const float low = v < -largest ? -largest : v;
  return low > largest ? largest : low;
}
CNN_FP4_HOST_DEVICE inline void StoreElement(DType type, bool limit, float v,
                                             void* y, int64_t i) {
  switch (type) {
    case DType::kFloat16:
      static_cast<uint16_t*>(y)[i] = static_cast<uint16_t>(
          Float16::Pair(limit ? Limited(v, kLargestHalf) : v, 0.0f));
      return;
    case DType::kBfloat16:
      static_cast<uint16_t*>(y)[i] = static_cast<uint16_t>(
          Bfloat16::Pair(limit ? Limited(v, kLargestBfloat16) : v, 0.0f));
      return;
    default:
      static_cast<float*>(y)[i] = v;
  }
}

}  // namespace cnn_fp4::quant::cuda

#endif  // QUANT_CUDA_ELEMENTS_H_
