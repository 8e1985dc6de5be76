// Any bytes as COCO's annotations: an error or masks, never a crash, and never
// more work than the images have pixels for.

#include <cstddef>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "data/coco_json.h"
#include "data/coco_mask.h"
#include "data/image.h"
#include "glog/logging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cnn_fp4::data;  // NOLINT(google-build-using-namespace)
  constexpr int64_t kMaxPixels = 1 << 14;
  std::istringstream stream(
      std::string(reinterpret_cast<const char*>(data), size));
  const absl::StatusOr<CocoInstances> instances =
      ParseCocoInstances(stream, "input", kMaxPixels);
  if (!instances.ok()) {
    // One line for people, however long the text that it quotes.
    CHECK_LT(instances.status().message().size(), 1000u);
    return 0;
  }
  std::map<int64_t, ImageSize> sizes;
  for (const CocoImage& image : instances->images) {
    sizes[image.id] = image.size;
  }
  for (const CocoAnnotation& annotation : instances->annotations) {
    const ImageSize of = sizes.at(annotation.image_id);
    CHECK_EQ(instances->categories.count(annotation.category_id), 1u);
    const absl::StatusOr<PixelRuns> runs = Rasterize(annotation, of);
    CHECK(runs.ok()) << runs.status();
    std::vector<uint8_t> mask(static_cast<size_t>(of.width) * of.height, 0);
    Paint(*runs, of, 1, &mask);
    int64_t painted = 0;
    for (const uint8_t value : mask) painted += value;
    CHECK_EQ(painted, CountPixels(*runs));
  }
  return 0;
}
