#include "data/folder_dataset.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/data_digest.h"
#include "data/file_dataset.h"
#include "data/file_io.h"
#include "data/image_io.h"
#include "data/image_overlap.h"
#include "data/list_file.h"
#include "data/mask_rule.h"
#include "data/mask_values.h"
#include "data/split_checks.h"

namespace cnn_fp4::data {
namespace {

using Entries = std::vector<FileEntry>;

// An image of so few values may be a mask, if its mask has more than twice as
// many; looked at in so many entries of a split.
constexpr size_t kMaskLikeValues = 8;
constexpr size_t kEntriesCompared = 3;

absl::StatusOr<Entries> ReadList(const std::string& root,
                                 const std::string& list) {
  absl::StatusOr<std::vector<ListLine>> lines = ReadListFile(root, list);
  if (!lines.ok()) return lines.status();
  Entries entries;
  for (ListLine& line : *lines) {
    entries.push_back({std::move(line.name), std::move(line.image_path),
                       std::move(line.mask_path), MaskRule()});
  }
  return entries;
}

absl::StatusOr<Entries> ScanFolders(const std::string& root,
                                    const std::string& split,
                                    std::vector<std::string>* warnings) {
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
  absl::StatusOr<ImageListing> images = ListImageFiles(image_dir);
  if (!images.ok()) return images.status();
  absl::StatusOr<ImageListing> masks = ListImageFiles(mask_dir);
  if (!masks.ok()) return masks.status();
  if (images->files.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        image_dir, ": empty split, no .png, .jpg or .jpeg here",
        images->skipped.empty()
            ? ""
            : absl::StrCat(" (skipped: ", FirstFew(images->skipped), ")"),
        "; add images"));
  }
  std::map<std::string, std::string> mask_of_stem;
  for (const std::string& mask : masks->files) {
    std::string& chosen = mask_of_stem[Stem(mask)];
    if (!chosen.empty()) {
      masks->skipped.push_back(
          absl::StrCat(chosen, " (", mask, " beside it is taken)"));
    }
    chosen = mask;
  }
  WarnOf(image_dir, "files skipped", images->skipped, warnings);
  WarnOf(mask_dir, "files skipped", masks->skipped, warnings);
  Entries entries;
  std::map<std::string, std::string> image_of_stem;
  for (const std::string& image : images->files) {
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
  std::vector<std::string> lonely;
  for (const auto& [stem, mask] : mask_of_stem) {
    if (image_of_stem.count(stem) == 0) lonely.push_back(mask);
  }
  WarnOf(mask_dir, "masks without an image", lonely, warnings);
  return entries;
}

absl::StatusOr<Entries> FindEntries(const std::string& root,
                                    const std::string& split,
                                    std::vector<std::string>* warnings) {
  const std::string list = absl::StrCat(JoinPath(root, split), ".txt");
  return IsFile(list) ? ReadList(root, list)
                      : ScanFolders(root, split, warnings);
}

// How many colours an image has; 0 if it cannot be read.
size_t CountColours(const std::string& path, int64_t max_pixels) {
  const absl::StatusOr<Image> image = ReadImage(path, max_pixels);
  if (!image.ok()) return 0;
  std::set<uint32_t> colours;
  for (size_t i = 0; i < image->pixels.size(); i += 3) {
    const uint8_t* rgb = &image->pixels[i];
    colours.insert(uint32_t{rgb[0]} << 16 | uint32_t{rgb[1]} << 8 | rgb[2]);
  }
  return colours.size();
}

// Whether the image of the entry could be a mask, and better than its mask of
// `values` different ones.
bool LooksSwapped(const FileEntry& entry, size_t values, int64_t max_pixels) {
  if (values <= kMaskLikeValues) return false;
  const absl::StatusOr<LabelMap> labels =
      ReadLabels(entry.image_path, max_pixels);
  if (!labels.ok()) return false;
  const size_t image_values = CountValues("", *labels).counts.size();
  return image_values <= kMaskLikeValues && values > 2 * image_values;
}

absl::Status Swapped(const FileEntry& entry) {
  return absl::InvalidArgumentError(absl::StrCat(
      entry.mask_path, ": this mask looks like an image, and ",
      entry.image_path,
      " like a mask: the two are swapped; name the folders (or the columns of "
      "the list) the other way round, or name all classes with --class_names "
      "if the data are meant so"));
}

// Appends the values of all masks of a split.
absl::Status ScanMasks(const Entries& entries, const DatasetSpec& spec,
                       int64_t max_pixels, std::vector<MaskValues>* masks) {
  size_t compared = 0;
  for (const FileEntry& entry : entries) {
    absl::StatusOr<MaskValues> mask = ScanMask(entry, max_pixels);
    if (!mask.ok()) {
      // A photograph is no mask to ReadLabels: a JPEG, or coloured.
      return absl::IsInvalidArgument(mask.status()) &&
                     LooksSwapped(entry,
                                  CountColours(entry.mask_path, max_pixels),
                                  max_pixels)
                 ? Swapped(entry)
                 : mask.status();
    }
    const size_t values = mask->counts.size();
    if (spec.class_names.empty() && compared < kEntriesCompared) {
      ++compared;
      if (LooksSwapped(entry, values, max_pixels)) return Swapped(entry);
    }
    masks->push_back(*std::move(mask));
  }
  return absl::OkStatus();
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
  DatasetPair pair;
  Entries entries[2];
  std::vector<MaskValues> masks;  // Of train, then of val.
  for (int i = 0; i < 2; ++i) {
    absl::StatusOr<Entries> found =
        FindEntries(root, splits[i], &pair.warnings);
    if (!found.ok()) return found.status();
    entries[i] = *std::move(found);
    status = ScanMasks(entries[i], spec, options.max_pixels, &masks);
    if (!status.ok()) return status;
  }
  absl::StatusOr<MaskMeaning> meaning =
      DecideMeaning(root, masks, spec.ignore_index, spec.class_names);
  if (!meaning.ok()) return meaning.status();
  pair.warnings.insert(pair.warnings.end(), meaning->warnings.begin(),
                       meaning->warnings.end());
  SplitContents contents[2];
  for (int i = 0; i < 2; ++i) {
    contents[i].title = absl::StrCat(
        title.empty() ? absl::StrCat("folder ", root) : title, ", ", splits[i]);
    contents[i].counts.pixels.resize(meaning->class_names.size());
  }
  DataDigest digest;
  for (size_t i = 0; i < masks.size(); ++i) {
    const size_t train = entries[0].size();
    contents[i < train ? 0 : 1].counts.Add(masks[i], meaning->rule);
    AddToDigest(i < train ? entries[0][i] : entries[1][i - train], masks[i],
                &digest);
  }
  pair.digest = digest.Hex();
  status = CheckContents(contents[0], contents[1], meaning->class_names,
                         /*one_class_will_do=*/false, &pair.warnings);
  if (!status.ok()) return status;
  for (std::string& warning :
       FindOverlap(ImagesOf(entries[0]), ImagesOf(entries[1]))) {
    pair.warnings.push_back(
        absl::StrCat(title.empty() ? absl::StrCat("folder ", root) : title,
                     ": ", std::move(warning)));
  }
  for (int i = 0; i < 2; ++i) {
    for (FileEntry& entry : entries[i]) entry.rule = meaning->rule;
    absl::StatusOr<std::shared_ptr<const Dataset>> dataset = OpenFileDataset(
        std::move(entries[i]),
        {contents[i].title, meaning->class_names, options.max_pixels,
         contents[i].counts, meaning->text});
    if (!dataset.ok()) return dataset.status();
    (i == 0 ? pair.train : pair.val) = *std::move(dataset);
  }
  return pair;
}

}  // namespace cnn_fp4::data
