#include "data/folder_dataset.h"

#include <bitset>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "data/file_dataset.h"
#include "data/file_io.h"
#include "data/image_io.h"

namespace cnn_fp4::data {
namespace {

using Entries = std::vector<FileEntry>;
using ValueSet = std::bitset<std::numeric_limits<uint16_t>::max() + 1>;

constexpr uint16_t kBinaryForeground = 255;

absl::StatusOr<Entries> ReadList(const std::string& root,
                                 const std::string& list) {
  absl::StatusOr<std::string> text = ReadFileBytes(list);
  if (!text.ok()) return text.status();
  Entries entries;
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++line_number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    const std::vector<std::string> fields =
        absl::StrContains(line, '\t')
            ? absl::StrSplit(line, '\t', absl::SkipEmpty())
            : absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() != 2) {
      return absl::InvalidArgumentError(absl::StrCat(
          list, ":", line_number, ": ", fields.size(),
          " fields, expected \"image mask\"; use a tab between names with "
          "blanks"));
    }
    FileEntry entry;
    entry.name = fields[0];
    entry.image_path = JoinPath(root, fields[0]);
    entry.mask_path = JoinPath(root, fields[1]);
    for (const std::string& path : {entry.image_path, entry.mask_path}) {
      if (!IsFile(path)) {
        return absl::NotFoundError(absl::StrCat(
            list, ":", line_number, ": there is no file ", path,
            "; correct the list (paths are relative to ", root, ")"));
      }
    }
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        list, ": empty split; add at least one \"image mask\" line"));
  }
  return entries;
}

absl::StatusOr<Entries> ScanFolders(const std::string& root,
                                    const std::string& split) {
  const std::string base = JoinPath(root, split);
  const std::string image_dir = JoinPath(base, "images");
  std::string mask_dir = JoinPath(base, "masks");
  if (!IsDirectory(mask_dir) && IsDirectory(JoinPath(base, "labels"))) {
    mask_dir = JoinPath(base, "labels");
  }
  absl::Status status =
      CheckDirectory(image_dir, absl::StrCat("images of the split \"", split,
                                             "\"; or a list ", base, ".txt"));
  if (status.ok()) {
    status = CheckDirectory(mask_dir, "masks; labels/ will do as well");
  }
  if (!status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> images = ListImageFiles(image_dir);
  if (!images.ok()) return images.status();
  absl::StatusOr<std::vector<std::string>> masks = ListImageFiles(mask_dir);
  if (!masks.ok()) return masks.status();
  if (images->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(image_dir,
                     ": empty split, no .png, .jpg or .jpeg here; "
                     "add images"));
  }
  std::map<std::string, std::string> mask_of_stem;
  for (const std::string& mask : *masks) mask_of_stem[Stem(mask)] = mask;
  Entries entries;
  std::map<std::string, std::string> image_of_stem;
  for (const std::string& image : *images) {
    const auto inserted = image_of_stem.emplace(Stem(image), image);
    if (!inserted.second) {
      return absl::InvalidArgumentError(
          absl::StrCat(JoinPath(image_dir, image), ": ", inserted.first->second,
                       " beside it has the same name, "
                       "so one mask would stand for both; rename one"));
    }
    const auto mask = mask_of_stem.find(Stem(image));
    if (mask == mask_of_stem.end()) {
      return absl::NotFoundError(absl::StrCat(
          JoinPath(image_dir, image), ": this image has no mask ",
          JoinPath(mask_dir, Stem(image)), ".png; add it or remove the image"));
    }
    FileEntry entry;
    entry.name = absl::StrCat(split, "/images/", image);
    entry.image_path = JoinPath(image_dir, image);
    entry.mask_path = JoinPath(mask_dir, mask->second);
    entries.push_back(std::move(entry));
  }
  return entries;
}

absl::StatusOr<Entries> FindEntries(const std::string& root,
                                    const std::string& split) {
  const std::string list = absl::StrCat(JoinPath(root, split), ".txt");
  return IsFile(list) ? ReadList(root, list) : ScanFolders(root, split);
}

// Adds the values of all masks to `values`. A value that can be no class is
// reported here, where the file that has it is known.
absl::Status ScanMasks(const Entries& entries, int64_t ignore_index,
                       int64_t max_pixels, ValueSet* values) {
  for (const FileEntry& entry : entries) {
    absl::StatusOr<LabelMap> labels = ReadLabels(entry.mask_path, max_pixels);
    if (!labels.ok()) return labels.status();
    absl::StatusOr<ImageSize> size =
        ReadImageSize(entry.image_path, max_pixels);
    if (!size.ok()) return size.status();
    absl::Status status =
        CheckSameSize(entry, *size, {labels->width, labels->height});
    if (!status.ok()) return status;
    for (const uint16_t value : labels->values) {
      if (value > kIgnore && value != ignore_index) {
        return absl::InvalidArgumentError(
            absl::StrCat(entry.mask_path, ": value ", value,
                         " is no class (0 to ", kMaxClasses - 1,
                         "); store class indices, not instances or colours, "
                         "or name it with --ignore_index"));
      }
      values->set(value);
    }
  }
  return absl::OkStatus();
}

// The rule for all masks, and the names of the classes.
absl::StatusOr<std::pair<MaskRule, std::vector<std::string>>> FindClasses(
    const DatasetSpec& spec, const std::string& root, ValueSet values) {
  MaskRule rule;
  size_t found = 0;
  ValueSet zero_and_foreground;
  zero_and_foreground.set(0).set(kBinaryForeground);
  if (values == zero_and_foreground) {
    rule.kind = MaskRule::Kind::kBinary;
    found = 2;
  } else {
    rule.ignore_value = static_cast<int>(spec.ignore_index);
    if (spec.ignore_index >= 0) values.reset(spec.ignore_index);
    for (size_t value = 0; value <= kIgnore; ++value) {
      if (values.test(value)) found = value + 1;
    }
  }
  if (found > kMaxClasses) {
    return absl::InvalidArgumentError(absl::StrCat(
        root, ": the masks use the value 255, which is no class (0 to ",
        kMaxClasses - 1, "); pass --ignore_index=255 if it means \"ignore\""));
  }
  if (found < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(root,
                     ": all masks are background (or ignored) everywhere, "
                     "so there is nothing to learn; check the masks"));
  }
  std::vector<std::string> names = spec.class_names;
  if (!names.empty() && names.size() < found) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--class_names has ", names.size(), " names, but the masks in ", root,
        " have ", found, " classes; name them all, the background first"));
  }
  if (names.empty()) {
    names.emplace_back("background");
    if (rule.kind == MaskRule::Kind::kBinary) names.emplace_back("foreground");
    while (names.size() < found) {
      names.push_back(absl::StrCat("class_", names.size()));
    }
  }
  return std::make_pair(rule, std::move(names));
}

}  // namespace

absl::StatusOr<DatasetPair> OpenFolder(const DatasetSpec& spec,
                                       const ReadOptions& options,
                                       const std::string& title) {
  const std::string& root = options.data_root;
  absl::Status status = CheckDirectory(root, "the dataset");
  if (!status.ok()) return status;
  const std::string splits[] = {
      spec.train_split.empty() ? "train" : spec.train_split,
      spec.val_split.empty() ? "val" : spec.val_split};
  Entries entries[2];
  ValueSet values;
  for (int i = 0; i < 2; ++i) {
    absl::StatusOr<Entries> found = FindEntries(root, splits[i]);
    if (!found.ok()) return found.status();
    entries[i] = *std::move(found);
    status =
        ScanMasks(entries[i], spec.ignore_index, options.max_pixels, &values);
    if (!status.ok()) return status;
  }
  auto classes = FindClasses(spec, root, values);
  if (!classes.ok()) return classes.status();
  std::shared_ptr<const Dataset> datasets[2];
  for (int i = 0; i < 2; ++i) {
    for (FileEntry& entry : entries[i]) entry.rule = classes->first;
    absl::StatusOr<std::shared_ptr<const Dataset>> dataset = OpenFileDataset(
        std::move(entries[i]),
        {absl::StrCat(title.empty() ? absl::StrCat("folder ", root) : title,
                      ", ", splits[i]),
         classes->second, options.max_pixels});
    if (!dataset.ok()) return dataset.status();
    datasets[i] = *std::move(dataset);
  }
  return DatasetPair{datasets[0], datasets[1]};
}

}  // namespace cnn_fp4::data
