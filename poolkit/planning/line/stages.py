"""What works in a line: `Stage`, its `Shift` and `Team`, and the `Stock` it uses up."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from poolkit.errors import DesignError, Problem

Spread = Literal["fixed", "exponential", "lognormal"]
SPREADS: tuple[Spread, ...] = ("fixed", "exponential", "lognormal")


def refused(thing: str, problems: Iterator[Problem]) -> None:
    """Raise all problems of a thing at once, if there are any."""
    found = list(problems)
    if found:
        raise DesignError(f"not {thing}", found)


def below(field: str, found: float | None, least: float, *, above: bool = False) -> Iterator[Problem]:
    """Give the problem of a number that is not finite, below the least, or at it where it must be above."""
    if found is None:
        return
    if not isfinite(found) or found < least or (above and found == least):
        yield Problem(field, f"must be {'above' if above else 'at least'} {least:g}, found {found:g}")


@dataclass(frozen=True, slots=True)
class Shift:
    """Hours of every day in which a stage is worked.

    Parameters
    ----------
    from_hour, to_hour : float
        Hours of the day; a night shift ends after 24, as in 20 to 32. A break of the operators is the gap between two.
    servers : int or None
        How many of the stage's servers are worked; all of them where not given.

    Raises
    ------
    DesignError
        When the hours or the servers are impossible.

    Notes
    -----
    Shifts that overlap add up, to the stage's servers at most. What was begun before the end of a shift is finished.

    Examples
    --------
    >>> Shift(20, 32, servers=2).to_hour
    32
    """

    from_hour: float
    to_hour: float
    servers: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no shift."""
        refused("a shift", self._problems())

    def _problems(self) -> Iterator[Problem]:
        yield from below("from_hour", self.from_hour, 0.0)
        if not self.from_hour < 24.0:
            yield Problem("from_hour", f"must be below 24, found {self.from_hour:g}")
        if not self.from_hour < self.to_hour <= self.from_hour + 24.0:
            yield Problem("to_hour", f"must be above from_hour, by 24 at most, found {self.to_hour:g}")
        yield from below("servers", self.servers, 0)


@dataclass(frozen=True, slots=True)
class Team:
    """Support that comes with servers of its own and works round the clock.

    Parameters
    ----------
    servers : int
        Servers that it adds: machines to a stage of a laboratory, tables to each site.
    from_hour, to_hour : float
        Hours since the start; it stays to the end where `to_hour` is not given.

    Raises
    ------
    DesignError
        When the servers or the hours are impossible.

    Examples
    --------
    >>> Team(4, from_hour=12).to_hour
    inf
    """

    servers: int
    from_hour: float
    to_hour: float = float("inf")

    def __post_init__(self) -> None:
        """Refuse what is no team."""
        refused("a team", self._problems())

    def _problems(self) -> Iterator[Problem]:
        yield from below("servers", self.servers, 1)
        yield from below("from_hour", self.from_hour, 0.0)
        if not self.to_hour > self.from_hour:
            yield Problem("to_hour", f"must be above from_hour, found {self.to_hour:g}")


@dataclass(frozen=True, slots=True)
class Stock:
    """Something that a laboratory uses up, and its deliveries.

    Parameters
    ----------
    item : str
        What it is, as the stages name it.
    quantity : float
        Units at the start.
    deliveries : tuple of (float, float)
        Hour since the start and units that come then, in order of time.

    Raises
    ------
    DesignError
        When a quantity is negative or the deliveries are out of order.

    Examples
    --------
    >>> Stock("extraction kit", 9_600, deliveries=((24.0, 9_600),)).quantity
    9600
    """

    item: str
    quantity: float
    deliveries: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no stock."""
        refused("a stock", self._problems())

    def _problems(self) -> Iterator[Problem]:
        if not self.item:
            yield Problem("item", "must not be empty")
        yield from below("quantity", self.quantity, 0.0)
        for hour, units in self.deliveries:
            yield from below("deliveries", hour, 0.0)
            yield from below("deliveries", units, 0.0)
        if [hour for hour, _ in self.deliveries] != sorted(hour for hour, _ in self.deliveries):
            yield Problem("deliveries", "must be in order of time")


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a laboratory: machines or people that take specimens, alone or in batches.

    Parameters
    ----------
    name : str
        What the bench calls it.
    servers : int
        Machines, or people with their places.
    minutes, minutes_each : float
        Mean minutes of a batch, and of each specimen in it on top.
    spread : {"fixed", "exponential", "lognormal"}
        How these minutes vary.
    variation : float
        Standard deviation by mean, of a lognormal spread; the others have 0 and 1.
    slots : int
        Places of a batch; 1 where specimens are taken one by one.
    controls : int
        Of these, places that controls take in every batch.
    linger_minutes : float
        A batch that is not full starts when its oldest specimen has waited for so long.
    retests_first : bool
        Whether retests, recollections and reruns have a lane of their own that goes first.
    fails : float
        Probability that a batch fails its controls and all of it is run again.
    rerun_at : str or None
        The stage where a failed batch goes back to; this one where not given.
    reads : bool
        Whether a pool is known to be reactive at the end of this stage; just one stage of a laboratory reads.
    shifts : tuple of Shift
        When it is worked; round the clock where empty.
    teams : tuple of Team
        Support that comes later.
    breakdown_minutes, repair_minutes : float or None, float
        Mean minutes of work between two breakdowns of a server, none where not given, and of a repair.
    item, units_a_batch, units_a_specimen : str or None, float, float
        Stock that a batch uses up; with too little the batch is cut, with none the stage stops.
    source : str
        Where the figures come from; ``[A]`` is an assumption.

    Raises
    ------
    DesignError
        When a field is impossible; all are named.

    Notes
    -----
    A broken server finishes its batch, then it is out for an exponential time; the chance that a batch breaks it is
    ``1 - exp(-minutes / breakdown_minutes)``.

    Examples
    --------
    >>> cyclers = Stage("amplification", 64, minutes=110, slots=96, controls=2, linger_minutes=15)
    >>> cyclers.usable, round(cyclers.an_hour)
    (94, 3281)
    """

    name: str
    servers: int
    minutes: float = 0.0
    minutes_each: float = 0.0
    spread: Spread = "fixed"
    variation: float = 0.0
    slots: int = 1
    controls: int = 0
    linger_minutes: float = 0.0
    retests_first: bool = True
    fails: float = 0.0
    rerun_at: str | None = None
    reads: bool = False
    shifts: tuple[Shift, ...] = ()
    teams: tuple[Team, ...] = ()
    breakdown_minutes: float | None = None
    repair_minutes: float = 0.0
    item: str | None = None
    units_a_batch: float = 0.0
    units_a_specimen: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no stage."""
        refused("a stage", self._problems())

    def _problems(self) -> Iterator[Problem]:
        if not self.name:
            yield Problem("name", "must not be empty")
        yield from below("servers", self.servers, 0)
        for field in ("minutes", "minutes_each", "variation", "linger_minutes", "controls", "repair_minutes"):
            yield from below(field, getattr(self, field), 0.0)
        for field in ("units_a_batch", "units_a_specimen"):
            yield from below(field, getattr(self, field), 0.0)
        yield from below("slots", self.slots, 1)
        if self.spread not in SPREADS:
            yield Problem("spread", f"must be one of {', '.join(SPREADS)}, found {self.spread}")
        if self.minutes + self.minutes_each == 0.0:
            yield Problem("minutes, minutes_each", "must not both be 0")
        if self.slots >= 1 and self.controls >= self.slots:
            yield Problem("controls, slots", f"{self.controls} controls leave no place among {self.slots}")
        if not 0.0 <= self.fails < 1.0:
            yield Problem("fails", f"must be from 0 to below 1, found {self.fails:g}")
        yield from below("breakdown_minutes", self.breakdown_minutes, 0.0, above=True)
        if self.item is None and self.units_a_batch + self.units_a_specimen > 0.0:
            yield Problem("item", "units are used of nothing: name it")

    @property
    def usable(self) -> int:
        """Places of a batch that specimens can take."""
        return self.slots - self.controls

    @property
    def batch_minutes(self) -> float:
        """Mean minutes of a full batch."""
        return self.minutes + self.minutes_each * self.usable

    @property
    def an_hour(self) -> float:
        """Specimens an hour with full batches round the clock: no shift, failure, repair or shortage is counted."""
        return self.servers * self.usable * 60.0 / self.batch_minutes
