"""The numbers behind pooling, timed: characteristics, choices, prevalence, regression, alarms; one run, one table.

    python benchmarks/bench_statistics.py [--only WORD] [--groups 100000] [--people 100000] [--repeat 5] [--cold]
                                          [--json FILE]

A row a task, compiled before it is timed: ``time`` is the median of some runs by the clock, short tasks many times a
run; ``cpu`` the same by processor time, which the work of others lengthens less and which on an idle machine is never
below the clock's, as everything runs here and does not wait; ``target`` is what it should take at most, and ``met``
whether the processor time says so. ``R`` is what R took for the same on a similar machine of two cores,
quoted, not measured here: binGroup2 1.3.1, and gtcorr for households; ``ratio`` is that over ``cpu``. ``--cold`` adds
what the first call takes in a new process whose machine code is not on the disk yet, compiling and all, but for the
import.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

import poolkit as pk
from poolkit.kernels import rectangles, splits
from poolkit.kernels.intervals import METHODS
from poolkit.planning.searched import Price, Sought, array_figures, wanted

ASSAY = pk.Assay(0.95, 0.99)
LARGEST = 50
# A run lasts so many seconds at least.
LEAST_SECONDS = 0.02
COLD = (
    "characteristics('two-stage-10', prevalence=0.01)",
    "characteristics('array-10x10', prevalence=0.01)",
    "choose(0.01, max_pool=50)",
)


@dataclass(frozen=True)
class Task:
    """What is timed, and what it should take at most and R takes, in seconds, where that is known."""

    name: str
    call: Callable[[], object]
    target: float | None = None
    peer: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table, in seconds."""

    task: str
    seconds: float
    cpu_seconds: float
    target: float | None
    peer: float | None


def timed(call: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Return the median time of a call by the clock and by the processor, after one that compiles."""
    call()
    start = time.perf_counter()
    call()
    number = max(1, int(LEAST_SECONDS / max(time.perf_counter() - start, 1e-7)))
    found = []
    for _ in range(repeat):
        start, worked = time.perf_counter(), time.process_time()
        for _ in range(number):
            call()
        found.append(((time.perf_counter() - start) / number, (time.process_time() - worked) / number))
    return median(wall for wall, _ in found), median(cpu for _, cpu in found)


def characteristics_tasks() -> Iterator[Task]:
    """Give what designs cost and find."""

    def of(name: str, assay: pk.Assay = ASSAY) -> Callable[[], object]:
        return lambda: pk.characteristics(name, prevalence=0.01, assay=assay)

    errors = rectangles.Errors(0, 1, 1.0, 0.0, 0.95, 0.01, 0.95, 0.01, 0.95, 0.01)
    one = np.empty(6)
    of_array = of("array-10x10")
    forty = np.linspace(0.001, 0.05, 1600)
    by_load = pk.Assay.of_loads()
    yield Task("characteristics, two-stage-10", of("two-stage-10"), 50e-6, 0.00065)
    yield Task("characteristics, hierarchical-12-4-1", of("hierarchical-12-4-1"), 50e-6, 0.003)
    yield Task("characteristics, array-10x10", of_array, 50e-6, 0.2)
    yield Task("  its kernel", lambda: rectangles.uniform(10, 10, 0.01, errors, one), 50e-6)
    yield Task("  and its variance", lambda: pk.characteristics("array-10x10", prevalence=0.01, assay=ASSAY).variance)
    yield Task(
        "characteristics, array-40x40, gradient",
        lambda: pk.characteristics("array-40x40", risks=forty, assay=ASSAY, arrange="gradient"),
        20e-3,
        40.4,
    )
    # Another prevalence each time, so that no sum over loads is kept from before.
    rising = iter(np.linspace(0.005, 0.015, 1_000_000).tolist())
    yield Task(
        "characteristics by loads, hierarchical-12-4-1",
        lambda: pk.characteristics("hierarchical-12-4-1", prevalence=next(rising), assay=by_load),
    )


def choice_tasks() -> Iterator[Task]:
    """Give the best designs and what the search of them takes."""
    sought = Sought(np.array([0.01]), True, ASSAY, ASSAY, LARGEST, 0.0)
    asked = wanted(sought, Price(0.0, 0.0), 2)
    costs = np.empty(LARGEST + 1)
    forty, fifty = np.linspace(0.001, 0.05, 40), np.sort(np.random.default_rng(0).beta(1, 60, 50))
    by_load = pk.Assay.of_loads()
    yield Task("three stages to 40, kernel", lambda: splits.roots_alike(asked, costs[:41]), None, 122.8)
    yield Task("three stages to 50, kernel", lambda: splits.roots_alike(asked, costs), 5e-3)
    yield Task("choose: all families to 50", lambda: pk.choose(0.01, assay=ASSAY, max_pool=LARGEST), 5e-3)
    yield Task("arrays to 20 x 20, kernel (R: square ones)", _arrays_to(sought, 20), None, 11.7)
    yield Task("arrays to 50 x 50, kernel (R: one size)", _arrays_to(sought, LARGEST), 5e-3, 91.9)
    yield Task(
        "choose: two stages for 40 different risks",
        lambda: pk.choose(risks=forty, assay=ASSAY, max_stages=2),
        None,
        74.6,
    )
    yield Task("choose: all families for 50 different risks", lambda: pk.choose(risks=fifty, assay=ASSAY))
    yield Task("frontier to pools of 32", lambda: pk.frontier(0.01, assay=ASSAY))
    yield Task(
        "choose by loads, to 32, least sensitivity 0.9",
        lambda: pk.choose(0.01, assay=by_load, max_pool=32, min_sensitivity=0.9),
    )


def _arrays_to(sought: Sought, largest: int) -> Callable[[], object]:
    return lambda: array_figures(sought._replace(max_pool=largest), master=False)


def surveys(n_groups: int, *, seed: int) -> dict[str, np.ndarray]:
    """Return groups of 20 to 59 pools of 5 to 20 samples, prevalences from 0 to 5 %, so that little is asked twice."""
    rng = np.random.default_rng(seed)
    size, tested = rng.integers(5, 21, n_groups), rng.integers(20, 60, n_groups)
    truth = 0.05 * rng.random(n_groups) ** 2
    positive = rng.binomial(tested, 1.0 - (1.0 - truth) ** size)
    return {"site": np.arange(n_groups), "pool_size": size, "tested": tested, "positive": positive}


def prevalence_tasks(n_groups: int) -> Iterator[Task]:
    """Give intervals by method, estimates, coverage and plans by pools; R's is 0.5 ms an interval."""
    pools = surveys(n_groups, seed=1)
    for method in METHODS:
        yield Task(
            f"{n_groups:,} intervals, {method}",
            lambda method=method: pk.prevalence(pools, group="site", method=method, estimator="mle"),
            0.5 * n_groups / 100_000,
            0.0005 * n_groups if method == "clopper-pearson" else None,
        )
    halves = {name: np.tile(values, 2) for name, values in pools.items()}
    halves["pool_size"][n_groups:] += 20
    firth = {"method": "wald", "estimator": "firth"}
    yield Task(f"{n_groups:,} estimates by Firth, wald", lambda: pk.prevalence(pools, group="site", **firth))
    yield Task(f"{n_groups:,} groups of two sizes, skew-score", lambda: pk.prevalence(halves, group="site"))
    sizes = {"pool_size": [5, 10, 20], "tested": [40, 30, 20]}
    june, july = {**sizes, "positive": [1, 2, 3]}, {**sizes, "positive": [4, 5, 9]}
    plan = {"pool_size": [10], "tested": [100]}
    yield Task("difference and ratio of two", lambda: pk.compare_prevalence(june, july))
    yield Task("coverage of all methods, 400 prevalences", lambda: pk.coverage(plan, method=METHODS))
    yield Task(
        "pools for half-width 0.005 at 1 %", lambda: pk.pools_for_precision(0.01, half_width=0.005, pool_size=10)
    )
    yield Task("pools for a power of 80 %", lambda: pk.pools_for_test(0.001, hypothesis=0.005, pool_size=20))
    yield Task("pool sizes to 100 for 50 pools", lambda: pk.pool_sizes(0.01, n_pools=50))


def people_in_pools(n: int, size: int, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return pools, covariates and retests of reactive pools, sensitivity 0.95 and specificity 0.99."""
    draw = np.random.default_rng(seed)
    age, group = draw.normal(40, 15, n).round(), draw.integers(0, 2, n)
    ill = draw.random(n) < 1 / (1 + np.exp(4.5 - 0.03 * age - 0.6 * group))
    pool = np.arange(n) // size
    some = np.bincount(pool, ill) > 0
    call = draw.random(some.size) < np.where(some, 0.95, 0.01)
    names = np.array([f"S{k:07d}" for k in range(n)])
    again = draw.random(n) < np.where(ill, 0.95, 0.01)
    retests = pd.DataFrame({"sample_id": names, "call": again})[call[pool]]
    pools = pd.DataFrame({"pool_id": np.char.add("P", pool.astype(str)), "sample_id": names, "call": call[pool]})
    return pools, pd.DataFrame({"sample_id": names, "age": age, "group": np.where(group, "b", "a")}), retests


def arrays(people: pd.DataFrame, n_arrays: int, *, seed: int) -> pd.DataFrame:
    """Return rows and columns of 5 x 5 arrays of the first samples, without errors."""
    n = 25 * n_arrays
    place, array = np.arange(n) % 25, np.arange(n) // 25
    ill = np.random.default_rng(seed).random(n) < 0.08
    lines = pd.concat(
        pd.DataFrame({"pool_id": 10 * array + line, "sample_id": people["sample_id"][:n], "ill": ill})
        for line in (place // 5, 5 + place % 5)
    )
    return lines.assign(call=lines.groupby("pool_id")["ill"].transform("max"))


def regression_tasks(n: int) -> Iterator[Task]:
    """Give regressions, alarms, nowcasts and households."""
    pools, people, retests = people_in_pools(n, 10, seed=1)
    lines, sites = arrays(people, 40, seed=2), people.assign(site=np.arange(n) // 1000)
    counts = np.random.default_rng(3).poisson(6.0, 1000)
    tested = pd.DataFrame({"positive": np.random.default_rng(4).binomial(60, 0.04, 365), "tested": 60})
    delays, sampled = (np.random.default_rng(seed).integers(0, end, 20_000) for seed, end in ((5, 5), (6, 60)))
    seen = pd.DataFrame({"sampled": sampled, "reported": sampled + delays})
    households = {"prevalence": 0.01, "correlation": 0.1, "assay": ASSAY}
    full = n == 100_000
    yield Task(
        f"regress, {n:,} people in tens",
        lambda: pk.regress(pools, people, assay=ASSAY),
        0.3 * n / 100_000,
        2.7 if full else None,
    )
    yield Task(
        "  with retests",
        lambda: pk.regress(pools, people, retests=retests, assay=ASSAY),
        None,
        31.8 if full else None,
    )
    yield Task("  with Firth's penalty", lambda: pk.regress(pools, people, assay=ASSAY, penalty="firth"))
    yield Task(f"  with {-(-n // 1000)} sites", lambda: pk.regress(pools, sites, assay=ASSAY, site="site"))
    yield Task("regress, 40 arrays of 5 x 5 (R: 2 arrays)", lambda: pk.regress(lines, people), None, 8.8)
    yield Task("alarm, C2 of 1000 days", lambda: pk.alarm(counts))
    yield Task("alarm, ewma of 365 days of pools", lambda: pk.alarm(tested, method="ewma", share=0.04, limit=3.0))
    yield Task("nowcast, 20,000 results", lambda: pk.nowcast(seen, as_of=59))
    yield Task(
        "households, pools of 10", lambda: pk.correlated_hierarchical((10,), household=5, **households), None, 0.001
    )
    yield Task("households, 10 x 10 array", lambda: pk.correlated_array(10, 10, household=(1, 5), **households))
    yield Task("households, 50 x 50 array", lambda: pk.correlated_array(50, 50, household=(5, 5), **households))


def cold(call: str) -> Row:
    """Time the first such call of a new process that finds no machine code on the disk."""
    program = (
        "import time, poolkit\n"
        "poolkit.characteristics, poolkit.choose\n"
        "start, worked = time.perf_counter(), time.process_time()\n"
        f"poolkit.{call}\n"
        "print(time.perf_counter() - start, time.process_time() - worked)"
    )
    root = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as empty:
        place = {"NUMBA_CACHE_DIR": empty, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
        found = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | place, check=True, capture_output=True, text=True
        )
    seconds, worked = map(float, found.stdout.split())
    return Row(f"first {call}", seconds, worked, None, None)


def told(seconds: float | None) -> str:
    """Write a time with its unit."""
    if seconds is None:
        return ""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:,.3g} {unit}"
    return f"{seconds * 1e6:,.3g} us"


def table_of(rows: list[Row]) -> Table:
    """Return the table of all rows."""
    table = Table(title=f"Statistics, {platform.processor() or platform.machine()}, {os.cpu_count()} processors")
    for name in ("task", "time", "cpu", "target", "met", "R", "ratio"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for row in rows:
        met = "" if row.target is None else ("yes" if row.cpu_seconds <= row.target else "no")
        ratio = "" if row.peer is None else f"{row.peer / row.cpu_seconds:,.3g}"
        table.add_row(row.task, told(row.seconds), told(row.cpu_seconds), told(row.target), met, told(row.peer), ratio)
    return table


def tasks(n_groups: int, n_people: int) -> Iterator[Task]:
    """Give all tasks."""
    yield from characteristics_tasks()
    yield from choice_tasks()
    yield from prevalence_tasks(n_groups)
    yield from regression_tasks(n_people)


def main() -> None:
    """Measure, print the table, and write it to a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="tasks whose name holds this word")
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = [
        Row(each.name.strip(), *timed(each.call, given.repeat), each.target, each.peer)
        for each in tasks(given.groups, given.people)
        if given.only in each.name
    ]
    if given.cold:
        rows += [cold(call) for call in COLD]
    Console(width=130).print(table_of(rows))
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
