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
  // "rows", "columns" (C of NCHW), "tiles", "both" (two operands of NCHW) or
  // "windows" (three, of a 3x3 kernel).
  const char* layout;
  DType in;
  DType out;
  bool packed;
  bool given;
  double goal;  // Share of the copy's bandwidth; 0: none.
  bool statistics = false;
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
    {"nvfp4", "both", kF32, kF32, false, true, 0.80},
    {"nvfp4", "both", kB16, kB16, false, true, 0.80},
    {"nvfp4", "both", kB16, kB16, true, true, 0.80},
    {"nvfp4+sr", "both", kF32, kF32, false, true, 0},
    {"nvfp4+sr", "both", kF32, kF32, false, false, 0},
    {"nvfp4", "both", kF32, kF32, false, true, 0, true},
    {"nvfp4", "windows", kF32, kF32, false, true, 0},
    {"nvfp4", "rows", kF32, kF32, false, true, 0, true},
    {"nvfp4", "columns", kF32, kF32, false, true, 0, true},
    {"nvfp4", "rows", kB16, kB16, true, true, 0, true},
};

// Of "windows": channels of 64 x 64 positions.
constexpr int64_t kSide = 64;
constexpr int64_t kWindows = 3;

bool Is(const Case& c, const char* layout) {
  return std::string(c.layout) == layout;
}

BlockGrid GridOf(const Case& c, const Recipe& recipe, int64_t elements) {
  if (Is(c, "columns") || Is(c, "both")) {
    return *BlockGrid::Along({elements / 65536, 64, 32, 32}, 1, recipe);
  }
  if (Is(c, "windows")) {
    return *BlockGrid::Along({elements / kSide, kSide}, 1, recipe);
  }
  return *BlockGrid::Along({elements / 4096, 4096}, 1, recipe);
}

bool HasTensorScale(const Case& c) {
  return FindRecipe(c.recipe)->tensor_scale != TensorScale::kNone;
}

// What a call must move at least: a window's source is read once for three.
double BytesOf(const Case& c, int64_t elements) {
  const auto n = static_cast<double>(elements);
  const double reads = HasTensorScale(c) && !c.given ? 2.0 : 1.0;
  const double writes = Is(c, "both") ? 2.0 : 1.0;
  const double read = n / (Is(c, "windows") ? kWindows : 1) * SizeOf(c.in);
  const double written =
      c.packed ? n * (0.5 + 1.0 / FindRecipe(c.recipe)->block_cols)
               : n * SizeOf(c.out);
  return reads * read + writes * written;
}

// What is quantised and where it is written, on the device.
struct Memory {
  void* x;
  void* y;
  void* y2;
  uint8_t* scales;
  uint8_t* scales2;
  float* factors;  // Three: of either output, and a given amax.
  DistortionSums* sums;
};

QuantizedView ViewOf(void* codes, uint8_t* scales, float* factor) {
  QuantizedView view;
  view.codes = static_cast<uint8_t*>(codes);
  view.scales = scales;
  view.tensor_scales = factor;
  view.device = Device::kCuda;
  return view;
}

DeviceOperand OperandOf(const Case& c, const BlockGrid& grid, void* y,
                        uint8_t* scales, float* factor,
                        const QuantizeOptions& options) {
  DeviceOperand operand;
  operand.recipe = *FindRecipe(c.recipe);
  operand.grid = grid;
  operand.options = options;
  operand.values = {c.out, y, grid.size(), Device::kCuda};
  operand.tensor_scale = factor;
  if (c.packed) operand.packed = ViewOf(y, scales, factor);
  return operand;
}

// The call that a case times.
std::function<void()> CallOf(const Case& c, int64_t n, const Memory& m) {
  const DeviceQuantizer& quantizer = CudaQuantizer();
  const Recipe recipe = *FindRecipe(c.recipe);
  const BlockGrid grid = GridOf(c, recipe, n);
  QuantizeOptions options;
  options.seed = 1;
  if (c.given) options.device.amax = m.factors + 2;
  if (c.statistics) options.device.statistics = m.sums;
  TensorView source = {c.in, m.x, n, Device::kCuda};
  if (Is(c, "both")) {
    const BlockGrid rows = *BlockGrid::Along({n / 1024, 1024}, 1, recipe);
    return [=, &quantizer] {
      const absl::Status status = quantizer.QuantizeBothWays(
          source, OperandOf(c, rows, m.y, m.scales, m.factors, options),
          OperandOf(c, grid, m.y2, m.scales2, m.factors + 1, options));
      CHECK(status.ok()) << status;
    };
  }
  if (Is(c, "windows")) {
    // As many images as the elements make.
    options.device.window =
        SourceWindow{kSide, kSide, kWindows, kSide, 1, 1, 1};
    source.size = n / kWindows;
  }
  return [=, &quantizer] {
    const absl::Status status =
        c.packed
            ? quantizer.Quantize(recipe, grid, source,
                                 ViewOf(m.y, m.scales, m.factors), options)
            : quantizer.FakeQuantize(recipe, grid, source,
                                     {c.out, m.y, n, Device::kCuda}, options);
    CHECK(status.ok()) << status;
  };
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
  Memory memory;
  const auto allocate = [](auto** pointer, int64_t bytes) {
    Check(cudaMalloc(reinterpret_cast<void**>(pointer), bytes));
    Check(cudaMemset(*pointer, 0, bytes));
  };
  allocate(&memory.x, n * 4);
  allocate(&memory.y, n * 4);
  allocate(&memory.y2, n * 4);
  allocate(&memory.scales, n / 16);
  allocate(&memory.scales2, n / 16);
  allocate(&memory.factors, 3 * sizeof(float));
  allocate(&memory.sums, sizeof(DistortionSums));
  const float amax = 4.0f;
  Check(cudaMemcpy(memory.factors + 2, &amax, 4, cudaMemcpyHostToDevice));
  // Numbers of ordinary size in either type: never zeros.
  std::vector<uint32_t> bits(1 << 20);
  uint32_t state = 1;
  for (uint32_t& b : bits) {
    state = state * 1664525u + 1013904223u;
    b = (state & 0x807F807Fu) | 0x3F003F00u | (state >> 8 & 0x00800080u);
  }
  for (int64_t i = 0; i < n; i += bits.size()) {
    const int64_t count = std::min<int64_t>(bits.size(), n - i);
    Check(cudaMemcpy(static_cast<char*>(memory.x) + 4 * i, bits.data(),
                     4 * count, cudaMemcpyHostToDevice));
  }
  Timer timer;
  const double copy = timer.Time(
      [&] {
        Check(cudaMemcpyAsync(memory.y, memory.x, n * 4,
                              cudaMemcpyDeviceToDevice, nullptr));
      },
      repeats);
  const double bandwidth = 8.0 * static_cast<double>(n) / copy;
  std::printf("%s, %lld Mi elements, copy %.0f GB/s (read and written)\n\n",
              properties.name, static_cast<long long>(n >> 20),
              bandwidth * 1e-9);
  std::printf(
      "| recipe | blocks | from | to | amax | us | GB/s | of copy | goal |\n");
  std::printf("|---|---|---|---|---|---:|---:|---:|---:|\n");
  for (const Case& c : kCases) {
    // Whole windows of whole channels.
    const int64_t size =
        Is(c, "windows") ? n - n % (kWindows * kSide * kSide) : n;
    const double seconds = timer.Time(CallOf(c, size, memory), repeats);
    const double rate = BytesOf(c, size) / seconds;
    std::printf("| %s | %s%s | %s | %s | %s | %.1f | %.0f | %.2f | %s |\n",
                c.recipe, c.layout, c.statistics ? ", statistics" : "",
                c.in == kF32 ? "fp32" : "bf16",
                c.packed        ? "packed"
                : c.out == kF32 ? "fp32"
                                : "bf16",
                !HasTensorScale(c) ? "none"
                : c.given          ? "given"
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
