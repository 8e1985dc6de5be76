#ifndef DATA_COCO_JSON_H_
#define DATA_COCO_JSON_H_

// COCO's instances_*.json: images, categories and annotations.
//
// The file is streamed (json_lists.h, which has limits of an element's size and
// depth): one image, annotation or category at a time exists as JSON, so COCO's
// 450 MB need little more memory than the polygons themselves, which
// kMaxCocoNumbers bounds.

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/coco_mask.h"
#include "data/image.h"

namespace cnn_fp4::data {

// A larger file is refused before it is read.
inline constexpr int64_t kMaxCocoBytes = int64_t{4} << 30;
// Coordinates and run lengths in a file: 2 GiB of memory.
inline constexpr int64_t kMaxCocoNumbers = int64_t{1} << 28;

struct CocoImage {
  int64_t id = 0;
  std::string file_name;
  ImageSize size;
};

struct CocoCategory {
  int64_t id = 0;
  std::string name;
};

// Either polygons or run lengths.
struct CocoAnnotation {
  int64_t id = 0;
  int64_t image_id = 0;
  int64_t category_id = 0;
  bool is_crowd = false;
  std::vector<std::vector<double>> polygons;  // x0, y0, x1, y1, ... each.
  std::vector<uint32_t> counts;
  ImageSize counts_size;  // What the run lengths say they are of.
};

struct CocoInstances {
  std::vector<CocoImage> images;  // In the order of the file.
  std::map<int64_t, CocoCategory> categories;
  std::vector<CocoAnnotation> annotations;  // In the order of the file.
};

// Checks every field that is used, that what refers to an image or category
// finds it, and that no two images, annotations or categories have one id and
// no two categories one name. Run lengths must be of the size of their image. A
// polygon that lies wholly outside its image is an error, one that overlaps the
// border is clipped later. Errors name the file and the annotation, or the byte
// where it is no JSON.
absl::StatusOr<CocoInstances> ReadCocoInstances(const std::string& path,
                                                int64_t max_pixels);

// The same of a stream; `path` is for messages.
absl::StatusOr<CocoInstances> ParseCocoInstances(std::istream& stream,
                                                 const std::string& path,
                                                 int64_t max_pixels);

// The pixels of an annotation of an image of this size.
absl::StatusOr<PixelRuns> Rasterize(const CocoAnnotation& annotation,
                                    ImageSize size);

}  // namespace cnn_fp4::data

#endif  // DATA_COCO_JSON_H_
