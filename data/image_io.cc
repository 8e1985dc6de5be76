#include "data/image_io.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
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
  if (IsPng(*bytes)) return PngSize(*bytes, path, max_pixels);
  if (IsJpeg(*bytes)) return JpegSize(*bytes, path, max_pixels);
  return Neither(path, *bytes);
}

absl::StatusOr<Image> ReadImage(const std::string& path, int64_t max_pixels) {
  absl::StatusOr<std::string> bytes = ReadFileBytes(path);
  if (!bytes.ok()) return bytes.status();
  if (IsPng(*bytes)) return DecodePngImage(*bytes, path, max_pixels);
  if (IsJpeg(*bytes)) return DecodeJpeg(*bytes, path, max_pixels);
  return Neither(path, *bytes);
}

absl::StatusOr<LabelMap> ReadLabels(const std::string& path,
                                    int64_t max_pixels) {
  absl::StatusOr<std::string> bytes = ReadFileBytes(path);
  if (!bytes.ok()) return bytes.status();
  if (IsPng(*bytes)) return DecodePngLabels(*bytes, path, max_pixels);
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
