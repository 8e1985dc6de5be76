#include "data/coco_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <ios>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/coco_mask.h"
#include "data/file_io.h"
#include "data/image.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::data {
namespace {

using Json = nlohmann::json;

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

// `object[key]` as a 64-bit integer.
absl::StatusOr<int64_t> GetInteger(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) {
    return Bad(absl::StrCat("\"", key, "\" is missing or no integer"));
  }
  return found->get<int64_t>();
}

absl::StatusOr<std::string> GetString(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    return Bad(absl::StrCat("\"", key, "\" is missing or no string"));
  }
  return found->get<std::string>();
}

absl::StatusOr<ImageSize> CheckedSize(int64_t width, int64_t height,
                                      int64_t max_pixels) {
  if (width < 1 || height < 1 || width > max_pixels || height > max_pixels ||
      width * height > max_pixels) {
    return Bad(absl::StrCat("its size ", width, "x", height,
                            " is not between 1 pixel and the limit of ",
                            max_pixels));
  }
  return ImageSize{static_cast<int>(width), static_cast<int>(height)};
}

absl::Status ParseImage(const Json& json, int64_t max_pixels,
                        CocoImage* image) {
  absl::StatusOr<int64_t> id = GetInteger(json, "id");
  if (!id.ok()) return id.status();
  absl::StatusOr<std::string> file_name = GetString(json, "file_name");
  if (!file_name.ok()) return file_name.status();
  absl::StatusOr<int64_t> width = GetInteger(json, "width");
  if (!width.ok()) return width.status();
  absl::StatusOr<int64_t> height = GetInteger(json, "height");
  if (!height.ok()) return height.status();
  absl::StatusOr<ImageSize> size = CheckedSize(*width, *height, max_pixels);
  if (!size.ok()) return size.status();
  *image = {*id, *std::move(file_name), *size};
  return absl::OkStatus();
}

absl::Status ParsePolygons(const Json& json, CocoAnnotation* annotation) {
  if (json.empty()) {
    return Bad(
        "\"segmentation\" is empty (a box only); only masks can be used");
  }
  for (const Json& part : json) {
    if (!part.is_array() || part.size() < 6 || part.size() % 2 != 0) {
      return Bad("a polygon is no list of at least 3 x, y pairs");
    }
    std::vector<double> polygon;
    for (const Json& number : part) {
      // Comparing this way refuses NaN too.
      if (!number.is_number() ||
          !(std::abs(number.get<double>()) <= kMaxPolygonCoordinate)) {
        return Bad(
            absl::StrCat("a polygon has the coordinate ", number.dump()));
      }
      polygon.push_back(number.get<double>());
    }
    annotation->polygons.push_back(std::move(polygon));
  }
  return absl::OkStatus();
}

absl::Status ParseRunLengths(const Json& json, CocoAnnotation* annotation) {
  const auto counts = json.find("counts");
  if (counts == json.end()) return Bad("\"segmentation\" has no \"counts\"");
  if (counts->is_string()) {
    absl::StatusOr<std::vector<uint32_t>> decoded =
        DecodeCompressedCounts(counts->get_ref<const std::string&>());
    if (!decoded.ok()) return decoded.status();
    annotation->counts = *std::move(decoded);
    return absl::OkStatus();
  }
  if (!counts->is_array()) return Bad("\"counts\" is no list and no string");
  for (const Json& count : *counts) {
    if (!count.is_number_unsigned() ||
        count.get<uint64_t>() > std::numeric_limits<uint32_t>::max()) {
      return Bad(absl::StrCat("\"counts\" has the run length ", count.dump()));
    }
    annotation->counts.push_back(count.get<uint32_t>());
  }
  return absl::OkStatus();
}

absl::Status ParseAnnotation(const Json& json, CocoAnnotation* annotation) {
  absl::StatusOr<int64_t> id = GetInteger(json, "id");
  if (!id.ok()) return id.status();
  annotation->id = *id;
  absl::StatusOr<int64_t> image_id = GetInteger(json, "image_id");
  if (!image_id.ok()) return image_id.status();
  annotation->image_id = *image_id;
  absl::StatusOr<int64_t> category_id = GetInteger(json, "category_id");
  if (!category_id.ok()) return category_id.status();
  annotation->category_id = *category_id;
  const auto crowd = json.find("iscrowd");
  if (crowd != json.end()) {
    annotation->is_crowd = *crowd == 1;
    if (!annotation->is_crowd && *crowd != 0) {
      return Bad("\"iscrowd\" is not 0 or 1");
    }
  }
  const auto segmentation = json.find("segmentation");
  if (segmentation == json.end()) return Bad("\"segmentation\" is missing");
  if (segmentation->is_array()) return ParsePolygons(*segmentation, annotation);
  if (segmentation->is_object()) {
    return ParseRunLengths(*segmentation, annotation);
  }
  return Bad("\"segmentation\" is neither polygons nor run lengths");
}

bool WhollyOutside(const std::vector<std::vector<double>>& polygons,
                   ImageSize size) {
  double min_x = kMaxPolygonCoordinate, max_x = -kMaxPolygonCoordinate;
  double min_y = kMaxPolygonCoordinate, max_y = -kMaxPolygonCoordinate;
  for (const std::vector<double>& polygon : polygons) {
    for (size_t i = 0; i < polygon.size(); i += 2) {
      min_x = std::min(min_x, polygon[i]);
      max_x = std::max(max_x, polygon[i]);
      min_y = std::min(min_y, polygon[i + 1]);
      max_y = std::max(max_y, polygon[i + 1]);
    }
  }
  return max_x < 0 || max_y < 0 || min_x > size.width || min_y > size.height;
}

// Takes the elements of the three lists as nlohmann's parser completes them.
class Collector {
 public:
  Collector(std::string path, int64_t max_pixels)
      : path_(std::move(path)), max_pixels_(max_pixels) {}

  // For Json::parse: false drops what was parsed.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      list_ = parsed.get<std::string>();
    }
    if (depth != 2 || event != Json::parse_event_t::object_end) return true;
    if (status_.ok()) Take(parsed);
    return false;
  }

  absl::StatusOr<CocoInstances> Finish() {
    if (status_.ok()) status_ = CheckReferences();
    if (!status_.ok()) return status_;
    return std::move(instances_);
  }

 private:
  void Take(const Json& json) {
    absl::Status status;
    if (list_ == "images") {
      instances_.images.emplace_back();
      status = ParseImage(json, max_pixels_, &instances_.images.back());
    } else if (list_ == "annotations") {
      instances_.annotations.emplace_back();
      status = ParseAnnotation(json, &instances_.annotations.back());
    } else if (list_ == "categories") {
      absl::StatusOr<int64_t> id = GetInteger(json, "id");
      absl::StatusOr<std::string> name = GetString(json, "name");
      status = !id.ok() ? id.status() : name.status();
      if (status.ok()) instances_.categories[*id] = {*id, *name};
    }
    if (status.ok()) return;
    const auto id = json.find("id");
    Fail(absl::StrCat(list_, " element with the id ",
                      id == json.end() ? "(missing)" : id->dump()),
         std::string(status.message()));
  }

  void Fail(const std::string& where, const std::string& what) {
    status_ = Bad(
        absl::StrCat(path_, ": ", where, ": ", what, "; correct or remove it"));
  }

  absl::Status CheckReferences() {
    std::unordered_map<int64_t, ImageSize> sizes;
    for (const CocoImage& image : instances_.images) {
      if (!sizes.emplace(image.id, image.size).second) {
        Fail(absl::StrCat("images element with the id ", image.id),
             "there is another with this id");
      }
    }
    for (const CocoAnnotation& annotation : instances_.annotations) {
      const std::string where =
          absl::StrCat("annotations element with the id ", annotation.id);
      const auto size = sizes.find(annotation.image_id);
      if (size == sizes.end()) {
        Fail(where, absl::StrCat("there is no image with the id ",
                                 annotation.image_id));
      } else if (instances_.categories.count(annotation.category_id) == 0) {
        Fail(where, absl::StrCat("there is no category with the id ",
                                 annotation.category_id));
      } else if (!annotation.polygons.empty()) {
        if (WhollyOutside(annotation.polygons, size->second)) {
          Fail(where, absl::StrCat("it lies wholly outside its image of ",
                                   size->second.width, "x", size->second.height,
                                   " pixels"));
        }
      } else {
        absl::StatusOr<PixelRuns> runs =
            RunsFromCounts(annotation.counts, size->second);
        if (!runs.ok()) Fail(where, std::string(runs.status().message()));
      }
      if (!status_.ok()) break;
    }
    return status_;
  }

  const std::string path_;
  const int64_t max_pixels_;
  std::string list_;
  absl::Status status_;
  CocoInstances instances_;
};

}  // namespace

absl::StatusOr<CocoInstances> ReadCocoInstances(const std::string& path,
                                                int64_t max_pixels) {
  if (!IsFile(path)) {
    return absl::NotFoundError(
        absl::StrCat(path,
                     ": no such file; check --data_root and the split "
                     "(annotations/instances_<split>.json)"));
  }
  std::ifstream file(path, std::ios::binary);
  Collector collector(path, max_pixels);
  try {
    const Json rest = Json::parse(
        file, [&collector](int depth, Json::parse_event_t event, Json& parsed) {
          return collector(depth, event, parsed);
        });
    for (const char* list : {"images", "annotations", "categories"}) {
      if (!rest.is_object() || !rest.contains(list) || !rest[list].is_array()) {
        return Bad(absl::StrCat(path, ": has no list \"", list,
                                "\"; it must be a COCO instances file"));
      }
    }
  } catch (const Json::parse_error& error) {
    return absl::DataLossError(
        absl::StrCat(path, ": no valid JSON at byte ", error.byte,
                     "; copy or download the file again"));
  } catch (const Json::exception& error) {
    return Bad(absl::StrCat(path, ": ", error.what(), "; correct the file"));
  }
  return collector.Finish();
}

absl::StatusOr<PixelRuns> Rasterize(const CocoAnnotation& annotation,
                                    ImageSize size) {
  if (annotation.polygons.empty()) {
    return RunsFromCounts(annotation.counts, size);
  }
  std::vector<PixelRuns> parts;
  for (const std::vector<double>& polygon : annotation.polygons) {
    parts.push_back(RasterizePolygon(polygon, size));
  }
  return Union(parts);
}

}  // namespace cnn_fp4::data
