#include "data/test_images.h"

#include <jpeglib.h>
#include <png.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs FILE.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace cnn_fp4::data {
namespace {

void Append(png_structp png, png_bytep data, png_size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))
      ->append(reinterpret_cast<char*>(data), size);
}

void Flush(png_structp) {}

int Channels(int color_type) {
  switch (color_type) {
    case PNG_COLOR_TYPE_RGB:
      return 3;
    case PNG_COLOR_TYPE_RGB_ALPHA:
      return 4;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return 2;
    default:
      return 1;
  }
}

}  // namespace

// libpng's default handler of errors ends the test, which is right here.
std::string EncodePng(const TestPng& spec) {
  std::string bytes;
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, Append, Flush);
  png_set_IHDR(png, info, spec.width, spec.height, spec.bit_depth,
               spec.color_type,
               spec.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_color> palette;
  for (size_t i = 0; i < spec.palette.size(); i += 3) {
    palette.push_back(
        {spec.palette[i], spec.palette[i + 1], spec.palette[i + 2]});
  }
  if (!palette.empty()) {
    png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  }
  png_write_info(png, info);
  if (spec.bit_depth < 8) png_set_packing(png);
  const size_t row_values =
      static_cast<size_t>(spec.width) * Channels(spec.color_type);
  EXPECT_EQ(spec.values.size(), row_values * spec.height);
  std::vector<std::vector<png_byte>> rows(spec.height);
  std::vector<png_bytep> pointers;
  for (int y = 0; y < spec.height; ++y) {
    for (size_t i = 0; i < row_values; ++i) {
      const uint16_t value = spec.values[y * row_values + i];
      if (spec.bit_depth == 16) rows[y].push_back(value >> 8);
      rows[y].push_back(value & 255);
    }
    pointers.push_back(rows[y].data());
  }
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

std::string EncodeJpeg(int width, int height, int components,
                       const std::vector<uint8_t>& values) {
  EXPECT_EQ(values.size(), static_cast<size_t>(width) * height * components);
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;  // NOLINT: libjpeg's type.
  jpeg_mem_dest(&jpeg, &buffer, &size);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = components;
  jpeg.in_color_space = components == 1   ? JCS_GRAYSCALE
                        : components == 3 ? JCS_RGB
                                          : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row = const_cast<JSAMPROW>(values.data()) +
                static_cast<size_t>(jpeg.next_scanline) * width * components;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string bytes(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&jpeg);
  std::free(buffer);
  return bytes;
}

std::string GreyPng(int width, int height, std::vector<uint16_t> values) {
  TestPng png;
  png.width = width;
  png.height = height;
  for (const uint16_t value : values) {
    if (value > 255) png.bit_depth = 16;
  }
  png.values = std::move(values);
  return EncodePng(png);
}

std::string GreyPng(int width, int height, uint16_t value) {
  return GreyPng(
      width, height,
      std::vector<uint16_t>(static_cast<size_t>(width) * height, value));
}

std::string PngThatDeclares(uint32_t width, uint32_t height) {
  std::string bytes;
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, Append, Flush);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_destroy_write_struct(&png, &info);
  // The header of an IDAT chunk: a reader of the size alone stops before it.
  bytes.append("\0\0\0\x0aIDAT", 8);
  return bytes;
}

std::string MakeTempDir() {
  static std::atomic<int> next{0};
  std::string path = ::testing::TempDir() + "dataset_" +
                     std::to_string(::getpid()) + "_" + std::to_string(next++);
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

void WriteTestFile(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(
      std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  ASSERT_TRUE(file.good()) << path;
}

}  // namespace cnn_fp4::data
