"""What GOMP_SPINCOUNT costs on an idle machine and saves beside a busy process.

  bazel run //tools:spin_count -- [--pairs=20] [--counts=1000,3000,10000]

Threads of OpenMP that wait for each other at the end of an operation spin this
many rounds before they sleep. On an idle machine spinning is what is fast; beside
another process a thread spins while the one that it waits for has no core. Each
count runs in turn with libgomp's own default, so what else the machine does meets
both. It prints, for the FP32 step of //train:step_benchmark: the ratio of the idle
step to the default's as a geometric mean with its 95 % interval, and how many
times as long a step takes beside one process that keeps a core busy.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys

BUSY = [sys.executable, "-c", "while True: pass"]


def step_ms(benchmark, count):
  """Median of the FP32 step in ms; count None: libgomp's default."""
  environment = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OMP_", "GOMP_"))}
  environment["OMP_NUM_THREADS"] = str(os.cpu_count())
  if count is not None:
    environment["GOMP_SPINCOUNT"] = str(count)
  run = subprocess.run(
      [benchmark, "--benchmark_filter=/fp32_s025", "--benchmark_min_time=0.2",
       "--benchmark_repetitions=5", "--benchmark_format=csv"],
      env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
      text=True, check=True)
  for line in run.stdout.splitlines():
    if "real_time_median" in line:
      return float(line.split(",")[2])
  raise SystemExit(f"{benchmark}: no median in its output")


def beside_busy(benchmark, count):
  busy = subprocess.Popen(BUSY)
  try:
    return step_ms(benchmark, count)
  finally:
    busy.kill()
    busy.wait()


def student_975(freedom):
  """97.5 % quantile of Student's distribution (Hill 1970's expansion)."""
  z = 1.959963984540054
  return (z + (z**3 + z) / (4 * freedom)
          + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
          + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3))


def interval(logs):
  """Geometric mean and its 95 % interval."""
  mean = statistics.fmean(logs)
  if len(logs) < 2:
    return math.exp(mean), math.nan, math.nan
  reach = (student_975(len(logs) - 1) * statistics.stdev(logs)
           / math.sqrt(len(logs)))
  return math.exp(mean), math.exp(mean - reach), math.exp(mean + reach)


def main():
  parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
  parser.add_argument("benchmark", help="given by bazel run")
  parser.add_argument("--pairs", type=int, default=20,
                      help="how often each count runs beside the default")
  parser.add_argument("--busy", type=int, default=5,
                      help="how often each runs beside a busy process")
  parser.add_argument("--counts", default="1000,3000,10000,30000",
                      help="the counts, separated by commas")
  arguments = parser.parse_args()
  counts = [int(count) for count in arguments.counts.split(",")]
  ways = [None] + counts
  idle = {way: [] for way in ways}
  busy = {way: [] for way in ways}
  for pair in range(arguments.pairs):
    for way in ways:
      idle[way].append(step_ms(arguments.benchmark, way))
    print(f"idle {pair + 1}/{arguments.pairs}", file=sys.stderr)
  for pair in range(arguments.busy):
    for way in ways:
      busy[way].append(beside_busy(arguments.benchmark, way))
    print(f"busy {pair + 1}/{arguments.busy}", file=sys.stderr)
  print(f"{'spins':>8}  {'idle ms':>8}  {'ratio':>6}  95 % interval  "
        f"{'busy ms':>8}  busy / idle")
  for way in ways:
    ratio, low, high = interval(
        [math.log(a / b) for a, b in zip(idle[way], idle[None])])
    shown = "" if way is None else f"{ratio:6.3f}  {low:.3f} to {high:.3f}"
    slow, fast = statistics.median(busy[way]), statistics.median(idle[way])
    print(f"{'default' if way is None else way:>8}  {fast:8.1f}  {shown:22}  "
          f"{slow:8.1f}  {slow / fast:11.2f}")


if __name__ == "__main__":
  main()
