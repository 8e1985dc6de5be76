#ifndef DATA_IMAGE_OVERLAP_H_
#define DATA_IMAGE_OVERLAP_H_

// Finds images that count twice, or that are validated on though the net was
// trained on them: the same file under any path (links, "./a.png") or, between
// the splits, another file of the same bytes.
//
// Files of one split and one size alone are not read, so that large data sets
// open fast: copies within a split are found by path only. An image that was
// stored anew with other bytes is not found.

#include <string>
#include <vector>

namespace cnn_fp4::data {

struct ImageFile {
  std::string name;  // For messages.
  std::string path;
};

// A line for each finding (split_checks.h), none for files that cannot be read.
std::vector<std::string> FindOverlap(const std::vector<ImageFile>& train,
                                     const std::vector<ImageFile>& val);

}  // namespace cnn_fp4::data

#endif  // DATA_IMAGE_OVERLAP_H_
