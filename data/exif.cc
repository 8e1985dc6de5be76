#include "data/exif.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "data/image.h"
#include "glog/logging.h"

namespace cnn_fp4::data {
namespace {

constexpr int kAsStored = 1;
constexpr int kFirstTransposed = 5;
constexpr int kLast = 8;

// Unsigned number of `size` bytes, 0 beyond the end.
uint32_t Number(absl::string_view bytes, size_t at, int size, bool big_endian) {
  if (at > bytes.size() || bytes.size() - at < static_cast<size_t>(size)) {
    return 0;
  }
  uint32_t value = 0;
  for (int i = 0; i < size; ++i) {
    const size_t index = at + (big_endian ? i : size - 1 - i);
    value = value << 8 | static_cast<unsigned char>(bytes[index]);
  }
  return value;
}

// Of a TIFF structure: a header and a directory of entries of 12 bytes.
int OrientationOfTiff(absl::string_view tiff) {
  constexpr uint32_t kTag = 0x0112;
  constexpr uint32_t kShort = 3;
  constexpr uint32_t kLong = 4;
  constexpr size_t kEntryBytes = 12;
  const bool big_endian = absl::StartsWith(tiff, "MM");
  if (!big_endian && !absl::StartsWith(tiff, "II")) return kAsStored;
  if (Number(tiff, 2, 2, big_endian) != 42) return kAsStored;
  const size_t directory = Number(tiff, 4, 4, big_endian);
  const uint32_t entries = Number(tiff, directory, 2, big_endian);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) break;
    if (Number(tiff, entry, 2, big_endian) != kTag) continue;
    const uint32_t type = Number(tiff, entry + 2, 2, big_endian);
    if (type != kShort && type != kLong) break;
    const uint32_t value =
        Number(tiff, entry + 8, type == kShort ? 2 : 4, big_endian);
    return value >= kAsStored && value <= kLast ? static_cast<int>(value)
                                                : kAsStored;
  }
  return kAsStored;
}

int OrientationOfJpeg(absl::string_view bytes) {
  constexpr absl::string_view kExif("Exif\0\0", 6);
  constexpr uint32_t kApp1 = 0xffe1;
  constexpr uint32_t kStartOfScan = 0xffda;
  size_t at = 2;
  while (at + 4 <= bytes.size()) {
    const uint32_t marker = Number(bytes, at, 2, true);
    if (marker == 0xffff) {  // A fill byte.
      ++at;
      continue;
    }
    const size_t length = Number(bytes, at + 2, 2, true);
    if (marker < 0xff00 || marker == kStartOfScan || length < 2) break;
    const absl::string_view segment = bytes.substr(at + 4, length - 2);
    if (marker == kApp1 && absl::StartsWith(segment, kExif)) {
      return OrientationOfTiff(segment.substr(kExif.size()));
    }
    at += 2 + length;
  }
  return kAsStored;
}

int OrientationOfPng(absl::string_view bytes) {
  constexpr size_t kSignatureBytes = 8;
  constexpr size_t kOverhead = 12;  // Length, type and checksum of a chunk.
  size_t at = kSignatureBytes;
  while (at + kOverhead <= bytes.size()) {
    const size_t length = Number(bytes, at, 4, true);
    if (bytes.substr(at + 4, 4) == "eXIf") {
      return OrientationOfTiff(bytes.substr(at + 8, length));
    }
    at += kOverhead + length;
  }
  return kAsStored;
}

template <typename Value>
void TurnValues(int orientation, ImageSize size, int channels,
                std::vector<Value>* values) {
  CHECK_GE(orientation, kAsStored);
  CHECK_LE(orientation, kLast);
  const int w = size.width;
  const int h = size.height;
  CHECK_EQ(values->size(), static_cast<size_t>(w) * h * channels);
  if (orientation == kAsStored) return;
  const ImageSize turned = Turned(size, orientation);
  std::vector<Value> result;
  result.reserve(values->size());
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x) {
      // Where the pixel is stored.
      int from_x = orientation < kFirstTransposed ? x : y;
      int from_y = orientation < kFirstTransposed ? y : x;
      if (orientation == 2 || orientation == 3 || orientation == 7 ||
          orientation == 8) {
        from_x = w - 1 - from_x;
      }
      if (orientation == 3 || orientation == 4 || orientation == 6 ||
          orientation == 7) {
        from_y = h - 1 - from_y;
      }
      const size_t from = (static_cast<size_t>(from_y) * w + from_x) * channels;
      for (int c = 0; c < channels; ++c) result.push_back((*values)[from + c]);
    }
  }
  *values = std::move(result);
}

}  // namespace

int StoredOrientation(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xff\xd8")) return OrientationOfJpeg(bytes);
  if (absl::StartsWith(bytes, "\x89PNG")) return OrientationOfPng(bytes);
  return kAsStored;
}

ImageSize Turned(ImageSize size, int orientation) {
  if (orientation >= kFirstTransposed) std::swap(size.width, size.height);
  return size;
}

void Turn(int orientation, ImageSize size, int channels,
          std::vector<uint8_t>* values) {
  TurnValues(orientation, size, channels, values);
}

void Turn(int orientation, ImageSize size, int channels,
          std::vector<uint16_t>* values) {
  TurnValues(orientation, size, channels, values);
}

void Turn(Image* image) {
  const ImageSize stored = {image->width, image->height};
  Turn(image->orientation, stored, image->channels, &image->pixels);
  const ImageSize turned = Turned(stored, image->orientation);
  image->width = turned.width;
  image->height = turned.height;
  image->orientation = kAsStored;
}

}  // namespace cnn_fp4::data
