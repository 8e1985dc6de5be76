#include "data/loader.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/normalize.h"
#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

// Sample i is 40 x 30 pixels; red is i, green the column, blue the row; the
// class is i % 3.
class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(int64_t size, int64_t broken = -1)
      : size_(size), broken_(broken) {}

  int64_t size() const override { return size_; }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    ++reads;
    if (index == broken_) return absl::DataLossError("broken.png: damaged");
    Sample sample;
    sample.image.width = 40;
    sample.image.height = 30;
    sample.image.channels = 3;
    for (int y = 0; y < 30; ++y) {
      for (int x = 0; x < 40; ++x) {
        sample.image.pixels.push_back(static_cast<uint8_t>(index));
        sample.image.pixels.push_back(static_cast<uint8_t>(x));
        sample.image.pixels.push_back(static_cast<uint8_t>(y));
        sample.mask.push_back(static_cast<uint8_t>(index % 3));
      }
    }
    return sample;
  }
  const std::vector<std::string>& class_names() const override {
    return names_;
  }
  std::string Describe() const override { return "fake"; }

  mutable std::atomic<int> reads{0};

 private:
  const int64_t size_;
  const int64_t broken_;
  const std::vector<std::string> names_ = {"background", "a", "b"};
};

struct Options {
  BatchSpec spec;
  LoaderOptions loader;
};

Options SmallOptions() {
  Options options;
  options.spec.batch_size = 4;
  options.spec.crop = 16;
  options.loader.seed = 7;
  return options;
}

std::vector<Batch> Take(std::shared_ptr<const Dataset> dataset,
                        const Options& options, int count) {
  absl::StatusOr<std::unique_ptr<Loader>> loader =
      Loader::Create(std::move(dataset), options.spec, options.loader);
  EXPECT_TRUE(loader.ok()) << loader.status();
  std::vector<Batch> batches;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<Batch> batch = (*loader)->Next();
    EXPECT_TRUE(batch.ok()) << batch.status();
    batches.push_back(*std::move(batch));
  }
  return batches;
}

void ExpectSame(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.index, b.index);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.sample_indices, b.sample_indices);
  EXPECT_TRUE(a.image == b.image) << "batch " << a.index;
  EXPECT_TRUE(a.target == b.target) << "batch " << a.index;
}

TEST(LoaderTest, ShapesAndCounts) {
  auto dataset = std::make_shared<FakeDataset>(11);
  const Batch batch = Take(dataset, SmallOptions(), 1)[0];
  EXPECT_EQ(batch.n, 4);
  EXPECT_EQ(batch.c, 3);
  EXPECT_EQ(batch.h, 16);
  EXPECT_EQ(batch.w, 16);
  EXPECT_EQ(batch.image.size(), 4u * 3 * 16 * 16);
  EXPECT_EQ(batch.target.size(), 4u * 16 * 16);
  for (int i = 0; i < 4; ++i) {
    const int64_t index = batch.sample_indices[i];
    EXPECT_EQ(batch.target[i * 256], index % 3);
    // Red, undone: a constant plane survives any resize but for rounding.
    EXPECT_NEAR((batch.image[i * 3 * 256] * 0.25 + 0.5) * 255, index, 1e-4);
  }
}

TEST(LoaderTest, IndependentOfWorkersAndPrefetch) {
  auto dataset = std::make_shared<FakeDataset>(11);
  Options options = SmallOptions();
  options.loader.workers = 0;
  const std::vector<Batch> expected = Take(dataset, options, 12);
  for (const auto& [workers, prefetch] :
       {std::pair(1, 1), std::pair(2, 4), std::pair(5, 3), std::pair(3, 9)}) {
    options.loader.workers = workers;
    options.loader.prefetch = prefetch;
    options.loader.cache_bytes = workers == 3 ? 0 : 5000;
    const std::vector<Batch> batches = Take(dataset, options, 12);
    for (int i = 0; i < 12; ++i) ExpectSame(batches[i], expected[i]);
  }
}

TEST(LoaderTest, ResumesAnywhere) {
  auto dataset = std::make_shared<FakeDataset>(11);
  Options options = SmallOptions();
  const std::vector<Batch> all = Take(dataset, options, 9);
  for (const int start : {1, 2, 5}) {
    options.loader.start_batch = start;
    const std::vector<Batch> rest = Take(dataset, options, 9 - start);
    for (int i = start; i < 9; ++i) ExpectSame(rest[i - start], all[i]);
  }
}

TEST(LoaderTest, AnEpochHasEachSampleAtMostOnceInANewOrder) {
  auto dataset = std::make_shared<FakeDataset>(23);
  const std::vector<Batch> batches = Take(dataset, SmallOptions(), 50);
  std::vector<std::vector<int64_t>> epochs(10);
  std::set<int64_t> all;
  for (const Batch& batch : batches) {
    EXPECT_EQ(batch.epoch, batch.index / 5);  // 23 / 4.
    for (const int64_t index : batch.sample_indices) {
      epochs[batch.epoch].push_back(index);
      all.insert(index);
    }
  }
  std::set<std::vector<int64_t>> orders;
  for (const auto& epoch : epochs) {
    EXPECT_EQ(std::set<int64_t>(epoch.begin(), epoch.end()).size(), 20u);
    EXPECT_TRUE(orders.insert(epoch).second);
  }
  // The dropped three change, so ten epochs show every sample.
  EXPECT_EQ(all.size(), 23u);
}

TEST(LoaderTest, TheSeedChangesOrderAndAugmentation) {
  auto dataset = std::make_shared<FakeDataset>(8);
  Options options = SmallOptions();
  const Batch a = Take(dataset, options, 1)[0];
  options.loader.seed = 8;
  const Batch b = Take(dataset, options, 1)[0];
  EXPECT_NE(a.sample_indices, b.sample_indices);
  EXPECT_FALSE(a.image == b.image);
}

TEST(LoaderTest, TheEpochChangesTheAugmentation) {
  auto dataset = std::make_shared<FakeDataset>(1);
  Options options = SmallOptions();
  options.spec.batch_size = 1;
  const std::vector<Batch> batches = Take(dataset, options, 2);
  EXPECT_EQ(batches[1].epoch, 1);
  EXPECT_FALSE(batches[0].image == batches[1].image);
}

TEST(LoaderTest, ASmallDatasetGoesRoundWithNewAugmentation) {
  auto dataset = std::make_shared<FakeDataset>(3);
  Options options = SmallOptions();
  options.spec.batch_size = 7;
  const std::vector<Batch> batches = Take(dataset, options, 2);
  EXPECT_EQ(batches[1].epoch, 1);
  const std::vector<int64_t>& indices = batches[0].sample_indices;
  EXPECT_EQ(std::set<int64_t>(indices.begin(), indices.begin() + 3).size(), 3u);
  for (int i = 3; i < 7; ++i) EXPECT_EQ(indices[i], indices[i - 3]);
  const auto image = [&](int i) {
    return std::vector<float>(batches[0].image.begin() + i * 768,
                              batches[0].image.begin() + (i + 1) * 768);
  };
  EXPECT_FALSE(image(0) == image(3));
}

TEST(LoaderTest, WithoutAugmentationTheCentreIsCropped) {
  auto dataset = std::make_shared<FakeDataset>(4);
  Options options = SmallOptions();
  options.spec.augment = false;
  options.spec.mean = 0;
  options.spec.stddev = 1;
  const Batch batch = Take(dataset, options, 1)[0];
  // (40 - 16) / 2 = 12 from the left, (30 - 16) / 2 = 7 from the top.
  EXPECT_EQ(batch.image[256], static_cast<float>(12 / 255.0));
  EXPECT_EQ(batch.image[512], static_cast<float>(7 / 255.0));
  EXPECT_EQ(batch.image[256 + 15], static_cast<float>(27 / 255.0));
}

TEST(LoaderTest, CropsAreNormalisedAsTheWholeImageIs) {
  auto dataset = std::make_shared<FakeDataset>(4);
  Options options = SmallOptions();
  options.spec.augment = false;
  options.spec.normalization = "image";
  const Batch batch = Take(dataset, options, 1)[0];
  const Sample sample = *dataset->Get(batch.sample_indices[0]);
  const std::vector<float> whole = NormalizeImage(sample.image, options.spec);
  const int plane = sample.image.width * sample.image.height;
  // (40 - 16) / 2 = 12 from the left, (30 - 16) / 2 = 7 from the top.
  EXPECT_EQ(batch.image[256], whole[plane + 7 * sample.image.width + 12]);
}

// A change of the generator or of the order of draws would silently break
// resuming across versions, and comparisons with earlier runs.
TEST(LoaderTest, TheOrderIsPinned) {
  auto dataset = std::make_shared<FakeDataset>(100);
  const std::vector<Batch> batches = Take(dataset, SmallOptions(), 2);
  EXPECT_EQ(batches[0].sample_indices, (std::vector<int64_t>{71, 39, 19, 36}));
  EXPECT_EQ(batches[1].sample_indices, (std::vector<int64_t>{94, 62, 69, 8}));
}

TEST(LoaderTest, TheCacheIsBoundedAndUsed) {
  auto dataset = std::make_shared<FakeDataset>(4);
  Options options = SmallOptions();
  options.loader.workers = 0;
  Take(dataset, options, 10);
  EXPECT_EQ(dataset->reads, 4);
  dataset->reads = 0;
  options.loader.cache_bytes = 2 * 40 * 30 * 4 + 1;  // Two samples of four.
  Take(dataset, options, 10);
  EXPECT_EQ(dataset->reads, 2 + 2 * 10);
}

TEST(LoaderTest, AnErrorArrivesInItsPlaceAndStays) {
  auto dataset = std::make_shared<FakeDataset>(8, /*broken=*/5);
  for (const int workers : {0, 1, 3}) {
    Options options = SmallOptions();
    options.spec.batch_size = 1;
    options.loader.workers = workers;
    absl::StatusOr<std::unique_ptr<Loader>> loader =
        Loader::Create(dataset, options.spec, options.loader);
    ASSERT_TRUE(loader.ok());
    std::set<int64_t> seen;
    absl::StatusOr<Batch> batch = (*loader)->Next();
    for (; batch.ok(); batch = (*loader)->Next()) {
      EXPECT_EQ(batch->index, static_cast<int64_t>(seen.size()));
      seen.insert(batch->sample_indices[0]);
      ASSERT_LT(seen.size(), 8u);
    }
    EXPECT_EQ(seen.count(5), 0u);
    EXPECT_EQ(batch.status().message(), "broken.png: damaged");
    EXPECT_EQ((*loader)->Next().status().message(), "broken.png: damaged");
  }
}

// Hangs, and so runs into its time limit, if workers are not told to stop.
TEST(LoaderTest, IsDestroyedWhileItsQueueIsFull) {
  auto dataset = std::make_shared<FakeDataset>(8);
  for (int i = 0; i < 20; ++i) Take(dataset, SmallOptions(), i % 3);
}

TEST(LoaderTest, MemoryThatIsRefusedIsAnError) {
  class Hungry : public FakeDataset {
   public:
    Hungry() : FakeDataset(8) {}
    absl::StatusOr<Sample> Get(int64_t) const override {
      throw std::bad_alloc();
    }
  };
  for (const int workers : {0, 2}) {
    Options options = SmallOptions();
    options.loader.workers = workers;
    auto loader = Loader::Create(std::make_shared<Hungry>(), options.spec,
                                 options.loader);
    ASSERT_TRUE(loader.ok());
    const absl::Status status = (*loader)->Next().status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_EQ(status.message().substr(0, 26), "out of memory for a batch;");
  }
}

TEST(LoaderTest, RefusesOptionsByName) {
  auto dataset = std::make_shared<FakeDataset>(8);
  const auto message = [&](auto change) {
    Options options = SmallOptions();
    change(options);
    return std::string(Loader::Create(dataset, options.spec, options.loader)
                           .status()
                           .message());
  };
  EXPECT_EQ(message([](Options& o) { o.spec.batch_size = 0; }),
            "batch_size is 0; it must be 1 to 65536");
  EXPECT_EQ(message([](Options& o) { o.loader.workers = -1; }),
            "workers is -1; it must be 0 to 1024");
  EXPECT_EQ(message([](Options& o) { o.loader.prefetch = 0; }),
            "prefetch is 0; it must be 1 to 65536");
  EXPECT_EQ(message([](Options& o) {
              o.loader.start_batch = -1;
            }).rfind("start_batch is -1", 0),
            0u);
  EXPECT_EQ(message([](Options& o) {
              o.loader.cache_bytes = -1;
            }).rfind("cache_bytes is -1", 0),
            0u);
}

}  // namespace
}  // namespace cnn_fp4::data
