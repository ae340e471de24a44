"""`LineRun`: what a run of a line shows, as frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.kernels import line_lab, line_people, line_sites, line_totals
from poolkit.planning.line import steps
from poolkit.planning.line.description import Line
from poolkit.planning.line.stages import Stock

Floats = NDArray[np.float64]
Since = Literal["swab", "arrival"]
WAYS = {"all": None, "first pass": line_people.FIRST_PASS, "retest": line_people.RETESTED}


class TubeTimes(NamedTuple):
    """The tubes, site by site in the order in which they were opened; n_filled (sites,) are those of each site."""

    n_filled: NDArray[np.int64]
    members: NDArray[np.int32]
    closed: Floats
    left: Floats
    arrives: Floats
    lab: NDArray[np.int32]
    reacts: NDArray[np.int8]


class LabRun(NamedTuple):
    """One laboratory's run: its tubes in order of arrival, their members alone after them, and its ledger."""

    tubes: NDArray[np.int64]
    first: NDArray[np.int64]
    reported: Floats
    ledger: line_lab.Ledger
    n_events: int


@dataclass(frozen=True, slots=True, eq=False)
class LineRun:
    """What a run of a line shows.

    Attributes
    ----------
    line : Line
        The line that was run.
    seed : int
        Seed of its chance.
    people : NamedTuple
        ``arrived`` and ``sampled``, the minute of each person, infinite for who was not sampled; persons stand site by
        site, as ``first`` says.
    tubes : TubeTimes
        Minutes, members and laboratory of each tube.
    counts : NamedTuple
        What happened at the sites and on the road, in bins of time.
    labs : tuple of LabRun
        The laboratories.
    resulted : numpy.ndarray of float64
        (people,) minute of the result, infinite without one.
    way : numpy.ndarray of int8
        (people,) 0 without a result, 1 by the first pass, 2 by a retest or recollection.
    in_bins : numpy.ndarray of int64
        (bins,) people whose result came in each bin.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> run = simulate_line(Line(Arrivals(2_000), Sites(10)), seed=3)
    >>> run.curves().iloc[-1].astype(int).tolist()[1:]
    [2000, 2000, 2000, 2000, 2000]
    """

    line: Line
    seed: int
    people: line_sites.People = field(repr=False)
    tubes: TubeTimes = field(repr=False)
    counts: line_sites.Counts = field(repr=False)
    labs: tuple[LabRun, ...] = field(repr=False)
    resulted: Floats = field(repr=False)
    way: NDArray[np.int8] = field(repr=False)
    in_bins: NDArray[np.int64] = field(repr=False)

    def __repr__(self) -> str:
        """Give how many people there were and when the last has a result."""
        labs = "1 laboratory" if len(self.labs) == 1 else f"{len(self.labs)} laboratories"
        return f"LineRun({labs}, seed {self.seed}: {self.told})"

    @property
    def told(self) -> str:
        """How many people there were and when the last of them has a result, in words."""
        people = f"{self.n_people:,} people"
        if self.n_unfinished:
            return f"{people}, {self.n_unfinished:,} without a result at hour {self.line.horizon_hours:g}"
        return f"{people}, last result at hour {self.last_hour:.1f}" if self.n_people else people

    @property
    def n_people(self) -> int:
        """How many people came."""
        return self.resulted.size

    @property
    def n_unfinished(self) -> int:
        """How many of them had no result by the horizon."""
        return int((self.way == line_people.WAITING).sum())

    @property
    def n_events(self) -> int:
        """Passages: of a person through sampling, of a tube by courier, of a specimen through a stage."""
        sampled = self.counts.people[1].sum()
        return int(sampled) + self.tubes.members.size + sum(lab.n_events for lab in self.labs)

    @property
    def last_hour(self) -> float:
        """Hour since the start at which the last person had a result; NaN while somebody has none."""
        if self.n_unfinished or not self.n_people:
            return float("nan")
        return float(self.resulted.max()) / 60.0

    def hours(self, *, since: Since = "swab", way: str = "all") -> Floats:
        """Return the hours from swab, or from arrival at the site, to result, of each person who has one."""
        if since not in ("swab", "arrival") or way not in WAYS:
            problem = Problem("since, way", f"must be swab or arrival, and one of {', '.join(WAYS)}")
            raise DesignError("no turnaround", [problem])
        kind = WAYS[way]
        chosen = self.way != line_people.WAITING if kind is None else self.way == kind
        started = self.people.sampled if since == "swab" else self.people.arrived
        if chosen.all():
            return np.asarray((self.resulted - started) / 60.0)
        return np.asarray((self.resulted[chosen] - started[chosen]) / 60.0)

    def turnaround(self, quantiles: Sequence[float] = (0.5, 0.9, 0.99), *, since: Since = "swab") -> pd.DataFrame:
        """Return hours from swab to result: ``way``, ``people``, ``mean``, the quantiles as ``p50``, ``max``."""
        rows = []
        for way in WAYS:
            hours = self.hours(since=since, way=way)
            some = hours if hours.size else np.array([np.nan])
            found = np.quantile(some, list(quantiles))
            named = {f"p{100 * q:g}": float(each) for q, each in zip(quantiles, found, strict=True)}
            rows.append({"way": way, "people": hours.size, "mean": some.mean(), **named, "max": some.max()})
        return pd.DataFrame(rows)

    def curves(self) -> pd.DataFrame:
        """Return people so far at each ``hour``: ``arrived``, ``sampled``, ``delivered``, ``tested``, ``resulted``.

        Tested are those whose tube was read for the first time, resulted those who have their own result.
        """
        tested = np.sum([lab.ledger.tested for lab in self.labs], axis=0)
        people = self.counts.people
        by_stage = [people[0], people[2], self.counts.delivered, tested, self.in_bins]
        edges, n = self._edges()
        names = ("arrived", "sampled", "delivered", "tested", "resulted")
        so_far = {name: np.concatenate([[0], np.cumsum(each[:n])]) for name, each in zip(names, by_stage, strict=True)}
        return pd.DataFrame({"hour": edges, **so_far})

    def stages(self) -> pd.DataFrame:
        """Return every stage in every bin of time.

        ``lab`` (its place, missing for sampling and courier), ``stage``, ``hour`` at which the bin starts; specimens
        (people for sampling) that ``entered``, ``started`` and ``ended`` in it, ``waiting`` and ``running`` at its end;
        ``busy`` and ``servers`` at work on average, and ``use``, the one by the other (missing where nobody works).
        """
        edges, _ = self._edges()
        worked = steps.sampling_steps(self.line).hours(60.0 * edges)
        frames = [
            self._stage(None, "sampling", self.counts.people, self.counts.busy, self.line.sites.count * worked),
            self._stage(None, "courier", self.counts.tubes, None, None),
        ]
        for number, (lab, of_lab) in enumerate(zip(self.line.labs, self.labs, strict=True)):
            for k, stage in enumerate(lab.stages):
                ledger = of_lab.ledger
                # What a batch keeps busy counts whole bins while it runs, and its parts at both ends.
                running = np.cumsum(ledger.batches[2 * k] - ledger.batches[2 * k + 1])
                busy = ledger.busy[k] + self.line.grid_minutes * np.concatenate([[0], running[:-1]])
                worked = steps.stage_steps(self.line, lab, stage).hours(60.0 * edges)
                specimens = ledger.specimens[3 * k : 3 * k + 3]
                frames.append(self._stage(number, stage.name, specimens, busy, worked))
        return pd.concat(frames, ignore_index=True)

    def _stage(
        self, lab: int | None, name: str, counts: NDArray[np.int64], busy: Floats | None, worked: Floats | None
    ) -> pd.DataFrame:
        edges, n = self._edges()
        entered, started, ended = (each[:n] for each in counts)
        width = self.line.grid_minutes
        if name == "sampling" and busy is not None:
            running = np.cumsum(counts[1] - counts[2])
            busy = busy + width * np.concatenate([[0], running[:-1]])
        at_work = np.full(n, np.nan) if busy is None else busy[:n] / width
        servers = np.full(n, np.nan) if worked is None else np.diff(worked) * 60.0 / width
        use = np.divide(at_work, servers, out=np.full(n, np.nan), where=servers > 0.0)
        return pd.DataFrame(
            {
                "lab": pd.array([lab] * n, "Int64"),
                "stage": name,
                "hour": edges[:-1],
                "entered": entered,
                "started": started,
                "ended": ended,
                "waiting": np.cumsum(entered - started),
                "running": np.cumsum(started - ended),
                "busy": at_work,
                "servers": servers,
                "use": use,
            }
        )

    def busiest(self) -> str:
        """Return the stage whose servers at work were busy for the largest part of the time until the last result."""
        edges, n = self._edges()
        end, width = 60.0 * float(edges[-1]), float(self.line.grid_minutes)
        busy: dict[str, float] = {}
        servers: dict[str, float] = {}

        def count(name: str, moves: NDArray[np.int64], parts: Floats, at_work: float) -> None:
            minutes = float(line_totals.busy_until(moves[0], moves[1], parts, n, width))
            busy[name] = busy.get(name, 0.0) + minutes / 60.0
            servers[name] = servers.get(name, 0.0) + at_work

        tables = steps.sampling_steps(self.line).until(end) * self.line.sites.count
        count("sampling", self.counts.people[1:3], self.counts.busy, tables)
        for lab, of_lab in zip(self.line.labs, self.labs, strict=True):
            for k, stage in enumerate(lab.stages):
                ledger = of_lab.ledger
                at_work = steps.stage_steps(self.line, lab, stage).until(end)
                count(stage.name, ledger.batches[2 * k : 2 * k + 2], ledger.busy[k], at_work)
        return max(busy, key=lambda name: busy[name] / servers[name] if servers[name] > 0.0 else 0.0)

    def stocks(self) -> pd.DataFrame:
        """Return the units left of each item at each hour: ``lab``, ``item``, ``hour``, ``units``.

        What the sites have, all together, has a missing ``lab``.
        """
        edges, n = self._edges()
        sites = self.line.sites
        # What is used in each bin, out of so many like stocks.
        used: list[tuple[int | None, Stock, int, NDArray[Any]]] = [
            (None, stock, sites.count, taken)
            for stock, taken in ((sites.swabs, self.counts.people[1]), (sites.tubes, self.counts.opened[0]))
            if stock is not None
        ]
        for number, (lab, run) in enumerate(zip(self.line.labs, self.labs, strict=True)):
            used += [(number, stock, 1, run.ledger.used[k]) for k, stock in enumerate(lab.stocks)]
        rows = []
        for place, stock, times, taken in used:
            came = sum((edges >= hour) * float(units) for hour, units in stock.deliveries)
            units = times * (stock.quantity + came) - np.concatenate([[0.0], np.cumsum(taken[:n])])
            of_lab = pd.array([place] * edges.size, "Int64")
            rows.append(pd.DataFrame({"lab": of_lab, "item": stock.item, "hour": edges, "units": units}))
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["lab", "item", "hour", "units"])

    def _edges(self) -> tuple[Floats, int]:
        """Return the hours at which bins begin and end, as far as anything happens, and the number of bins."""
        counted = [self.counts.people, self.counts.tubes, *(lab.ledger.specimens for lab in self.labs)]
        n = 1 + max(0, *(int(line_totals.last_bin(each)) for each in counted))
        return np.arange(n + 1, dtype=np.float64) * self.line.grid_minutes / 60.0, n

    def events(self) -> pa.Table:
        """Return every passage that began: who, where, since when waiting, start and end in minutes.

        ``kind`` (person, tube, single), ``specimen`` (its number; singles are numbered after the tubes), ``lab`` (null
        for sampling and courier), ``stage``, ``batch`` (of the laboratory, null before it), ``enter``, ``start``,
        ``end``.
        """
        from poolkit.planning.line.events import events_of  # noqa: PLC0415 - the events read the run

        return events_of(self)
