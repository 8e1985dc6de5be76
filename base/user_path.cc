#include "base/user_path.h"

#include <cstdlib>
#include <filesystem>

namespace cnn_fp4::base {
namespace {

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string CallerDirectory() { return Environment("BUILD_WORKING_DIRECTORY"); }

std::string WorkspaceDirectory() {
  return Environment("BUILD_WORKSPACE_DIRECTORY");
}

std::string UserPath(const std::string& path) {
  const std::string directory = CallerDirectory();
  if (path.empty() || directory.empty()) return path;
  // An absolute path replaces what it is appended to.
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

}  // namespace cnn_fp4::base
