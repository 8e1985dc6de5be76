"""Fuzz targets: how to run them is in tools/fuzz/README.md."""

load("//bazel:defs.bzl", "cc_binary", "cc_library", "cc_test")

def cc_fuzz_target(name, srcs, corpus, deps = []):
    """Fuzzer <name>, and <name>_test that mutates its corpus for two seconds.

    Args:
      name: of the fuzzer.
      srcs: they define LLVMFuzzerTestOneInput.
      corpus: a folder of the package with seeds.
      deps: of srcs.
    """
    library = name + "_target"
    cc_library(
        name = library,
        testonly = True,
        srcs = srcs,
        # Nothing refers to it by name.
        alwayslink = True,
        deps = deps,
    )
    cc_binary(
        name = name,
        testonly = True,
        deps = [
            ":" + library,
            "//tools/fuzz:main",
        ],
    )
    cc_test(
        name = name + "_test",
        args = [native.package_name() + "/" + corpus],
        data = native.glob([corpus + "/*"]),
        deps = [
            ":" + library,
            "//tools/fuzz:standalone_driver",
        ],
    )
