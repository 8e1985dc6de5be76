#ifndef DATA_LIST_FILE_H_
#define DATA_LIST_FILE_H_

// A list of images and their masks: the file <root>/train.txt of a folder.
//
// A line is "image mask", separated by blanks, or by a tab if names have
// blanks, both relative to the root. Lines may end in CR LF and the text may
// begin with a byte order mark of UTF-8; empty lines are skipped. UTF-16, NUL
// and other control characters are refused by line.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cnn_fp4::data {

struct ListLine {
  int number = 0;    // From 1.
  std::string name;  // Of the image, as the list has it.
  std::string image_path;
  std::string mask_path;
};

// The text of a list, which is at `list`, for messages. At least one line; the
// files are not looked for.
absl::StatusOr<std::vector<ListLine>> ParseList(absl::string_view text,
                                                const std::string& root,
                                                const std::string& list);

// Every file in it exists; there is at least one line.
absl::StatusOr<std::vector<ListLine>> ReadListFile(const std::string& root,
                                                   const std::string& list);

}  // namespace cnn_fp4::data

#endif  // DATA_LIST_FILE_H_
