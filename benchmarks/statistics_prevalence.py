"""How long intervals of 100,000 prevalences take, by method, and what else surveillance and plans by pools cost.

Run as ``python -m benchmarks.statistics_prevalence``. Groups differ in pool size, in pools tested and in how many of
them are positive, so that nothing is asked twice but what chance repeats; compiled before it is timed.
"""

import time
from collections.abc import Callable

import numpy as np

from poolkit import compare_prevalence, coverage, pool_sizes, pools_for_precision, pools_for_test, prevalence
from poolkit.kernels.intervals import METHODS

N_GROUPS = 100_000
TARGET_SECONDS = 0.5


def surveys(n_groups: int, *, seed: int) -> dict[str, np.ndarray]:
    """Return groups of 20 to 59 pools of 5 to 20 samples, prevalences from 0 to 5 %."""
    rng = np.random.default_rng(seed)
    size, tested = rng.integers(5, 21, n_groups), rng.integers(20, 60, n_groups)
    truth = 0.05 * rng.random(n_groups) ** 2
    positive = rng.binomial(tested, 1.0 - (1.0 - truth) ** size)
    return {"site": np.arange(n_groups), "pool_size": size, "tested": tested, "positive": positive}


def seconds(call: Callable[[], object], *, repeats: int = 3) -> tuple[float, float]:
    """Return the least wall and processor time of a few runs."""
    found = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in found), min(cpu for _, cpu in found)


def rows(n_groups: int = N_GROUPS) -> list[tuple[str, float, float, float | None]]:
    """Return what was timed, wall and processor seconds, and the target where there is one."""
    pools, few = surveys(n_groups, seed=1), surveys(100, seed=2)
    found = []
    for method in METHODS:
        prevalence(few, group="site", method=method, estimator="mle")
        took = seconds(lambda method=method: prevalence(pools, group="site", method=method, estimator="mle"))
        found.append((f"{n_groups:,} intervals, {method}", *took, TARGET_SECONDS))
    took = seconds(lambda: prevalence(pools, group="site", method="wald", estimator="firth"))
    found.append((f"{n_groups:,} estimates by Firth, wald", *took, None))
    halves = {name: np.tile(values, 2) for name, values in pools.items()}
    halves["pool_size"][n_groups:] += 20
    found.append(
        (f"{n_groups:,} groups of two sizes, skew-score", *seconds(lambda: prevalence(halves, group="site")), None)
    )
    june, july = (
        {"pool_size": [5, 10, 20], "tested": [40, 30, 20], "positive": each} for each in ([1, 2, 3], [4, 5, 9])
    )
    compare_prevalence(june, july)
    found.append(("difference and ratio of two, skew-score", *seconds(lambda: compare_prevalence(june, july)), None))
    plan = {"pool_size": [10], "tested": [100]}
    found.append(("coverage of all methods, 400 prevalences", *seconds(lambda: coverage(plan, method=METHODS)), None))
    others: list[tuple[str, Callable[[], object]]] = [
        ("pools for half-width 0.005 at 1 %", lambda: pools_for_precision(0.01, half_width=0.005, pool_size=10)),
        ("pools for a power of 80 %", lambda: pools_for_test(0.001, hypothesis=0.005, pool_size=20)),
        ("pool sizes to 100 for 50 pools", lambda: pool_sizes(0.01, n_pools=50)),
    ]
    for name, call in others:
        found.append((name, *seconds(call), None))
    return found


def main() -> None:
    """Print the table."""
    print(f"{'':52} {'wall s':>9} {'cpu s':>9} {'target s':>9}")
    for name, wall, cpu, target in rows():
        print(f"{name:52} {wall:9.4f} {cpu:9.4f} {'' if target is None else f'{target:9.2f}'}")


if __name__ == "__main__":
    main()
