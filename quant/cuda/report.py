"""Prints docs/cuda.md: what the compiler made of the kernels, and benchmarks.

Reads the machine code with cuobjdump; needs no GPU.

usage: report.py TOOLKIT_BIN ARCHIVE... [--benchmark FILE]...
A FILE holds the output of //quant/cuda:cuda_benchmark.
"""

import argparse
import collections
import re
import subprocess
import textwrap

HEADER = """# The CUDA kernels of the quantiser

How a GPU quantises: [quant/cuda](../quant/cuda). This page is made by

    bazel run //quant/cuda:report -- --benchmark FILE... > docs/cuda.md

from the machine code of the kernels (no GPU needed) and from what
`bazel run //quant/cuda:cuda_benchmark` printed on one.

## What runs

`bazel build //quant/cuda` compiles every kernel for every architecture of
[bazel/cuda_library.bzl](../bazel/cuda_library.bzl). A binary that links it, as
all of nn do under `--config=cuda`, quantises CUDA tensors where they lie: no copy
to the host, no wait. `bazel test //quant/cuda:gpu_test` holds every recipe,
rounding, element type and block layout against quant/reference, bit for bit;
without a GPU it is skipped, and executor_quantizer_test runs the same bodies of
the kernels on the CPU.

| way | blocks | passes after the amax |
|---|---|---|
| rows | 16, 32, 64 or 128 along memory | 1 |
| columns | at most 32 across memory (C of NCHW), for the rules of training | 1 |
| tiles | 16 x 16, for the rules of training | 1 |
| units | everything else: short blocks, four-over-six, scales of rows, given scales | 3 to 5 |
"""

MACHINE_CODE = """
## What the compiler made of it

Registers and resident threads of a processor of the kernels of each way, from
the least to the most; instructions in all, cold paths included. Stack is spilled
registers and local arrays: tests of the machine code hold rows, columns and tiles
to 0.

| architecture | way | kernels | registers | threads a processor | stack | instructions |
|---|---|---:|---:|---:|---:|---:|
"""

# Of all three architectures.
REGISTERS = 65536
MAX_THREADS = 2048
WARP_GRANULE = 256  # Registers are given to a warp in units of this.


def dump(toolkit, archive, arch, option):
    return subprocess.run(
        [toolkit + "/cuobjdump", "-arch", arch, option, archive],
        check=True, stdout=subprocess.PIPE, text=True).stdout


def resident_threads(registers, block):
    per_warp = -(-registers * 32 // WARP_GRANULE) * WARP_GRANULE
    blocks = REGISTERS // (per_warp * block // 32)
    return min(MAX_THREADS, blocks * block)


def kernels(toolkit, archive, arch):
    """{function: (registers, stack)} and {function: instructions}."""
    usage = {}
    function = None
    for line in dump(toolkit, archive, arch, "-res-usage").splitlines():
        found = re.search(r"Function ([^:]+):", line)
        if found:
            function = found.group(1)
        found = re.search(r"REG:(\d+) STACK:(\d+)", line)
        if found:
            usage[function] = int(found.group(1)), int(found.group(2))
    lengths = collections.Counter()
    for line in dump(toolkit, archive, arch, "-sass").splitlines():
        found = re.search(r"Function : (\S+)", line)
        if found:
            function = found.group(1)
        elif re.match(r"\s+/\*[0-9a-f]{4,}\*/\s", line) and "NOP" not in line:
            lengths[function] += 1
    return usage, lengths


def span(values):
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("toolkit")
    parser.add_argument("archives", nargs="+")
    parser.add_argument("--benchmark", action="append", default=[])
    parser.add_argument("--note", action="append", default=[],
                        help="says under which conditions the benchmark of "
                             "the same place was made")
    args = parser.parse_args()
    print(HEADER + MACHINE_CODE, end="")
    for arch in ["sm_80", "sm_90a", "sm_100a"]:
        for archive in sorted(args.archives):
            way = re.search(r"lib(\w+)_kernels", archive).group(1)
            usage, lengths = kernels(args.toolkit, archive, arch)
            # kManyThreads and kFewThreads of launch.cuh.
            block = 256 if way == "tiles" else 128
            registers = [r for r, _ in usage.values()]
            print(f"| {arch} | {way} | {len(usage)} | {span(registers)} | "
                  f"{span([resident_threads(r, block) for r in registers])} | "
                  f"{span([s for _, s in usage.values()])} | "
                  f"{span([lengths[f] for f in usage])} |")
    print("\n## Beside the device's own copy\n")
    print("The share of the bandwidth of a device-to-device copy in the same "
          "run. `given`:\nthe tensor's amax is known; `taken`: it is read in "
          "a pass of its own, which\ncounts.")
    if not args.benchmark:
        print("\nNot measured.")
    for i, path in enumerate(args.benchmark):
        with open(path) as file:
            title, table = file.read().strip().split("\n", 1)
        print(f"\n### {title}\n")
        if i < len(args.note):
            print(textwrap.fill(args.note[i], 80) + "\n")
        print(table.strip())


main()
