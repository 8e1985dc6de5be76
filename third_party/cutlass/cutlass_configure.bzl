"""The repository @cutlass: the headers of CUTLASS and CuTe.

CUTLASS names a directory that has them under include, as bazelw makes it.
Without one @cutlass//:headers is marked incompatible with every platform:
`bazel test //...` then skips what depends on it.
"""

_FOUND = """
package(default_visibility = ["//visibility:public"])

cc_library(
    name = "headers",
    # The directory: see @libtorch.
    hdrs = ["include"],
    includes = ["include"],
    deps = [
        "@cuda//:cccl",
        "@cuda//:headers",
    ],
)
"""

_NOT_FOUND = """
package(default_visibility = ["//visibility:public"])

constraint_setting(name = "cutlass")

# Never part of a platform.
constraint_value(
    name = "not_available",
    constraint_setting = ":cutlass",
)

cc_library(
    name = "headers",
    target_compatible_with = [":not_available"],
)
"""

def _cutlass_configure_impl(repository_ctx):
    root = repository_ctx.os.environ.get("CUTLASS", "")
    found = root and repository_ctx.path(root + "/include/cute/layout.hpp").exists
    if root and not found:
        # buildifier: disable=print
        print("CUTLASS: %s/include/cute is missing: its tests are skipped" % root)
    if found:
        repository_ctx.symlink(root + "/include", "include")
    repository_ctx.file("BUILD.bazel", _FOUND if found else _NOT_FOUND)

cutlass_configure = repository_rule(
    implementation = _cutlass_configure_impl,
    configure = True,
    environ = ["CUTLASS"],
    local = True,
)
