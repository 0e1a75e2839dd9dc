#!/usr/bin/env python3
"""What SciPy and NumPy make of some samples, for tests of src/stats/ to compare with.

    python3 -m pip install --requirement tests/desk/requirements.txt
    tests/desk/expect_statistics.py > tests/desk/statistics.json
    tests/desk/expect_statistics.py --student > tests/desk/student.csv

SciPy's own bootstrap is given the resample indices that the program draws, so that the intervals must agree to the last
digits.
"""

import json
import sys

import numpy as np
from scipy import special, stats

RESAMPLES = 2000
CONFIDENCE = 0.95
# As many as a report may come by, with those of a demo whose report once never ended.
DEGREES = (1, 1.5, 2, 3, 3.7, 5, 10, 19.25, 100, 1234.5, 1e5, 1e6, 50435456.7, 1e9, 3.3e10, 1e12)
# From the median to what is left of 5 % after a correction for as many hypotheses as there will ever be.
PROBABILITIES = (0.51, 0.6, 0.75, 0.9, 0.975, 0.995, 0.9999, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12, 1e-3, 1e-15, 1e-100)


def draws(seed, count):
    """SplitMix64, numbers 1 to `count` of a seed."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


class Indices(np.random.Generator):
    """Hands SciPy the program's resample indices: one seed for each sample, in their order."""

    def __new__(cls, seeds):
        return super().__new__(cls, np.random.PCG64(0))

    def __init__(self, seeds):
        super().__init__(np.random.PCG64(0))
        self.seeds = list(seeds)

    def integers(self, low, high=None, size=None, **_):
        assert low == 0
        numbers = draws(self.seeds.pop(0), int(np.prod(size)))
        return (((numbers >> np.uint64(32)) * np.uint64(high)) >> np.uint64(32)).astype(int).reshape(size)


def bootstrap(samples, statistic, seeds):
    result = stats.bootstrap(
        samples, statistic, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="percentile",
        vectorized=True, batch=RESAMPLES, rng=Indices(seeds),
    )
    return [float(result.confidence_interval.low), float(result.confidence_interval.high)]


def described(values):
    return {
        "values": [float(value) for value in values],
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
        "median": float(np.median(values)),
        "median_absolute_deviation": float(stats.median_abs_deviation(values)),
        "percentile_2_5": float(np.percentile(values, 2.5)),
        "percentile_97_5": float(np.percentile(values, 97.5)),
        "mean_interval": bootstrap((values,), lambda x, axis: np.mean(x, axis=axis), [11]),
    }


def outlier_labels(values):
    score = np.abs(0.6745 * (values - np.median(values)) / stats.median_abs_deviation(values))
    return [2 if s > 14 else 1 if s > 3.5 else 0 for s in score]


def squeezed(variances, degrees):
    """`squeezeVar` of limma (Smyth 2004) by SciPy's special functions, with the program's half standard error of caution."""
    variances, half = np.asarray(variances), np.asarray(degrees) / 2
    logarithms = np.log(variances) - special.digamma(half) + np.log(half)
    caution = 1 + 0.5 * np.sqrt(2 / (len(half) - 1))
    excess = caution * np.var(logarithms, ddof=1) - np.mean(special.polygamma(1, half))
    assert excess > 0
    low, high = 1e-8, 1e8
    for _ in range(400):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if special.polygamma(1, middle) > excess else (low, middle)
    prior = float(np.exp(np.mean(logarithms) + special.digamma(middle) - np.log(middle)))
    return {"variances": list(variances), "degrees": list(degrees), "variance": prior, "degrees_of_freedom": 2 * middle}


def student():
    print("degrees_of_freedom,probability,quantile")
    for degrees in (*DEGREES, float("inf")):
        for probability in PROBABILITIES:
            quantile = stats.norm.ppf(probability) if degrees == float("inf") else stats.t.ppf(probability, degrees)
            print(f"{float(degrees)!r},{probability!r},{float(quantile)!r}")


def main():
    random = np.random.default_rng(20261122)
    skewed = 4e6 * random.lognormal(0, 0.2, 100)
    skewed[[7, 50]] *= [2.5, 9]
    small = random.normal(1.5, 0.02, 7)
    blocks = [float(np.mean(np.take(small, range(i, i + 3), mode="wrap"))) for i in range(len(small))]
    ratio = lambda x, y, axis: np.mean(x, axis=axis) / np.mean(y, axis=axis)
    print(json.dumps({
        "made_by": "tests/desk/expect_statistics.py",
        "resamples": RESAMPLES,
        "samples": [described(values) for values in (skewed, small, np.array([1.0, 2.0]))],
        "outliers": {"values": list(skewed), "labels": outlier_labels(skewed)},
        "circular_blocks_of_3": {"values": list(small), "means": blocks},
        "ratio": {"above": list(skewed), "below": list(small), "interval": bootstrap((skewed, small), ratio, [5, 6])},
        "student": [
            {"probability": p, "degrees_of_freedom": d, "quantile": float(stats.t.ppf(p, d)),
             "two_sided": float(2 * stats.t.sf(2.75, d))}
            for p in (0.975, 0.999, 0.6) for d in (1, 2, 3.7, 19, 104.2, 5000.5)
        ],
        "normal_quantile": float(stats.norm.ppf(0.975)),
        "trigamma": [{"x": x, "value": float(special.polygamma(1, x))} for x in (0.01, 0.5, 1, 7.25, 400)],
        "prior": squeezed([4e-4, 9e-4, 1e-4, 25e-4, 6e-4, 3e-5], [2, 2, 2, 4, 1, 2]),
    }, indent=1))


student() if sys.argv[1:] == ["--student"] else main()
