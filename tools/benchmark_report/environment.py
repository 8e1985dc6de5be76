"""What a measurement depends on besides the code: machine, build, versions."""

import os
import pathlib
import platform
import re
import shutil
import subprocess
from typing import Any

_PACKAGES = (
    "bazel-bootstrap",
    "g++",
    "libabsl-dev",
    "libbenchmark-dev",
    "libc6",
    "libeigen3-dev",
    "libgoogle-glog-dev",
    "libhwy-dev",
)


def _output(*command: str) -> str:
    """Standard output, or nothing if the command is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return result.stdout.strip() if result.returncode == 0 else ""


def _read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def cpu_name(cpuinfo: str) -> str:
    """Of the first processor in the text of /proc/cpuinfo, e.g. "AMD EPYC (family
    25, model 1, AVX2)": virtual machines call several generations by one name.
    As experiments/cpu_name.h writes it in the records of trainings."""
    fields: dict[str, str] = {}
    for line in cpuinfo.strip().split("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name")
    if not name:
        return "unknown"
    parts = []
    if fields.get("cpu family"):
        parts.append(f"family {fields['cpu family']}")
    if fields.get("model"):
        parts.append(f"model {fields['model']}")
    flags = fields.get("flags", "").split()
    sets = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX"}
    parts += [title for flag, title in sets.items() if flag in flags][:1]
    return f"{name} ({', '.join(parts)})" if parts else name


def load_average() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]


def git_revision(root: str) -> str:
    """The commit, with "+changes" if the working tree differs from it."""
    revision = _output("git", "-C", root, "rev-parse", "HEAD")
    if not revision:
        return "unknown"
    dirty = _output("git", "-C", root, "status", "--porcelain")
    return revision + ("+changes" if dirty else "")


def build_flags(binary: str) -> dict[str, str]:
    """Compiler and flags, which -frecord-gcc-switches keeps in `binary`."""
    text = _output("readelf", "-p", ".GCC.command.line", binary)
    # "  [     0]  GNU C++17 12.2.0 -mtune=generic ... -O2"
    match = re.search(r"GNU C\+\+\S* \S+ .*-ffp-contract.*", text)
    if match is None:
        match = re.search(r"GNU C\+\+\S* \S+ .*", text)
    if match is None:
        return {"compiler": "unknown", "flags": "unknown"}
    words = match.group(0).split()
    # Paths of the sandbox and of the files say nothing about the code.
    flags = [w for w in words[3:] if w.startswith("-") and "/" not in w]
    return {"compiler": " ".join(words[:3]), "flags": " ".join(flags)}


def _gpu() -> str:
    query = "--query-gpu=name,driver_version,clocks.sm,clocks.max.sm"
    return _output("nvidia-smi", query, "--format=csv,noheader") or "none"


def _versions() -> dict[str, str]:
    pattern = "${Package} ${Version}\n"
    text = _output("dpkg-query", "-Wf", pattern, *_PACKAGES)
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def describe(root: str, build_info: str) -> dict[str, Any]:
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "cpu": cpu_name(_read("/proc/cpuinfo")),
        "cpus": len(os.sched_getaffinity(0)),
        "governor": governor or "not shown by this machine",
        "gpu": _gpu(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "git_revision": git_revision(root),
        "versions": _versions(),
        **build_flags(build_info),
    }
