"""The planner's answers: how long each takes, and how far from the best it may be.

    python benchmarks/planning_answers.py [--repeat 3] [--sites 4000] [--labs 40] [--people 1000000]

A row an answer. ``s`` is the best wall time of the repeats after one run to warm up, ``cpu s`` the processor time of
that run, which the work of others lengthens less. The row of all routes at once is the same programme by
`scipy.optimize.linprog` without pruning, for comparison.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.optimize import linprog
from scipy.sparse import coo_array

from poolkit.planning.answers import (
    allocate,
    line_of,
    one_more,
    place,
    pool_size_tradeoff,
    required,
    staff,
    supplies,
    surge,
    tornado,
    verify_required,
)

REACH = {"travel_limit_minutes": 240.0}


class Row(NamedTuple):
    """One line of the table."""

    answer: str
    size: str
    seconds: float
    cpu: float
    target: str
    note: str


def city(n: int, n_labs: int, *, room: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw sites and laboratories on a square of 60 km, with so many times the capacity that is needed."""
    rng = np.random.default_rng(seed)
    tubes = rng.integers(10, 60, n)
    sites = pd.DataFrame(
        {"site": range(n), "tubes": tubes, "x_km": rng.uniform(0, 60, n), "y_km": rng.uniform(0, 60, n)}
    )
    rate = np.ceil(tubes.sum() * room / n_labs)
    where = {"x_km": rng.uniform(5, 55, n_labs), "y_km": rng.uniform(5, 55, n_labs)}
    return sites, pd.DataFrame({"lab": [f"L{k}" for k in range(n_labs)], "tubes_per_hour": rate} | where)


def by_hour(sites: pd.DataFrame, labs: pd.DataFrame, n_hours: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Spread the tubes of sites over hours, and what the laboratories take over twice as many."""
    hour = pd.DataFrame({"hour": range(n_hours)})
    spread = sites.assign(tubes=np.maximum(1, sites["tubes"] // n_hours)).merge(hour, how="cross")
    rate = np.ceil(spread["tubes"].sum() * 1.1 / len(labs) / (n_hours + 8))
    return spread, labs.assign(tubes_per_hour=rate)


def all_routes(sites: pd.DataFrame, labs: pd.DataFrame) -> float:
    """Solve the transport problem with every route, and return its tube-minutes."""
    n, n_labs = len(sites), len(labs)
    away = [sites[axis].to_numpy()[:, None] - labs[axis].to_numpy()[None, :] for axis in ("x_km", "y_km")]
    minutes = np.hypot(*away) * 1.5
    i, j = np.divmod(np.arange(n * n_labs), n_labs)
    one = np.ones(n * n_labs)
    serve = coo_array((one, (i, np.arange(i.size)))).tocsr()
    room = coo_array((one, (j, np.arange(j.size)))).tocsr()
    b_ub = labs["tubes_per_hour"]
    return float(linprog(minutes.ravel(), A_eq=serve, b_eq=sites["tubes"], A_ub=room, b_ub=b_ub, method="highs-ds").fun)


def timed(repeat: int, task: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a task gives, its best wall time and the processor time of that run."""
    found = task()
    times = []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        found = task()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return found, *min(times)


def rows(*, repeat: int, n_sites: int, n_labs: int, people: int) -> list[Row]:
    """Time every answer."""
    found: list[Row] = []

    def add(
        answer: str, size: str, task: Callable[[], Any], *, target: str = "", note: Callable[[Any], str] = str
    ) -> Any:
        result, wall, cpu = timed(repeat, task)
        found.append(Row(answer, size, wall, cpu, target, note(result)))
        return result

    size = f"{n_sites:,} x {n_labs}"
    for room in (0.9, 1.0, 1.05, 1.5):
        sites, labs = city(n_sites, n_labs, room=room, seed=1)
        add(
            "allocate",
            f"{size}, room {room:g}",
            lambda sites=sites, labs=labs: allocate(sites, labs, values=REACH),
            target="1 s",
            note=lambda plan: (
                f"gap {plan.gap:g}, {plan.n_routes:,} routes, {plan.n_rounds} programmes, "
                f"{plan.minutes:,.0f} tube-minutes, {plan.left['tubes'].sum():,.0f} left"
            ),
        )
    sites, labs = city(n_sites, n_labs, room=1.05, seed=1)
    add(
        "all routes at once",
        f"{size}, room 1.05",
        lambda: all_routes(sites, labs),
        note=lambda v: f"{v:,.0f} tube-minutes",
    )
    sites, labs = city(max(4, n_sites // 10), max(2, n_labs // 4), room=1.1, seed=2)
    spread, rate = by_hour(sites, labs, 12)
    add(
        "allocate by hour",
        f"{len(sites)} x {len(labs)} x 12 h",
        lambda: allocate(spread, rate, hours=24, max_wait_hours=8, values=REACH),
        note=lambda plan: f"gap {plan.gap:g}, {plan.n_routes:,} routes, {plan.n_rounds} programmes",
    )
    n_places = max(4, n_labs // 2)
    sites, places = city(max(4, n_sites // 40), n_places, room=2.5, seed=3)
    k = max(2, n_places // 2)
    add(
        "place",
        f"{k} of {n_places} places, {len(sites)} sites",
        lambda: place(sites, places, n_mobile=k, gap=0.005, values=REACH),
        note=lambda plan: f"gap {plan.gap:.2%}",
    )
    answer = add(
        "required",
        f"{people:,} people",
        lambda: required(people, within="24h", pool_size=10, prevalence=0.001),
        target="1 s",
        note=lambda each: f"{each.least['cyclers']} cyclers, {each.least['extractors']} extractors",
    )
    for whom in ("first pass", "everybody"):
        add(
            "verify_required",
            f"{people:,} people, {whom}",
            lambda whom=whom: verify_required(answer, seed=1, whom=whom),
            note=lambda each: f"{each.n_runs} runs, {each.needed['cyclers']} cyclers, last at {each.last_hour:.1f} h",
        )
    line = line_of(answer, sampling_until_hour=14.0)
    add(
        "one_more",
        f"{people:,} people",
        lambda: one_more(line, seed=1),
        note=lambda each: str(each["resource"].iloc[0]),
    )
    add("tornado", f"{people:,} people", lambda: tornado(line, seed=1), note=lambda each: str(each["resource"].iloc[0]))
    add("supplies", "8 items, 14 days", lambda: supplies(60_000, hours=336), note=lambda _: "")
    add("staff", f"{people:,} people", lambda: staff(people), note=lambda _: "")
    add("surge", "61 prevalences, 4 sizes", lambda: surge(wells=2e5), note=lambda _: "")
    add("pool_size_tradeoff", "9 sizes", lambda: pool_size_tradeoff(0.01), note=lambda _: "")
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sites", type=int, default=4000)
    parser.add_argument("--labs", type=int, default=40)
    parser.add_argument("--people", type=int, default=1_000_000)
    given = parser.parse_args()
    table = Table(title="The planner's answers")
    for name in ("answer", "size", "s", "cpu s", "target", "note"):
        table.add_column(name, justify="right" if name in {"s", "cpu s"} else "left")
    for row in rows(repeat=given.repeat, n_sites=given.sites, n_labs=given.labs, people=given.people):
        table.add_row(row.answer, row.size, f"{row.seconds:.3f}", f"{row.cpu:.3f}", row.target, row.note)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
