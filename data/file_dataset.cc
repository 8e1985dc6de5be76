#include "data/file_dataset.h"

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/describe.h"
#include "data/exif.h"
#include "data/image_io.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

class FileDataset : public Dataset {
 public:
  FileDataset(std::vector<FileEntry> entries, FileDatasetOptions options,
              SizeRange sizes)
      : entries_(std::move(entries)),
        options_(std::move(options)),
        sizes_(sizes) {}

  int64_t size() const override { return entries_.size(); }

  absl::StatusOr<Sample> Get(int64_t index) const override {
    CHECK_GE(index, 0);
    CHECK_LT(index, size());
    const FileEntry& entry = entries_[index];
    Sample sample;
    sample.name = entry.name;
    absl::StatusOr<Image> image =
        ReadImage(entry.image_path, options_.max_pixels);
    if (!image.ok()) return image.status();
    sample.image = *std::move(image);
    if (entry.mask_path.empty()) {
      sample.mask.assign(sample.image.pixels.size() / 3, 0);
      return sample;
    }
    absl::StatusOr<LabelMap> labels =
        ReadLabels(entry.mask_path, options_.max_pixels);
    if (!labels.ok()) return labels.status();
    absl::Status status =
        CheckSameSize(entry, {sample.image.width, sample.image.height},
                      {labels->width, labels->height});
    if (!status.ok()) return status;
    status = MapValues(entry, *labels, &sample.mask);
    if (!status.ok()) return status;
    return sample;
  }

  const std::vector<std::string>& class_names() const override {
    return options_.class_names;
  }

  std::string Describe() const override {
    std::string text =
        DescribeDataset(options_.title, size(), sizes_,
                        WithShares(options_.class_names, options_.counts));
    absl::StrAppend(&text, ", ", options_.rule);
    const ClassCounts& counts = options_.counts;
    if (counts.ignored > 0) {
      const int64_t total = std::accumulate(
          counts.pixels.begin(), counts.pixels.end(), counts.ignored);
      absl::StrAppend(&text, " (", Share(counts.ignored, total),
                      " of all pixels)");
    }
    if (counts.images_turned + counts.masks_turned > 0) {
      absl::StrAppend(&text, ", ", counts.images_turned, " images and ",
                      counts.masks_turned,
                      " masks turned by their EXIF orientation");
    }
    return text;
  }

 private:
  absl::Status MapValues(const FileEntry& entry, const LabelMap& labels,
                         std::vector<uint8_t>* mask) const {
    mask->resize(labels.values.size());
    for (size_t i = 0; i < labels.values.size(); ++i) {
      const uint16_t value = labels.values[i];
      const int cls = entry.rule.ClassOf(value);
      if (cls != kIgnore &&
          static_cast<size_t>(cls) >= options_.class_names.size()) {
        return absl::InvalidArgumentError(absl::StrCat(
            entry.mask_path, ": value ", value, " at pixel ", i % labels.width,
            ",", i / labels.width, " is no class (there are ",
            options_.class_names.size(),
            "); correct the mask, --class_names or --ignore_index"));
      }
      (*mask)[i] = static_cast<uint8_t>(cls);
    }
    return absl::OkStatus();
  }

  const std::vector<FileEntry> entries_;
  const FileDatasetOptions options_;
  const SizeRange sizes_;
};

std::string TurnedBy(int orientation) {
  return orientation == 1 ? ""
                          : absl::StrCat(" (turned by its EXIF orientation ",
                                         orientation, ")");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenFileDataset(
    std::vector<FileEntry> entries, FileDatasetOptions options) {
  CHECK(!entries.empty());
  CHECK_LE(options.class_names.size(), static_cast<size_t>(kMaxClasses));
  CHECK_EQ(options.class_names.size(), options.counts.pixels.size());
  SizeRange sizes;
  for (const FileEntry& entry : entries) {
    absl::StatusOr<ImageSize> size =
        ReadImageSize(entry.image_path, options.max_pixels);
    if (!size.ok()) return size.status();
    sizes.Add(*size);
  }
  return std::make_shared<FileDataset>(std::move(entries), std::move(options),
                                       sizes);
}

absl::StatusOr<MaskValues> ScanMask(const FileEntry& entry,
                                    int64_t max_pixels) {
  absl::StatusOr<ImageSize> size = ReadImageSize(entry.image_path, max_pixels);
  if (!size.ok()) return size.status();
  if (entry.mask_path.empty()) {
    MaskValues background;
    background.path = entry.image_path;
    background.counts = {{0, int64_t{size->width} * size->height}};
    background.image_is_turned = size->orientation > 1;
    return background;
  }
  absl::StatusOr<LabelMap> labels = ReadLabels(entry.mask_path, max_pixels);
  if (!labels.ok()) return labels.status();
  absl::Status status = CheckSameSize(
      entry, *size, {labels->width, labels->height, labels->orientation});
  if (!status.ok()) return status;
  MaskValues mask = CountValues(entry.mask_path, *labels);
  mask.is_turned = labels->orientation > 1;
  mask.image_is_turned = size->orientation > 1;
  const ImageSize back = Turned(*size, size->orientation);
  mask.is_doubtful = mask.image_is_turned && !mask.is_turned &&
                     back.width == size->width && back.height == size->height;
  return mask;
}

void AddToDigest(const FileEntry& entry, const MaskValues& mask,
                 DataDigest* digest) {
  digest->AddText(entry.name);
  digest->AddFileSize(entry.image_path);
  digest->AddNumber(mask.digest);
}

std::vector<ImageFile> ImagesOf(const std::vector<FileEntry>& entries) {
  std::vector<ImageFile> images;
  for (const FileEntry& entry : entries) {
    images.push_back({entry.name, entry.image_path});
  }
  return images;
}

absl::Status CheckSameSize(const FileEntry& entry, ImageSize image,
                           ImageSize mask) {
  if (image.width == mask.width && image.height == mask.height) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      entry.mask_path, ": the mask is ", mask.width, "x", mask.height,
      TurnedBy(mask.orientation), " but its image ", entry.image_path, " is ",
      image.width, "x", image.height, TurnedBy(image.orientation),
      "; make the mask anew at the image's size",
      image.orientation != mask.orientation
          ? ", or take the EXIF orientation out of the file if the other was "
            "made without it"
          : ""));
}

}  // namespace cnn_fp4::data
