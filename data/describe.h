#ifndef DATA_DESCRIBE_H_
#define DATA_DESCRIBE_H_

// The line that every Dataset::Describe() returns.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "data/image.h"
#include "data/mask_values.h"

namespace cnn_fp4::data {

// Smallest and largest width and height seen so far.
class SizeRange {
 public:
  void Add(ImageSize size);
  // "256x256", or "256x256 to 360x320" (each side on its own).
  std::string ToString() const;

 private:
  bool empty_ = true;
  ImageSize min_;
  ImageSize max_;
};

// "TITLE: 65 images, 256x256 to 360x360, 2 classes (background, nucleus)".
// At most ten of `classes`, the names or what is said of each, are given.
std::string DescribeDataset(absl::string_view title, int64_t count,
                            const SizeRange& sizes,
                            const std::vector<std::string>& classes);

// "14.27 %", or "< 0.01 %" where that is rounded from more than nothing.
std::string Share(int64_t part, int64_t whole);

// Each name with its share of the pixels that are not ignored: "nucleus 14.27
// %".
std::vector<std::string> WithShares(const std::vector<std::string>& class_names,
                                    const ClassCounts& counts);

}  // namespace cnn_fp4::data

#endif  // DATA_DESCRIBE_H_
