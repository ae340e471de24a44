"""Slow twin of monitoring, written from the section Monitoring of the definitions; rows are dicts."""

import math
import statistics
from collections import defaultdict
from datetime import timedelta

REACTIVE = ("positive", "suspect")


def exact_interval(k, n, confidence):
    """Clopper and Pearson: the shares that make k or more, and k or fewer, just improbable enough."""
    tail = (1 - confidence) / 2

    def at_least(share):
        return sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k, n + 1))

    def bisected(too_low):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if too_low(middle) else (low, middle)
        return low

    lower = 0.0 if k == 0 else bisected(lambda share: at_least(share) < tail)
    upper = (
        1.0
        if k == n
        else bisected(
            lambda share: sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k + 1)) > tail
        )
    )
    return lower, upper


def broken_rules(points, same_side):
    """The rules that each point of one chart breaks; a point is a z, "no_ct" or None where nothing is judged."""
    found = []
    for last, point in enumerate(points):
        rules = set()
        if point == "no_ct":
            rules.add("no_ct")
        elif point is not None:

            def all_beyond(n, size, last=last):
                some = points[last - n + 1 : last + 1] if last >= n - 1 else []
                judged = [z for z in some if z is not None and z != "no_ct"]
                return len(judged) == n and (all(z > size for z in judged) or all(z < -size for z in judged))

            for name, n, size in (
                ("1-2s", 1, 2),
                ("1-3s", 1, 3),
                ("2-2s", 2, 2),
                ("4-1s", 4, 1),
                (f"{same_side}x", same_side, 0),
            ):
                if all_beyond(n, size):
                    rules.add(name)
        found.append(rules)
    return found


def control_charts(points, by, n_baseline, same_side):  # noqa: C901 - the definition in one piece
    """Charts of one kind of group: (group, control, target) to mean, standard deviation and the rules of each point.

    Points are dicts in order of time with at, run, group, control, target and ct.
    """
    series = defaultdict(list)
    charts = defaultdict(list)
    for point in points:
        series[point["control"], point["target"]].append(point)
        if point["group"] is not None:
            charts[point["group"], point["control"], point["target"]].append(point)
    found = {}
    for key, mine in charts.items():
        own = [point["ct"] for point in mine if point["ct"] is not None][:n_baseline]
        before = [p["ct"] for p in series[key[1:]] if p["ct"] is not None and p["at"] < mine[0]["at"]][-n_baseline:]
        whose, ct = ("before", before) if by != "instrument_id" and len(before) >= n_baseline else ("own", own)
        mean = sd = None
        if len(ct) >= n_baseline and statistics.stdev(ct) > 1e-9:
            mean, sd = statistics.fmean(ct), statistics.stdev(ct)
        else:
            whose = None
        marks, n_seen = [], 0
        for point in mine:
            if point["ct"] is None:
                marks.append("no_ct")
                continue
            n_seen += 1
            in_baseline = whose == "own" and n_seen <= n_baseline
            marks.append(None if whose is None or in_baseline else (point["ct"] - mean) / sd)
        found[key] = {"whose": whose, "mean": mean, "sd": sd, "marks": marks, "points": mine}
        found[key]["rules"] = broken_rules(marks, same_side)
    # One control of a run above +2 and another, of the same target, below -2.
    pairs = defaultdict(list)
    for chart in found.values():
        for place, (mark, point) in enumerate(zip(chart["marks"], chart["points"], strict=True)):
            if mark is not None and mark != "no_ct":
                pairs[point["run"], point["target"]].append((mark, chart["rules"][place]))
    for some in pairs.values():
        if any(z > 2 for z, _ in some) and any(z < -2 for z, _ in some):
            for z, rules in some:
                if abs(z) > 2:
                    rules.add("R-4s")
    return found


def rolling(samples, mixtures, calls, runs, status, width):  # noqa: C901 - the definition in one piece
    """Counts (n, k, n_open) of each window: {what: {last day: (n, k, n_open)}}, and the days from first to last.

    samples: dicts of sample_id, tube_id, recollect_of; mixtures: pool_id to sample_ids; calls: dicts of run_id,
    specimen_id and call; runs: run_id to the end; status: sample_id to its result.
    """
    pools = {name: set(ids) for name, ids in mixtures.items()}
    tubes = defaultdict(set)
    for row in samples:
        tubes[row["tube_id"]].add(row["sample_id"])
    for tube, ids in tubes.items():
        pools.setdefault(tube, ids)
    known = {row["sample_id"] for row in samples}
    again = {row["sample_id"] for row in samples if row["recollect_of"] is not None}

    looks = defaultdict(list)
    for row in calls:
        specimen = row["specimen_id"]
        if specimen in pools:
            unit = ("pool", specimen) if len(pools[specimen]) > 1 else ("alone", next(iter(pools[specimen])))
        elif specimen in known:
            unit = ("alone", specimen)
        else:
            continue
        if row["call"] != "invalid":
            looks[unit].append((runs[row["run_id"]], row["call"]))
    first = {unit: min(at for at, _ in some) for unit, some in looks.items()}
    said = {unit: {call for _, call in some} for unit, some in looks.items()}

    def is_open(sample):
        return status.get(sample) not in ("positive", "negative")

    events = defaultdict(list)  # what: (day, is it, is it open)
    pool_at = {}
    for (kind, name), at in first.items():
        if kind != "pool":
            continue
        calls_made = said[kind, name]
        reactive = bool(calls_made & set(REACTIVE))
        events["pools"].append((at, "positive" in calls_made, "suspect" in calls_made and "positive" not in calls_made))
        for sample in pools[name]:
            pool_at[sample] = min(at, pool_at.get(sample, at))
        has_positive = any(status.get(sample) == "positive" for sample in pools[name])
        waits = reactive and not has_positive and any(is_open(sample) for sample in pools[name])
        if waits:
            events["waiting"].append((at, True, True))
        elif reactive:
            events["discordant"].append((at, not has_positive, False))
    for sample in known:
        pooled, alone = pool_at.get(sample), first.get(("alone", sample))
        one = (status.get(sample) == "positive", is_open(sample))
        if sample in again:
            both = [at for at in (pooled, alone) if at is not None]
            if both:
                events["retests"].append((min(both), *one))
        elif pooled is not None and (alone is None or pooled <= alone):
            events["in_pools"].append((pooled, one[0], False))
            if alone is not None and pooled < alone:
                events["retests"].append((alone, *one))
        elif alone is not None:
            events["alone"].append((alone, *one))

    days = sorted({at.date() for at in runs.values()})
    every = [days[0] + timedelta(number) for number in range((days[-1] - days[0]).days + 1)]
    found = {what: {} for what in ("pools", "in_pools", "alone", "retests", "discordant")}
    for what, counted in found.items():
        for day in every:
            within = [e for e in events[what] if day - timedelta(width) < e[0].date() <= day]
            n_open = sum(e[2] for e in within)
            if what in ("in_pools", "discordant"):
                n_open = sum(day - timedelta(width) < e[0].date() <= day for e in events["waiting"])
            if within:
                counted[day] = (len(within), sum(e[1] for e in within), n_open)
    return found, events, every


def drop_verdicts(events, every, width, *, least=10, of_individual=0.85, of_initial=0.90):
    """The reference (by, n, k), and each later window's verdict of the FDA's two rules."""

    def between(what, start, stop):
        return [e for e in events[what] if start <= e[0].date() <= stop]

    pooled = [e[0].date() for e in events["in_pools"]]
    if not pooled:
        return None, {}
    began = min(pooled)
    reference = None
    n_days = width
    while reference is None:
        start = max(began - timedelta(n_days), every[0])
        some = between("alone", start, began - timedelta(1))
        if sum(e[1] for e in some) >= least:
            reference = ("individual", len(some), sum(e[1] for e in some))
        elif start == every[0]:
            some = between("in_pools", began, began + timedelta(width - 1))
            reference = ("initial", len(some), sum(e[1] for e in some))
        n_days += 1
    by, n_reference, k_reference = reference
    from_day = began if by == "individual" else began + timedelta(width)
    limit = (of_individual if by == "individual" else of_initial) * k_reference / n_reference
    verdicts = {}
    for day in every:
        start = day - timedelta(width - 1)
        some = between("in_pools", start, day)
        if day < from_day or not some:
            continue
        likely = sum(e[1] for e in some) + len(between("waiting", start, day))
        few = likely < least and len(some) * k_reference / n_reference < least
        if few or k_reference < least:
            verdicts[day] = "too few"
        else:
            verdicts[day] = "reassess" if likely / len(some) < limit * (1 - 1e-12) else "ok"
    return reference, verdicts
