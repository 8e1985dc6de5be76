#include "data/image_io.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/exif.h"
#include "data/file_io.h"
#include "data/jpeg_decoder.h"
#include "data/png_decoder.h"

namespace cnn_fp4::data {

namespace {

absl::Status Neither(const std::string& path, const std::string& bytes) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": neither PNG nor JPEG, whatever its name says (",
                   bytes.size(), " bytes); convert it to one of them"));
}

}  // namespace

absl::StatusOr<ImageSize> ReadImageSize(const std::string& path,
                                        int64_t max_pixels) {
  absl::StatusOr<std::string> bytes = ReadFileBytes(path);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<ImageSize> size = Neither(path, *bytes);
  if (IsPng(*bytes)) size = PngSize(*bytes, path, max_pixels);
  if (IsJpeg(*bytes)) size = JpegSize(*bytes, path, max_pixels);
  if (!size.ok()) return size.status();
  const int orientation = StoredOrientation(*bytes);
  ImageSize turned = Turned(*size, orientation);
  turned.orientation = orientation;
  return turned;
}

absl::StatusOr<Image> ReadStoredImage(const std::string& path,
                                      int64_t max_pixels) {
  absl::StatusOr<std::string> bytes = ReadFileBytes(path);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<Image> image = Neither(path, *bytes);
  if (IsPng(*bytes)) image = DecodePngImage(*bytes, path, max_pixels);
  if (IsJpeg(*bytes)) image = DecodeJpeg(*bytes, path, max_pixels);
  if (image.ok()) image->orientation = StoredOrientation(*bytes);
  return image;
}

absl::StatusOr<Image> ReadImage(const std::string& path, int64_t max_pixels) {
  absl::StatusOr<Image> image = ReadStoredImage(path, max_pixels);
  if (image.ok()) Turn(&*image);
  return image;
}

absl::StatusOr<LabelMap> ReadLabels(const std::string& path,
                                    int64_t max_pixels) {
  absl::StatusOr<std::string> bytes = ReadFileBytes(path);
  if (!bytes.ok()) return bytes.status();
  if (IsPng(*bytes)) {
    absl::StatusOr<LabelMap> labels = DecodePngLabels(*bytes, path, max_pixels);
    if (!labels.ok()) return labels.status();
    const ImageSize stored = {labels->width, labels->height};
    labels->orientation = StoredOrientation(*bytes);
    Turn(labels->orientation, stored, 1, &labels->values);
    const ImageSize turned = Turned(stored, labels->orientation);
    labels->width = turned.width;
    labels->height = turned.height;
    return labels;
  }
  if (IsJpeg(*bytes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": a JPEG mask, whose compression alters class indices; store "
        "masks as PNG"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": not a PNG mask, whatever its name says (",
                   bytes->size(), " bytes); store masks as PNG"));
}

}  // namespace cnn_fp4::data
