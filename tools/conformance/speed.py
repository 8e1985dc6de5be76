#!/usr/bin/env python3
"""Speed of the quantiser beside the public FP4 implementations, one CPU thread.

  bazel run //tools/conformance:speed -- [--elements=N] [--output=FILE]

Peers: the same arithmetic in PyTorch through torch.compile, torchao's own
tensors, and ggml (from the wheel of pywhispercpp, which carries it). Each call
is timed several times; the quantiser's own benchmark runs before and after, and
the slower of its two medians counts. Ratios of one run are comparable, numbers
of two are not.
"""

import argparse
import ctypes
import glob
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Callable, Iterator, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402

REPEATS = 9


class Peer(NamedTuple):
    task: str
    library: str
    benchmark: str  # Name in //quant:quantizer_benchmark, without the size.
    run: Callable[[], object]


def round_e2m1(v: torch.Tensor) -> torch.Tensor:
    """To nearest even, saturating: quant/cpu's arithmetic."""
    m = v.abs().clamp(max=6.0)
    power = (m.view(torch.int32) & 0x7F800000).view(torch.float32)
    c = power.clamp(min=1.0) * 4194304.0
    return torch.copysign((m + c) - c, v)


def nvfp4(x: torch.Tensor) -> torch.Tensor:
    encode = 2688.0 / x.abs().max()
    blocks = x.view(-1, 16)
    amax = blocks.abs().amax(-1, keepdim=True)
    scale = (amax * (encode / 6.0)).clamp(max=448.0)
    scale = scale.to(torch.float8_e4m3fn).to(torch.float32)
    q = round_e2m1(blocks * (1.0 / (scale / encode)))
    return (q * (scale / encode)).view_as(x)


def mxfp4(x: torch.Tensor) -> torch.Tensor:
    blocks = x.view(-1, 32)
    amax = blocks.abs().amax(-1, keepdim=True)
    bits = (amax / 6.0).view(torch.int32)
    scale = ((bits + 0x7FFFFF) & 0x7F800000).view(torch.float32)
    return (round_e2m1(blocks / scale) * scale).view_as(x)


def torch_peers(x: torch.Tensor) -> Iterator[Peer]:
    for name, function in (("nvfp4", nvfp4), ("mxfp4", mxfp4)):
        compiled = torch.compile(function)
        yield Peer(
            f"fake-quantise {name}",
            "torch.compile",
            f"BM_FakeQuantize/{name}",
            lambda compiled=compiled: compiled(x),
        )


def torchao_peers(x: torch.Tensor) -> Iterator[Peer]:
    from torchao.prototype.mx_formats import nvfp4_tensor as ao
    from torchao.prototype.mx_formats.config import ScaleCalculationMode
    from torchao.prototype.mx_formats.mx_tensor import MXTensor

    rows = x.view(-1, 4096)

    def nv():
        scale = ao.per_tensor_amax_to_scale(rows.abs().max())
        return ao.NVFP4Tensor.to_nvfp4(rows, per_tensor_scale=scale)

    def mx():
        return MXTensor.to_mx(
            rows, torch.float4_e2m1fn_x2, 32, ScaleCalculationMode.RCEIL
        )

    for name, quantize in (("nvfp4", nv), ("mxfp4", mx)):
        yield Peer(
            f"fake-quantise {name}",
            "torchao",
            f"BM_FakeQuantize/{name}",
            lambda quantize=quantize: quantize().dequantize(torch.float32),
        )
    yield Peer("quantise nvfp4", "torchao", "BM_Quantize/nvfp4", nv)


def ggml_peers(x: torch.Tensor) -> Iterator[Peer]:
    import _pywhispercpp  # noqa: F401  Loads the libraries that it carries.

    folder = os.path.dirname(_pywhispercpp.__file__)
    libraries = glob.glob(f"{folder}/pywhispercpp.libs/libggml-base*.so*")
    ggml = ctypes.CDLL(libraries[0])
    n = x.numel()
    source = ctypes.c_void_p(x.data_ptr())
    values = torch.empty_like(x)
    target = ctypes.c_void_p(values.data_ptr())
    row = 4096
    # Bytes: ggml-common.h, block_mxfp4 and block_nvfp4.
    for name, block, size in (("mxfp4", 32, 17), ("nvfp4", 64, 36)):
        packed = (ctypes.c_uint8 * (n // block * size))()
        quantize = getattr(ggml, f"quantize_{name}")
        quantize.restype = ctypes.c_size_t
        rows, per_row = ctypes.c_int64(n // row), ctypes.c_int64(row)

        def run(quantize=quantize, packed=packed, rows=rows, per_row=per_row):
            return quantize(source, packed, rows, per_row, None)

        assert run() == len(packed), "ggml's layout is another one"
        dequantize = getattr(ggml, f"dequantize_row_{name}")
        dequantize.restype = None

        def back(dequantize=dequantize, packed=packed):
            dequantize(packed, target, ctypes.c_int64(n))

        yield Peer(f"quantise {name}", "ggml", "BM_Quantize/nvfp4", run)
        yield Peer(f"dequantise {name}", "ggml", "BM_Dequantize/nvfp4", back)


def gelems(run: Callable[[], object], elements: int) -> float:
    run()
    run()  # Compiled, pages touched.
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return elements / statistics.median(seconds) / 1e9


def own_gelems(benchmark: str, elements: int) -> dict:
    out = subprocess.run(
        [
            benchmark,
            f"--benchmark_filter=/{elements}/1/",
            f"--benchmark_repetitions={REPEATS}",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_min_time=0.05",
            "--benchmark_report_aggregates_only=true",
            "--benchmark_format=json",
        ],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout
    return {
        run["run_name"].rsplit(f"/{elements}/", 1)[0]: run["items_per_second"] / 1e9
        for run in json.loads(out)["benchmarks"]
        if run["aggregate_name"] == "median"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--benchmark", required=True, help=argparse.SUPPRESS)
    parser.add_argument(
        "--elements",
        type=int,
        default=4 << 20,
        choices=[64 << 10, 4 << 20, 64 << 20],
        help="of the tensor (default: %(default)s)",
    )
    parser.add_argument("--output", help="Markdown file (default: standard output)")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(1)
    x = torch.randn(args.elements)
    before = own_gelems(args.benchmark, args.elements)
    rows = []
    for peers in (torch_peers, torchao_peers, ggml_peers):
        for peer in peers(x):
            print(f"{peer.library}: {peer.task}", file=sys.stderr)
            rows.append((peer, gelems(peer.run, args.elements)))
    after = own_gelems(args.benchmark, args.elements)

    lines = [
        f"{args.elements} FP32 elements, one thread, Gelem/s (medians of {REPEATS})",
        "",
        "| Task | Peer | Peer's speed | Ours | Ratio |",
        "|---|---|---:|---:|---:|",
    ]
    for peer, speed in sorted(rows, key=lambda row: row[0].task):
        own = min(before[peer.benchmark], after[peer.benchmark])
        lines.append(
            f"| {peer.task} | {peer.library} | {speed:.3f} | {own:.3f} | "
            f"{own / speed:.1f} |"
        )
    text = "\n".join(lines) + "\n"
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
