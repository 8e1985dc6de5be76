#include "data/image_overlap.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <ios>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/split_checks.h"

namespace cnn_fp4::data {
namespace {

constexpr size_t kHeadBytes = 4096;

// What tells two files apart, the cheap parts first.
struct File {
  const ImageFile* file = nullptr;
  bool in_val = false;
  int64_t size = 0;
  std::pair<uint64_t, uint64_t> inode;
  uint64_t head = 0;  // Digests, where needed.
  uint64_t whole = 0;
};

// FNV-1a of 64 bits over the first `limit` bytes.
uint64_t Digest(const std::string& path, size_t limit) {
  std::ifstream stream(path, std::ios::binary);
  uint64_t hash = 0xcbf29ce484222325u;
  std::string block(std::min(limit, size_t{1} << 16), '\0');
  for (size_t left = limit; left > 0 && stream;) {
    stream.read(&block[0], std::min(left, block.size()));
    const size_t count = stream.gcount();
    for (size_t i = 0; i < count; ++i) {
      hash = (hash ^ static_cast<unsigned char>(block[i])) * 0x100000001b3u;
    }
    left -= count;
  }
  return hash;
}

// Calls `take` with every group of files of equal `key` that has files of both
// splits.
template <typename Key, typename Take>
void ForSharedGroups(const std::vector<File*>& files, Key key, Take take) {
  std::map<decltype(key(*files[0])), std::vector<File*>> groups;
  for (File* file : files) groups[key(*file)].push_back(file);
  for (const auto& entry : groups) {
    const std::vector<File*>& group = entry.second;
    const auto is_val = [](const File* file) { return file->in_val; };
    if (std::any_of(group.begin(), group.end(), is_val) &&
        !std::all_of(group.begin(), group.end(), is_val)) {
      take(group);
    }
  }
}

std::string Images(size_t count) {
  return absl::StrCat(count, count == 1 ? " image" : " images");
}

}  // namespace

std::vector<std::string> FindOverlap(const std::vector<ImageFile>& train,
                                     const std::vector<ImageFile>& val) {
  std::vector<File> all;
  for (const bool in_val : {false, true}) {
    for (const ImageFile& image : in_val ? val : train) {
      struct stat facts = {};
      if (::stat(image.path.c_str(), &facts) != 0) continue;
      File file;
      file.file = &image;
      file.in_val = in_val;
      file.size = facts.st_size;
      file.inode = {facts.st_dev, facts.st_ino};
      all.push_back(file);
    }
  }
  std::vector<std::string> warnings;
  const auto warn_of = [&](const std::string& what,
                           const std::vector<std::string>& names) {
    if (names.empty()) return;
    warnings.push_back(
        absl::StrCat(Images(names.size()), what, ": ", FirstFew(names)));
  };

  std::map<std::tuple<bool, uint64_t, uint64_t>, const File*> first_of_inode;
  std::vector<std::string> twice[2];
  std::vector<File*> files;
  for (File& file : all) {
    files.push_back(&file);
    const auto inserted = first_of_inode.emplace(
        std::tuple(file.in_val, file.inode.first, file.inode.second), &file);
    if (!inserted.second) twice[file.in_val].push_back(file.file->name);
  }
  warn_of(" of train listed more than once, which count as often", twice[0]);
  warn_of(" of val listed more than once, which count as often", twice[1]);

  std::vector<std::string> shared;
  const auto take = [&shared](const std::vector<File*>& group) {
    const auto from_train = std::find_if(
        group.begin(), group.end(), [](const File* f) { return !f->in_val; });
    for (const File* file : group) {
      if (!file->in_val) continue;
      shared.push_back(absl::StrCat(
          file->file->name,
          file->inode == (*from_train)->inode ? " is " : " equals ",
          (*from_train)->file->name));
    }
  };
  const auto by_size = [](const File& file) { return file.size; };
  const auto by_head = [](const File& file) { return file.head; };
  const auto by_whole = [](const File& file) { return file.whole; };
  if (files.empty()) return warnings;
  ForSharedGroups(files, by_size, [&](const std::vector<File*>& same_size) {
    for (File* file : same_size) {
      file->head = Digest(file->file->path, kHeadBytes);
    }
    ForSharedGroups(same_size, by_head, [&](const std::vector<File*>& heads) {
      for (File* file : heads) {
        file->whole = Digest(file->file->path, file->size);
      }
      ForSharedGroups(heads, by_whole, take);
    });
  });
  std::sort(shared.begin(), shared.end());
  warn_of(" of val are training images, so scores are too good to be believed",
          shared);
  return warnings;
}

}  // namespace cnn_fp4::data
