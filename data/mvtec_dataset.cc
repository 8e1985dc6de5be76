#include "data/mvtec_dataset.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "data/data_digest.h"
#include "data/file_dataset.h"
#include "data/file_io.h"
#include "data/image_overlap.h"
#include "data/mask_values.h"
#include "data/rng.h"
#include "data/split_checks.h"

namespace cnn_fp4::data {
namespace {

constexpr char kGood[] = "good";
constexpr size_t kValidationShare = 4;  // One in four.

using Entries = std::vector<FileEntry>;

// FNV-1a, mixed so that names that differ in one digit fall anywhere.
uint64_t HashName(absl::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  return Mix64(hash);
}

absl::StatusOr<std::string> FindCategory(const std::string& root,
                                         const std::string& category) {
  absl::Status status = CheckDirectory(root, "the dataset");
  if (!status.ok()) return status;
  if (!category.empty()) {
    std::string path = JoinPath(root, category);
    status = CheckDirectory(path, absl::StrCat("category \"", category, "\""));
    if (!status.ok()) return status;
    return path;
  }
  if (IsDirectory(JoinPath(root, "test"))) return root;
  absl::StatusOr<std::vector<std::string>> found = ListSubdirectories(root);
  if (!found.ok()) return found.status();
  const auto is_no_category = [&root](const std::string& name) {
    return !IsDirectory(JoinPath(JoinPath(root, name), "test"));
  };
  found->erase(std::remove_if(found->begin(), found->end(), is_no_category),
               found->end());
  if (found->size() == 1) return JoinPath(root, found->front());
  return absl::InvalidArgumentError(
      found->empty() ? absl::StrCat(root,
                                    ": no category here, that is a folder "
                                    "with test/; check --data_root")
                     : absl::StrCat(root,
                                    ": several categories; choose one with "
                                    "--category=",
                                    absl::StrJoin(*found, "|")));
}

// Masks in ground_truth/<defect> that no image in test/<defect> has.
absl::Status FindLonelyMasks(const std::string& directory,
                             const std::set<std::string>& used,
                             std::vector<std::string>* warnings) {
  absl::StatusOr<ImageListing> masks = ListImageFiles(directory);
  if (!masks.ok()) return masks.status();
  WarnOf(directory, "files skipped", masks->skipped, warnings);
  std::vector<std::string> lonely;
  for (const std::string& mask : masks->files) {
    if (used.count(mask) == 0) lonely.push_back(mask);
  }
  WarnOf(directory, "masks without an image", lonely, warnings);
  return absl::OkStatus();
}

// The images of one folder, e.g. "test/crack".
absl::StatusOr<Entries> ReadGroup(const std::string& base,
                                  const std::string& part,
                                  const std::string& defect, uint8_t foreground,
                                  std::vector<std::string>* warnings) {
  const std::string group = JoinPath(part, defect);
  const std::string image_dir = JoinPath(base, group);
  absl::StatusOr<ImageListing> images = ListImageFiles(image_dir);
  if (!images.ok()) return images.status();
  WarnOf(image_dir, "files skipped", images->skipped, warnings);
  std::set<std::string> used;
  Entries entries;
  for (const std::string& image : images->files) {
    FileEntry entry;
    entry.name = JoinPath(group, image);
    entry.image_path = JoinPath(image_dir, image);
    if (defect != kGood) {
      const std::string mask_base = JoinPath(
          base, absl::StrCat("ground_truth/", defect, "/", Stem(image)));
      entry.mask_path = absl::StrCat(mask_base, "_mask.png");
      if (!IsFile(entry.mask_path)) {
        entry.mask_path = absl::StrCat(mask_base, ".png");
      }
      if (!IsFile(entry.mask_path)) {
        return absl::NotFoundError(
            absl::StrCat(entry.image_path, ": this image has no mask ",
                         mask_base, "_mask.png; add it or remove the image"));
      }
      used.insert(entry.mask_path.substr(entry.mask_path.rfind('/') + 1));
      entry.rule.kind = MaskRule::Kind::kBinary;
      entry.rule.foreground = foreground;
    }
    entries.push_back(std::move(entry));
  }
  if (!used.empty()) {
    absl::Status status = FindLonelyMasks(
        JoinPath(base, absl::StrCat("ground_truth/", defect)), used, warnings);
    if (!status.ok()) return status;
  }
  return entries;
}

// The folders of test/ that have images: others (such as __MACOSX) would become
// classes that nothing belongs to.
absl::StatusOr<std::vector<std::string>> FindFolders(
    const std::string& test, std::vector<std::string>* warnings) {
  absl::StatusOr<std::vector<std::string>> folders = ListSubdirectories(test);
  if (!folders.ok()) return folders.status();
  std::vector<std::string> found;
  std::vector<std::string> empty;
  for (const std::string& folder : *folders) {
    absl::StatusOr<ImageListing> images =
        ListImageFiles(JoinPath(test, folder));
    if (!images.ok()) return images.status();
    (images->files.empty() ? empty : found).push_back(folder);
  }
  WarnOf(test, "folders without an image skipped", empty, warnings);
  return found;
}

// Reads the masks of a split.
absl::StatusOr<SplitContents> ReadContents(const std::string& title,
                                           const Entries& entries,
                                           size_t classes, int64_t max_pixels,
                                           DataDigest* digest,
                                           std::vector<std::string>* warnings) {
  SplitContents contents;
  contents.title = title;
  contents.counts.pixels.resize(classes);
  std::vector<std::string> empty;
  for (const FileEntry& entry : entries) {
    absl::StatusOr<MaskValues> mask = ScanMask(entry, max_pixels);
    if (!mask.ok()) return mask.status();
    contents.counts.Add(*mask, entry.rule);
    AddToDigest(entry, *mask, digest);
    if (!entry.mask_path.empty() && mask->counts.back().first == 0) {
      empty.push_back(entry.mask_path);
    }
  }
  WarnOf(title, "masks of a defect are all background", empty, warnings);
  return contents;
}

// Moves a quarter of the group to `val`, the rest to `train`, each in the order
// of the names.
void Split(Entries group, Entries* train, Entries* val) {
  std::vector<uint64_t> hashes;
  for (const FileEntry& entry : group) hashes.push_back(HashName(entry.name));
  std::vector<uint64_t> sorted = hashes;
  std::sort(sorted.begin(), sorted.end());
  size_t val_count = (group.size() + kValidationShare / 2) / kValidationShare;
  if (group.size() >= 2) val_count = std::max<size_t>(val_count, 1);
  for (size_t i = 0; i < group.size(); ++i) {
    const bool to_val = val_count > 0 && hashes[i] <= sorted[val_count - 1];
    (to_val ? val : train)->push_back(std::move(group[i]));
  }
}

}  // namespace

absl::StatusOr<DatasetPair> OpenMvtec(const DatasetSpec& spec,
                                      const ReadOptions& options) {
  absl::StatusOr<std::string> base =
      FindCategory(options.data_root, spec.category);
  if (!base.ok()) return base.status();

  // The classes come from test/ whatever the subset, so that nets trained on
  // one subset fit the others.
  DatasetPair pair;
  absl::StatusOr<std::vector<std::string>> folders =
      FindFolders(JoinPath(*base, "test"), &pair.warnings);
  if (!folders.ok()) return folders.status();
  std::vector<std::string> class_names = {kGood};
  std::vector<std::pair<std::string, uint8_t>> groups;
  for (const std::string& folder : *folders) {
    if (folder == kGood) {
      groups.emplace_back(folder, 0);
      continue;
    }
    const bool new_class =
        spec.mvtec_labels == "per_defect" || class_names.size() == 1;
    if (new_class) {
      class_names.push_back(spec.mvtec_labels == "binary" ? "defect" : folder);
    }
    if (class_names.size() > kMaxClasses) {
      return absl::InvalidArgumentError(
          absl::StrCat(*base, "/test: more than ", kMaxClasses - 1,
                       " folders of defects; use --mvtec_labels=binary"));
    }
    groups.emplace_back(folder, class_names.size() - 1);
  }
  if (class_names.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        *base, "/test: empty, no folder of defects; check --data_root"));
  }

  absl::Status status;
  Entries train, val;
  const auto add = [&](const std::string& part, const std::string& defect,
                       uint8_t foreground) -> absl::Status {
    absl::StatusOr<Entries> group =
        ReadGroup(*base, part, defect, foreground, &pair.warnings);
    if (!group.ok()) return group.status();
    Split(*std::move(group), &train, &val);
    return absl::OkStatus();
  };
  if (spec.mvtec_subset != "train") {
    for (const auto& [defect, foreground] : groups) {
      status = add("test", defect, foreground);
      if (!status.ok()) return status;
    }
  }
  if (spec.mvtec_subset != "test") {
    status = add("train", kGood, 0);
    if (!status.ok()) return status;
  }
  if (train.empty() || val.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        *base, ": empty split, the subset \"", spec.mvtec_subset, "\" has ",
        train.size() + val.size(), " images; at least 2 are needed"));
  }

  const auto title = [&](const char* split) {
    return absl::StrCat("mvtec ", *base, ", subset ", spec.mvtec_subset, ", ",
                        split);
  };
  DataDigest digest;
  absl::StatusOr<SplitContents> contents[2] = {
      ReadContents(title("train"), train, class_names.size(),
                   options.max_pixels, &digest, &pair.warnings),
      ReadContents(title("val"), val, class_names.size(), options.max_pixels,
                   &digest, &pair.warnings)};
  for (const auto& split : contents) {
    if (!split.ok()) return split.status();
  }
  pair.digest = digest.Hex();
  status = CheckContents(*contents[0], *contents[1], class_names,
                         /*one_class_will_do=*/spec.mvtec_subset == "train",
                         &pair.warnings);
  if (!status.ok()) return status;
  for (const std::string& warning :
       FindOverlap(ImagesOf(train), ImagesOf(val))) {
    pair.warnings.push_back(absl::StrCat("mvtec ", *base, ": ", warning));
  }
  for (int i = 0; i < 2; ++i) {
    absl::StatusOr<std::shared_ptr<const Dataset>> dataset = OpenFileDataset(
        std::move(i == 0 ? train : val),
        {contents[i]->title, class_names, options.max_pixels,
         contents[i]->counts, "any mask value but 0 is a defect"});
    if (!dataset.ok()) return dataset.status();
    (i == 0 ? pair.train : pair.val) = *std::move(dataset);
  }
  return pair;
}

}  // namespace cnn_fp4::data
