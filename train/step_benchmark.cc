// One training step of the UNet in every precision: forward, loss, backward and
// Adam, as the trainer does them, on data that is already there.
//
//   bazel run //train:step_benchmark -- --benchmark_min_time=20
//
// peak_MiB is the largest resident memory of the process during the training,
// less that before the net was made.
//
// tools/pytorch_step.py measures the same net in PyTorch eager.

#include <malloc.h>
#include <torch/torch.h>

#include <fstream>
#include <string>

#include "benchmark/benchmark.h"
#include "nn/runtime.h"
#include "train/tasks/semantic_segmentation.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
namespace {

constexpr int64_t kBatch = 4;
constexpr int64_t kCrop = 128;
constexpr int kWarmUpSteps = 3;

// A line of /proc/self/status in MiB: "VmRSS" is the resident memory, "VmHWM"
// the largest it has been.
double StatusMib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != key + ":") continue;
    double kib = 0;
    status >> kib;
    return kib / 1024;
  }
  return 0;
}

// What earlier benchmarks have freed goes back to the system, and VmHWM starts
// anew (proc(5)).
double BeginOfPeak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5;
  return StatusMib("VmRSS");
}

void BM_TrainingStep(benchmark::State& state, const std::string& policy,
                     double model_scale_factor) {
  nn::InitRuntime(/*threads=*/0);  // As the runner does.
  const double before = BeginOfPeak();
  const TestNet test = MakeTestNet(policy, {model_scale_factor, 2, 1});
  nn::Net& net = *test.net;
  torch::optim::Adam adam(net.parameters(), torch::optim::AdamOptions(1e-3));
  torch::manual_seed(2);
  const at::Tensor images = at::randn({kBatch, 3, kCrop, kCrop});
  const at::Tensor target = at::randint(0, 2, {kBatch, kCrop, kCrop});
  const auto step = [&] {
    const at::Tensor loss =
        SegmentationLoss(net.forward(images).dense, target, 1.0);
    adam.zero_grad();
    loss.backward();
    adam.step();
    benchmark::DoNotOptimize(loss.item<float>());
  };
  // The first steps allocate, and compile oneDNN's kernels.
  for (int i = 0; i < kWarmUpSteps; ++i) step();
  for (auto _ : state) step();
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.counters["threads"] = at::get_num_threads();
  state.counters["peak_MiB"] = StatusMib("VmHWM") - before;
}

#define STEP_BENCHMARK(policy, name, factor)                           \
  BENCHMARK_CAPTURE(BM_TrainingStep, policy##_##name, #policy, factor) \
      ->Unit(benchmark::kMillisecond)                                  \
      ->UseRealTime()

STEP_BENCHMARK(fp32, s025, 0.25);
STEP_BENCHMARK(fp16, s025, 0.25);
STEP_BENCHMARK(nvfp4, s025, 0.25);
STEP_BENCHMARK(nvfp4_forward, s025, 0.25);
STEP_BENCHMARK(nvfp4_seed, s025, 0.25);
STEP_BENCHMARK(mxfp4, s025, 0.25);

}  // namespace
}  // namespace cnn_fp4::train
