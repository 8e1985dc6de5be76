#include <cuda_runtime_api.h>

#include "quant/formats/codecs_device_test.h"
#include "quant/formats/e2m1.h"
#include "quant/formats/e2m1_rounding.h"
#include "quant/formats/e4m3.h"
#include "quant/formats/e8m0.h"
#include "quant/formats/float16.h"
#include "quant/hadamard.h"
#include "quant/philox.h"
#include "quant/scale_rules.h"

namespace cnn_fp4::quant {
namespace {

constexpr int kThreads = 256;

__host__ __device__ uint32_t EncodeAll(uint32_t bits) {
  const float x = BitCast<float>(bits);
  const TensorFactors tensor =
      MakeTensorFactors(ScaleRule::kTransformerEngine, Rounding::kNearestEven,
                        kE4m3Max, /*has_tensor_scale=*/true, 8.0f);
  const BlockFactors block =
      MakeBlockFactors(ScaleRule::kTransformerEngine, tensor, E2m1Abs(x));
  return EncodeE2m1(x) | uint32_t{EncodeE4m3(x)} << 8 |
         uint32_t{EncodeE8m0RoundUp(x)} << 16 | uint32_t{block.code} << 24;
}

// Not called: that it compiles for the device is the point.
__device__ float EveryOtherFunction(float x, uint32_t random) {
  float group[kHadamardSize] = {x};
  RandomHadamard16(group, DrawHadamardSigns({random, 0}));
  return DecodeE2m1(EncodeE2m1TiesAway(x)) +
         DecodeE2m1(EncodeE2m1TiesToZero(x)) +
         DecodeE2m1(EncodeE2m1Stochastic8(x, RandomByte(random, {1, 2}))) +
         DecodeE2m1(EncodeE2m1Stochastic(x, RandomWord(random, {1, 2}))) +
         DecodeE4m3(EncodeE4m3(x)) + DecodeE8m0(EncodeE8m0RoundUp(x)) +
         DecodeHalf(EncodeHalf(x)) + DecodeBfloat16(EncodeBfloat16(x)) +
         group[3];
}

__global__ void EncodeKernel(const uint32_t* bits, int n, bool others,
                             uint32_t* encoded) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  encoded[i] = EncodeAll(bits[i]);
  if (others) {
    encoded[i] =
        BitCast<uint32_t>(EveryOtherFunction(BitCast<float>(bits[i]), i));
  }
}

}  // namespace

const char* EncodeOnDevice(const uint32_t* float_bits, int n,
                           uint32_t* encoded) {
  uint32_t* device = nullptr;
  const size_t bytes = n * sizeof(uint32_t);
  cudaError_t error = cudaMalloc(&device, 2 * bytes);
  if (error == cudaSuccess) {
    error = cudaMemcpy(device, float_bits, bytes, cudaMemcpyHostToDevice);
  }
  if (error == cudaSuccess) {
    EncodeKernel<<<(n + kThreads - 1) / kThreads, kThreads>>>(
        device, n, /*others=*/false, device + n);
    error = cudaGetLastError();
  }
  if (error == cudaSuccess) {
    error = cudaMemcpy(encoded, device + n, bytes, cudaMemcpyDeviceToHost);
  }
  cudaFree(device);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

uint32_t EncodeOnHost(uint32_t float_bits) { return EncodeAll(float_bits); }

}  // namespace cnn_fp4::quant
