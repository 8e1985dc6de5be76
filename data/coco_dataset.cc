#include "data/coco_dataset.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/coco_json.h"
#include "data/coco_mask.h"
#include "data/data_digest.h"
#include "data/describe.h"
#include "data/exif.h"
#include "data/file_io.h"
#include "data/image_io.h"
#include "data/image_overlap.h"
#include "data/split_checks.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

struct Classes {
  std::vector<std::string> names;          // The background first.
  std::map<int64_t, uint8_t> of_category;  // Without those left out.
};

bool SameSize(ImageSize a, ImageSize b) {
  return a.width == b.width && a.height == b.height;
}

// Whether an image that is stored with this orientation is to be turned for its
// annotations, whose width and height decide. InvalidArgument if neither way
// has their size.
absl::StatusOr<bool> IsTurned(const std::string& path, ImageSize stored,
                              int orientation, ImageSize annotated) {
  if (SameSize(Turned(stored, orientation), annotated)) return orientation > 1;
  if (SameSize(stored, annotated)) return false;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": is ", stored.width, "x", stored.height,
                   " but its annotations say ", annotated.width, "x",
                   annotated.height, "; use the original image"));
}

std::string Annotations(int64_t count) {
  return absl::StrCat(count, count == 1 ? " annotation" : " annotations");
}

class CocoDataset : public Dataset {
 public:
  CocoDataset(SplitContents contents, std::string image_dir, int64_t max_pixels,
              Classes classes, CocoInstances instances)
      : contents_(std::move(contents)),
        image_dir_(std::move(image_dir)),
        max_pixels_(max_pixels),
        classes_(std::move(classes)),
        instances_(std::move(instances)),
        of_image_(instances_.images.size()) {
    std::unordered_map<int64_t, size_t> index_of_id;
    for (size_t i = 0; i < instances_.images.size(); ++i) {
      index_of_id[instances_.images[i].id] = i;
      sizes_.Add(instances_.images[i].size);
    }
    for (size_t i = 0; i < instances_.annotations.size(); ++i) {
      of_image_[index_of_id.at(instances_.annotations[i].image_id)].push_back(
          i);
    }
  }

  int64_t size() const override { return instances_.images.size(); }

  absl::StatusOr<Sample> Get(int64_t index) const override {
    CHECK_GE(index, 0);
    CHECK_LT(index, size());
    const CocoImage& entry = instances_.images[index];
    const std::string path = JoinPath(image_dir_, entry.file_name);
    absl::StatusOr<Image> image = ReadStoredImage(path, max_pixels_);
    if (!image.ok()) return image.status();
    const absl::StatusOr<bool> is_turned = IsTurned(
        path, {image->width, image->height}, image->orientation, entry.size);
    if (!is_turned.ok()) return is_turned.status();
    if (*is_turned) Turn(&*image);
    Sample sample;
    sample.name = entry.file_name;
    sample.image = *std::move(image);
    absl::Status status = PaintMask(index, &sample.mask);
    if (!status.ok()) return status;
    return sample;
  }

  const std::vector<std::string>& class_names() const override {
    return classes_.names;
  }

  std::string Describe() const override {
    const ClassCounts& counts = contents_.counts;
    std::vector<std::string> classes = {classes_.names[0]};
    for (size_t i = 1; i < classes_.names.size(); ++i) {
      classes.push_back(
          absl::StrCat(classes_.names[i], " ", Annotations(counts.pixels[i])));
    }
    std::string text =
        DescribeDataset(contents_.title, size(), sizes_, classes);
    if (counts.ignored > 0) {
      absl::StrAppend(&text, ", ", Annotations(counts.ignored),
                      " of crowds ignored");
    }
    if (counts.images_turned > 0) {
      absl::StrAppend(&text, ", ", counts.images_turned,
                      counts.images_turned == 1 ? " image" : " images",
                      " turned by EXIF orientation to the annotated size");
    }
    return text;
  }

 private:
  struct Layer {
    bool is_crowd;
    int64_t pixels;
    uint8_t value;
    PixelRuns runs;
  };

  absl::Status PaintMask(int64_t index, std::vector<uint8_t>* mask) const {
    const ImageSize size = instances_.images[index].size;
    std::vector<Layer> layers;
    for (const size_t i : of_image_[index]) {
      const CocoAnnotation& annotation = instances_.annotations[i];
      const auto category = classes_.of_category.find(annotation.category_id);
      if (category == classes_.of_category.end()) continue;
      absl::StatusOr<PixelRuns> runs = Rasterize(annotation, size);
      if (!runs.ok()) return runs.status();
      const int64_t pixels = CountPixels(*runs);
      layers.push_back({annotation.is_crowd, pixels,
                        annotation.is_crowd ? kIgnore : category->second,
                        *std::move(runs)});
    }
    std::stable_sort(layers.begin(), layers.end(),
                     [](const Layer& a, const Layer& b) {
                       if (a.is_crowd != b.is_crowd) return a.is_crowd;
                       return a.pixels > b.pixels;
                     });
    mask->assign(static_cast<size_t>(size.width) * size.height, 0);
    for (const Layer& layer : layers) {
      Paint(layer.runs, size, layer.value, mask);
    }
    return absl::OkStatus();
  }

  const SplitContents contents_;
  const std::string image_dir_;
  const int64_t max_pixels_;
  const Classes classes_;
  const CocoInstances instances_;
  std::vector<std::vector<size_t>> of_image_;
  SizeRange sizes_;
};

absl::StatusOr<Classes> MakeClasses(const DatasetSpec& spec,
                                    const std::string& root,
                                    const CocoInstances& instances) {
  Classes classes;
  classes.names.emplace_back("background");
  for (const auto& [id, category] : instances.categories) {
    if (spec.class_names.empty()) {
      classes.of_category[id] = static_cast<uint8_t>(classes.names.size());
      classes.names.push_back(category.name);
    }
  }
  for (const std::string& name : spec.class_names) {
    const auto found = std::find_if(
        instances.categories.begin(), instances.categories.end(),
        [&name](const auto& entry) { return entry.second.name == name; });
    if (found == instances.categories.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--class_names: ", root, " has no category \"", name,
                       "\"; leave the flag out to see all"));
    }
    classes.of_category[found->first] =
        static_cast<uint8_t>(classes.names.size());
    classes.names.push_back(name);
  }
  if (classes.names.size() < 2 || classes.names.size() > kMaxClasses) {
    return absl::InvalidArgumentError(
        absl::StrCat(root, ": ", classes.names.size() - 1,
                     " categories; there must "
                     "be 1 to ",
                     kMaxClasses - 1, ", choose some with --class_names"));
  }
  return classes;
}

std::string JsonPath(const std::string& root, const std::string& split) {
  return JoinPath(root, absl::StrCat("annotations/instances_", split, ".json"));
}

absl::StatusOr<CocoInstances> ReadSplit(const ReadOptions& options,
                                        const std::string& split) {
  const std::string json = JsonPath(options.data_root, split);
  absl::StatusOr<CocoInstances> instances =
      ReadCocoInstances(json, options.max_pixels);
  if (!instances.ok()) return instances.status();
  if (instances->images.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(json, ": empty split, \"images\" is empty; add images"));
  }
  const std::string image_dir = JoinPath(options.data_root, split);
  absl::Status status = CheckDirectory(
      image_dir, absl::StrCat("images of the split \"", split, "\""));
  if (!status.ok()) return status;
  for (const CocoImage& image : instances->images) {
    const std::string path = JoinPath(image_dir, image.file_name);
    if (!IsFile(path)) {
      return absl::NotFoundError(
          absl::StrCat(path, ": no such file, though ", json,
                       " lists it; add the image or remove the entry"));
    }
  }
  return instances;
}

// How many images EXIF turns, from the headers of all of them, which have to
// agree with the annotations.
absl::StatusOr<int64_t> CountTurned(const CocoInstances& instances,
                                    const std::string& image_dir,
                                    int64_t max_pixels) {
  int64_t count = 0;
  for (const CocoImage& image : instances.images) {
    const std::string path = JoinPath(image_dir, image.file_name);
    const absl::StatusOr<ImageSize> size = ReadImageSize(path, max_pixels);
    if (!size.ok()) return size.status();
    const absl::StatusOr<bool> is_turned = IsTurned(
        path, Turned(*size, size->orientation), size->orientation, image.size);
    if (!is_turned.ok()) return is_turned.status();
    if (*is_turned) ++count;
  }
  return count;
}

// The annotations of each class; `ignored` has those of crowds.
SplitContents ContentsOf(const std::string& title, const Classes& classes,
                         const CocoInstances& instances) {
  SplitContents contents;
  contents.title = title;
  contents.unit = "annotation";
  contents.counts.pixels.resize(classes.names.size());
  contents.counts.images = static_cast<int64_t>(instances.images.size());
  for (const CocoAnnotation& annotation : instances.annotations) {
    const auto category = classes.of_category.find(annotation.category_id);
    if (category == classes.of_category.end()) continue;
    ++(annotation.is_crowd ? contents.counts.ignored
                           : contents.counts.pixels[category->second]);
  }
  return contents;
}

void AddToDigest(const CocoInstances& instances, const std::string& root,
                 const std::string& split, DataDigest* digest) {
  digest->AddFile(JsonPath(root, split));
  for (const CocoImage& image : instances.images) {
    digest->AddFileSize(JoinPath(JoinPath(root, split), image.file_name));
  }
}

// Images in the folder of a split that its annotations do not list.
absl::Status WarnOfUnlisted(const CocoInstances& instances,
                            const std::string& image_dir,
                            std::vector<std::string>* warnings) {
  absl::StatusOr<ImageListing> listing = ListImageFiles(image_dir);
  if (!listing.ok()) return listing.status();
  std::set<std::string> listed;
  for (const CocoImage& image : instances.images) {
    listed.insert(image.file_name);
  }
  std::vector<std::string> unlisted;
  for (const std::string& name : listing->files) {
    if (listed.count(name) == 0) unlisted.push_back(name);
  }
  WarnOf(image_dir, "images that the annotations do not list", unlisted,
         warnings);
  return absl::OkStatus();
}

std::vector<ImageFile> ImagesOf(const CocoInstances& instances,
                                const std::string& root,
                                const std::string& split) {
  std::vector<ImageFile> images;
  for (const CocoImage& image : instances.images) {
    const std::string name = JoinPath(split, image.file_name);
    images.push_back({name, JoinPath(root, name)});
  }
  return images;
}

bool SameCategories(const CocoInstances& a, const CocoInstances& b) {
  return std::equal(
      a.categories.begin(), a.categories.end(), b.categories.begin(),
      b.categories.end(), [](const auto& x, const auto& y) {
        return x.first == y.first && x.second.name == y.second.name;
      });
}

}  // namespace

absl::StatusOr<DatasetPair> OpenCoco(const DatasetSpec& spec,
                                     const ReadOptions& options) {
  const std::string train_split =
      spec.train_split.empty() ? "train2017" : spec.train_split;
  const std::string val_split =
      spec.val_split.empty() ? "val2017" : spec.val_split;
  absl::Status status = CheckDirectory(options.data_root, "the dataset");
  if (!status.ok()) return status;
  absl::StatusOr<CocoInstances> train = ReadSplit(options, train_split);
  if (!train.ok()) return train.status();
  absl::StatusOr<CocoInstances> val = ReadSplit(options, val_split);
  if (!val.ok()) return val.status();
  if (!SameCategories(*train, *val)) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.data_root, ": instances_", train_split,
                     ".json and "
                     "instances_",
                     val_split,
                     ".json have different categories; "
                     "give both the same list"));
  }
  absl::StatusOr<Classes> classes =
      MakeClasses(spec, options.data_root, *train);
  if (!classes.ok()) return classes.status();
  const std::string title = absl::StrCat("coco ", options.data_root);
  SplitContents contents[] = {
      ContentsOf(absl::StrCat(title, ", ", train_split), *classes, *train),
      ContentsOf(absl::StrCat(title, ", ", val_split), *classes, *val)};
  DatasetPair pair;
  status = CheckContents(contents[0], contents[1], classes->names,
                         /*one_class_will_do=*/false, &pair.warnings);
  if (!status.ok()) return status;
  for (const auto& [split, instances, counts] :
       {std::make_tuple(&train_split, &*train, &contents[0].counts),
        std::make_tuple(&val_split, &*val, &contents[1].counts)}) {
    const std::string image_dir = JoinPath(options.data_root, *split);
    const absl::StatusOr<int64_t> turned =
        CountTurned(*instances, image_dir, options.max_pixels);
    if (!turned.ok()) return turned.status();
    counts->images_turned = *turned;
    status = WarnOfUnlisted(*instances, image_dir, &pair.warnings);
    if (!status.ok()) return status;
  }
  DataDigest digest;
  AddToDigest(*train, options.data_root, train_split, &digest);
  AddToDigest(*val, options.data_root, val_split, &digest);
  pair.digest = digest.Hex();
  for (const std::string& warning :
       FindOverlap(ImagesOf(*train, options.data_root, train_split),
                   ImagesOf(*val, options.data_root, val_split))) {
    pair.warnings.push_back(absl::StrCat(title, ": ", warning));
  }
  pair.train = std::make_shared<const CocoDataset>(
      std::move(contents[0]), JoinPath(options.data_root, train_split),
      options.max_pixels, *classes, *std::move(train));
  pair.val = std::make_shared<const CocoDataset>(
      std::move(contents[1]), JoinPath(options.data_root, val_split),
      options.max_pixels, *classes, *std::move(val));
  return pair;
}

}  // namespace cnn_fp4::data
