"""Samples of a measure: their median, their spread, and the ratio of two that were taken in turn."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of samples, and their first and third quartiles."""

    median: float
    low: float
    high: float


def spread(samples):
    """Returns the median and the quartiles of the samples."""
    if len(samples) < 2:
        return Spread(samples[0], samples[0], samples[0])
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Spread(median, low, high)


def ratio(ours, others):
    """Returns the median and the quartiles of the ratios of samples that were taken one right after the other."""
    return spread([one / other for one, other in zip(ours, others, strict=True)])


def in_turn(rounds, *measures):
    """Calls the measures in turn, so that the load of the machine affects all of them. Returns a list of samples for each measure.

    The first round only warms the caches.
    """
    results = [[] for _ in measures]
    for number in range(rounds + 1):
        for result, measure in zip(results, measures, strict=True):
            sample = measure()
            if number:
                result.append(sample)
    return results
