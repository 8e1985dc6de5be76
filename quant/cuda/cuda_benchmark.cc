// The kernels beside the device's own copy, in one run: the share of the copy's
// bandwidth that a call reaches, counting each byte that it must read or write
// once. `given` has the tensor's amax, else the call reads the tensor twice and
// both passes count.
//
//   bazel run -c opt //quant/cuda:cuda_benchmark -- --elements=67108864

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "glog/logging.h"
#include "quant/cuda/cuda_quantizer.h"

ABSL_FLAG(int64_t, elements, int64_t{1} << 26,
          "How many elements a tensor has: a multiple of 65536.");
ABSL_FLAG(int, repeats, 30, "How often each call is timed; the median counts.");

namespace cnn_fp4::quant::cuda {
namespace {

void Check(cudaError_t error) {
  CHECK_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

struct Case {
  const char* recipe;
  const char* layout;  // "rows", "columns" (C of NCHW) or "tiles".
  DType in;
  DType out;
  bool packed;
  bool given;
  double goal;  // Share of the copy's bandwidth; 0: none.
};

constexpr DType kF32 = DType::kFloat32;
constexpr DType kB16 = DType::kBfloat16;

const Case kCases[] = {
    {"nvfp4", "rows", kB16, kB16, false, true, 0.90},
    {"nvfp4", "rows", kF32, kF32, false, true, 0.90},
    {"nvfp4", "rows", kB16, kB16, true, true, 0.90},
    {"nvfp4", "rows", kF32, kF32, true, true, 0},
    {"nvfp4", "rows", kB16, kB16, false, false, 0},
    {"nvfp4", "rows", kF32, kF32, false, false, 0},
    {"mxfp4", "rows", kB16, kB16, false, false, 0.90},
    {"mxfp4", "rows", kF32, kF32, false, false, 0.90},
    {"mxfp4", "rows", kB16, kB16, true, false, 0.90},
    {"nvfp4", "columns", kF32, kF32, false, true, 0},
    {"nvfp4", "columns", kB16, kB16, false, true, 0},
    {"nvfp4", "columns", kB16, kB16, true, true, 0},
    {"nvfp4+sr", "columns", kF32, kF32, false, true, 0},
    {"mxfp4", "columns", kF32, kF32, false, false, 0},
    {"nvfp4_2d", "tiles", kF32, kF32, false, true, 0.85},
    {"nvfp4_2d", "tiles", kB16, kB16, false, true, 0.85},
    {"nvfp4+sr8", "rows", kF32, kF32, false, true, 0},
    {"nvfp4+sr", "rows", kF32, kF32, false, true, 0},
    {"nvfp4+sr", "rows", kB16, kB16, false, true, 0},
    {"nvfp4+sr+rht", "rows", kF32, kF32, false, true, 0.80},
    {"nvfp4+sr+rht", "rows", kB16, kB16, false, true, 0.80},
    {"nvfp4_modelopt", "rows", kB16, kB16, false, true, 0},
    {"nvfp4_four_over_six", "rows", kF32, kF32, false, true, 0},
};

BlockGrid GridOf(const Case& c, const Recipe& recipe, int64_t elements) {
  if (std::string(c.layout) == "columns") {
    return *BlockGrid::Along({elements / 65536, 64, 32, 32}, 1, recipe);
  }
  return *BlockGrid::Along({elements / 4096, 4096}, 1, recipe);
}

class Timer {
 public:
  Timer() {
    Check(cudaEventCreate(&begin_));
    Check(cudaEventCreate(&end_));
  }
  // Median seconds of a call.
  double Time(const std::function<void()>& call, int repeats) {
    for (int i = 0; i < 3; ++i) call();
    std::vector<float> ms(repeats);
    for (float& one : ms) {
      Check(cudaEventRecord(begin_, nullptr));
      call();
      Check(cudaEventRecord(end_, nullptr));
      Check(cudaEventSynchronize(end_));
      Check(cudaEventElapsedTime(&one, begin_, end_));
    }
    std::nth_element(ms.begin(), ms.begin() + repeats / 2, ms.end());
    return ms[repeats / 2] * 1e-3;
  }

 private:
  cudaEvent_t begin_;
  cudaEvent_t end_;
};

int Main() {
  const int64_t n = absl::GetFlag(FLAGS_elements);
  const int repeats = absl::GetFlag(FLAGS_repeats);
  if (n <= 0 || n % 65536 != 0) {
    std::fputs("--elements: give a multiple of 65536\n", stderr);
    return 2;
  }
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("no GPU: nothing was measured");
    return 0;
  }
  cudaDeviceProp properties;
  Check(cudaGetDeviceProperties(&properties, 0));
  char *x, *y;
  uint8_t* scales;
  float* factors;
  Check(cudaMalloc(reinterpret_cast<void**>(&x), n * 4));
  Check(cudaMalloc(reinterpret_cast<void**>(&y), n * 4));
  Check(cudaMalloc(reinterpret_cast<void**>(&scales), n / 16));
  Check(cudaMalloc(reinterpret_cast<void**>(&factors), 2 * sizeof(float)));
  const float amax = 4.0f;
  Check(cudaMemcpy(factors + 1, &amax, 4, cudaMemcpyHostToDevice));
  // Numbers of ordinary size in either type: never zeros.
  std::vector<uint32_t> bits(1 << 20);
  uint32_t state = 1;
  for (uint32_t& b : bits) {
    state = state * 1664525u + 1013904223u;
    b = (state & 0x807F807Fu) | 0x3F003F00u | (state >> 8 & 0x00800080u);
  }
  for (int64_t i = 0; i < n; i += bits.size()) {
    const int64_t count = std::min<int64_t>(bits.size(), n - i);
    Check(
        cudaMemcpy(x + 4 * i, bits.data(), 4 * count, cudaMemcpyHostToDevice));
  }
  Timer timer;
  const double copy = timer.Time(
      [&] {
        Check(cudaMemcpyAsync(y, x, n * 4, cudaMemcpyDeviceToDevice, nullptr));
      },
      repeats);
  const double bandwidth = 8.0 * static_cast<double>(n) / copy;
  std::printf("%s, %lld Mi elements, copy %.0f GB/s (read and written)\n\n",
              properties.name, static_cast<long long>(n >> 20),
              bandwidth * 1e-9);
  std::printf(
      "| recipe | blocks | from | to | amax | us | GB/s | of copy | goal |\n");
  std::printf("|---|---|---|---|---|---:|---:|---:|---:|\n");
  const DeviceQuantizer& quantizer = CudaQuantizer();
  for (const Case& c : kCases) {
    const Recipe recipe = *FindRecipe(c.recipe);
    const BlockGrid grid = GridOf(c, recipe, n);
    QuantizeOptions options;
    options.seed = 1;
    if (c.given) options.device.amax = factors + 1;
    QuantizedView view;
    view.codes = reinterpret_cast<uint8_t*>(y);
    view.scales = scales;
    view.tensor_scales = factors;
    view.device = Device::kCuda;
    const TensorView source = {c.in, x, n, Device::kCuda};
    const MutableTensorView values = {c.out, y, n, Device::kCuda};
    const double seconds = timer.Time(
        [&] {
          const absl::Status status =
              c.packed ? quantizer.Quantize(recipe, grid, source, view, options)
                       : quantizer.FakeQuantize(recipe, grid, source, values,
                                                options);
          CHECK(status.ok()) << status;
        },
        repeats);
    const bool reads_twice =
        recipe.tensor_scale != TensorScale::kNone && !c.given;
    const double bytes =
        static_cast<double>(n) * (SizeOf(c.in) * (reads_twice ? 2.0 : 1.0) +
                                  (c.packed ? 0.5 : SizeOf(c.out))) +
        (c.packed ? static_cast<double>(grid.num_blocks()) : 0.0);
    const double rate = bytes / seconds;
    std::printf("| %s | %s | %s | %s | %s | %.1f | %.0f | %.2f | %s |\n",
                c.recipe, c.layout, c.in == kF32 ? "fp32" : "bf16",
                c.packed        ? "packed"
                : c.out == kF32 ? "fp32"
                                : "bf16",
                recipe.tensor_scale == TensorScale::kNone ? "none"
                : c.given                                 ? "given"
                                                          : "taken",
                seconds * 1e6, rate * 1e-9, rate / bandwidth,
                c.goal > 0 ? std::to_string(c.goal).substr(0, 4).c_str() : "");
  }
  return 0;
}

}  // namespace
}  // namespace cnn_fp4::quant::cuda

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  absl::SetProgramUsageMessage(
      "Times the CUDA kernels of the quantiser beside the device's copy.");
  absl::ParseCommandLine(argc, argv);
  return cnn_fp4::quant::cuda::Main();
}
