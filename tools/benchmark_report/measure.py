"""Runs Google Benchmark binaries several times, in interleaved order."""

import json
import random
import re
import subprocess
import sys
from typing import Any, Callable, Container, Iterable

import environment
import statistics_of_runs as stats

# The benchmark of the same binary and arguments that is the limit.
MEMCPY = "BM_Memcpy"
_TO_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


class MeasureError(Exception):
    """A benchmark binary that cannot be run or understood; says which."""


def _run(binary: str, arguments: Iterable[str]) -> str:
    command = [binary, *arguments]
    try:
        result = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except OSError as error:
        raise MeasureError(f"{binary}: {error}") from error
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise MeasureError(
            f"{' '.join(command)}: exit status {result.returncode}: {lines[-1]}"
        )
    return result.stdout


def list_benchmarks(binary: str, pattern: str) -> list[str]:
    """Names of a binary's benchmarks of which PATTERN matches BINARY:NAME.

    The limits of those that match come along.
    """
    names = _run(binary, ["--benchmark_list_tests=true"]).split()
    wanted = [n for n in names if re.search(pattern, f"{binary}:{n}")]
    limits = {limit_name(n, names) for n in wanted}
    return [n for n in names if n in wanted or n in limits]


def limit_name(name: str, names: Container[str]) -> str | None:
    """The name among `names` of the limit of `name`, if there is one.

    BM_X/nvfp4/4096/2 has BM_Memcpy/nvfp4/4096/2 or else BM_Memcpy/4096/2 and
    so on: a part that the limit does not depend on may be left out in front.
    """
    parts = name.split("/")[1:]
    for begin in range(len(parts) + 1):
        limit = "/".join([MEMCPY, *parts[begin:]])
        if limit != name and limit in names:
            return limit
    return None


def exact_filter(names: Iterable[str]) -> str:
    """The regular expression (POSIX extended) of exactly these names."""
    escaped = (re.sub(r"([][\\.^$*+?(){}|])", r"\\\1", n) for n in names)
    return "^(" + "|".join(escaped) + ")$"


def parse_run(text: str) -> dict[str, dict[str, Any]]:
    """Name -> {"seconds", "counters"} or {"error"} of one JSON output."""
    results: dict[str, dict[str, Any]] = {}
    for run in json.loads(text)["benchmarks"]:
        if run.get("run_type") == "aggregate":
            continue
        name = run["name"]
        if run.get("error_occurred"):
            results[name] = {"error": run.get("error_message", "error")}
            continue
        seconds = run["real_time"] * _TO_SECONDS[run["time_unit"]]
        counters = {
            key: value
            for key, value in run.items()
            if isinstance(value, float)
            and key not in ("real_time", "cpu_time")
        }
        results[name] = {
            "seconds": seconds,
            "counters": counters,
            "label": run.get("label", ""),
        }
    return results


def measure(
    selection: dict[str, list[str]],
    repetitions: int,
    min_time: float,
    seed: int,
    progress: Callable[[str], None],
) -> tuple[list[dict[str, Any]], list[list[float]]]:
    """All repetitions of all binaries: (one row a benchmark, load averages).

    The order of the binaries is drawn anew for each repetition, so that a
    disturbance of some seconds does not hit all samples of one of them.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    loads = []
    order = random.Random(seed)
    for repetition in range(repetitions):
        binaries = list(selection)
        order.shuffle(binaries)
        loads.append(environment.load_average())
        for binary in binaries:
            progress(f"repetition {repetition + 1}/{repetitions}: {binary}")
            text = _run(
                binary,
                [
                    "--benchmark_format=json",
                    f"--benchmark_min_time={min_time}",
                    f"--benchmark_filter={exact_filter(selection[binary])}",
                ],
            )
            for name, result in parse_run(text).items():
                row = rows.setdefault(
                    (binary, name),
                    {
                        "binary": binary,
                        "name": name,
                        "seconds": [],
                        "counters": {},
                    },
                )
                if "error" in result:
                    row["error"] = result["error"]
                    continue
                row["label"] = result["label"]
                row["seconds"].append(result["seconds"])
                for key, value in result["counters"].items():
                    row["counters"].setdefault(key, []).append(value)
    loads.append(environment.load_average())
    table = [rows[key] for key in sorted(rows)]
    for row in table:
        _finish(row, rows)
    return table, loads


def _finish(
    row: dict[str, Any], rows: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """Adds the summary, and the fraction of the limit repetition by repetition."""
    if not row["seconds"]:
        return
    row["summary"] = stats.summarize(row["seconds"])._asdict()
    names = {name for binary, name in rows if binary == row["binary"]}
    limit_key = limit_name(row["name"], names)
    if limit_key is None:
        return
    limit = rows[row["binary"], limit_key]
    mine = row["counters"].get("bytes_per_second", [])
    bound = limit["counters"].get("bytes_per_second", [])
    if not mine or len(mine) != len(bound):
        return
    fractions = [a / b for a, b in zip(mine, bound)]
    row["limit"] = limit["name"]
    row["fraction_of_limit"] = stats.summarize(fractions)._asdict()


def show_progress(text: str) -> None:
    print(f"benchmark_report: {text}", file=sys.stderr, flush=True)
