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


def autocovariance(values, lag):
    centred = values - np.mean(values)
    return float(np.sum(centred[: len(values) - lag] * centred[lag:]) / len(values))


def lag_one(values):
    seen = autocovariance(values, 1) / autocovariance(values, 0)
    return float(np.clip(seen + (1 + 4 * seen) / len(values), 0, 0.97))


def block_length(values):
    """Politis and White (2004) with the correction of 2009, for the circular bootstrap."""
    n = len(values)
    together = max(5, int(np.ceil(np.sqrt(np.log10(n)))))
    furthest = min(int(np.ceil(np.sqrt(n))) + together, n - 1)
    covariance = np.array([autocovariance(values, lag) for lag in range(furthest + 1)])
    small = np.abs(covariance / covariance[0]) < 2 * np.sqrt(np.log10(n) / n)
    settled = [lag for lag in range(furthest - together + 1) if small[lag + 1 : lag + together + 1].all()]
    last = settled[0] if settled else max([lag for lag in range(1, furthest + 1) if not small[lag]], default=1)
    window = min(2 * max(last, 1), furthest)
    lags = np.arange(1, window + 1)
    weight = np.minimum(1, 2 * (1 - lags / window))
    slope = 2 * np.sum(weight * lags * covariance[1 : window + 1])
    spectrum = covariance[0] + 2 * np.sum(weight * covariance[1 : window + 1])
    if spectrum <= 0:
        return 1
    longest = np.ceil(min(3 * np.sqrt(n), n / 3))
    return int(np.clip(np.round(np.cbrt(2 * slope**2 / (4 / 3 * spectrum**2)) * np.cbrt(n)), 1, longest))


def half_width(values):
    """Of the interval for the mean: the standard error of the residuals in blocks, coloured again, times Student's t."""
    n, rho = len(values), lag_one(values)
    centred = values - np.mean(values)
    residuals = centred[1:] - rho * centred[:-1] if rho > 0 else centred
    residuals = residuals - np.mean(residuals)
    length = block_length(residuals)
    means = np.array([np.mean(np.take(residuals, range(i, i + length), mode="wrap")) for i in range(len(residuals))])
    blocks = max(1, round(len(residuals) / length))
    error = np.std(means) / np.sqrt(blocks) / (1 - rho)
    effective = max(3, n * (1 - rho) / (1 + rho) / length)
    return float(stats.t.ppf(0.975, effective - 1) * np.sqrt(effective / (effective - 1)) * error)


def mann_kendall(values):
    n = len(values)
    slope = stats.theilslopes(values, np.arange(n)).slope
    left = values - slope * np.arange(n)
    signs = sum(int(np.sign(values[j] - values[i])) for j in range(n) for i in range(j))
    _, ties = np.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - np.sum(ties * (ties - 1) * (2 * ties + 5))) / 18
    variance *= (1 + lag_one(left)) / (1 - lag_one(left))
    score = max(0, abs(signs) - 1) / np.sqrt(variance) * np.sign(signs)
    return float(slope * (n - 1) / np.median(values)), float(score)


def level_starts(values):
    """The cheapest partition by recursion, with the penalty and the noise of src/stats/levels.rs."""
    n, shortest = len(values), 5
    steps = np.diff(values)
    noise = max(stats.median_abs_deviation(steps) * 1.4826 / np.sqrt(2), 1e-3 * abs(np.median(values)))
    reach = 3 * max(stats.median_abs_deviation(values) * 1.4826, noise)
    drawn = np.clip(values - np.median(values), -reach, reach)
    penalty = 3 * noise**2 * np.log(n)
    best = {0: (-penalty, [])}
    for end in range(shortest, n + 1):
        options = [
            (best[start][0] + np.sum((drawn[start:end] - np.mean(drawn[start:end])) ** 2) + penalty, best[start][1] + [start])
            for start in range(0, end - shortest + 1) if start in best
        ]
        best[end] = min(options, key=lambda option: option[0])
    return best[n][1]


def two_groups(values):
    """The cut with the least squares within, and Ashman's D."""
    values = np.sort(values)
    n = len(values)
    within = lambda cut: np.var(values[:cut]) * cut + np.var(values[cut:]) * (n - cut)
    cut = min((cut for cut in range(1, n) if values[cut - 1] != values[cut]), key=within)
    low, high = values[:cut], values[cut:]
    return float((np.mean(high) - np.mean(low)) / np.sqrt((np.var(low) + np.var(high)) / 2)), (n - cut) / n


def described_series(name, values):
    values = np.array([round(float(value), 6) for value in values])
    change, score = mann_kendall(values)
    separation, share = two_groups(values)
    return {
        "name": name, "values": list(values), "lag_one": lag_one(values), "block_length": block_length(values),
        "half_width": half_width(values), "trend": change, "trend_score": score, "level_starts": level_starts(values),
        "ashman_d": separation, "high_share": share,
    }


def series(random):
    def autoregressive(rho):
        values = [random.normal()]
        for _ in range(99):
            values.append(rho * values[-1] + np.sqrt(1 - rho**2) * random.normal())
        return 10 + 0.2 * np.array(values)

    step = random.normal(10, 0.1, 100)
    step[63:] += 0.8
    return [
        described_series("normal", random.normal(10, 0.2, 100)),
        described_series("skewed", random.lognormal(2, 0.3, 100)),
        described_series("autoregressive", autoregressive(0.5)),
        described_series("rising", random.normal(10, 0.1, 100) + np.linspace(0, 1, 100)),
        described_series("step", step),
        described_series("two groups", np.where(random.random(100) < 0.3, 12.0, 10.0) + random.normal(0, 0.1, 100)),
    ]


def nested(random):
    """The nested analysis of variance of Kalibera and Jones (2013)."""
    processes = [
        {"build": build, "values": list(10 + of_build + random.normal(0, 0.3) + random.normal(0, 0.1, 20))}
        for build, of_build in ((1, -0.4), (2, 0.1), (3, 0.5)) for _ in range(4)
    ]
    within = np.mean([np.var(process["values"], ddof=1) for process in processes])
    means = {build: [np.mean(p["values"]) for p in processes if p["build"] == build] for build in (1, 2, 3)}
    of_processes = np.mean([np.var(of_build, ddof=1) for of_build in means.values()])
    of_builds = np.var([np.mean(of_build) for of_build in means.values()], ddof=1)
    return {
        "processes": processes, "between_runs": float(within), "between_processes": float(of_processes - within / 20),
        "between_builds": float(of_builds - of_processes / 4),
    }


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
        "series": series(random),
        "nested": nested(random),
    }, indent=1))


student() if sys.argv[1:] == ["--student"] else main()
