"""`capacity`: what each stage of a line can do against what it is asked for, before anything is simulated."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from poolkit.planning.line import steps
from poolkit.planning.line.description import Laboratory, Line
from poolkit.planning.line.queues import batch_forming_delay
from poolkit.planning.line.stages import Shift, Stage

Floats = steps.Floats


def capacity(line: Line) -> pd.DataFrame:
    """Return what each stage of a line can do and is asked for, and which of them binds.

    Parameters
    ----------
    line
        The line.

    Returns
    -------
    pandas.DataFrame
        A row a stage, in order: ``lab`` (its place; missing for sampling and courier), ``stage``, ``servers`` at work
        on average while people come (over whole days for a stage whose shifts are worked more at other hours), ``load``
        and ``an_hour``, the specimens (people for sampling) an hour that come in that time, retests and reruns
        included, and that it can take, ``people_an_hour``, the people of the whole line an hour that these are enough
        for, ``use`` (load by capacity), ``slack`` (1 - use, negative where a backlog grows), the largest ``backlog``,
        ``finish_hour`` when the last is through (missing where it is not), and ``binding``, true for the one most used.

    Notes
    -----
    A server takes ``usable / (minutes of a full batch + chance of a breakdown * repair)``. Visits of a stage solve the
    balance of tubes that pass, fail and come again, and of members of reactive tubes, whose number is the protocol's
    sensitivity and specificity at the prevalence. Backlog and finish are those of a fluid that flows stage by stage,
    delayed by courier, batches that form and service: exact under heavy load, and early by the last batches otherwise.
    Retests are counted as if they came with their tubes, although the last come later; stock is not looked at. It takes
    some milliseconds.

    References
    ----------
    Hopp and Spearman 2011, *Factory Physics*, 3rd edition, chapters 7 to 9. Newell 1982, *Applications of Queueing
    Theory*, 2nd edition, chapter 2.

    Examples
    --------
    >>> table = capacity(Line())
    >>> table[["stage", "an_hour", "slack", "binding"]].round(2).tail(4).values.tolist()
    [['extraction', 5013.33, -0.13, False], ['amplification', 4922.18, -0.15, True],
     ['analysis', 6000.0, 0.06, False], ['reporting', 22560.0, 0.75, False]]
    """
    hours = np.arange(steps.bins_of(line) + 1, dtype=np.float64) * line.grid_minutes / 60.0
    came = _came(line, hours)
    people = line.arrivals.total
    tables = steps.sampling_steps(line)
    sites = line.sites
    worked = sites.count * tables.hours(60.0 * hours)
    window = _window(came)
    counted = _counted(hours, worked, window, shifts=sites.shifts)
    flow = _Flow(hours, came, worked, 60.0 / sites.minutes, people, people, counted)
    rows = [flow.row(None, "sampling")]
    # Tubes fill as people start; a vehicle comes half a headway later on average.
    headway = line.courier.headway(sites.count)
    span = _hours(hours, window)
    filling = batch_forming_delay(
        line.pool_size, an_hour=people / span / sites.count, linger_minutes=sites.tube_linger_minutes
    )
    n_tubes = people / _members(line, people / span / sites.count)
    closed = flow.done(filling + sites.minutes) * n_tubes / max(1, people)
    rate = np.inf if line.courier.capacity is None else line.courier.capacity * 60.0 / headway
    courier = _Flow(hours, closed, sites.count * hours, rate, n_tubes, people, window)
    rows.append(courier.row(None, "courier"))
    delivered = courier.done(headway / 2.0 + line.courier.travel_minutes)
    for number, lab in enumerate(line.labs):
        mine = _share(line, number, hours, delivered)
        shares = sum(each.share for each in line.labs)
        part = float(mine[-1] / delivered[-1]) if delivered[-1] > 0.0 else lab.share / shares
        rows += _stages(line, number, lab, _Fed(hours, mine, n_tubes * part, people, window))
    table = pd.DataFrame(rows)
    table["lab"] = table["lab"].astype("Int64")
    use = table["use"].fillna(-1.0)
    table["binding"] = np.arange(len(table)) == int(use.argmax())
    return table


def _window(came: Floats) -> tuple[int, int]:
    """Return the first and the last hour, by their places, between which people come."""
    moving = np.flatnonzero(np.diff(came) > 0.0)
    return (int(moving[0]), int(moving[-1]) + 1) if moving.size else (0, 1)


def _hours(hours: Floats, window: tuple[int, int]) -> float:
    return float(hours[window[1]] - hours[window[0]])


def _counted(hours: Floats, worked: Floats, window: tuple[int, int], *, shifts: tuple[Shift, ...]) -> tuple[int, int]:
    """Return the window, or its whole days where shifts have more servers at work then: nights count for nights."""
    if not shifts:
        return window
    first, last = window
    until = hours[first] + 24.0 * np.ceil(_hours(hours, window) / 24.0 - 1e-9)
    days = first, int(np.searchsorted(hours, until - 1e-9).clip(last, hours.size - 1))
    mean = [(worked[end] - worked[start]) / (hours[end] - hours[start]) for start, end in (window, days)]
    return days if mean[1] > mean[0] * (1.0 + 1e-9) else window


class _Fed(NamedTuple):
    """What a laboratory is fed with: tubes by each hour, and of how many in all; people, and when they come."""

    hours: Floats
    tubes: Floats
    total: float
    people: float
    window: tuple[int, int]


class _Flow:
    """A fluid through one stage: what came by each hour of a total, and the server hours worked by then."""

    def __init__(
        self,
        hours: Floats,
        came: Floats,
        worked: Floats,
        rate: float,
        total: float,
        people: float,
        window: tuple[int, int],
    ) -> None:
        self.hours, self.came, self.rate, self.people = hours, came, rate, people
        self.worked, self.total = worked, total
        first, last = window
        self.span = _hours(hours, window)
        self.servers = float(worked[last] - worked[first]) / self.span
        if np.isinf(rate):
            self.through = came
        else:
            work = worked * rate
            self.through = np.minimum(work + np.minimum.accumulate(came - work), came)

    def done(self, delay_minutes: float) -> Floats:
        """Return what is done by each hour, so many minutes later than it flows."""
        return np.asarray(np.interp(self.hours - delay_minutes / 60.0, self.hours, self.through, left=0.0))

    def row(self, lab: int | None, stage: str, delay_minutes: float = 0.0) -> dict[str, Any]:
        """Return the stage's row of the table."""
        load = self.total / self.span
        an_hour = self.servers * self.rate
        finish = np.nan
        through = self.through >= self.total * (1.0 - 1e-6)
        if self.total > 0.0 and through.any():
            finish = float(self.hours[int(np.argmax(through))]) + delay_minutes / 60.0
        use = 0.0 if np.isinf(an_hour) else load / an_hour if an_hour > 0.0 else np.inf
        return {
            "lab": lab,
            "stage": stage,
            "servers": self.servers,
            "load": load,
            "an_hour": an_hour,
            "people_an_hour": an_hour * self.people / self.total if self.total > 0.0 else np.inf,
            "use": use if load > 0.0 else 0.0,
            "slack": 1.0 - use if load > 0.0 else 1.0,
            "backlog": float((self.came - self.through).max(initial=0.0)),
            "finish_hour": finish,
        }


def _came(line: Line, hours: Floats) -> Floats:
    """Return the people who have come by each hour."""
    times = steps.site_times(line)
    by_profile = line.arrivals.people * np.interp(60.0 * hours, times.profile, times.part, left=0.0, right=1.0)
    bursts = [crowd * (hours >= hour) for hour, crowd in line.arrivals.bursts]
    return np.asarray(by_profile + np.sum(bursts, axis=0) if bursts else by_profile)


def _members(line: Line, an_hour: float) -> float:
    """Return the mean members of a tube at a site where so many people come in an hour."""
    if an_hour <= 0.0:
        return 1.0
    return min(float(line.pool_size), 1.0 + an_hour * line.sites.tube_linger_minutes / 60.0)


def _share(line: Line, number: int, hours: Floats, delivered: Floats) -> Floats:
    """Return the tubes that a laboratory has got by each hour."""
    shares = np.array([lab.share for lab in line.labs])
    opens = np.array([lab.opens_hour for lab in line.labs])
    here = hours[1:, None] >= opens[None, :]
    here[~here.any(axis=1), int(opens.argmin())] = True
    part = here[:, number] * shares[number] / (here * shares).sum(axis=1)
    return np.concatenate([[0.0], np.cumsum(np.diff(delivered) * part)])


def visits_of(line: Line, lab: Laboratory) -> Floats:
    """Return how many specimens pass each stage of a laboratory for each tube that it gets.

    Parameters
    ----------
    line
        The line, for its protocol, pool size and prevalence.
    lab
        One of its laboratories.

    Returns
    -------
    numpy.ndarray of float64
        (stages,) passes, those of failed batches, invalid readings and members of reactive tubes included.
    """
    stages, rules, size = lab.stages, line.rules, line.pool_size
    clean = (1.0 - line.prevalence) ** size
    reacts = (1.0 - clean) * rules.sensitivity_at(size) + clean * (1.0 - rules.specificity) if size > 1 else 0.0
    asked = steps.asked_of(line, line.labs.index(lab), 0)
    # A reading is valid at last, or one more than the reruns are not; the mean number of them gives the part of each.
    again = [lab.invalid**k for k in range(asked.reruns + 1)]
    back = 1.0 - 1.0 / sum(again)
    reacts = 1.0 - (1.0 - reacts) * (1.0 - again[-1] * lab.invalid) if size > 1 else 0.0
    total = np.zeros(len(stages))
    for entry, n, leave in ((0, 1.0, reacts), (asked.retest_at, reacts * size * asked.swabs, 0.0)):
        moves = np.zeros((len(stages), len(stages)))
        names = [stage.name for stage in stages]
        for k, stage in enumerate(stages):
            moves[names.index(stage.rerun_at or stage.name), k] += stage.fails
            passes = 1.0 - stage.fails
            if k == asked.reads:
                moves[asked.invalid_at, k] += passes * back
                passes *= (1.0 - back) * (1.0 - leave)
            if k + 1 < len(stages):
                moves[k + 1, k] += passes
        enters = np.zeros(len(stages))
        enters[entry] = n
        total += np.linalg.solve(np.eye(len(stages)) - moves, enters)
    return total


def minutes_of(stage: Stage) -> float:
    """Return the mean minutes that a full batch keeps a server, repairs counted.

    Parameters
    ----------
    stage
        A stage.

    Returns
    -------
    float
        Minutes of the batch, and of a repair by the chance that the batch breaks its server.
    """
    repair = 0.0
    if stage.breakdown_minutes is not None:
        repair = stage.repair_minutes * (1.0 - np.exp(-stage.batch_minutes / stage.breakdown_minutes))
    return float(stage.batch_minutes + repair)


def _stages(line: Line, number: int, lab: Laboratory, fed: _Fed) -> list[dict[str, Any]]:
    """Return the rows of a laboratory, each stage fed by the one before."""
    rows, flowing = [], fed.tubes
    for stage, passes in zip(lab.stages, visits_of(line, lab), strict=True):
        worked = steps.stage_steps(line, lab, stage).hours(60.0 * fed.hours)
        rate = stage.usable * 60.0 / minutes_of(stage)
        # What a laboratory takes is people of the whole line by its part of the tubes.
        counted = _counted(fed.hours, worked, fed.window, shifts=stage.shifts)
        flow = _Flow(fed.hours, flowing * passes, worked, rate, fed.total * passes, fed.people, counted)
        rows.append(flow.row(number, stage.name, stage.batch_minutes))
        an_hour = flow.total / _hours(fed.hours, fed.window)
        waits = batch_forming_delay(stage.usable, an_hour=an_hour, linger_minutes=stage.linger_minutes)
        flowing = flow.done(waits + stage.batch_minutes) / max(passes, 1e-300)
    return rows
