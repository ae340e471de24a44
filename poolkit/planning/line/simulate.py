"""`simulate_line` and `simulate_lines`: a line run from the first person to the last result."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.kernels import line_lab, line_people, line_sites
from poolkit.planning.line import steps
from poolkit.planning.line.description import Laboratory, Line
from poolkit.planning.line.run import LabRun, LineRun, TubeTimes

# Fewer people than this are sampled in one thread: to start another takes longer.
_FEW = 20_000
_SEEDS = 2**63


def simulate_line(line: Line, *, seed: int, events: bool = False) -> LineRun:
    """Run a line once, from the first person who comes to the last result.

    Parameters
    ----------
    line
        The line.
    seed
        Seed of all that is by chance, not negative. The same seed gives the same run; another line with the same seed
        meets the same people, and the same luck as far as it has the same sites, stages and batches.
    events
        Whether every passage of a stage is kept, for `LineRun.events`; it takes twice the time.

    Returns
    -------
    LineRun
        Turnaround of each person, curves, queues, use and stock; see there.

    Raises
    ------
    DesignError
        When the seed is negative or too large.

    Notes
    -----
    People come to sites and are sampled in order by the next free table; a tube takes the next people of its site and
    is closed when full or too old; tubes leave with the next vehicle that has room, each vehicle to a laboratory that
    is open. A stage fills one batch at a time and starts it when it is full or when its oldest specimen has waited for
    the linger time, whenever a server is free and at work; controls take places, failed batches come back, retests and
    recollections of reactive pools share the machines by the protocol, in a lane of their own where the stage has one.
    An invalid reading is run again as often as the protocol says; after that the members of a tube are asked for as
    those of a reactive one, and a specimen of one person is reported as it is. No other call is read twice.
    At an instant all that ends or comes is seen to before anything starts.

    Sampling stops at a site that has no swab left, or no tube for who would open one, and goes on at a delivery.
    Recollections are swabbed by teams of their own, with swabs of their own, and not at the sites. A tube whose site
    had no room left on a vehicle waits for the next. Time is about 0.1 us a person and 0.1 us a specimen and stage;
    memory 24 bytes a person.

    References
    ----------
    Steele, Lea and Flood 2014, *Fast splittable pseudorandom number generators*, OOPSLA: the mixing of random bits.
    Law 2015, *Simulation Modeling and Analysis*, 5th edition, section 11.2: common random numbers.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites
    >>> line = Line(Arrivals(2_000), Sites(5, tables=4), prevalence=0.01)
    >>> run = simulate_line(line, seed=1)
    >>> run.n_people, run.n_unfinished
    (2000, 0)
    >>> run.turnaround()[["way", "people"]].values.tolist()
    [['all', 2000], ['first pass', 1850], ['retest', 150]]
    """
    return _run(line, seed, events=events, n_threads=os.cpu_count() or 1)


def _run(line: Line, seed: int, *, events: bool, n_threads: int) -> LineRun:
    if not 0 <= seed < _SEEDS:
        raise DesignError("not a simulation", [Problem("seed", f"must be from 0 to 2 ** 63 - 1, found {seed}")])
    people, tubes, counts = _sample(line, seed, events=events, n_threads=n_threads)
    labs = _in_threads(
        [_task(_work, line, number, tubes, seed, events=events) for number in range(len(line.labs))], n_threads
    )
    reported = np.full(tubes.members.size, np.inf)
    single = np.full(tubes.members.size, -1, np.int64)
    n_single = 0
    for lab in labs:
        n_tubes = lab.tubes.size
        reported[lab.tubes] = lab.reported[:n_tubes]
        single[lab.tubes] = np.where(lab.first < 0, -1, lab.first - n_tubes + n_single)
        n_single += lab.reported.size - n_tubes
    alone = np.concatenate([lab.reported[lab.tubes.size :] for lab in labs])
    resulted, way = np.empty_like(people.arrived), np.empty(people.arrived.size, np.int8)
    in_bins = np.zeros(counts.delivered.size, np.int64)
    answers = line_people.Answers(tubes.members, reported, single, alone)
    width = float(line.grid_minutes)
    line_people.answer(people.first, tubes.n_filled, answers, steps.swabs_of(line), width, resulted, way, in_bins)
    return LineRun(line, seed, people, tubes, counts, tuple(labs), resulted, way, in_bins)


def _task(function: Callable[..., Any], *given: Any, **named: Any) -> Callable[[], Any]:
    return lambda: function(*given, **named)


def _in_threads(tasks: Sequence[Callable[[], Any]], n_threads: int) -> list[Any]:
    if n_threads == 1 or len(tasks) == 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(min(n_threads, len(tasks))) as pool:
        return list(pool.map(lambda task: task(), tasks))


def _sample(
    line: Line, seed: int, *, events: bool, n_threads: int
) -> tuple[line_sites.People, TubeTimes, line_sites.Counts]:
    """Take all sites through sampling and couriers, some sites in each thread."""
    rules, times = steps.site_rules(line, seed), steps.site_times(line)
    n_sites, n_bins = line.sites.count, steps.bins_of(line)
    n_burst = np.zeros((n_sites, times.bursts.size), np.int64)
    for k, (_, crowd) in enumerate(sorted(line.arrivals.bursts)):
        n_burst[:, k] = steps.spread_over(crowd, n_sites)
    of_site = steps.spread_over(line.arrivals.people, n_sites) + n_burst.sum(axis=1)
    first = np.concatenate([[0], np.cumsum(of_site)])
    n = int(first[-1])
    people = line_sites.People(first, n_burst, np.empty(n), np.empty(n if events else 0), np.empty(n))
    # A site fills its tubes from its first person on, so that most of these places are never touched.
    tubes = _tubes(np.empty(n_sites, np.int64), n)
    n_threads = 1 if n < _FEW else min(n_threads, n_sites)
    shares = np.searchsorted(first, np.linspace(0, n, n_threads + 1))
    shares[0], shares[-1] = 0, n_sites
    parts = [
        line_sites.Counts(
            people=np.zeros((3, n_bins), np.int64),
            tubes=np.zeros((3, n_bins), np.int64),
            opened=np.zeros((1, n_bins), np.int64),
            delivered=np.zeros(n_bins, np.int64),
            busy=np.zeros(n_bins),
        )
        for _ in range(n_threads)
    ]
    _in_threads(
        [
            _task(line_sites.sample, int(start), int(end), rules, times, people, tubes, part)
            for start, end, part in zip(shares[:-1], shares[1:], parts, strict=True)
        ],
        n_threads,
    )
    counts = parts[0]
    if n_threads > 1:
        counts = line_sites.Counts(*(np.sum(each, axis=0) for each in zip(*parts, strict=True)))
    kept = _tubes(tubes.n_filled, int(tubes.n_filled.sum()))
    line_sites.collect(first, tubes, kept)
    return people, TubeTimes(*kept), counts


def _tubes(n_filled: NDArray[np.int64], n: int) -> line_sites.Tubes:
    return line_sites.Tubes(
        n_filled,
        np.empty(n, np.int32),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n, np.int32),
        np.empty(n, np.int8),
    )


def _work(line: Line, number: int, tubes: TubeTimes, seed: int, *, events: bool) -> LabRun:
    """Run one laboratory."""
    lab = line.labs[number]
    mine = np.arange(tubes.lab.size) if len(line.labs) == 1 else np.flatnonzero(tubes.lab == number)
    # Tubes that arrive together come in the order of their numbers.
    mine = mine[np.argsort(tubes.arrives[mine], kind="stable")]
    asked = steps.asked_of(line, number, seed)
    members, reacts = tubes.members[mine], tubes.reacts[mine]
    if lab.invalid > 0.0:
        line_lab.exhaust(asked, members, reacts)
    n_all = mine.size + int(members[reacts == 1].sum()) * asked.swabs
    specimens = line_lab.Specimens(
        tubes.arrives[mine], members, reacts, np.full(mine.size, -1, np.int64), np.full(n_all, np.inf)
    )
    bench, calendar = steps.bench_of(lab, number, seed), steps.calendar_of(line, lab)
    stock = np.array([stock.quantity for stock in lab.stocks], np.float64)
    ledger = _ledger(line, lab, 0)
    n_events = int(line_lab.run(bench, asked, calendar, stock.copy(), specimens, ledger))
    if events:
        ledger = _ledger(line, lab, n_events)
        specimens.first[:] = -1
        specimens.reported[:] = np.inf
        line_lab.run(bench, asked, calendar, stock.copy(), specimens, ledger)
    return LabRun(mine, specimens.first, specimens.reported, ledger, n_events)


def _ledger(line: Line, lab: Laboratory, n_events: int) -> line_lab.Ledger:
    n_stages, n_bins = len(lab.stages), steps.bins_of(line)
    return line_lab.Ledger(
        specimens=np.zeros((3 * n_stages, n_bins), np.int64),
        batches=np.zeros((2 * n_stages, n_bins), np.int64),
        busy=np.zeros((n_stages, n_bins)),
        used=np.zeros((len(lab.stocks), n_bins)),
        tested=np.zeros(n_bins, np.int64),
        which=np.empty((n_events, 3), np.int64),
        when=np.empty((n_events, 3)),
    )


def simulate_lines(lines: Sequence[Line], *, seed: int, replications: int = 1) -> pd.DataFrame:
    """Run several lines several times, each time with the same chance for all of them, on all processors.

    Parameters
    ----------
    lines
        The lines to compare.
    seed
        Seed of the first replication, not negative; each further one takes the next.
    replications
        How often each line is run.

    Returns
    -------
    pandas.DataFrame
        A row a line and replication: ``line`` (its place), ``replication``, ``seed``, ``people``, those without
        a result (``unfinished``), ``retested``, hours since the start when half of the people (``half_hour``) and the
        last of them (``last_hour``) have a result, hours from swab to result ``p50``, ``p90``, ``p99``, and the
        ``busiest`` stage.

    Raises
    ------
    DesignError
        When the seed is negative or too large, or there is no replication.

    Notes
    -----
    Differences between lines within a replication vary less than the lines themselves: take them pairwise.

    Lines are shared out to threads: a row is that of `simulate_line` to the last bit, whatever their number. What a run
    does in Python, where threads wait for each other, takes about 0.7 ms; its loops, where they do not, take longer
    from some thousand people on. Processes of their own would take some seconds to start, more than they save on a
    thousand runs of ten thousand people.

    References
    ----------
    Law 2015, *Simulation Modeling and Analysis*, 5th edition, section 11.2: common random numbers.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites
    >>> line = Line(Arrivals(1_000), Sites(4, tables=4))
    >>> runs = simulate_lines([line, line.with_servers("amplification", 1)], seed=1, replications=2)
    >>> runs.groupby("line").last_hour.mean().is_monotonic_increasing
    True
    """
    problems = []
    if not 0 <= seed <= _SEEDS - max(1, replications):
        problems.append(Problem("seed", f"must be from 0 to 2 ** 63 - 1 for each replication, found {seed}"))
    if replications < 1:
        problems.append(Problem("replications", f"must be at least 1, found {replications}"))
    if problems:
        raise DesignError("not a simulation", problems)
    tasks = [_task(_row, line, k, r, seed + r) for r in range(replications) for k, line in enumerate(lines)]
    rows = _in_threads(tasks, os.cpu_count() or 1) if tasks else []
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values(["line", "replication"], ignore_index=True)


_COLUMNS = ["line", "replication", "seed", "people", "unfinished", "retested", "half_hour", "last_hour"]
_COLUMNS += ["p50", "p90", "p99", "busiest"]


def _row(line: Line, number: int, replication: int, seed: int) -> dict[str, Any]:
    run = _run(line, seed, events=False, n_threads=1)
    # Sorting lets other threads go on, and once is enough for all quantiles.
    done, hours = np.sort(run.resulted), np.sort(run.hours(since="swab"))
    n = hours.size
    return {
        "line": number,
        "replication": replication,
        "seed": seed,
        "people": run.n_people,
        "unfinished": run.n_people - n,
        "retested": int(np.count_nonzero(run.way == line_people.RETESTED)),
        "half_hour": float(done[(n - 1) // 2] / 60.0 + done[n // 2] / 60.0) / 2.0 if n else np.nan,
        "last_hour": float(done[n - 1]) / 60.0 if n else 0.0,
        "p50": _quantile(hours, 0.5),
        "p90": _quantile(hours, 0.9),
        "p99": _quantile(hours, 0.99),
        "busiest": run.busiest(),
    }


def _quantile(rising: NDArray[np.float64], part: float) -> float:
    """Return a quantile of numbers in order as `numpy.quantile` does, to the last bit; missing where there are none."""
    if not rising.size:
        return float("nan")
    place = part * (rising.size - 1)
    low = int(place)
    before, after, step = float(rising[low]), float(rising[min(low + 1, rising.size - 1)]), place - low
    return after - (after - before) * (1.0 - step) if step >= 0.5 else before + (after - before) * step
