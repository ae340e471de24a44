"""What a line is: `Arrivals` at `Sites`, a `Courier`, each `Laboratory`, and the rules that join them: `Line`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil

from poolkit.errors import DesignError, Problem
from poolkit.planning.line.defaults import STAGES
from poolkit.planning.line.stages import SPREADS, Shift, Spread, Stage, Stock, Team, below, refused
from poolkit.planning.line.typical import TYPICAL
from poolkit.protocols import Protocol, load_protocol, protocol_names


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who comes to be sampled, and when.

    Parameters
    ----------
    people : int
        All who come by the profile; they spread evenly over the sites.
    profile : tuple of (float, float)
        From this hour since the start people come at this rate; only the ratios of the rates count. The last rate is 0.
        The default, 06 to 24 h, is that of Qingdao in October 2020.
    bursts : tuple of (float, int)
        Hour and people who come at once on top, spread over the sites as well.
    random : bool
        Whether people come by chance within the profile, each for himself, or evenly spaced at each site.

    Raises
    ------
    DesignError
        When a field is impossible; all are named.

    Examples
    --------
    >>> Arrivals.per_hour([1_000, 3_000, 2_000], from_hour=8)
    Arrivals(people=6000, profile=((8.0, 1000.0), (9.0, 3000.0), (10.0, 2000.0), (11.0, 0.0)), bursts=(), random=True)
    """

    people: int = 1_000_000
    profile: tuple[tuple[float, float], ...] = ((6.0, 1.0), (24.0, 0.0))
    bursts: tuple[tuple[float, int], ...] = ()
    random: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        refused("arrivals", self._problems())

    def _problems(self) -> Iterator[Problem]:
        yield from below("people", self.people, 0)
        hours, rates = [hour for hour, _ in self.profile], [rate for _, rate in self.profile]
        for hour, rate in self.profile:
            yield from below("profile", hour, 0.0)
            yield from below("profile", rate, 0.0)
        if any(later <= earlier for earlier, later in pairwise(hours)):
            yield Problem("profile", "its hours must rise")
        if not rates or rates[-1] != 0.0 or not any(rate > 0.0 for rate in rates):
            yield Problem("profile", "must have a rate above 0 and end with rate 0")
        for hour, people in self.bursts:
            yield from below("bursts", hour, 0.0)
            yield from below("bursts", people, 1)

    @staticmethod
    def per_hour(rates: Sequence[float], *, from_hour: float = 0.0) -> "Arrivals":
        """Return the arrivals of so many people in each hour."""
        profile = [(float(from_hour + k), float(rate)) for k, rate in enumerate([*rates, 0.0])]
        return Arrivals(round(sum(rates)), tuple(profile))

    @property
    def total(self) -> int:
        """People by the profile and in bursts."""
        return self.people + sum(people for _, people in self.bursts)


@dataclass(frozen=True, slots=True)
class Sites:
    """Where people are sampled.

    Parameters
    ----------
    count : int
        Sites; one for 3,000 people of Dalian's 7.45 million, as the third guideline (March 2022) asks for.
    tables : int
        Tables of each site; the same guideline has one for 600 to 800 people.
    minutes : float
        Mean minutes of a swab, registration included; 30 to 60 s in a line [A].
    spread, variation : {"fixed", "exponential", "lognormal"}, float
        How these minutes vary; `variation` is the standard deviation by mean of a lognormal spread.
    tube_linger_minutes : float
        A tube that is not full is closed when it has been open for so long [A].
    shifts : tuple of Shift
        When tables are worked; round the clock where empty.
    teams : tuple of Team
        Tables that are added to every site later.
    swabs, tubes : Stock or None
        What each site has got and is brought: a swab for each person, a tube for each that is opened. Sampling stops
        there when it is out of either, until the next delivery. Not counted where not given.

    Raises
    ------
    DesignError
        When a field is impossible; all are named.

    Examples
    --------
    >>> Sites(12, tables=10).an_hour
    10800.0
    """

    count: int = 2_500
    tables: int = 4
    minutes: float = 40.0 / 60.0
    spread: Spread = "exponential"
    variation: float = 0.0
    tube_linger_minutes: float = 60.0
    shifts: tuple[Shift, ...] = ()
    teams: tuple[Team, ...] = ()
    swabs: Stock | None = None
    tubes: Stock | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        refused("sites", self._problems())

    def _problems(self) -> Iterator[Problem]:
        yield from below("count", self.count, 1)
        yield from below("tables", self.tables, 0)
        yield from below("minutes", self.minutes, 0.0, above=True)
        yield from below("variation", self.variation, 0.0)
        yield from below("tube_linger_minutes", self.tube_linger_minutes, 0.0)
        if self.spread not in SPREADS:
            yield Problem("spread", f"must be one of {', '.join(SPREADS)}, found {self.spread}")
        if self.swabs is not None and self.tubes is not None and self.swabs.item == self.tubes.item:
            yield Problem("swabs, tubes", f"{self.swabs.item} stands for both")

    @property
    def an_hour(self) -> float:
        """People an hour with every table at work."""
        return self.count * self.tables * 60.0 / self.minutes


@dataclass(frozen=True, slots=True)
class Courier:
    """Who brings tubes from sites to laboratories.

    Parameters
    ----------
    headway_minutes : float
        Minutes between two departures from a site; sites are served one after the other within it.
    travel_minutes : float
        Minutes from a site to its laboratory [A]; China asked for 2 to 4 hours at most [A].
    capacity : int or None
        Tubes that one departure takes; no limit where not given.
    vehicles : int or None
        Vehicles of all sites; where given, the headway is at least what they can keep up.
    sites_a_round : int
        Sites that a vehicle calls at in one round [A].
    round_minutes : float
        Minutes of a round, back at its start [A].

    Raises
    ------
    DesignError
        When a field is impossible; all are named.

    Examples
    --------
    >>> Courier(vehicles=50).headway(2_500)
    450.0
    """

    headway_minutes: float = TYPICAL["courier_minutes"].value
    travel_minutes: float = 30.0
    capacity: int | None = None
    vehicles: int | None = None
    sites_a_round: int = 10
    round_minutes: float = 90.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        refused("a courier", self._problems())

    def _problems(self) -> Iterator[Problem]:
        yield from below("headway_minutes", self.headway_minutes, 0.0, above=True)
        yield from below("travel_minutes", self.travel_minutes, 0.0)
        yield from below("capacity", self.capacity, 1)
        yield from below("vehicles", self.vehicles, 1)
        yield from below("sites_a_round", self.sites_a_round, 1)
        yield from below("round_minutes", self.round_minutes, 0.0, above=True)

    def headway(self, sites: int) -> float:
        """Return the minutes between two departures that the vehicles can keep up for so many sites."""
        if self.vehicles is None:
            return self.headway_minutes
        return max(self.headway_minutes, self.round_minutes * ceil(sites / self.sites_a_round) / self.vehicles)


@dataclass(frozen=True, slots=True)
class Laboratory:
    """A laboratory: fixed, or one that arrives at an hour.

    Parameters
    ----------
    name : str
        What it is called.
    stages : tuple of Stage
        In the order in which specimens pass them; by default six stages for a million people a day.
    opens_hour : float
        Hour since the start from which it takes tubes and works; a mobile laboratory arrives then.
    share : float
        Its part of the tubes, against those of the other laboratories that are open.
    stocks : tuple of Stock
        What its stages use up.
    retest_at : str or None
        The stage where retests from kept tubes come in; the first where not given.
    invalid : float
        Probability that a specimen's reading is invalid; the protocol says how often it is then run again.
    invalid_at : str or None
        The stage where it comes back, not after the one that reads; the first where not given.

    Raises
    ------
    DesignError
        When the stages do not fit together; all that is wrong is named.

    Examples
    --------
    >>> [stage.name for stage in Laboratory().stages]
    ['reception', 'inactivation', 'extraction', 'amplification', 'analysis', 'reporting']
    """

    name: str = "laboratory"
    stages: tuple[Stage, ...] = STAGES
    opens_hour: float = 0.0
    share: float = 1.0
    stocks: tuple[Stock, ...] = ()
    retest_at: str | None = None
    invalid: float = 0.0
    invalid_at: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        refused("a laboratory", self._problems())

    def _problems(self) -> Iterator[Problem]:
        names = [stage.name for stage in self.stages]
        items = [stock.item for stock in self.stocks]
        if not names:
            yield Problem("stages", "must not be empty")
        if len(set(names)) < len(names) or {"sampling", "courier"} & set(names):
            yield Problem("stages", "a name stands twice, or is that of sampling or courier")
        if names and sum(stage.reads for stage in self.stages) != 1:
            yield Problem("stages", "just one of them must read")
        read = [k for k, stage in enumerate(self.stages) if stage.reads]
        for k, stage in enumerate(self.stages):
            if stage.rerun_at in names and read and names.index(stage.rerun_at) <= read[0] < k:
                yield Problem(f"stages.{stage.name}.rerun_at", "what was read is not read again")
            if stage.rerun_at is not None and stage.rerun_at not in names[: names.index(stage.name) + 1]:
                yield Problem(f"stages.{stage.name}.rerun_at", f"{stage.rerun_at} is not a stage up to this one")
            if stage.item is not None and stage.item not in items:
                yield Problem(f"stages.{stage.name}.item", f"{stage.item} is not in stocks")
        if len(set(items)) < len(items):
            yield Problem("stocks", "an item stands twice")
        yield from below("opens_hour", self.opens_hour, 0.0)
        yield from below("share", self.share, 0.0, above=True)
        if self.retest_at is not None and self.retest_at not in names:
            yield Problem("retest_at", f"{self.retest_at} is not a stage")
        if not 0.0 <= self.invalid < 1.0:
            yield Problem("invalid", f"must be from 0 to below 1, found {self.invalid:g}")
        if self.invalid_at is not None and self.invalid_at not in names[: read[0] + 1 if read else None]:
            yield Problem("invalid_at", f"{self.invalid_at} is not a stage up to the one that reads")


@dataclass(frozen=True, slots=True)
class Line:
    """A city's line from the people who come to the results that go out.

    Parameters
    ----------
    arrivals : Arrivals
        Who comes, and when.
    sites : Sites
        Where people are sampled.
    courier : Courier
        How tubes get to the laboratories.
    labs : tuple of Laboratory
        The laboratories; each vehicle goes to one that is open, by their shares.
    pool_size : int
        Swabs in a tube; one table after the other fills the tube that is open at its site.
    protocol : Protocol or str
        What a reactive pool asks for, how likely pools react, how many swabs are taken again; or the name of a preset.
    prevalence : float
        Probability that a person is infected.
    retest_minutes : float
        From a reactive pool to its members' kept swabs at the bench [A].
    recollect_minutes : float
        From a reactive pool to its members' new swabs at the laboratory: call, visit at home, courier [A].
    horizon_hours : float
        The run ends then; who has no result by then has none.
    grid_minutes : float
        Width of the bins in which the line is counted.

    Raises
    ------
    DesignError
        When a field is impossible; all are named.

    Examples
    --------
    >>> line = Line(pool_size=5)
    >>> line.with_servers("extraction", 50).labs[0].stages[2].servers
    50
    """

    arrivals: Arrivals = field(default_factory=Arrivals)
    sites: Sites = field(default_factory=Sites)
    courier: Courier = field(default_factory=Courier)
    labs: tuple[Laboratory, ...] = field(default_factory=lambda: (Laboratory(),))
    pool_size: int = 10
    protocol: Protocol | str = "cn-10in1-2020"
    prevalence: float = 1e-4
    retest_minutes: float = 60.0
    recollect_minutes: float = 240.0
    horizon_hours: float = 336.0
    grid_minutes: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        refused("a line", self._problems())

    def _problems(self) -> Iterator[Problem]:
        if not self.labs:
            yield Problem("labs", "must not be empty")
        yield from below("pool_size", self.pool_size, 1)
        if isinstance(self.protocol, str) and self.protocol not in protocol_names():
            yield Problem("protocol", f"must be one of {', '.join(protocol_names())}, found {self.protocol}")
        elif self.pool_size > self.rules.max_pool_size:
            most = f"{self.rules.label} allows {self.rules.max_pool_size}"
            yield Problem("pool_size, protocol", f"{most}, found {self.pool_size}")
        if not 0.0 <= self.prevalence <= 1.0:
            yield Problem("prevalence", f"must be from 0 to 1, found {self.prevalence:g}")
        yield from below("retest_minutes", self.retest_minutes, 0.0)
        yield from below("recollect_minutes", self.recollect_minutes, 0.0)
        yield from below("horizon_hours", self.horizon_hours, 0.0, above=True)
        yield from below("grid_minutes", self.grid_minutes, 0.0, above=True)
        if self.horizon_hours * 60.0 > self.grid_minutes * 1_000_000:
            yield Problem("horizon_hours, grid_minutes", "must make at most 1,000,000 bins")

    @property
    def rules(self) -> Protocol:
        """The protocol, loaded where only its name was given."""
        return load_protocol(self.protocol) if isinstance(self.protocol, str) else self.protocol

    def with_servers(self, stage: str, servers: int, *, lab: str | None = None) -> "Line":
        """Return the line with so many servers at a stage of every laboratory, or of those of one name."""
        if stage == "sampling":
            return replace(self, sites=replace(self.sites, tables=servers))
        chosen = [lab in (None, each.name) and stage in [s.name for s in each.stages] for each in self.labs]
        if not any(chosen):
            raise DesignError("not a line", [Problem("stage", f"no such laboratory has a stage {stage}")])
        labs = (
            replace(each, stages=tuple(replace(s, servers=servers) if s.name == stage else s for s in each.stages))
            if change
            else each
            for each, change in zip(self.labs, chosen, strict=True)
        )
        return replace(self, labs=tuple(labs))
