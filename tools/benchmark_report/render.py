"""A report as Markdown and as one HTML file that needs nothing else."""

import html
from typing import Any

_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def time_text(seconds: float) -> str:
    for unit, name in _TIME_UNITS:
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e9:.3g} ns"


def _rate_text(values: list[float], unit: str) -> str:
    if not values:
        return ""
    median = sorted(values)[len(values) // 2]
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if median >= factor:
            return f"{median / factor:.3g} {prefix}{unit}/s"
    return f"{median:.3g} {unit}/s"


def _row_cells(row: dict[str, Any]) -> list[str]:
    if "summary" not in row:
        return [row["name"], row.get("error", "not run"), "", "", "", "", ""]
    summary = row["summary"]
    fraction = row.get("fraction_of_limit")
    comparison = row.get("comparison")
    compared = ""
    if comparison is not None:
        compared = (
            f"{comparison['ratio']:.3f} "
            f"[{comparison['low']:.3f}, {comparison['high']:.3f}] "
            f"{comparison['verdict']}"
        )
    return [
        row["name"],
        time_text(summary["median"]),
        f"{100 * summary['spread']:.1f} %",
        _rate_text(row["counters"].get("bytes_per_second", []), "B"),
        _rate_text(row["counters"].get("items_per_second", []), "item"),
        f"{fraction['median']:.2f}" if fraction else "",
        compared,
    ]


_HEAD = ["benchmark", "median", "spread", "bytes", "items", "of limit", "to baseline"]


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    machine = report["environment"]
    loads = ", ".join(str(load[0]) for load in report["load_averages"])
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    facts = [
        ("made by", report["command"]),
        ("date", report["date"]),
        ("git revision", machine["git_revision"]),
        ("CPU", f"{machine['cpu']}, {machine['cpus']} usable"),
        ("governor", machine["governor"]),
        ("GPU", machine["gpu"]),
        ("kernel", machine["kernel"]),
        ("load (1 min) before each repetition", loads),
        ("compiler", machine["compiler"]),
        ("flags", machine["flags"]),
        ("versions", versions),
        (
            "repetitions",
            f"{report['repetitions']}, interleaved, at least "
            f"{report['min_time']} s each; seed {report['seed']}",
        ),
    ]
    if "baseline" in report:
        baseline = report["baseline"]
        facts.append(
            (
                "baseline",
                f"{baseline['git_revision']} of {baseline['date']}, "
                f"{100 * report['confidence']:g} % intervals",
            )
        )
    return facts


def _warning(report: dict[str, Any]) -> str:
    busiest = max(load[0] for load in report["load_averages"])
    cpus = report["environment"]["cpus"]
    if busiest <= 1.25 * cpus:
        return ""
    return (
        f"The machine was shared: a load of {busiest} on {cpus} CPUs. Times are "
        "upper bounds; fractions of the limit, taken in the same repetition, "
        "suffer less."
    )


def _groups(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in report["benchmarks"]:
        groups.setdefault(row["binary"], []).append(row)
    return groups


_NOTE = (
    "Median of the repetitions; spread is the median absolute deviation. "
    "Fraction of limit: bytes per second as a part of BM_Memcpy's with the same "
    "arguments in the same repetition, median. To baseline: ratio of median "
    "times, above 1 is slower, with its bootstrap interval."
)


def markdown(report: dict[str, Any]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "To make this again, on a quiet machine: the command below, and then "
        "`cp OUTPUT_DIR/report.md docs/benchmarks.md`.",
        "",
    ]
    for name, value in _facts(report):
        lines.append(f"- {name}: `{value}`")
    lines += ["", _NOTE, ""]
    if _warning(report):
        lines += [f"**{_warning(report)}**", ""]
    for binary, rows in _groups(report).items():
        lines += [f"## {binary}", "", "| " + " | ".join(_HEAD) + " |"]
        lines.append("|---|" + "---:|" * (len(_HEAD) - 2) + "---|")
        for row in rows:
            cells = [cell.replace("|", "\\|") for cell in _row_cells(row)]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em;
       padding: 0 1em; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .2em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td:last-child { text-align: left; }
td:first-child, code { font-family: ui-monospace, monospace; font-size: 13px; }
.bar { display: inline-block; height: .7em; background: #4477aa; margin-right: .5em; }
.slower { color: #a3123a; } .faster { color: #1a6e2e; }
"""


def _html_cell(index: int, text: str, row: dict[str, Any]) -> str:
    escaped = html.escape(text)
    if _HEAD[index] == "of limit" and text:
        width = min(row["fraction_of_limit"]["median"], 1.5) * 6
        return f'<td><span class="bar" style="width:{width:.2f}em"></span>{escaped}</td>'
    if _HEAD[index] == "to baseline" and "comparison" in row:
        verdict = row["comparison"]["verdict"]
        kind = verdict if verdict in ("slower", "faster") else "same"
        return f'<td class="{kind}">{escaped}</td>'
    return f"<td>{escaped}</td>"


def html_page(report: dict[str, Any]) -> str:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>Benchmarks</title><style>{_STYLE}</style><h1>Benchmarks</h1><ul>",
    ]
    for name, value in _facts(report):
        parts.append(f"<li>{html.escape(name)}: <code>{html.escape(value)}</code>")
    parts.append(f"</ul><p>{html.escape(_NOTE)}")
    parts.append(f"<p><strong>{html.escape(_warning(report))}</strong>")
    for binary, rows in _groups(report).items():
        parts.append(f"<h2>{html.escape(binary)}</h2><table><tr>")
        parts += [f"<th scope=col>{html.escape(head)}" for head in _HEAD]
        for row in rows:
            parts.append("<tr>")
            for index, cell in enumerate(_row_cells(row)):
                parts.append(_html_cell(index, cell, row))
        parts.append("</table>")
    return "\n".join(parts) + "\n</html>\n"
