#include "data/synthetic_dataset.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/describe.h"
#include "data/rng.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

constexpr int kMaxShapes = 6;
constexpr int kNoise = 25;  // Grey levels, peak to peak.
constexpr uint64_t kStream = 3;

enum Split : uint64_t { kTrain = 0, kVal = 1 };

struct Colour {
  int rgb[3];
};

struct Shape {
  uint8_t label;  // 1: disc, 2: box.
  int x, y;       // Centre.
  int rx, ry;     // Half extents; a disc uses rx.
  Colour colour;

  bool Contains(int px, int py) const {
    const int dx = px - x;
    const int dy = py - y;
    if (label == 1) return dx * dx + dy * dy <= rx * rx;
    return std::abs(dx) <= rx && std::abs(dy) <= ry;
  }
};

Colour DrawColour(Rng* rng, int low, int high) {
  Colour colour;
  for (int& level : colour.rgb) level = low + rng->Below(high - low);
  return colour;
}

class SyntheticDataset : public Dataset {
 public:
  SyntheticDataset(const DatasetSpec& spec, uint64_t seed, Split split)
      : seed_(seed),
        size_(static_cast<int>(spec.synthetic_size)),
        split_(split),
        count_(split == kTrain
                   ? spec.synthetic_count
                   : std::max<int64_t>(1, spec.synthetic_count / 4)),
        class_names_({"background", "disc", "box"}) {}

  int64_t size() const override { return count_; }

  absl::StatusOr<Sample> Get(int64_t index) const override {
    CHECK_GE(index, 0);
    CHECK_LT(index, size());
    Rng rng({kStream, seed_, split_, static_cast<uint64_t>(index)});
    const Colour from = DrawColour(&rng, 20, 120);
    const Colour to = DrawColour(&rng, 20, 120);
    std::vector<Shape> shapes(1 + rng.Below(kMaxShapes));
    for (Shape& shape : shapes) {
      shape.label = static_cast<uint8_t>(1 + rng.Below(2));
      shape.x = rng.Below(size_);
      shape.y = rng.Below(size_);
      shape.rx = size_ / 16 + rng.Below(size_ / 8);
      shape.ry = size_ / 16 + rng.Below(size_ / 8);
      shape.colour = DrawColour(&rng, 90, 230);
    }
    Sample sample;
    sample.name = absl::StrCat(split_ == kTrain ? "train/" : "val/", index);
    sample.image.width = sample.image.height = size_;
    sample.image.channels = 3;
    sample.image.pixels.reserve(size_t{3} * size_ * size_);
    sample.mask.reserve(size_t{1} * size_ * size_);
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) {
        const Shape* top = nullptr;
        for (const Shape& shape : shapes) {
          if (shape.Contains(x, y)) top = &shape;
        }
        sample.mask.push_back(top == nullptr ? 0 : top->label);
        for (int c = 0; c < 3; ++c) {
          const int gradient =
              from.rgb[c] + (to.rgb[c] - from.rgb[c]) * (x + y) / (2 * size_);
          const int level = top == nullptr ? gradient : top->colour.rgb[c];
          const int noise = static_cast<int>(rng.Below(kNoise)) - kNoise / 2;
          sample.image.pixels.push_back(
              static_cast<uint8_t>(std::clamp(level + noise, 0, 255)));
        }
      }
    }
    return sample;
  }

  const std::vector<std::string>& class_names() const override {
    return class_names_;
  }

  std::string Describe() const override {
    SizeRange sizes;
    sizes.Add({size_, size_});
    return DescribeDataset(absl::StrCat("synthetic, seed ", seed_,
                                        split_ == kTrain ? ", train" : ", val"),
                           count_, sizes, class_names_);
  }

 private:
  const uint64_t seed_;
  const int size_;
  const Split split_;
  const int64_t count_;
  const std::vector<std::string> class_names_;
};

}  // namespace

DatasetPair OpenSynthetic(const DatasetSpec& spec, const ReadOptions& options) {
  const absl::Status status = Check(spec);
  CHECK(status.ok()) << status;
  DatasetPair pair;
  pair.train = std::make_shared<SyntheticDataset>(spec, options.seed, kTrain);
  pair.val = std::make_shared<SyntheticDataset>(spec, options.seed, kVal);
  return pair;
}

}  // namespace cnn_fp4::data
