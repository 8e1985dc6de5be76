// Images per second of the loader: the embedded nuclei images, batches of 4
// crops of 128x128 with all augmentation, as the default experiment asks for.
//
// Arguments: workers, and whether decoded images are cached (1) or every image
// is decoded anew (0), the case of a dataset larger than the cache.

#include <cstdint>
#include <memory>

#include "benchmark/benchmark.h"
#include "data/dataset_registry.h"
#include "data/loader.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

const DatasetPair& Nuclei() {
  static const auto* const kPair = [] {
    absl::StatusOr<DatasetPair> pair =
        OpenDataset(DatasetSpec(), ReadOptions());
    CHECK(pair.ok()) << pair.status();
    return new DatasetPair(*pair);
  }();
  return *kPair;
}

void BM_Next(benchmark::State& state) {
  const BatchSpec spec;
  LoaderOptions options;
  options.workers = state.range(0);
  if (state.range(1) == 0) options.cache_bytes = 0;
  absl::StatusOr<std::unique_ptr<Loader>> loader =
      Loader::Create(Nuclei().train, spec, options);
  CHECK(loader.ok()) << loader.status();
  if (state.range(1) != 0) {  // Fill the cache.
    for (int64_t i = 0; i < 2 * BatchesPerEpoch(Nuclei().train->size(), spec);
         ++i) {
      CHECK((*loader)->Next().ok());
    }
  }
  for (auto _ : state) {
    absl::StatusOr<Batch> batch = (*loader)->Next();
    CHECK(batch.ok()) << batch.status();
    benchmark::DoNotOptimize(batch->image.data());
  }
  state.SetItemsProcessed(state.iterations() * spec.batch_size);  // Images.
}
BENCHMARK(BM_Next)
    ->ArgNames({"workers", "cached"})
    ->Args({0, 1})
    ->Args({2, 1})
    ->Args({0, 0})
    ->Args({2, 0})
    ->UseRealTime();

}  // namespace
}  // namespace cnn_fp4::data
