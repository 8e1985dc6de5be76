#include "data/coco_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <istream>
#include <limits>
#include <string>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "data/coco_mask.h"
#include "data/file_io.h"
#include "data/image.h"
#include "data/json_lists.h"
#include "nlohmann/json.hpp"

namespace cnn_fp4::data {
namespace {

using Json = nlohmann::json;
using base::BriefJson;
using base::IsInteger;

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

// `object[key]` as a 64-bit integer.
absl::StatusOr<int64_t> GetInteger(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !IsInteger(*found)) {
    return Bad(absl::StrCat("\"", key, "\" is missing or no integer"));
  }
  return found->get<int64_t>();
}

// A name: not empty, without control characters.
absl::StatusOr<std::string> GetName(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    return Bad(absl::StrCat("\"", key, "\" is missing or no string"));
  }
  std::string name = found->get<std::string>();
  if (name.empty()) return Bad(absl::StrCat("\"", key, "\" is empty"));
  if (absl::c_any_of(name, absl::ascii_iscntrl)) {
    return Bad(absl::StrCat("\"", key, "\" is ", BriefJson(*found),
                            ", with a control character"));
  }
  return name;
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
  absl::StatusOr<std::string> file_name = GetName(json, "file_name");
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
            absl::StrCat("a polygon has the coordinate ", BriefJson(number)));
      }
      polygon.push_back(number.get<double>());
    }
    annotation->polygons.push_back(std::move(polygon));
  }
  return absl::OkStatus();
}

bool IsSide(const Json& value) {
  return IsInteger(value) && value.get<int64_t>() >= 1 &&
         value.get<int64_t>() <= std::numeric_limits<int>::max();
}

absl::Status ParseRunLengths(const Json& json, CocoAnnotation* annotation) {
  const auto size = json.find("size");
  if (size == json.end() || !size->is_array() || size->size() != 2 ||
      !IsSide((*size)[0]) || !IsSide((*size)[1])) {
    return Bad("\"size\" is not the height and the width of the run lengths");
  }
  annotation->counts_size = {(*size)[1].get<int>(), (*size)[0].get<int>()};
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
      return Bad(
          absl::StrCat("\"counts\" has the run length ", BriefJson(count)));
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

std::string WhereIs(const std::string& list, int64_t id) {
  return absl::StrCat(list, " element with the id ", id);
}

// Collects what the elements of the three lists say.
class Collector {
 public:
  Collector(std::string path, int64_t max_pixels)
      : path_(std::move(path)), max_pixels_(max_pixels) {}

  absl::Status Take(const JsonElement& element) {
    const Json& json = element.value;
    absl::Status status;
    if (element.list == "images") {
      instances_.images.emplace_back();
      status = ParseImage(json, max_pixels_, &instances_.images.back());
    } else if (element.list == "annotations") {
      instances_.annotations.emplace_back();
      status = ParseAnnotation(json, &instances_.annotations.back());
      if (status.ok()) status = CountNumbers(instances_.annotations.back());
    } else {
      status = TakeCategory(json);
    }
    if (status.ok()) return status;
    const auto id = json.find("id");
    return Fail(absl::StrCat(
                    element.list, " element with the id ",
                    id == json.end()
                        ? absl::StrCat("(missing, number ", element.number, ")")
                        : BriefJson(*id)),
                std::string(status.message()));
  }

  absl::StatusOr<CocoInstances> Finish() {
    absl::Status status = CheckReferences();
    if (!status.ok()) return status;
    return std::move(instances_);
  }

 private:
  absl::Status TakeCategory(const Json& json) {
    absl::StatusOr<int64_t> id = GetInteger(json, "id");
    if (!id.ok()) return id.status();
    absl::StatusOr<std::string> name = GetName(json, "name");
    if (!name.ok()) return name.status();
    for (const auto& [other_id, other] : instances_.categories) {
      if (other_id == *id) {
        return Bad(absl::StrCat("\"", Quoted(other.name), "\" and \"",
                                Quoted(*name), "\" have this id"));
      }
      if (other.name == *name) {
        return Bad(absl::StrCat("the id ", other_id, " has the name \"",
                                Quoted(*name), "\", too"));
      }
    }
    instances_.categories[*id] = {*id, *std::move(name)};
    return absl::OkStatus();
  }

  absl::Status CountNumbers(const CocoAnnotation& annotation) {
    numbers_ += static_cast<int64_t>(annotation.counts.size());
    for (const std::vector<double>& polygon : annotation.polygons) {
      numbers_ += static_cast<int64_t>(polygon.size());
    }
    if (numbers_ <= kMaxCocoNumbers) return absl::OkStatus();
    return Bad(absl::StrCat("with it the file has more than ", kMaxCocoNumbers,
                            " coordinates and run lengths"));
  }

  absl::Status Fail(const std::string& where, const std::string& what) const {
    return Bad(
        absl::StrCat(path_, ": ", where, ": ", what, "; correct or remove it"));
  }

  absl::Status CheckReferences() const {
    std::unordered_map<int64_t, ImageSize> sizes;
    for (const CocoImage& image : instances_.images) {
      if (!sizes.emplace(image.id, image.size).second) {
        return Fail(WhereIs("images", image.id),
                    "there is another with this id");
      }
    }
    std::unordered_set<int64_t> ids;
    for (const CocoAnnotation& annotation : instances_.annotations) {
      const std::string where = WhereIs("annotations", annotation.id);
      if (!ids.insert(annotation.id).second) {
        return Fail(where, "there is another with this id");
      }
      const auto size = sizes.find(annotation.image_id);
      if (size == sizes.end()) {
        return Fail(where, absl::StrCat("there is no image with the id ",
                                        annotation.image_id));
      }
      if (instances_.categories.count(annotation.category_id) == 0) {
        return Fail(where, absl::StrCat("there is no category with the id ",
                                        annotation.category_id));
      }
      const absl::Status status = annotation.polygons.empty()
                                      ? CheckCounts(annotation, size->second)
                                      : CheckPolygons(annotation, size->second);
      if (!status.ok()) return Fail(where, std::string(status.message()));
    }
    return absl::OkStatus();
  }

  static absl::Status CheckPolygons(const CocoAnnotation& annotation,
                                    ImageSize size) {
    if (WhollyOutside(annotation.polygons, size)) {
      return Bad(absl::StrCat("it lies wholly outside its image of ",
                              size.width, "x", size.height, " pixels"));
    }
    for (const std::vector<double>& polygon : annotation.polygons) {
      const int64_t crossings = CountCrossings(polygon, size);
      if (crossings > MaxCrossings(size)) {
        return Bad(
            absl::StrCat("a polygon crosses the columns of its image of ",
                         size.width, "x", size.height, " pixels ", crossings,
                         " times, so it cannot be the outline of an object"));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status CheckCounts(const CocoAnnotation& annotation,
                                  ImageSize size) {
    const ImageSize& of = annotation.counts_size;
    if (of.width != size.width || of.height != size.height) {
      return Bad(absl::StrCat("its run lengths are of ", of.width, "x",
                              of.height, " pixels, its image has ", size.width,
                              "x", size.height));
    }
    return RunsFromCounts(annotation.counts, size).status();
  }

  const std::string path_;
  const int64_t max_pixels_;
  int64_t numbers_ = 0;
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
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(path, error);
  if (!error && bytes > static_cast<uintmax_t>(kMaxCocoBytes)) {
    return Bad(absl::StrCat(path, ": ", bytes,
                            " bytes, more than the limit of ", kMaxCocoBytes,
                            "; divide the data set"));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat(path, ": cannot open this file; check its permissions"));
  }
  return ParseCocoInstances(file, path, max_pixels);
}

absl::StatusOr<CocoInstances> ParseCocoInstances(std::istream& stream,
                                                 const std::string& path,
                                                 int64_t max_pixels) {
  Collector collector(path, max_pixels);
  bool taken = true;
  const absl::Status status =
      ReadJsonLists(stream, {"images", "annotations", "categories"},
                    [&](const JsonElement& element) {
                      absl::Status status = collector.Take(element);
                      taken = status.ok();
                      return status;
                    });
  if (!taken) return status;
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(path, ": ", status.message()));
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
