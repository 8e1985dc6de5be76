#include "data/png_decoder.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::data {
namespace {

constexpr size_t kSignatureBytes = 8;

enum class Target { kRgb8, kLabels };

// Everything that libpng's callbacks and the code between setjmp and longjmp
// touch. It lives in the caller's frame, so a longjmp skips no destructor and
// leaves no local variable indeterminate.
struct Decoder {
  const char* data = nullptr;
  size_t size = 0;
  size_t position = 0;

  png_structp png = nullptr;
  png_infop info = nullptr;
  char message[160] = "";

  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int bit_depth = 0;
  int channels = 0;
  size_t row_bytes = 0;

  std::vector<unsigned char> pixels;
  std::vector<png_bytep> rows;

  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

void OnError(png_structp png, png_const_charp message) {
  auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
  std::snprintf(decoder->message, sizeof(decoder->message), "%s", message);
  longjmp(png_jmpbuf(png), 1);
}

void OnWarning(png_structp, png_const_charp) {}

void OnRead(png_structp png, png_bytep out, png_size_t count) {
  auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
  if (count > decoder->size - decoder->position) {
    png_error(png, "the file ends too early");
  }
  std::memcpy(out, decoder->data + decoder->position, count);
  decoder->position += count;
}

// The three steps below are the only ones that libpng may leave by longjmp.
// None owns an object with a destructor.

bool ReadHeader(Decoder* decoder) {
  if (setjmp(png_jmpbuf(decoder->png)) != 0) return false;
  png_set_read_fn(decoder->png, decoder, OnRead);
  // libpng's own limit is a million in each direction; ours is on the product.
  png_set_user_limits(decoder->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(decoder->png, decoder->info);
  decoder->width = png_get_image_width(decoder->png, decoder->info);
  decoder->height = png_get_image_height(decoder->png, decoder->info);
  return true;
}

bool SetTransforms(Decoder* decoder, Target target) {
  if (setjmp(png_jmpbuf(decoder->png)) != 0) return false;
  png_structp png = decoder->png;
  const int color_type = png_get_color_type(png, decoder->info);
  const int bit_depth = png_get_bit_depth(png, decoder->info);
  if (target == Target::kRgb8) {
    if (color_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color_type == PNG_COLOR_TYPE_GRAY && bit_depth < 8) {
      png_set_expand_gray_1_2_4_to_8(png);
    }
    if (bit_depth == 16) png_set_strip_16(png);
    if ((color_type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
  } else if (bit_depth < 8) {
    png_set_packing(png);  // One byte a value, unscaled.
  }
  // Looking a palette up makes alpha of its transparency (tRNS).
  if ((color_type & PNG_COLOR_MASK_ALPHA) != 0 ||
      (target == Target::kRgb8 &&
       png_get_valid(png, decoder->info, PNG_INFO_tRNS) != 0)) {
    png_set_strip_alpha(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, decoder->info);
  decoder->bit_depth = png_get_bit_depth(png, decoder->info);
  decoder->channels = png_get_channels(png, decoder->info);
  decoder->row_bytes = png_get_rowbytes(png, decoder->info);
  return true;
}

bool ReadPixels(Decoder* decoder) {
  if (setjmp(png_jmpbuf(decoder->png)) != 0) return false;
  png_read_image(decoder->png, decoder->rows.data());
  png_read_end(decoder->png, nullptr);  // Checks the rest of the file.
  return true;
}

absl::Status Damaged(const std::string& name, const Decoder& decoder) {
  return absl::DataLossError(
      absl::StrCat(name, ": damaged PNG (", decoder.message,
                   "); copy or download the file again"));
}

absl::Status Open(absl::string_view bytes, const std::string& name,
                  int64_t max_pixels, Decoder* decoder) {
  if (!IsPng(bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": not a PNG file; convert it to PNG"));
  }
  decoder->data = bytes.data();
  decoder->size = bytes.size();
  decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, OnError,
                                        OnWarning);
  if (decoder->png == nullptr) {
    return absl::InternalError(absl::StrCat(
        name,
        ": libpng cannot start; libpng.so is not the version of its "
        "headers (",
        PNG_LIBPNG_VER_STRING, ")"));
  }
  decoder->info = png_create_info_struct(decoder->png);
  if (decoder->info == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat(name, ": out of memory"));
  }
  if (!ReadHeader(decoder)) return Damaged(name, *decoder);
  const uint64_t declared = uint64_t{decoder->width} * decoder->height;
  if (declared > static_cast<uint64_t>(max_pixels)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": declares ", decoder->width, "x", decoder->height,
                     " pixels, more than the limit of ", max_pixels,
                     "; resize it or raise --max_pixels"));
  }
  return absl::OkStatus();
}

absl::Status Decode(absl::string_view bytes, const std::string& name,
                    int64_t max_pixels, Target target, Decoder* decoder) {
  absl::Status status = Open(bytes, name, max_pixels, decoder);
  if (!status.ok()) return status;
  if (!SetTransforms(decoder, target)) return Damaged(name, *decoder);
  decoder->pixels.resize(decoder->row_bytes * decoder->height);
  decoder->rows.resize(decoder->height);
  for (size_t y = 0; y < decoder->height; ++y) {
    decoder->rows[y] = decoder->pixels.data() + y * decoder->row_bytes;
  }
  if (!ReadPixels(decoder)) return Damaged(name, *decoder);
  return absl::OkStatus();
}

}  // namespace

bool IsPng(absl::string_view bytes) {
  return bytes.size() >= kSignatureBytes &&
         png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0,
                     kSignatureBytes) == 0;
}

absl::StatusOr<ImageSize> PngSize(absl::string_view bytes,
                                  const std::string& name, int64_t max_pixels) {
  Decoder decoder;
  absl::Status status = Open(bytes, name, max_pixels, &decoder);
  if (!status.ok()) return status;
  return ImageSize{static_cast<int>(decoder.width),
                   static_cast<int>(decoder.height)};
}

absl::StatusOr<Image> DecodePngImage(absl::string_view bytes,
                                     const std::string& name,
                                     int64_t max_pixels) {
  Decoder decoder;
  absl::Status status =
      Decode(bytes, name, max_pixels, Target::kRgb8, &decoder);
  if (!status.ok()) return status;
  Image image;
  image.width = static_cast<int>(decoder.width);
  image.height = static_cast<int>(decoder.height);
  image.channels = decoder.channels;
  image.pixels = std::move(decoder.pixels);
  return image;
}

absl::StatusOr<LabelMap> DecodePngLabels(absl::string_view bytes,
                                         const std::string& name,
                                         int64_t max_pixels) {
  Decoder decoder;
  absl::Status status =
      Decode(bytes, name, max_pixels, Target::kLabels, &decoder);
  if (!status.ok()) return status;
  LabelMap labels;
  labels.width = static_cast<int>(decoder.width);
  labels.height = static_cast<int>(decoder.height);
  const size_t count = static_cast<size_t>(decoder.width) * decoder.height;
  const size_t channels = decoder.channels;
  labels.values.resize(count);
  const unsigned char* bytes_at = decoder.pixels.data();
  // PNG is big-endian.
  const auto value_at = [&](size_t i) {
    return decoder.bit_depth == 16
               ? static_cast<uint16_t>(bytes_at[2 * i] << 8 |
                                       bytes_at[2 * i + 1])
               : uint16_t{bytes_at[i]};
  };
  for (size_t i = 0; i < count; ++i) {
    const uint16_t value = value_at(i * channels);
    for (size_t c = 1; c < channels; ++c) {
      if (value_at(i * channels + c) != value) {
        return absl::InvalidArgumentError(absl::StrCat(
            name, ": a colour mask (pixel ", i % decoder.width, ",",
            i / decoder.width,
            " is not grey); store class indices as a grey or palette PNG"));
      }
    }
    labels.values[i] = value;
  }
  return labels;
}

}  // namespace cnn_fp4::data
