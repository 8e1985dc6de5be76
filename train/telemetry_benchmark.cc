// What measuring and recording every layer costs a training step: steps with
// and without it in turn, so that a busy machine slows both.
//
//   bazel run //train:telemetry_benchmark -- --benchmark_min_time=30
//
// Counters: medians of the step without and with measurement in milliseconds,
// and how much more a training takes in percent with --logf=1 and --logf=50. A
// measured step ends when every sink has written its records (metrics.jsonl,
// W&B, TensorBoard, heatmaps; pictures are drawn at an arm's end).

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "glog/logging.h"
#include "nn/runtime.h"
#include "telemetry/run.h"
#include "telemetry/sinks/jsonl_sink.h"
#include "telemetry/sinks/sink_factory.h"
#include "train/layer_probe.h"
#include "train/tasks/semantic_segmentation.h"
#include "train/test_net.h"

namespace cnn_fp4::train {
namespace {

constexpr int64_t kBatch = 4;
constexpr int64_t kCrop = 128;
constexpr int kWarmUpSteps = 3;

// A run in a directory of its own, with every sink.
class RecordedRun {
 public:
  RecordedRun() {
    std::string directory =
        (std::filesystem::temp_directory_path() / "telemetry-XXXXXX").string();
    CHECK(mkdtemp(directory.data()) != nullptr) << directory;
    directory_ = directory;
    telemetry::SinkContext context;
    context.experiment = "benchmark";
    context.task = "semantic";
    context.run_directory = directory;
    context.heatmaps_directory = directory + "/heatmaps";
    context.tensorboard_directory = directory + "/tensorboard";
    context.wandb.directory = directory + "/wandb";
    auto journal = telemetry::JsonlSink::Create(directory + "/metrics.jsonl");
    CHECK(journal.ok()) << journal.status();
    run_ = std::make_unique<telemetry::Run>(
        *std::move(journal),
        telemetry::OpenSinks(telemetry::SinkNames(), context));
  }
  ~RecordedRun() {
    CHECK(run_->Finish(0).ok());
    std::filesystem::remove_all(directory_);
  }

  telemetry::Run& run() { return *run_; }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<telemetry::Run> run_;
};

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void BM_Telemetry(benchmark::State& state, const std::string& policy) {
  nn::InitRuntime(/*threads=*/0);  // As the runner does.
  const TestNet test = MakeTestNet(policy, {0.25, 2, 1});
  nn::Net& net = *test.net;
  torch::optim::Adam adam(net.parameters(), torch::optim::AdamOptions(1e-3));
  torch::manual_seed(2);
  const at::Tensor images = at::randn({kBatch, 3, kCrop, kCrop});
  const at::Tensor target = at::randint(0, 2, {kBatch, kCrop, kCrop});
  LayerProbe probe(net, *test.context, {});
  RecordedRun recorded;
  int64_t step = 0;
  // Returns milliseconds.
  const auto train = [&](bool measured) {
    const auto start = std::chrono::steady_clock::now();
    if (measured) probe.Begin(++step);
    const at::Tensor loss =
        SegmentationLoss(net.forward(images).dense, target, 1.0);
    adam.zero_grad();
    loss.backward();
    std::vector<telemetry::Payload> layers;
    if (measured) {
      auto probed = probe.End();
      CHECK(probed.ok()) << probed.status();
      layers = *std::move(probed);
    }
    adam.step();
    if (measured) {
      probe.AddUpdates(layers);
      for (telemetry::Payload& payload : layers) {
        recorded.run().Log({std::move(payload), policy});
      }
      recorded.run().Flush();
    }
    benchmark::DoNotOptimize(loss.item<float>());
    return std::chrono::duration<double, std::milli>(
               std::chrono::steady_clock::now() - start)
        .count();
  };
  // The first steps allocate, and compile oneDNN's kernels.
  for (int i = 0; i < kWarmUpSteps; ++i) train(i % 2 == 1);
  std::vector<double> plain, measured;
  for (auto _ : state) {
    plain.push_back(train(false));
    measured.push_back(train(true));
  }
  const double without = Median(plain);
  const double with = Median(measured);
  state.counters["without_ms"] = without;
  state.counters["with_ms"] = with;
  state.counters["logf_1_percent"] = 100 * (with - without) / without;
  state.counters["logf_50_percent"] = 2 * (with - without) / without;
  state.counters["threads"] = at::get_num_threads();
}

#define TELEMETRY_BENCHMARK(policy)                \
  BENCHMARK_CAPTURE(BM_Telemetry, policy, #policy) \
      ->Unit(benchmark::kMillisecond)              \
      ->UseRealTime()

TELEMETRY_BENCHMARK(fp16);
TELEMETRY_BENCHMARK(nvfp4);

}  // namespace
}  // namespace cnn_fp4::train
