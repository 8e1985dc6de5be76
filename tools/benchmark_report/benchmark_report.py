"""Runs the repository's benchmarks and writes report.json, .md and .html.

  bazel run //tools:benchmark_report -- --output_dir=DIR [--filter=REGEX]
      [--repetitions=7] [--min_time=0.1] [--seed=1]
      [--baseline=old/report.json] [--threshold=0.05] [--confidence=0.99]

Exit status: 0; 1 if a benchmark fails, or with --baseline is slower than the
threshold and the noise allow; 2 for wrong arguments.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shlex
import sys
from typing import Any

import environment
import measure
import render
import statistics_of_runs as stats

_VERSION = 1


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmark_report", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output_dir", required=True, help="made if missing")
    parser.add_argument(
        "--filter", default="", help="regular expression for BINARY:BENCHMARK"
    )
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument(
        "--min_time", type=float, default=0.1, help="seconds, of each sample"
    )
    parser.add_argument("--seed", type=int, default=1, help="order, resampling")
    parser.add_argument("--baseline", help="report.json to compare with")
    parser.add_argument(
        "--threshold", type=float, default=0.05, help="0.05: 5 %% slower fails"
    )
    parser.add_argument("--confidence", type=float, default=0.99)
    # Given by the build.
    parser.add_argument("--build_info", required=True, help=argparse.SUPPRESS)
    parser.add_argument("binaries", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    if not 0 < arguments.confidence < 1:
        parser.error("--confidence is between 0 and 1")
    try:
        re.compile(arguments.filter)
    except re.error as error:
        parser.error(f"--filter is not a regular expression: {error}")
    return arguments


def _command(argv: list[str]) -> str:
    """What a person typed: without what the build adds."""
    own = [a for a in argv if a.startswith("--") and "--build_info" not in a]
    return "bazel run //tools:benchmark_report -- " + shlex.join(own)


def _from_caller(path: str) -> pathlib.Path:
    """Relative to where `bazel run` was called."""
    return pathlib.Path(os.environ.get("BUILD_WORKING_DIRECTORY", ".")) / path


def read_baseline(path: pathlib.Path) -> dict[str, Any]:
    """Raises MeasureError, naming the file, for anything but a report."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise measure.MeasureError(f"{path}: {error}") from error
    if not isinstance(report, dict) or report.get("version") != _VERSION:
        raise measure.MeasureError(f"{path}: not a report of version {_VERSION}")
    return report


def compare_reports(report: dict[str, Any], baseline: dict[str, Any]) -> None:
    """Adds "comparison" to each benchmark that the baseline has too."""
    old = {(r["binary"], r["name"]): r for r in baseline["benchmarks"]}
    for row in report["benchmarks"]:
        before = old.get((row["binary"], row["name"]))
        if before is None or not before["seconds"] or not row["seconds"]:
            continue
        row["comparison"] = stats.compare(
            before["seconds"],
            row["seconds"],
            report["confidence"],
            report["seed"],
        )._asdict()
    report["baseline"] = {
        "git_revision": baseline["environment"]["git_revision"],
        "date": baseline["date"],
    }


def regressions(report: dict[str, Any], threshold: float) -> list[str]:
    found = []
    for row in report["benchmarks"]:
        if "comparison" not in row:
            continue
        comparison = stats.Comparison(**row["comparison"])
        if stats.is_regression(comparison, threshold):
            found.append(f"{row['binary']}:{row['name']} {comparison.ratio:.3f}")
    return found


def write_all(directory: pathlib.Path, report: dict[str, Any]) -> None:
    """Each file appears complete or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.json": json.dumps(report, indent=1, sort_keys=True) + "\n",
        "report.md": render.markdown(report),
        "report.html": render.html_page(report),
    }
    for name, text in texts.items():
        temporary = directory / f".{name}.{os.getpid()}"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(directory / name)


def make_report(arguments: argparse.Namespace, argv: list[str]) -> dict[str, Any]:
    selection = {}
    for binary in arguments.binaries:
        names = measure.list_benchmarks(binary, arguments.filter)
        if names:
            selection[binary] = names
    if not selection:
        raise measure.MeasureError(f"no benchmark matches '{arguments.filter}'")
    rows, loads = measure.measure(
        selection,
        arguments.repetitions,
        arguments.min_time,
        arguments.seed,
        measure.show_progress,
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    root = os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")
    return {
        "version": _VERSION,
        "command": _command(argv),
        "date": now.strftime("%Y-%m-%d %H:%M UTC"),
        "repetitions": arguments.repetitions,
        "min_time": arguments.min_time,
        "seed": arguments.seed,
        "confidence": arguments.confidence,
        "environment": environment.describe(root, arguments.build_info),
        "load_averages": loads,
        "benchmarks": rows,
    }


def main(argv: list[str]) -> int:
    arguments = _arguments(argv)
    try:
        baseline = None
        # Before the work, so that a typing error does not cost minutes.
        if arguments.baseline:
            baseline = read_baseline(_from_caller(arguments.baseline))
        report = make_report(arguments, argv)
        if baseline is not None:
            compare_reports(report, baseline)
        directory = _from_caller(arguments.output_dir)
        write_all(directory, report)
    except (measure.MeasureError, OSError) as error:
        print(f"benchmark_report: {error}", file=sys.stderr)
        return 1
    print(f"benchmark_report: {directory}/report.html")
    failed = [r["name"] for r in report["benchmarks"] if "error" in r]
    if failed:
        print(f"benchmark_report: skipped: {', '.join(failed)}", file=sys.stderr)
    found = regressions(report, arguments.threshold)
    for text in found:
        print(f"benchmark_report: regression: {text}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
