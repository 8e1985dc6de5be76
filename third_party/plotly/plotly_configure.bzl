"""The repository @plotly: where plotly.js lies, named by the variable PLOTLY.

PLOTLY is a directory that holds plotly.min.js, its LICENSE.txt and version.txt,
as bazelw makes it. As with LibTorch, programs find it by its absolute path.
Without PLOTLY, and with one that is not there, everything is built all the
same; no figure that needs it is drawn then.
"""

_BUILD = """
package(default_visibility = ["//visibility:public"])

cc_library(
    name = "plotly",
    hdrs = ["plotly_location.h"],
    includes = ["."],
)
"""

_HEADER = """\
#ifndef PLOTLY_LOCATION_H_
#define PLOTLY_LOCATION_H_

// Empty: this was built without it.
inline constexpr char kPlotlyDirectory[] = "{directory}";
// Of the package that it comes with.
inline constexpr char kPlotlyVersion[] = "{version}";

#endif  // PLOTLY_LOCATION_H_
"""

def _plotly_configure_impl(repository_ctx):
    directory = repository_ctx.os.environ.get("PLOTLY", "")
    version = ""
    for file in ["plotly.min.js", "LICENSE.txt", "version.txt"]:
        if directory and not repository_ctx.path(directory + "/" + file).exists:
            # buildifier: disable=print
            print("PLOTLY: %s/%s is missing: no 3-D surfaces" % (directory, file))
            directory = ""
    if directory:
        version = repository_ctx.read(directory + "/version.txt").strip()
    repository_ctx.file("BUILD.bazel", _BUILD)
    repository_ctx.file("plotly_location.h", _HEADER.format(
        directory = directory,
        version = version,
    ))

plotly_configure = repository_rule(
    implementation = _plotly_configure_impl,
    configure = True,
    environ = ["PLOTLY"],
    local = True,
)
