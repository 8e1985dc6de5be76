"""Statistics of repeated measurements, without third-party packages.

Times on a shared machine have a long tail to the right, so everything here is
about medians: they do not move when one repetition in five is disturbed.
"""

import math
import random
import statistics
from typing import NamedTuple, Sequence

# Below this, resampling cannot show how far a median may be off.
MIN_SAMPLES = 4
_RESAMPLES = 4000


class Summary(NamedTuple):
    """Of one benchmark's repetitions."""

    count: int
    median: float
    # Median absolute deviation from the median, relative to it.
    spread: float
    low: float
    high: float


class Comparison(NamedTuple):
    """Of new to old times: above 1 is slower."""

    ratio: float
    # Confidence interval of the ratio of medians.
    low: float
    high: float
    verdict: str


def summarize(samples: Sequence[float]) -> Summary:
    """Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    median = statistics.median(samples)
    deviation = statistics.median(abs(s - median) for s in samples)
    spread = deviation / median if median else 0.0
    return Summary(len(samples), median, spread, min(samples), max(samples))


def _quantile(ordered: Sequence[float], q: float) -> float:
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    part = position - below
    return ordered[below] * (1 - part) + ordered[above] * part


def ratio_interval(
    old: Sequence[float],
    new: Sequence[float],
    confidence: float,
    seed: int,
) -> tuple[float, float]:
    """Percentile bootstrap of median(new) / median(old).

    Both sides are resampled with replacement; the same seed gives the same
    interval.
    """
    generator = random.Random(seed)
    ratios = []
    for _ in range(_RESAMPLES):
        a = statistics.median(generator.choices(old, k=len(old)))
        b = statistics.median(generator.choices(new, k=len(new)))
        ratios.append(b / a)
    ratios.sort()
    tail = (1 - confidence) / 2
    return _quantile(ratios, tail), _quantile(ratios, 1 - tail)


def compare(
    old: Sequence[float],
    new: Sequence[float],
    confidence: float = 0.99,
    seed: int = 0,
) -> Comparison:
    """Whether new times differ from old ones by more than their noise.

    Raises ValueError for a time that is not positive.
    """
    if any(s <= 0 for s in (*old, *new)):
        raise ValueError("times must be positive")
    ratio = statistics.median(new) / statistics.median(old)
    if min(len(old), len(new)) < MIN_SAMPLES:
        return Comparison(ratio, 0.0, math.inf, "too few repetitions")
    low, high = ratio_interval(old, new, confidence, seed)
    if low > 1.0:
        verdict = "slower"
    elif high < 1.0:
        verdict = "faster"
    else:
        verdict = "no difference that the noise allows"
    return Comparison(ratio, low, high, verdict)


def is_regression(comparison: Comparison, threshold: float) -> bool:
    """Slower beyond the noise, and by more than the threshold (0.05: 5 %)."""
    return comparison.verdict == "slower" and comparison.ratio > 1.0 + threshold
