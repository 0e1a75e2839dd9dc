#!/usr/bin/env python3
"""Computes every number of an analysis again, from the bundles, with NumPy and SciPy.

    tests/desk/recompute.py ANALYSIS.json FOLDER NETWORKS.csv

ANALYSIS.json is the program's analysis of the bundles below the parent of FOLDER's paths, NETWORKS.csv what `backbone networks
list --format csv` prints. Shares no code with the program; docs/METHOD.md is what both follow. Ends with 1 and the first
differences where any number differs by more than a part in 10^9.
"""

import csv
import gzip
import itertools
import json
import math
import re
import os
import sys

import numpy as np
from scipy import special, stats

TOLERANCE = 1e-9
checked = 0
differences = []


def check(what, found, wanted):
    global checked
    checked += 1
    if found is None or wanted is None:
        same = found is None and wanted is None
    elif isinstance(wanted, (float, np.floating)):
        same = abs(found - wanted) <= TOLERANCE * max(abs(wanted), 1e-12)
    else:
        same = found == wanted
    if not same:
        differences.append(f"{what}: the program has {found}, recomputed {wanted}")


def draws(seed, count):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def seed_of(seed, name):
    value = 0xCBF29CE484222325 ^ seed
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def resampled_means(values, size, seed, resamples):
    numbers = draws(seed, size * resamples)
    indices = ((numbers >> np.uint64(32)) * np.uint64(len(values))) >> np.uint64(32)
    return np.asarray(values)[indices.astype(int)].reshape(resamples, size).mean(axis=1)


def quantile(p, degrees):
    return stats.norm.ppf(p) if math.isinf(degrees) else stats.t.ppf(p, degrees)


class Variance:
    def __init__(self, value, degrees, moderated):
        self.value, self.degrees, self.moderated = value, degrees, moderated

    def weighted(self, weight):
        return Variance(self.value * weight**2, self.degrees, self.moderated)


def of_sum(parts):
    """Satterthwaite for samples' own variances, Patil for moderated ones."""
    if len(parts) == 1:
        return parts[0]
    if all(part.moderated for part in parts):
        second = fourth = 0.0
        for part in parts:
            degrees = max(part.degrees, 4.5)
            moment = part.value if math.isinf(degrees) else part.value * degrees / (degrees - 2)
            second += moment
            fourth += moment**2 / (degrees - 4)
        if fourth == 0:
            return Variance(second, math.inf, True)
        degrees = 4 + second**2 / fourth
        return Variance(second * (degrees - 2) / degrees, degrees, True)
    value = sum(part.value for part in parts)
    squares = sum(part.value**2 / part.degrees for part in parts)
    return Variance(value, value**2 / squares if squares > 0 else math.inf, False)


def span(value, replicates, parts):
    low, high = np.percentile(replicates, [2.5, 97.5])
    drawn, wanted = sum(part.value for part in parts), of_sum(parts)
    factor = quantile(0.975, wanted.degrees) / quantile(0.975, math.inf)
    factor *= math.sqrt(wanted.value / drawn) if drawn > 0 else 1
    return value * (low / value) ** factor, value * (high / value) ** factor


def ratio(value, parts, replicates):
    """value, (low, high), standard error, degrees of freedom."""
    if any(part is None for part in parts):
        return value, None, None, None
    total = of_sum(parts)
    return value, span(value, replicates, parts), math.sqrt(total.value), total.degrees


def under(constant, one):
    value, ends, error, degrees = one
    return constant / value, ends and (constant / ends[1], constant / ends[0]), error, degrees


def check_ratio(what, found, wanted):
    value, ends, error, degrees = wanted
    check(what, found["value"], value)
    for index, end in enumerate(("low", "high")):
        check(f"{what}, {end}", found["interval"] and found["interval"][end], ends and ends[index])
    check(f"{what}, standard error", found["standard_error"], error)
    check(f"{what}, degrees of freedom", found["degrees_of_freedom"],
          None if degrees is None or math.isinf(degrees) else degrees)


class Platform:
    """The variation between processes of one platform."""

    def __init__(self, cells):
        self.samples = [np.log([np.mean(p) for p in cell]) for cell in cells if len(cell) > 1]
        if not self.samples:
            return
        own = [(np.var(sample, ddof=1), len(sample) - 1) for sample in self.samples]
        self.prior = self.find_prior(own)
        residuals = []
        for sample, variance in zip(self.samples, own):
            scale = self.moderated(variance).value
            if scale > 0:
                n = len(sample)
                residuals += list((sample - np.mean(sample)) * math.sqrt(n / (n - 1) / scale))
        if len(residuals) < 20:
            residuals = stats.norm.ppf((np.arange(999) + 0.5) / 999)
        residuals = np.asarray(residuals)
        self.residuals = (residuals - residuals.mean()) / residuals.std()

    @staticmethod
    def find_prior(own):
        values, half = np.array([v for v, _ in own]), np.array([d for _, d in own]) / 2
        if len(own) < 2 or values.max() <= 0:
            return None
        middle = np.median(values)
        values_floored = np.maximum(values, (middle if middle > 0 else values.max()) * 1e-5)
        logarithms = np.log(values_floored) - special.digamma(half) + np.log(half)
        caution = 1 + 0.5 * math.sqrt(2 / (len(own) - 1))
        excess = caution * np.var(logarithms, ddof=1) - np.mean(special.polygamma(1, half))
        if excess <= 0:
            return float(np.sum(values * half) / np.sum(half)), math.inf
        low, high = 1e-8, 1e8
        for _ in range(500):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if special.polygamma(1, middle) > excess else (low, middle)
        return float(np.exp(np.mean(logarithms) + special.digamma(middle) - np.log(middle))), 2 * middle

    def moderated(self, own):
        if self.prior is None:
            return own and Variance(*own, False)
        prior, degrees = self.prior
        value, own_degrees = own or (prior, 0)
        if math.isinf(degrees):
            return Variance(prior, math.inf, True)
        total = degrees + own_degrees
        return Variance((degrees * prior + own_degrees * value) / total, total, True)

    def uncertainty(self, cell, mean, seed, resamples):
        if self.samples:
            own = (np.var(np.log([np.mean(p) for p in cell]), ddof=1), len(cell) - 1) if len(cell) > 1 else None
            variance = self.moderated(own)
            if variance is None:
                return None, None
            replicates = resampled_means(self.residuals, len(cell), seed, resamples)
            return variance.weighted(len(cell) ** -0.5), mean * np.exp(math.sqrt(variance.value) * replicates)
        runs = np.concatenate(cell)
        if len(runs) < 2:
            return None, None
        length = max(1, round(np.cbrt(len(runs))))
        blocks = len(runs) / length
        around = np.concatenate([runs, runs[: length - 1]])
        means = np.convolve(around, np.ones(length) / length, mode="valid")
        replicates = resampled_means(means, math.ceil(blocks), seed, resamples)
        replicates = np.maximum(mean + math.sqrt(math.ceil(blocks) / (blocks - 1)) * (replicates - mean), 5e-7)
        return Variance((np.std(replicates, ddof=1) / mean) ** 2, blocks - 1, False), replicates


FACTORS = {
    "block": lambda c: c["block"], "kernel": lambda c: str(c["kernel"]), "batch": lambda c: str(c["batch"]),
    "input": lambda c: str(c["input"]), "precision": lambda c: c["precision"],
    "width": lambda c: str(c["width_percent"]), "depths": lambda c: "_".join(map(str, c["depths"])),
}


def used(analysis, bundle):
    """Latencies in milliseconds of the processes of the builds that count."""
    builds = {}
    for trial in bundle["trials"]:
        if trial["latency_ns"]:
            builds.setdefault(trial["build"], []).append(np.array(trial["latency_ns"]) / 1e6)
    which = analysis["options"]["builds"]
    if which == "fastest":
        # Of equal ones the first.
        numbers = sorted(builds, key=lambda number: (np.mean([np.mean(p) for p in builds[number]]), number))[:1]
    else:
        numbers = sorted(builds)[:1] if which == "first" else sorted(builds)
    return [process for number in numbers for process in builds[number]]


def check_rows(analysis, bundles):
    for row, bundle in zip(analysis["rows"], bundles):
        processes = used(analysis, bundle)
        found, what = row["latency"], row["id"]
        if not processes:
            check(what, found, None)
            continue
        runs = np.concatenate(processes)
        mad = float(stats.median_abs_deviation(runs))
        scores = np.abs(0.6745 * (runs - np.median(runs))) / mad if mad > 0 else np.zeros(len(runs))
        for build in row["builds"]:
            means = [np.mean(t["latency_ns"]) / 1e6 for t in bundle["trials"] if t["build"] == build["build"]]
            check(f"{what} build", build["mean_ms"], float(np.mean(means)))
        check(f"{what} processes", found["processes"], len(processes))
        check(f"{what} runs", found["runs"], len(runs))
        check(f"{what} mean", found["mean"], float(np.mean([np.mean(p) for p in processes])))
        check(f"{what} median", found["median"], float(np.median(runs)))
        check(f"{what} standard deviation", found["standard_deviation"],
              float(np.std(runs, ddof=1)) if len(runs) > 1 else None)
        check(f"{what} MAD", found["median_absolute_deviation"], mad)
        check(f"{what} severe", found["severe_outliers"], int(np.sum(scores > 14)))
        check(f"{what} mild", found["mild_outliers"], int(np.sum((scores > 3.5) & (scores <= 14))))


def cells_of(analysis, bundles):
    """The cells, found again: latencies of all processes by platform and θ."""
    groups = {}
    for index, (row, bundle) in enumerate(zip(analysis["rows"], bundles)):
        usable = bundle["outcome"]["status"] == "measured" and bundle["verdict"]["state"] != "invalid"
        processes = used(analysis, bundle)
        if usable and processes and np.mean([np.mean(p) for p in processes]) > 0:
            subject = bundle["configuration"]["name"]
            cell = groups.setdefault((row["platform"], subject), {"rows": [], "processes": [], "bundle": bundle})
            cell["rows"].append(index)
            cell["processes"] += processes
    return groups


def check_cells(analysis, groups):
    check("cells", [(c["platform"], c["subject"]) for c in analysis["cells"]], sorted(groups))
    for index, (platform, basis) in enumerate(zip(analysis["platforms"], analysis["bases"])):
        own = [groups[key] for key in sorted(groups) if key[0] == index]
        model = Platform([cell["processes"] for cell in own])
        check("covers", basis["covers"], "processes" if model.samples else "measured_processes")
        prior = model.prior if model.samples else None
        check("between processes", basis["between_processes"], prior and math.sqrt(prior[0]))
        resamples = min(analysis["options"]["resamples"], max(20_000_000 // max(len(groups), 1), 1000))
        check("resamples", basis["resamples"], resamples)
        for cell in own:
            subject = cell["bundle"]["configuration"]["name"]
            cell["mean"] = float(np.mean([np.mean(p) for p in cell["processes"]]))
            seed = seed_of(analysis["options"]["seed"], f"{platform['id']}/{subject}")
            cell["variance"], cell["replicates"] = model.uncertainty(cell["processes"], cell["mean"], seed, resamples)
    for found in analysis["cells"]:
        cell = groups[found["platform"], found["subject"]]
        what = f"cell {found['subject']}"
        cost = cell["bundle"]["cost"]
        cell["operations"], cell["bytes"] = cost["operations"], cost["bytes_moved"]
        cell["throughput"] = cost["operations"] * 1e3 / cell["mean"]
        check(what, found["latency_ms"]["value"], cell["mean"])
        check(what, found["throughput"]["value"], cell["throughput"])
        check(what, found["rows"], cell["rows"])
        check(what, found["processes"], len(cell["processes"]))
        ends = cell["variance"] and span(cell["mean"], cell["replicates"], [cell["variance"]])
        for index, end in enumerate(("low", "high")):
            interval = found["latency_ms"]["interval"]
            check(f"{what} {end}", interval and interval[end], ends and ends[index])
            interval = found["throughput"]["interval"]
            check(f"{what} throughput {end}", interval and interval[end],
                  ends and cost["operations"] * 1e3 / ends[1 - index])


def averaged(pairs, quantity, replicates_of):
    """Mean of ratios and ratio of means of a quantity of cells; weights are those of the delta method."""
    def part(cell, weight):
        return cell["variance"] and cell["variance"].weighted(weight)

    known = all(one["variance"] for pair in pairs for one in pair)
    ratios = np.array([quantity(b) / quantity(a) for a, b in pairs])
    parts = [part(cell, r / ratios.sum()) for (a, b), r in zip(pairs, ratios) for cell in (a, b)]
    replicates = np.mean([replicates_of(b) / replicates_of(a) for a, b in pairs], axis=0) if known else None
    first = ratio(float(ratios.mean()), parts, replicates)
    below, above = (sum(quantity(pair[side]) for pair in pairs) for side in (0, 1))
    parts = [part(a, quantity(a) / below) for a, _ in pairs] + [part(b, quantity(b) / above) for _, b in pairs]
    replicates = (
        sum(replicates_of(b) for _, b in pairs) / sum(replicates_of(a) for a, _ in pairs) if known else None
    )
    return first, ratio(above / below, parts, replicates)


def check_contrasts(analysis, groups):
    seen = set()
    blocks = {(p, c["bundle"]["configuration"]["block"]) for (p, _), c in groups.items()}
    within = {(one["platform"], one["within"]) for one in analysis["within_blocks"]}
    check("contrasts within blocks are of measured ones", within <= blocks, True)
    check("contrasts within blocks are there", bool(within) or len(blocks) < 2, True)
    for contrast in [*analysis["contrasts"], *analysis["within_blocks"]]:
        what = f"{contrast['platform']} {contrast['factor']} {contrast['from']} → {contrast['to']}"
        level = FACTORS[contrast["factor"]]
        others = [name for name in FACTORS if name != contrast["factor"]]
        own = [cell for key, cell in groups.items() if key[0] == contrast["platform"]
               and contrast["within"] in (None, cell["bundle"]["configuration"]["block"])]
        lines = {}
        for cell in own:
            theta = cell["bundle"]["configuration"]
            lines.setdefault(tuple(FACTORS[name](theta) for name in others), {})[level(theta)] = cell
        pairs = [(line[contrast["from"]], line[contrast["to"]]) for line in lines.values()
                 if contrast["from"] in line and contrast["to"] in line]
        key = lambda pair: (pair[0]["bundle"]["configuration"]["name"], pair[1]["bundle"]["configuration"]["name"])
        by_name = {key(pair): pair for pair in pairs}
        subject = lambda index: analysis["cells"][index]["subject"]
        found_pairs = {(subject(p["from"]), subject(p["to"])): p for p in contrast["pairs"]}
        check(f"{what}: pairs", sorted(found_pairs), sorted(by_name))
        for name, found in found_pairs.items():
            a, b = by_name[name]
            if contrast["within"] is None:
                seen.add((contrast["platform"], *name))
            wanted = ratio(b["mean"] / a["mean"], [a["variance"], b["variance"]],
                           b["replicates"] / a["replicates"] if a["variance"] and b["variance"] else None)
            check_ratio(f"{what} {name}", found["latency"], wanted)
            operations = b["operations"] / a["operations"]
            check(f"{what} operations", found["operations"], operations)
            check(f"{what} density", found["operational_density"],
                  b["operations"] / b["bytes"] / (a["operations"] / a["bytes"]))
            check_ratio(f"{what} {name} throughput", found["throughput"], under(operations, wanted))
        # In the program's order, because sums of rounded numbers depend on it.
        pairs = [by_name[subject(p["from"]), subject(p["to"])] for p in contrast["pairs"]]
        if not pairs:
            check(what, contrast["latency"], None)
            continue
        for quantity, mean, replicates in (
            ("latency", lambda c: c["mean"], lambda c: c["replicates"]),
            ("throughput", lambda c: c["throughput"], lambda c: c["operations"] * 1e3 / c["replicates"]),
        ):
            first, second = averaged(pairs, mean, replicates)
            check_ratio(f"{what} {quantity}, mean of ratios", contrast[quantity]["mean_of_ratios"], first)
            check_ratio(f"{what} {quantity}, ratio of means", contrast[quantity]["ratio_of_means"], second)
        check(what, contrast["operations"]["mean_of_ratios"],
              float(np.mean([b["operations"] / a["operations"] for a, b in pairs])))
        check(what, contrast["operations"]["ratio_of_means"],
              sum(b["operations"] for _, b in pairs) / sum(a["operations"] for a, _ in pairs))
    # No pair that differs in exactly one factor is forgotten.
    for (one, a), (other, b) in itertools.permutations(groups.items(), 2):
        thetas = a["bundle"]["configuration"], b["bundle"]["configuration"]
        differing = [name for name, level in FACTORS.items() if level(thetas[0]) != level(thetas[1])]
        if one[0] == other[0] and len(differing) == 1:
            pair = (one[0], thetas[0]["name"], thetas[1]["name"])
            check("a pair", pair in seen or (pair[0], pair[2], pair[1]) in seen, True)


def check_rooflines(analysis, groups):
    cell = lambda index: groups[analysis["cells"][index]["platform"], analysis["cells"][index]["subject"]]
    for roofline in analysis["rooflines"]:
        points = [(p, cell(p["cell"])) for p in roofline["points"]]
        density = lambda one: one["operations"] / one["bytes"]
        roof = max(one["throughput"] for _, one in points)
        slope = max(one["throughput"] / density(one) for _, one in points)
        check("roof", roofline["peaks"]["operations_per_second"], roof)
        check("slope", roofline["peaks"]["bytes_per_second"], slope)
        check("ridge", roofline["ridge"], roof / slope)
        for point, one in points:
            check("density", point["operational_density"], density(one))
            check("throughput", point["throughput"], one["throughput"])
            check("attained", point["attained"], one["throughput"] / min(roof, slope * density(one)))
    expected = []
    for contrast in analysis["contrasts"]:
        for pair in contrast["pairs"]:
            a, b = cell(pair["from"]), cell(pair["to"])
            change = b["operations"] / b["bytes"] / (a["operations"] / a["bytes"])
            ends = pair["throughput"]["interval"]
            if ends and change > 1 + 1e-6 and ends["high"] < 1:
                expected.append((pair["from"], pair["to"]))
            if ends and 1 / change > 1 + 1e-6 and ends["low"] > 1:
                expected.append((pair["to"], pair["from"]))
    check("contradictions", sorted((c["sparser"], c["denser"]) for c in analysis["contradictions"]), sorted(expected))


def check_fronts(analysis, groups):
    tasks = {}
    for index, found in enumerate(analysis["cells"]):
        theta = found["configuration"]
        task = (found["platform"], theta["batch"], theta["input"], theta["precision"])
        cell = groups[found["platform"], found["subject"]]
        tasks.setdefault(task, []).append((cell["operations"], cell["throughput"], index))
    check("tasks", [(f["platform"], f["batch"], f["input"], f["precision"]) for f in analysis["fronts"]], sorted(tasks))
    for front in analysis["fronts"]:
        points = tasks[front["platform"], front["batch"], front["input"], front["precision"]]
        dominated = lambda p: any(q[0] <= p[0] and q[1] >= p[1] and q != p for q in points)
        check("front", sorted(front["cells"]), sorted(p[2] for p in points if not dominated(p)))


def check_choices(analysis, groups):
    """The ranking of each task, each latency over that of the fastest, and what is best otherwise."""
    tasks = {}
    for index, found in enumerate(analysis["cells"]):
        theta = found["configuration"]
        task = (found["platform"], theta["precision"], theta["input"], theta["batch"])
        tasks.setdefault(task, []).append((groups[found["platform"], found["subject"]], index))
    name = lambda choice: (choice["platform"], *(choice["task"][key] for key in ("precision", "input", "batch")))
    check("tasks to choose for", [name(choice) for choice in analysis["choices"]], sorted(tasks))
    for choice in analysis["choices"]:
        members = sorted(tasks[name(choice)], key=lambda one: (one[0]["mean"], one[1]))
        what = f"choice {name(choice)}"
        check(f"{what}: ranking", [ranked["cell"] for ranked in choice["ranking"]], [index for _, index in members])
        fastest = members[0][0]
        for ranked, (cell, _) in list(zip(choice["ranking"], members))[1:]:
            parts = [fastest["variance"], cell["variance"]]
            check_ratio(f"{what} {ranked['cell']}", ranked["latency"], student_ratio(math.log(cell["mean"] / fastest["mean"]), parts))
        best = max(members, key=lambda one: one[0]["throughput"])
        check(f"{what}: throughput", choice["most_efficient"], best[1])
        front = analysis["fronts"][choice["front"]]
        check(f"{what}: front", (front["platform"], front["precision"], front["input"], front["batch"]), name(choice))
        # The fastest and the most efficient are the ends of the front, or as good as one of them.
        on = {index for index in front["cells"]}
        check(f"{what}: the most efficient is on the front", best[1] in on, True)


def check_causes(analysis):
    """Every contradiction that holds among all has one cause, which it shares."""
    told = sorted(index for cause in analysis["causes"] for index in cause["contradictions"])
    check("contradictions with a cause", told, [i for i, one in enumerate(analysis["contradictions"]) if one["holds_among_all"]])
    for cause in analysis["causes"]:
        (kind, shared), = cause["shared"].items()
        for one in (analysis["contradictions"][index] for index in cause["contradictions"]):
            level = lambda cell: FACTORS[one["factor"]](analysis["cells"][cell]["configuration"])
            holds = {"slow_network": lambda: one["denser"] == shared, "fast_network": lambda: one["sparser"] == shared,
                     "levels": lambda: (one["factor"], level(one["sparser"]), level(one["denser"]))
                     == (shared["factor"], shared["sparser"], shared["denser"])}[kind]
            check(f"cause {kind} {shared}", holds() and one["platform"] == cause["platform"], True)


def check_advice(analysis):
    """Every number of a sentence is one of a contrast or ranking that was recomputed, at the digits shown."""
    for advice in analysis["advice"]:
        own = lambda one: one["platform"] == advice["platform"]
        known = set()
        add = lambda value: known.update({f"{abs(value):.1f}", f"{value:+.1f}".replace("-", "−")})
        for contrast in filter(own, [*analysis["contrasts"], *analysis["within_blocks"]]):
            if not contrast["latency"]:
                continue
            known.update(re.findall(r"[0-9.]+", contrast["from"] + " " + contrast["to"]))
            for ratio in (contrast["latency"]["mean_of_ratios"], contrast["throughput"]["mean_of_ratios"]):
                ends = ratio["interval"] or {"low": ratio["value"], "high": ratio["value"]}
                for value in (ratio["value"], ends["low"], ends["high"]):
                    for shown in (value, 1 / value, (value - 1) * 100, (1 / value - 1) * 100):
                        add(shown)
            value = contrast["operations"]["mean_of_ratios"]
            for shown in (value, 1 / value, (value - 1) * 100, (1 / value - 1) * 100):
                add(shown)
        tasks = [choice for choice in analysis["choices"] if own(choice)]
        known.update(str(count) for count in range(len(tasks) + 1))
        for choice in tasks:
            for ranked in choice["ranking"]:
                cell = analysis["cells"][ranked["cell"]]
                milliseconds = cell["latency_ms"]["value"]
                known.add(f"{milliseconds:.{min(9, max(0, 2 - math.floor(math.log10(milliseconds))))}f}")
                interval = ranked["latency"]["interval"] or {}
                for value in (ranked["latency"]["value"], *interval.values()):
                    add(value), add((value - 1) * 100)
                known.update(str(choice["task"][key]) for key in ("input", "batch"))
        for comparison in (one for one in analysis["comparisons"] if one["to"] == advice["platform"]):
            for ratio in (comparison["latency"], *(pair["latency"] for pair in comparison["pairs"])):
                for value in (ratio["value"], *(ratio["interval"] or {}).values()):
                    for shown in (value, 1 / value, (value - 1) * 100):
                        add(shown)
        text = advice["sentence"]
        for name in sorted(advice["names"], key=len, reverse=True):
            text = text.replace(name, "")
        text = re.sub(r"(int|fp)[0-9]+", "", text)
        numbers = re.findall(r"[+−]?[0-9]+(?:\.[0-9]+)?", text)
        check(f"numbers of: {advice['sentence']}", [one for one in numbers if one not in known], [])


def check_predictions(analysis, groups, networks):
    costs = {(r["block"], r["kernel"], r["batch"], r["input"]): r for r in csv.DictReader(open(networks))}
    for prediction in analysis["predictions"]:
        cells = [c for key, c in sorted(groups.items()) if key[0] == prediction["platform"]]
        names = list(prediction["coefficients"])

        def features(theta, operations, size):
            have = {f"block {theta['block']}", f"kernel {theta['kernel']}", f"precision {theta['precision']}"}
            fixed = {"constant": 1.0, "ln operations": math.log(operations), "ln bytes moved": math.log(size)}
            return [fixed.get(name, float(name in have)) for name in names]

        design = np.array([features(c["bundle"]["configuration"], c["operations"], c["bytes"]) for c in cells])
        target = np.log([c["mean"] for c in cells])
        gram = design.T @ design
        gram += np.diag(np.diag(gram)) * 1e-9
        solution = np.linalg.solve(gram, design.T @ target)
        leverage = np.einsum("ij,ji->i", design, np.linalg.solve(gram, design.T))
        errors = np.abs(np.exp((design @ solution - target) / (1 - np.minimum(leverage, 1 - 1e-6))) - 1)
        check("fitted", prediction["fitted"], len(cells))
        # Solving by two ways agrees to fewer digits than the rest.
        for what, found, wanted in [
            ("median error", prediction["median_error"], np.percentile(errors, 50)),
            ("error 90", prediction["error_90"], np.percentile(errors, 90)),
        ]:
            check(what, round(found, 6), round(float(wanted), 6))
        check("something is predicted", len(prediction["predicted"]) > 0, True)
        for one in prediction["predicted"]:
            block, kernel, batch, size, precision = one["subject"].rsplit("-", 4)
            theta = {"block": block, "kernel": int(kernel[1:]), "precision": precision}
            cost = costs[block, kernel[1:], batch[1:], size[1:]]
            operations = int(cost["operations"])
            latency = math.exp(features(theta, operations, int(cost[f"bytes_moved_{precision}"])) @ solution)
            check(one["subject"], float(f"{one['latency_ms']:.5e}"), float(f"{latency:.5e}"))
            check(one["subject"], float(f"{one['throughput']:.5e}"), float(f"{operations * 1e3 / latency:.5e}"))


def student_ratio(logarithm, parts):
    total = of_sum(parts)
    error = math.sqrt(total.value)
    reach = quantile(0.975, total.degrees) * error
    return math.exp(logarithm), (math.exp(logarithm - reach), math.exp(logarithm + reach)), error, total.degrees


def check_comparisons(analysis, groups):
    for comparison in analysis["comparisons"]:
        one, other = comparison["from"], comparison["to"]
        shared = sorted({s for p, s in groups if p == one} & {s for p, s in groups if p == other})
        check("shared", [pair["subject"] for pair in comparison["pairs"]], shared)
        pairs = [(groups[one, s], groups[other, s]) for s in shared]
        for found, (a, b) in zip(comparison["pairs"], pairs):
            wanted = student_ratio(math.log(b["mean"] / a["mean"]), [a["variance"], b["variance"]])
            check_ratio(f"compared {found['subject']}", found["latency"], wanted)
        weight = 1 / len(pairs)
        logarithm = sum(math.log(b["mean"] / a["mean"]) for a, b in pairs) * weight
        parts = [c["variance"].weighted(weight) for pair in pairs for c in pair]
        check_ratio("compared", comparison["latency"], student_ratio(logarithm, parts))
        check_ratio("compared throughput", comparison["throughput"], under(1, student_ratio(logarithm, parts)))


def check_findings(analysis, groups):
    """Every hypothesis, tested again; Holm's procedure over all."""
    cell = lambda index: groups[analysis["cells"][index]["platform"], analysis["cells"][index]["subject"]]
    hypotheses = []

    def test(key, found, platforms, squares):
        assumed = any(analysis["bases"][p]["covers"] == "measured_processes" for p in platforms)
        error = math.sqrt(found["standard_error"] ** 2 + (0.04**2 * squares if assumed else 0))
        degrees = found["degrees_of_freedom"]
        t = abs(math.log(found["value"])) / error
        hypotheses.append((2 * (stats.norm.sf(t) if degrees is None else stats.t.sf(t, degrees)), key))

    for contrast in analysis["contrasts"]:
        pairs, platform, name = contrast["pairs"], [contrast["platform"]], (contrast["from"], contrast["to"])
        if not pairs:
            continue
        squares = lambda weights: sum(2 * (w / sum(weights)) ** 2 for w in weights)
        test(("choice", *platform, *name), contrast["throughput"]["mean_of_ratios"], platform,
             squares([p["throughput"]["value"] for p in pairs]))
        fewer = name if contrast["operations"]["mean_of_ratios"] < 1 else name[::-1]
        test(("slower_with_fewer_operations", *platform, *fewer), contrast["latency"]["mean_of_ratios"], platform,
             squares([p["latency"]["value"] for p in pairs]))
        for denser in (True, False):
            group = [p for p in pairs if (p["operational_density"] > 1 + 1e-6 if denser
                                          else p["operational_density"] < 1 / (1 + 1e-6))]
            if group:
                parts = [cell(i)["variance"].weighted(1 / len(group)) for p in group for i in (p["from"], p["to"])]
                logarithm = np.mean([math.log(p["throughput"]["value"]) for p in group])
                value, ends, error, degrees = student_ratio(float(logarithm), parts)
                found = {"value": value, "standard_error": error,
                         "degrees_of_freedom": None if math.isinf(degrees) else degrees}
                key = ("contradiction", *platform, *(name if denser else name[::-1]))
                test(key, found, platform, 2 / len(group))
        for pair in pairs:
            test(("pair", pair["from"], pair["to"]), pair["throughput"], platform, 2)
    for comparison in analysis["comparisons"]:
        platforms = [comparison["from"], comparison["to"]]
        labels = [analysis["platforms"][p]["label"] for p in platforms]
        test(("platform", *platforms, *labels), comparison["throughput"], platforms, 2 / len(comparison["pairs"]))
    hypotheses.sort(key=lambda one: one[0])
    adjusted, least = {}, 0.0
    for rank, (probability, key) in enumerate(hypotheses):
        least = max(least, min(1.0, probability * (len(hypotheses) - rank)))
        adjusted[key] = least
    check("there are findings", len(analysis["findings"]) > 0, True)
    for finding in analysis["findings"]:
        key = (finding["kind"], *finding["platforms"], finding["from"], finding["to"])
        if key in adjusted and adjusted[key] <= 0.005:
            close = abs(finding["adjusted_probability"] - adjusted[key]) <= 1e-6 * adjusted[key] + 1e-300
            check(f"probability of {key}", close, True)
        else:
            check(f"{key} rests on single pairs", finding["kind"], "contradiction")
    sizes = [abs(math.log(finding["ratio"]["value"])) for finding in analysis["findings"]]
    check("order of findings", sizes, sorted(sizes, reverse=True))


def main():
    analysis_path, folder, networks = sys.argv[1:]
    analysis = json.load(open(analysis_path))
    parent = os.path.dirname(os.path.abspath(folder))
    bundles = [json.load(gzip.open(os.path.join(parent, row["path"]))) for row in analysis["rows"]]
    check_rows(analysis, bundles)
    groups = cells_of(analysis, bundles)
    check_cells(analysis, groups)
    check_contrasts(analysis, groups)
    check_rooflines(analysis, groups)
    check_fronts(analysis, groups)
    check_choices(analysis, groups)
    check_causes(analysis)
    check_advice(analysis)
    check_predictions(analysis, groups, networks)
    check_comparisons(analysis, groups)
    check_findings(analysis, groups)
    print(f"{checked} numbers recomputed, {len(differences)} differ")
    print("\n".join(differences[:20]))
    sys.exit(1 if differences else 0)


main()
