"""All external repositories of the workspace."""

load("//third_party/absl:absl.bzl", "debian_absl")
load("//third_party/cuda:cuda_configure.bzl", "cuda_configure")
load("//third_party/cutlass:cutlass_configure.bzl", "cutlass_configure")
load("//third_party/debian:debian_library.bzl", "debian_library")
load("//third_party/libtorch:libtorch_configure.bzl", "libtorch_configure")
load("//third_party/plotly:plotly_configure.bzl", "plotly_configure")

def _bazel4_stand_ins():
    # Debian builds Bazel without a version number.
    version = native.bazel_version
    if version and not version.startswith("4."):
        return
    for name in ["rules_cc", "rules_java", "remote_coverage_tools"]:
        native.local_repository(
            name = name,
            path = "third_party/bazel4/" + name,
        )

def third_party_repositories():
    _bazel4_stand_ins()

    cuda_configure(name = "cuda")
    cutlass_configure(name = "cutlass")
    libtorch_configure(name = "libtorch")
    plotly_configure(name = "plotly")

    debian_absl(name = "com_google_absl")
    debian_library(
        name = "cli11",
        build_file = "//third_party/cli11:cli11.BUILD.bazel",
        debian_package = "libcli11-dev",
        header = "/usr/include/CLI/CLI.hpp",
    )
    debian_library(
        name = "com_github_google_benchmark",
        build_file = "//third_party/benchmark:benchmark.BUILD.bazel",
        debian_package = "libbenchmark-dev",
        header = "/usr/include/benchmark/benchmark.h",
    )
    debian_library(
        name = "com_github_google_glog",
        build_file = "//third_party/glog:glog.BUILD.bazel",
        debian_package = "libgoogle-glog-dev",
        header = "/usr/include/glog/logging.h",
    )
    debian_library(
        name = "com_google_googletest",
        build_file = "//third_party/googletest:googletest.BUILD.bazel",
        debian_package = "libgmock-dev",
        header = "/usr/include/gmock/gmock.h",
    )
    debian_library(
        name = "eigen",
        build_file = "//third_party/eigen:eigen.BUILD.bazel",
        debian_package = "libeigen3-dev",
        header = "/usr/include/eigen3/Eigen/Core",
        include_links = {
            "Eigen": "/usr/include/eigen3/Eigen",
            "unsupported": "/usr/include/eigen3/unsupported",
        },
    )
    debian_library(
        name = "hwy",
        build_file = "//third_party/hwy:hwy.BUILD.bazel",
        debian_package = "libhwy-dev",
        header = "/usr/include/hwy/highway.h",
    )
    debian_library(
        name = "png",
        build_file = "//third_party/png:png.BUILD.bazel",
        debian_package = "libpng-dev",
        header = "/usr/include/png.h",
    )
    debian_library(
        name = "jpeg",
        build_file = "//third_party/jpeg:jpeg.BUILD.bazel",
        debian_package = "libjpeg62-turbo-dev",
        header = "/usr/include/jpeglib.h",
    )
    debian_library(
        name = "cairo",
        build_file = "//third_party/cairo:cairo.BUILD.bazel",
        debian_package = "libcairo2-dev",
        header = "/usr/include/cairo/cairo.h",
        include_links = {"include": "/usr/include/cairo"},
    )
    debian_library(
        name = "nlohmann_json",
        build_file = "//third_party/nlohmann_json:nlohmann_json.BUILD.bazel",
        debian_package = "nlohmann-json3-dev",
        header = "/usr/include/nlohmann/json.hpp",
    )
    debian_library(
        name = "openssl",
        build_file = "//third_party/openssl:openssl.BUILD.bazel",
        debian_package = "libssl-dev",
        header = "/usr/include/openssl/evp.h",
    )
    debian_library(
        name = "protobuf",
        build_file = "//third_party/protobuf:protobuf.BUILD.bazel",
        debian_package = "libprotobuf-dev",
        header = "/usr/include/google/protobuf/message_lite.h",
    )
    debian_library(
        name = "zlib",
        build_file = "//third_party/zlib:zlib.BUILD.bazel",
        debian_package = "zlib1g-dev",
        header = "/usr/include/zlib.h",
    )
