"""Holds the fp4 command against the public FP4 libraries, bit for bit.

  bazel run //tools/conformance -- [--output=docs/conformance.md]

makes a virtual environment outside the repository, quantises the same files
with each library and with `fp4`, and prints which bits agree and why others do
not. Exit status 1 if a library could not be run or disagrees for no reason that
has a name here.
"""

import argparse
import datetime
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import traceback
import warnings
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import peers

ROWS, COLUMNS = 256, 1024
SEED = 20


def bf16(x: np.ndarray) -> np.ndarray:
    """Truncated to BF16: makes exact ties, which tell formulae apart."""
    return (x.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def inputs() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(SEED)
    normal = generator.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    # Blocks of 16 over e^(3N), and every twentieth block zero.
    blocks = generator.standard_normal((ROWS, COLUMNS // 16, 1))
    wide = normal.reshape(ROWS, -1, 16) * np.exp(3 * blocks) * 1e-4
    wide *= (generator.random((ROWS, COLUMNS // 16, 1)) > 0.05)
    wide = wide.reshape(ROWS, COLUMNS).astype(np.float32)
    return {
        "normal_bf16": bf16(normal),
        "normal_fp32": normal,
        "relu_bf16": bf16(np.maximum(normal, 0)),
        "gradients_bf16": bf16(wide),
        "gradients_fp32": wide,
    }


def run_fp4(fp4: str, source: pathlib.Path, recipe: str) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as directory:
        output = pathlib.Path(directory) / "out.safetensors"
        subprocess.run(
            [
                fp4,
                "quantize",
                f"--recipe={recipe}",
                "--dequantized",
                "--progress=off",
                f"--input={source}",
                f"--output={output}",
            ],
            check=True,
        )
        return parse_parts(output)


def parse_parts(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Raw parts: this version of safetensors.numpy has no 8-bit floats."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    parts = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in info["data_offsets"])
        dtype = np.float32 if info["dtype"] == "F32" else np.uint8
        parts[name] = np.frombuffer(data[begin:end], dtype).reshape(info["shape"])
    return parts


# Why values differ, in the order in which they are tried.
ZERO_BLOCK = "0/0 in a block of zeros, whose scale is flushed to 0"
LAST_BIT = "same codes and scales, the last bit of their product's order"
CANDIDATE = "four-over-six takes the other candidate"
ROUNDED_TWICE = "block scale one code apart: (a/6)*S against a*(S/6)"
OVERFLOW = "an element of 7 or more becomes 8, which is packed as -0"
UNKNOWN = "unexplained"


def explain(
    recipe: str,
    ours: peers.Result,
    theirs: peers.Result,
) -> dict[str, int]:
    """Counts the elements whose values differ, by reason."""
    wrong = ours.values != theirs.values
    reasons: dict[str, int] = {}

    def take(name: str, mask: np.ndarray) -> None:
        nonlocal wrong
        count = int((wrong & mask).sum())
        if count:
            reasons[name] = count
            wrong = wrong & ~mask

    if ours.codes is not None and theirs.codes is not None:
        block = ours.codes.shape[1] // ours.scales.shape[1]
        scale = ours.scales.repeat(block, 1).astype(int)
        their_scale = theirs.scales.repeat(block, 1).astype(int)
        same_scale = scale == their_scale
        take(ZERO_BLOCK, same_scale & (scale == 0) & (ours.values == 0))
        same_code = (ours.codes == theirs.codes) | (
            (ours.codes & 7 == 0) & (theirs.codes & 7 == 0)
        )
        a, b = np.abs(ours.values), np.abs(theirs.values)
        close = np.abs(a - b) <= 4e-7 * np.maximum(a, b)
        take(LAST_BIT, same_scale & same_code & close)
        take(
            OVERFLOW,
            same_scale & (theirs.codes == 8) & (ours.codes & 7 == 7),
        )
        if "four_over_six" in recipe:
            take(CANDIDATE, ~same_scale)
        take(ROUNDED_TWICE, np.abs(scale - their_scale) == 1)
    take(UNKNOWN, wrong)
    return reasons


def compare(peer: peers.Peer, parts: dict, theirs: peers.Result) -> dict:
    ours = peers.Result(
        parts["x_dequantized"], peers.unpack(parts["x"]), parts["x_scale"]
    )
    shape = ours.values.shape
    theirs = peers.Result(
        theirs.values.astype(np.float32).reshape(shape),
        None if theirs.codes is None else theirs.codes.reshape(shape),
        None if theirs.scales is None else theirs.scales.reshape(ours.scales.shape),
    )
    row: dict[str, Any] = {
        "elements": ours.values.size,
        "blocks": ours.scales.size,
        "values": int((ours.values != theirs.values).sum()),
        "reasons": explain(peer.recipe, ours, theirs),
    }
    if theirs.scales is not None:
        row["scales"] = int((ours.scales != theirs.scales).sum())
    if theirs.codes is not None:
        differs = ours.codes != theirs.codes
        zeros = (ours.codes & 7 == 0) & (theirs.codes & 7 == 0)
        row["codes"] = int(differs.sum())
        row["codes_signed_zero"] = int((differs & zeros).sum())
    return row


def measure(fp4: str) -> tuple[list[dict], list[str]]:
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as directory:
        for name, x in inputs().items():
            source = pathlib.Path(directory) / f"{name}.safetensors"
            save_file({"x": x}, source)
            for peer in peers.PEERS:
                if peer.library == "fouroversix" and not name.endswith("bf16"):
                    continue  # Takes BF16 only.
                row = {
                    "library": peer.library,
                    "call": peer.call,
                    "recipe": peer.recipe,
                    "data": name,
                }
                try:
                    result = peer.run(x)
                except Exception:  # pylint: disable=broad-except
                    failures.append(
                        f"{peer.library} {peer.call} on {name}:\n"
                        + traceback.format_exc(limit=-2)
                    )
                    continue
                row.update(compare(peer, run_fp4(fp4, source, peer.recipe), result))
                rows.append(row)
                print(f"conformance: {peer.library} {peer.call} {name}", file=sys.stderr)
    return rows, failures


def _count(row: dict, key: str, total: str) -> str:
    if key not in row:
        return "not shown"
    share = 100 * row[key] / row[total]
    return "all equal" if row[key] == 0 else f"{row[key]} ({share:.3g} %)"


def markdown(rows: list[dict]) -> str:
    names = ("torch", "torchao", "compressed-tensors", "nvidia-modelopt",
             "ml-dtypes", "fouroversix", "numpy")
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in names)
    now = datetime.datetime.now(datetime.timezone.utc)
    lines = [
        f"Made on {now:%Y-%m-%d} by `bazel run //tools/conformance`, "
        f"Python {platform.python_version()}, CPU, {versions}.",
        "",
        f"Each tensor is [{ROWS}, {COLUMNS}]; the numbers are differences: block "
        "scales and codes bit for bit, values as floats (0 equals -0).",
        "",
        "| library | recipe of `fp4` | data | scales | codes | values | reasons |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for row in rows:
        reasons = "; ".join(f"{k}: {v}" for k, v in row["reasons"].items())
        codes = _count(row, "codes", "elements")
        if row.get("codes_signed_zero"):
            codes += f", {row['codes_signed_zero']} of them signs of zero"
        lines.append(
            f"| {row['library']} {row['call']} | `{row['recipe']}` | {row['data']} "
            f"| {_count(row, 'scales', 'blocks')} | {codes} "
            f"| {_count(row, 'values', 'elements')} | {reasons} |"
        )
    return "\n".join(lines) + "\n"


_BEGIN = "<!-- made by //tools/conformance -->"
_END = "<!-- end -->"


def write_between_marks(path: pathlib.Path, text: str) -> None:
    """Replaces what stands between the marks; a new file is all of it."""
    before, after = "", ""
    if path.exists():
        old = path.read_text(encoding="utf-8")
        before, _, rest = old.partition(_BEGIN)
        _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n{text}{_END}{after or chr(10)}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fp4", required=True)
    parser.add_argument("--output", help="file in which the table is replaced")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows, failures = measure(arguments.fp4)
    text = markdown(rows)
    print(text)
    if arguments.output:
        write_between_marks(pathlib.Path(arguments.output), text)
    for failure in failures:
        print(f"conformance: could not run {failure}", file=sys.stderr)
    unknown = [r for r in rows if UNKNOWN in r["reasons"]]
    for row in unknown:
        print(f"conformance: unexplained: {row}", file=sys.stderr)
    return 1 if failures or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
