"""Experiments whose whole configuration is pinned at build time."""

load("//bazel:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("//experiments:experiments.bzl", "BASE")

_PINNED_CONFIG_CC = """\
#include "experiments/pinned_config.h"

namespace cnn_fp4::experiments {{
const char kExperimentName[] = "{name}";
const char kExperimentConfig[] = R"json({config})json";
}}  // namespace cnn_fp4::experiments
"""

_PINNED_STUDY_CC = """\
#include "experiments/pinned_study.h"

namespace cnn_fp4::experiments {{
const char kStudyName[] = "{name}";
const char kStudyExperiment[] = R"json({config})json";
const char kStudySeeds[] = "{seeds}";
const char* const kStudyConditions[] = {{{conditions}nullptr}};
}}  // namespace cnn_fp4::experiments
"""

_ALL_CONFIGS_CC = """\
#include "experiments/pinned_config.h"

namespace cnn_fp4::experiments {{
const PinnedConfig kAllPinnedConfigs[] = {{
{entries}
}};
const int kNumPinnedConfigs = {count};
}}  // namespace cnn_fp4::experiments
"""

def _write_impl(ctx):
    ctx.actions.write(ctx.outputs.out, ctx.attr.content)

# No shell between the configuration and the file.
_write = rule(
    implementation = _write_impl,
    attrs = {
        "content": attr.string(mandatory = True),
        "out": attr.output(mandatory = True),
    },
)

# {"train": {"steps": 3}, "arms": [...]} -> {"train.steps": 3, "arms": [...]}.
# A path is a path already. Parts do not nest further.
def _by_path(config):
    flat = {}
    for key, value in config.items():
        if type(value) != type({}):
            flat[key] = value
            continue
        for field, field_value in value.items():
            path = "%s.%s" % (key, field)
            if path in config:
                fail("%s is there twice" % path)
            flat[path] = field_value
    return flat

def _resolved(name, overrides):
    flat = _by_path(BASE)
    changed = _by_path(overrides)
    unknown = [path for path in changed if path not in flat]
    if unknown:
        fail("experiment %s: unknown fields %s; known: %s" % (
            name,
            ", ".join(unknown),
            ", ".join(sorted(flat)),
        ))
    config = {}
    for path, value in dict(flat, **changed).items():
        part, dot, field = path.partition(".")
        if not dot:
            config[part] = value
        else:
            config[part] = dict(config.get(part, {}), **{field: value})
    return json.encode_indent(config, indent = "  ")

def _pinned(name, config_cc, interface, main):
    """The binary <name> and <name>_smoke_test, of a main and what it is pinned to.

    Args:
      name: Name of the binary.
      config_cc: C++ that defines what `interface` declares.
      interface: Library whose header declares the configuration.
      main: Library with main().
    """
    _write(
        name = name + "_config_cc",
        content = config_cc,
        out = name + "_config.cc",
    )
    cc_library(
        name = name + "_config",
        srcs = [name + "_config.cc"],
        deps = [interface],
    )
    deps = [
        main,
        ":%s_config" % name,
    ]
    cc_binary(
        name = name,
        tags = ["torch"],
        visibility = ["//visibility:public"],
        deps = deps,
    )
    cc_test(
        name = name + "_smoke_test",
        args = ["--smoke"],
        tags = [
            "smoke",
            "torch",
        ],
        deps = deps,
    )

def experiment(name, overrides):
    """Makes the binary <name> and <name>_smoke_test, which runs it in miniature.

    Args:
      name: Name of the experiment; experiment_spec.h has its grammar.
      overrides: Fields of BASE with other values, by path ("train.steps": 40)
        or nested ("train": {"steps": 40}).
    """
    _pinned(
        name = name,
        config_cc = _PINNED_CONFIG_CC.format(
            config = _resolved(name, overrides),
            name = name,
        ),
        interface = ":pinned_config",
        main = ":pinned_main",
    )

def study(name, arms, seeds, overrides = {}, conditions = {}):
    """Makes the binary <name> and <name>_smoke_test, which runs it in miniature.

    Args:
      name: Name of the study.
      arms: Its policies; the others are compared with the first one.
      seeds: Its seeds. Each arm is trained once with each.
      overrides: As in experiment(), but for arms and train.seed.
      conditions: Name -> fields with other values, by path, under which all
        arms are trained and compared. Empty: the experiment as it is.
    """
    for path in ["arms", "train.seed"]:
        if path in _by_path(overrides):
            fail("study %s: %s is an argument of its own" % (name, path))
    if len(seeds) < 2:
        fail("study %s: it needs two seeds at least" % name)
    _pinned(
        name = name,
        config_cc = _PINNED_STUDY_CC.format(
            conditions = "".join([
                "\"%s:%s\", " % (condition, ";".join([
                    "%s=%s" % (path, value)
                    for path, value in _by_path(fields).items()
                ]))
                for condition, fields in conditions.items()
            ]),
            config = _resolved(name, dict(overrides, arms = arms)),
            name = name,
            seeds = ",".join([str(seed) for seed in seeds]),
        ),
        interface = ":pinned_study",
        main = ":pinned_study_main",
    )

def all_pinned_configs(name, experiments):
    """A library with every pinned configuration, for tests over all of them."""
    entries = [
        "{\"%s\", R\"json(%s)json\"}," % (experiment, _resolved(experiment, overrides))
        for experiment, overrides in sorted(experiments.items())
    ]
    _write(
        name = name + "_cc",
        content = _ALL_CONFIGS_CC.format(
            count = len(entries),
            entries = "\n".join(entries),
        ),
        out = name + ".cc",
    )
    cc_library(
        name = name,
        testonly = True,
        srcs = [name + ".cc"],
        deps = [":pinned_config"],
    )
