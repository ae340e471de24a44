"""Time of regression, alarms, nowcasts and households in pools.

Run as ``python -m benchmarks.statistics_regression``: each line is the best of a few runs, in processor seconds, beside
what R took for the same on a similar two-core machine (binGroup2 and gtcorr, `gtReg` and `gtcorr.hierarchical`).
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

import poolkit
from poolkit import Assay

ASSAY = Assay(0.95, 0.99)


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


def seconds(run: Callable[[], object], times: int = 3) -> float:
    """Return the least processor time of a few runs, compiled before."""
    run()
    took = []
    for _ in range(times):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return min(took)


def main() -> None:
    """Print the table."""
    pools, people, retests = people_in_pools(100_000, 10, seed=1)
    lines = arrays(people, 40, seed=2)
    sites = people.assign(site=np.arange(100_000) // 1000)
    counts = np.random.default_rng(3).poisson(6.0, 1000)
    tested = pd.DataFrame({"positive": np.random.default_rng(4).binomial(60, 0.04, 365), "tested": 60})
    delays = np.random.default_rng(5).integers(0, 5, 20_000)
    sampled = np.random.default_rng(6).integers(0, 60, 20_000)
    seen = pd.DataFrame({"sampled": sampled, "reported": sampled + delays})
    households = {"prevalence": 0.01, "correlation": 0.1, "assay": ASSAY}
    rows: list[tuple[str, Callable[[], object], str]] = [
        ("regress, 100,000 people in tens", lambda: poolkit.regress(pools, people, assay=ASSAY), "2.7"),
        ("  with retests", lambda: poolkit.regress(pools, people, retests=retests, assay=ASSAY), "31.8"),
        ("  with Firth's penalty", lambda: poolkit.regress(pools, people, assay=ASSAY, penalty="firth"), "none"),
        ("  with 100 sites", lambda: poolkit.regress(pools, sites, assay=ASSAY, site="site"), "none"),
        ("regress, 40 arrays of 5 x 5", lambda: poolkit.regress(lines, people), "8.8 (2 arrays)"),
        ("alarm, C2 of 1000 days", lambda: poolkit.alarm(counts), "-"),
        ("alarm, ewma of 365 days of pools", lambda: poolkit.alarm(tested, method="ewma", share=0.04, limit=3.0), "-"),
        ("nowcast, 20,000 results", lambda: poolkit.nowcast(seen, as_of=59), "-"),
        ("households, pools of 10", lambda: poolkit.correlated_hierarchical((10,), household=5, **households), "0.001"),
        ("households, 10 x 10 array", lambda: poolkit.correlated_array(10, 10, household=(1, 5), **households), "-"),
        ("households, 50 x 50 array", lambda: poolkit.correlated_array(50, 50, household=(5, 5), **households), "-"),
    ]
    print(f"{'':36}{'seconds':>10}  R")
    for name, run, peer in rows:
        print(f"{name:36}{seconds(run):10.4f}  {peer}")


if __name__ == "__main__":
    main()
