#ifndef BASE_USER_PATH_H_
#define BASE_USER_PATH_H_

// Paths of a person who calls `bazel run`, which starts a program in a
// directory of its own: relative ones are meant from where bazel was called.
//
//   const std::string root = base::UserPath("my_images");

#include <string>

namespace cnn_fp4::base {

// `path` as the person meant it. An absolute one, an empty one and those of a
// program that was not started by `bazel run` come back as they are.
std::string UserPath(const std::string& path);

// The directory that `bazel run` was called from, or "" outside of it.
std::string CallerDirectory();

// The workspace that `bazel run` was called in, or "" outside of it.
std::string WorkspaceDirectory();

}  // namespace cnn_fp4::base

#endif  // BASE_USER_PATH_H_
