"""The line simulator beside SimPy: the same six-stage line, the same turnaround, one run, one table.

    python benchmarks/bench_planning.py [--people 100000] [--large] [--scenarios 1000] [--repeat 5] [--json FILE]

The line: people at random over ten hours for each 100,000, 12 sites of ten tables (40 s, exponential), tubes of ten, a
courier every 30 minutes (30 minutes away), 10 clerks (half a minute a tube), 8 extractors (96 places or 15 minutes, 35
minutes a run), 20 cyclers (96 or 15, 90), 6 readers (0.3 minutes a tube), and one pool in a hundred tested again as ten
singles two hours later, on the same machines and before the others. SimPy runs every person as a process, and batches
with one collector a stage, so that one batch is filled at a time. A passage is a person, tube or specimen through one
stage; an event is its start or its end. ``cpu s`` is processor time, which the work of others lengthens less.
``--large`` adds SimPy with a million people and ours with ten million.
"""

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import simpy
from rich.console import Console
from rich.table import Table

from poolkit import Arrivals, Courier, Laboratory, Line, Sites, Stage, load_protocol, simulate_line, simulate_lines
from poolkit.planning import capacity

POOL, SITES, TABLES, HEADWAY, TRAVEL = 10, 12, 10, 30.0, 30.0
REACTIVE, RETEST_MINUTES, LINGER = 0.01, 120.0, 15.0
PROTOCOL = load_protocol("cn-10in1-2020").revised(
    "bench", source="planning benchmark", positive_pool="retest", specificity=1.0, sensitivity=((1, 1.0),)
)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    task: str
    engine: str
    seconds: float
    cpu_seconds: float
    passages: int | None
    p50: float | None
    p90: float | None
    p995: float | None
    note: str


def the_line(people: int) -> Line:
    """Return the line of the benchmark."""
    stages = (
        Stage("reception", 10, minutes=0.5),
        Stage("extraction", 8, minutes=35.0, slots=96, linger_minutes=LINGER),
        Stage("amplification", 20, minutes=90.0, slots=96, linger_minutes=LINGER),
        Stage("analysis", 6, minutes=0.3, reads=True),
    )
    return Line(
        Arrivals(people, ((0.0, 1.0), (people / 10_000, 0.0))),
        Sites(SITES, TABLES, 40.0 / 60.0, "exponential"),
        Courier(HEADWAY, TRAVEL),
        (Laboratory("laboratory", stages, retest_at="extraction"),),
        pool_size=POOL,
        protocol=PROTOCOL,
        prevalence=1.0 - (1.0 - REACTIVE) ** (1.0 / POOL),
        retest_minutes=RETEST_MINUTES,
        horizon_hours=people / 10_000 + 48.0,
    )


class SimpyLine:
    """The same line in SimPy, written as its users do: processes, resources, and a collector for each batched stage."""

    def __init__(self, people: int, seed: int) -> None:
        self.env, self.chance = simpy.Environment(), random.Random(seed)
        self.people = people
        self.hours: list[float] = []
        self.tables = [simpy.Resource(self.env, TABLES) for _ in range(SITES)]
        self.open: list[tuple[list[float], list[float]]] = [([], []) for _ in range(SITES)]
        self.full: list[list[list[float]]] = [[] for _ in range(SITES)]
        self.clerks, self.readers = simpy.Resource(self.env, 10), simpy.PriorityResource(self.env, 6)
        self.queues = {name: ([], []) for name in ("extraction", "amplification")}
        self.wake = {name: self.env.event() for name in self.queues}
        for site in range(SITES):
            self.env.process(self.arrivals(site))
            self.env.process(self.courier(site))
        self.env.process(self.collector("extraction", 8, 35.0, self.to_cyclers))
        self.env.process(self.collector("amplification", 20, 90.0, self.to_readers))

    def arrivals(self, site: int) -> Generator[Any, Any, None]:
        """Let the people of a site come."""
        span = self.people / 10_000 * 60.0
        for t in sorted(self.chance.uniform(0.0, span) for _ in range(self.people // SITES)):
            yield self.env.timeout(t - self.env.now)
            self.env.process(self.person(site))
        yield self.env.timeout(60.0)
        if self.open[site][1]:
            self.full[site].append(self.open[site][1])

    def person(self, site: int) -> Generator[Any, Any, None]:
        """Sample one person into the tube that is open at the site; it is closed when its last swab is done."""
        with self.tables[site].request() as table:
            yield table
            begun, done = self.open[site]
            begun.append(self.env.now)
            if len(begun) == POOL:
                self.open[site] = ([], [])
            yield self.env.timeout(self.chance.expovariate(60.0 / 40.0))
        done.append(self.env.now)
        if len(done) == POOL:
            self.full[site].append(done)

    def courier(self, site: int) -> Generator[Any, Any, None]:
        """Fetch the tubes of a site every half an hour."""
        yield self.env.timeout(HEADWAY * (site + 0.5) / SITES)
        for _ in range(int(self.people / 10_000 * 60.0 / HEADWAY) + 3):
            tubes, self.full[site] = self.full[site], []
            if tubes:
                self.env.process(self.brought(tubes))
            yield self.env.timeout(HEADWAY)

    def brought(self, tubes: list[list[float]]) -> Generator[Any, Any, None]:
        """Bring tubes to the laboratory."""
        yield self.env.timeout(TRAVEL)
        for tube in tubes:
            self.env.process(self.received(tube))

    def received(self, tube: list[float]) -> Generator[Any, Any, None]:
        """Let a clerk take a tube in."""
        with self.clerks.request() as clerk:
            yield clerk
            yield self.env.timeout(0.5)
        self.join("extraction", tube, single=False)

    def join(self, name: str, specimen: list[float], *, single: bool) -> None:
        """Put a specimen into the queue of a batched stage."""
        self.queues[name][0 if single else 1].append((self.env.now, specimen, single))
        if not self.wake[name].triggered:
            self.wake[name].succeed()

    def collector(
        self, name: str, machines: int, minutes: float, then: Callable[[list[Any]], None]
    ) -> Generator[Any, Any, None]:
        """Fill one batch after the other, and start it full or after the linger time."""
        free, (first, others) = simpy.Resource(self.env, machines), self.queues[name]
        while True:
            machine = free.request()
            yield machine
            while len(first) + len(others) < 96:
                oldest = min([each[0][0] for each in (first, others) if each], default=None)
                if oldest is not None and self.env.now >= oldest + LINGER - 1e-9:
                    break
                self.wake[name] = self.env.event()
                if oldest is None:
                    yield self.wake[name]
                else:
                    yield self.wake[name] | self.env.timeout(oldest + LINGER - self.env.now)
            batch = first[:96]
            del first[:96]
            n = 96 - len(batch)
            batch += others[:n]
            del others[:n]
            self.env.process(self.batch(free, machine, batch, minutes, then))

    def batch(self, free: Any, machine: Any, batch: list[Any], minutes: float, then: Any) -> Generator[Any, Any, None]:
        """Run a batch."""
        yield self.env.timeout(minutes)
        free.release(machine)
        then(batch)

    def to_cyclers(self, batch: list[Any]) -> None:
        """Hand a batch on to amplification."""
        for _, specimen, single in batch:
            self.join("amplification", specimen, single=single)

    def to_readers(self, batch: list[Any]) -> None:
        """Hand a batch on to the readers."""
        for _, specimen, single in batch:
            self.env.process(self.read(specimen, single=single))

    def read(self, specimen: list[float], *, single: bool) -> Generator[Any, Any, None]:
        """Read a specimen: its people have a result, or each of them is tested again."""
        with self.readers.request(priority=0 if single else 1) as reader:
            yield reader
            yield self.env.timeout(0.3)
        if single or self.chance.random() >= REACTIVE:
            self.hours += [(self.env.now - swab) / 60.0 for swab in specimen]
            return
        yield self.env.timeout(RETEST_MINUTES)
        for swab in specimen:
            self.join("extraction", [swab], single=True)


def by_simpy(people: int, seed: int) -> tuple[float, float, list[float]]:
    """Return wall and processor seconds, and turnaround, of SimPy."""
    line = SimpyLine(people, seed)
    start, worked = time.perf_counter(), time.process_time()
    line.env.run(until=60.0 * (people / 10_000 + 48.0))
    return time.perf_counter() - start, time.process_time() - worked, line.hours


def timed(function: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Return the median wall and processor seconds of some calls, after one that compiles."""
    function()
    seconds = []
    for _ in range(repeat):
        start, worked = time.perf_counter(), time.process_time()
        function()
        seconds.append((time.perf_counter() - start, time.process_time() - worked))
    return median(wall for wall, _ in seconds), median(cpu for _, cpu in seconds)


def quantiles(hours: Any) -> tuple[float, float, float]:
    """Return the 50, 90 and 99.5 percent quantiles: at 99 those tested once and those tested twice meet."""
    p50, p90, p995 = np.quantile(hours, [0.5, 0.9, 0.995])
    return float(p50), float(p90), float(p995)


def ours(people: int, repeat: int) -> Row:
    """Run the line with poolkit."""
    line = the_line(people)
    run = simulate_line(line, seed=1)
    seconds, worked = timed(lambda: simulate_line(line, seed=1), repeat)
    note = (
        f"{2 * run.n_events / seconds / 1e6:.1f} M events/s, {2 * run.n_events / worked / 1e6:.1f} a processor second"
    )
    return Row(f"{people:,} people", "poolkit", seconds, worked, run.n_events, *quantiles(run.hours()), note)


def main() -> None:
    """Measure, print the table, and write it to a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--scenarios", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for people in [given.people, *([1_000_000] if given.large else [])]:
        own = ours(people, given.repeat)
        seconds, worked, hours = by_simpy(people, 1)
        note = f"{seconds / own.seconds:.0f} x poolkit's time, {worked / own.cpu_seconds:.0f} x its processor time"
        rows += [own, Row(f"{people:,} people", "SimPy", seconds, worked, None, *quantiles(hours), note)]
    if given.large:
        rows.append(ours(10_000_000, min(3, given.repeat)))
    else:
        rows.append(ours(1_000_000, given.repeat))
    lines = [the_line(10_000).with_servers("amplification", 2 + k % 20) for k in range(given.scenarios)]
    simulate_lines(lines[:2], seed=1)
    start, worked = time.perf_counter(), time.process_time()
    simulate_lines(lines, seed=1)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    note = f"{worked / seconds:.2f} of {os.cpu_count()} processors at work, load {os.getloadavg()[0]:.1f}"
    task = f"{given.scenarios:,} scenarios of 10,000 people"
    rows.append(Row(task, "poolkit", seconds, worked, None, None, None, None, note))
    line = the_line(1_000_000)
    rows.append(Row("capacity()", "poolkit", *timed(lambda: capacity(line), 20), None, None, None, None, ""))
    table = Table(title=f"Planning, {platform.processor() or platform.machine()}, {os.cpu_count()} processors")
    for name in ("task", "engine", "seconds", "cpu s", "passages", "p50 h", "p90 h", "p99.5 h", "note"):
        table.add_column(name, justify="left" if name in ("task", "engine", "note") else "right")
    for row in rows:
        hours = [("" if each is None else f"{each:.2f}") for each in (row.p50, row.p90, row.p995)]
        passages = "" if row.passages is None else f"{row.passages:,}"
        table.add_row(row.task, row.engine, f"{row.seconds:.4f}", f"{row.cpu_seconds:.4f}", passages, *hours, row.note)
    Console(width=150).print(table)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
