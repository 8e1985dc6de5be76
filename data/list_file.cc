#include "data/list_file.h"

#include <climits>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "data/file_io.h"

namespace cnn_fp4::data {
namespace {

constexpr absl::string_view kUtf8Mark = "\xef\xbb\xbf";

// UTF-16 (and UTF-32 of little-endian order) begins with one of two marks;
// without one it has a NUL in every other byte of its ASCII characters.
bool IsUtf16(absl::string_view text) {
  if (absl::StartsWith(text, "\xff\xfe") ||
      absl::StartsWith(text, "\xfe\xff")) {
    return true;
  }
  return text.size() >= 4 && (text[0] == '\0') != (text[1] == '\0') &&
         (text[2] == '\0') == (text[0] == '\0') &&
         (text[3] == '\0') == (text[1] == '\0');
}

absl::Status CheckLine(absl::string_view line, const std::string& where) {
  if (line.size() > 2 * PATH_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": ", line.size(), " characters, more than two paths can have (",
        PATH_MAX, " each); it begins with ", Quoted(line),
        "; is it a list of images and masks?"));
  }
  if (absl::StrContains(line, '\r')) {
    return absl::InvalidArgumentError(absl::StrCat(
        where,
        ": a carriage return without a line feed; store the list with line "
        "ends of Unix or Windows"));
  }
  const auto is_bad = [](char c) {
    return absl::ascii_iscntrl(c) && c != '\t';
  };
  if (absl::c_any_of(line, is_bad)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": a NUL or another control character in ",
                     Quoted(line), "; is it a text file?"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ListLine>> ParseList(absl::string_view text,
                                                const std::string& root,
                                                const std::string& list) {
  if (IsUtf16(text)) {
    return absl::InvalidArgumentError(absl::StrCat(
        list, ": text in UTF-16 or UTF-32; store the list in UTF-8"));
  }
  std::vector<ListLine> lines;
  int number = 0;
  for (absl::string_view line :
       absl::StrSplit(absl::StripPrefix(text, kUtf8Mark), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    const std::string where = absl::StrCat(list, ":", number);
    absl::Status status = CheckLine(line, where);
    if (!status.ok()) return status;
    const std::vector<std::string> fields =
        absl::StrContains(line, '\t')
            ? absl::StrSplit(line, '\t', absl::SkipEmpty())
            : absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() != 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": ", fields.size(), fields.size() == 1 ? " field" : " fields",
          ", expected \"image mask\"; use a tab between names with blanks"));
    }
    lines.push_back({number, fields[0], JoinPath(root, fields[0]),
                     JoinPath(root, fields[1])});
  }
  if (lines.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        list, ": empty split; add at least one \"image mask\" line"));
  }
  return lines;
}

absl::StatusOr<std::vector<ListLine>> ReadListFile(const std::string& root,
                                                   const std::string& list) {
  const absl::StatusOr<std::string> text = ReadFileBytes(list);
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<ListLine>> lines = ParseList(*text, root, list);
  if (!lines.ok()) return lines.status();
  for (const ListLine& line : *lines) {
    for (const std::string& path : {line.image_path, line.mask_path}) {
      if (!IsFile(path)) {
        return absl::NotFoundError(absl::StrCat(
            list, ":", line.number, ": there is no file ", Quoted(path),
            "; correct the list (paths are relative to ", root, ")"));
      }
    }
  }
  return lines;
}

}  // namespace cnn_fp4::data
