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

import main_loop

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
| both | rows and columns of one tensor, as a backward pass needs them of dy | 1 for the two |
| windows | rows of the operand of wgrad that is unfolded, read from its source | 1 |
| statistics | rows, columns and tiles with distortion statistics and a histogram of codes in the same pass (FP32 to FP32, BF16 to codes) | 1, and one over a thousandth of the data |
| units | everything else: short blocks, four-over-six, scales of rows, given scales | 3 to 5 |

The ways `both`, `windows` and `statistics` are younger than the measurements below:
their bodies have run on the CPU alone, and what they cost on a GPU is not known.
No kernel has been run under compute-sanitizer yet, or beside those of other libraries.

Swizzled scales are held to CUTLASS's own layout of them by CuTe's layout algebra
(cute_layout_test, on the CPU). The kernels themselves do not use CuTe: their
indices are a division or two, and their accesses one instruction each, without it.
"""

MACHINE_CODE = """
## What the compiler made of it

Registers and resident threads of a processor of the kernels of each way, from
the least to the most; instructions in all, cold paths included. Stack is spilled
registers and local arrays: tests of the machine code hold it to 0.

| architecture | way | kernels | registers | threads a processor | stack | instructions |
|---|---|---:|---:|---:|---:|---:|
"""

LOOPS = """
## What the main loop costs

Instructions of a lane for an element, on sm_90a: those of the shortest way through
the kernel's largest loop that makes all its loads and stores, and of the whole
loop, with other rules, the rotation and values that are not finite in it. What
an H100 can spend while its memory copies as many bytes: 76 from FP32 to FP32, 38
from BF16 to BF16, 30 from BF16 to codes. (`both` has a loop in its loop and is
left out.)

| way | kernel | from | to | shortest way | whole loop | budget |
|---|---|---|---|---:|---:|---:|
"""

# H100: what its instruction rate allows beside its copy bandwidth.
BUDGETS = {("fp32", "fp32"): 76, ("bf16", "bf16"): 38, ("bf16", "codes"): 30}
TYPES = {"Float32": "fp32", "Float16": "fp16", "Bfloat16": "bf16",
         "Packed": "codes"}
BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}

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


def loop_rows(way, functions):
    """The lines of LOOPS of an archive's {function: instructions}."""
    names = subprocess.run(["c++filt"], input="\n".join(functions), check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split("\n")
    rows = []
    for name, code in zip(names, functions.values()):
        found = re.search(r"(NearestOnly|StochasticOnly), [\w:]*?(\w+), "
                          r"[\w:]*?(\w+)(?:, (\d+), (\d+))?>", name)
        if not found or way == "both":
            continue
        compiled, source, out, _, length = found.groups()
        pair = TYPES[source], TYPES[out]
        cost = main_loop.main_loop(code)
        if pair not in BUDGETS or cost is None or cost[2] == 0:
            continue
        shortest, whole, loaded = cost
        elements = loaded / BYTES[pair[0]]
        kind = re.search(r"::(\w+?)(?:Pairs)?Kernel<", name).group(1).lower()
        kernel = "nearest" if compiled == "NearestOnly" else "stochastic"
        if way == "statistics":
            kernel = f"{kind}, {kernel}"
        if length:
            kernel += f", blocks of {length}"
        rows.append((kernel, pair, f"{shortest / elements:.0f}",
                     f"{whole / elements:.0f}", str(BUDGETS[pair])))
    return [f"| {way} | {kernel} | {pair[0]} | {pair[1]} | {shortest} | {whole} "
            f"| {budget} |" for kernel, pair, shortest, whole, budget
            in sorted(rows)]


def kernels(toolkit, archive, arch):
    """{function: (registers, stack)} and {function: its instructions}."""
    usage = {}
    function = None
    for line in dump(toolkit, archive, arch, "-res-usage").splitlines():
        found = re.search(r"Function ([^:]+):", line)
        if found:
            function = found.group(1)
        found = re.search(r"REG:(\d+) STACK:(\d+)", line)
        if found:
            usage[function] = int(found.group(1)), int(found.group(2))
    code = collections.defaultdict(list)
    for line in dump(toolkit, archive, arch, "-sass").splitlines():
        found = re.search(r"Function : (\S+)", line)
        if found:
            function = found.group(1)
        elif function is not None:
            code[function].append(line)
    return usage, {f: main_loop.parse(code[f]) for f in usage}


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
    loops = []
    for arch in ["sm_80", "sm_90a", "sm_100a"]:
        for archive in sorted(args.archives):
            way = re.search(r"lib(\w+)_kernels", archive).group(1)
            usage, code = kernels(args.toolkit, archive, arch)
            if arch == "sm_90a":
                loops += loop_rows(way, code)
            # kManyThreads and kFewThreads of launch.cuh.
            block = 256 if way == "tiles" else 128
            registers = [r for r, _ in usage.values()]
            print(f"| {arch} | {way} | {len(usage)} | {span(registers)} | "
                  f"{span([resident_threads(r, block) for r in registers])} | "
                  f"{span([s for _, s in usage.values()])} | "
                  f"{span([len(code[f]) for f in usage])} |")
    print(LOOPS + "\n".join(loops))
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
