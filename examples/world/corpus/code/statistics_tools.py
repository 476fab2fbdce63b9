"""Descriptive statistics and sampling."""

import math
import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def running_moments(values: Iterable[float]) -> tuple[int, float, float]:
    """Return count, mean and sample variance in one pass, with Welford's stable update.

    The variance of fewer than two values is given as not a number.
    """
    count, mean, squares = 0, 0.0, 0.0
    for value in values:
        count += 1
        delta = value - mean
        mean += delta / count
        squares += delta * (value - mean)
    variance = squares / (count - 1) if count > 1 else math.nan
    return count, mean, variance


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of the values, interpolated linearly between the two nearest ones."""
    if not values or not 0 <= share <= 1:
        raise ValueError("need values, and a share between 0 and 1")
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    lower = math.floor(position)
    upper = min(lower + 1, len(ordered) - 1)
    return ordered[lower] + (position - lower) * (ordered[upper] - ordered[lower])


def pearson_correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return Pearson's correlation coefficient of two equally long series."""
    if len(xs) != len(ys) or len(xs) < 2:
        raise ValueError("need two series of the same length, at least two values long")
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    spread_x = math.sqrt(sum((x - mean_x) ** 2 for x in xs))
    spread_y = math.sqrt(sum((y - mean_y) ** 2 for y in ys))
    if spread_x == 0 or spread_y == 0:
        raise ValueError("a constant series has no correlation")
    return covariance / (spread_x * spread_y)


def reservoir_sample(items: Iterable[Item], size: int, seed: int = 0) -> list[Item]:
    """Draw a uniform sample from a stream of unknown length, holding only `size` items."""
    rng = random.Random(seed)
    sample: list[Item] = []
    for index, item in enumerate(items):
        if index < size:
            sample.append(item)
            continue
        slot = rng.randint(0, index)
        if slot < size:
            sample[slot] = item
    return sample
