"""What a scenario is made of: values with their sources, and traces that were observed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import pandas as pd

from poolkit.errors import DesignError, Problem
from poolkit.planning.scenarios.fields import FIELDS, RECORDED, out_of_range

CHANGED = "changed by the planner"


@dataclass(frozen=True, slots=True)
class Value:
    """A value, where it comes from and whether that was read.

    Parameters
    ----------
    value
        A number or a name.
    source
        The document, or how it was computed or assumed.
    verified
        Whether the source was read and says it; what was computed or assumed is not.
    """

    value: int | float | str
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Point:
    """What had been counted at one moment.

    Parameters
    ----------
    at
        The moment.
    counts
        Persons by stage; a stage that was not told is absent.
    verified
        Whether moment and counts stand in the source.
    """

    at: datetime
    counts: Mapping[str, int]
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Trace:
    """How many persons had passed each stage, as it was observed now and then.

    Parameters
    ----------
    name
        Of the trace.
    stages
        In the order in which a person passes them, e.g. sampled, resulted.
    points
        In the order of time.
    source
        Where they were published.
    """

    name: str
    stages: tuple[str, ...]
    points: tuple[Point, ...]
    source: str

    def curves(self) -> pd.DataFrame:
        """Return the trace as `matching` takes it.

        Returns
        -------
        pandas.DataFrame
            One row a moment: ``hour`` since the first, ``at``, persons by stage (missing where not told) and
            ``verified``.

        Examples
        --------
        >>> from poolkit.planning import scenario
        >>> scenario("qingdao-2020-10").traces[0].curves()[["hour", "sampled", "resulted"]].head(2).values.tolist()
        [[0.0, 5601453.0, 2033510.0], [35.5, 9940000.0, 7640000.0]]
        """
        first = self.points[0].at
        table = pd.DataFrame(
            {
                "hour": [(each.at - first).total_seconds() / 3600.0 for each in self.points],
                "at": [each.at for each in self.points],
            }
        )
        for stage in self.stages:
            table[stage] = [float(each.counts.get(stage, float("nan"))) for each in self.points]
        table["verified"] = [each.verified for each in self.points]
        return table


@dataclass(frozen=True, slots=True)
class Scenario:
    """A campaign as it was or as it might be, each value with its source.

    Parameters
    ----------
    name
        E.g. ``qingdao-2020-10``.
    title
        For people.
    place
        Where.
    begins
        Year and month, and day where it is known, e.g. ``2020-10``; empty for what might be.
    description
        What happened, in a few sentences.
    values
        By their names in `FIELDS`; what nobody told is absent.
    traces
        What was observed on the way.

    Raises
    ------
    DesignError
        When a value is unknown or out of range; every one is named.

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> found = scenario("qingdao-2020-10")
    >>> found["people"], found["pool_size"]
    (10900000, 10)
    >>> found.changed(pool_size=5)["pool_size"]
    5
    """

    name: str
    title: str
    place: str
    begins: str
    description: str
    values: Mapping[str, Value]
    traces: tuple[Trace, ...] = field(default=())

    def __post_init__(self) -> None:
        problems = [each for name, value in self.values.items() for each in check(name, value.value)]
        if problems:
            raise DesignError(f"not a scenario: {self.name}", problems)

    def __getitem__(self, name: str) -> Any:
        """Give a value by its name."""
        return self.values[name].value

    def __contains__(self, name: str) -> bool:
        """Say whether somebody told the value."""
        return name in self.values

    def changed(self, **changes: float | str) -> "Scenario":
        """Return the scenario with some values changed by the planner.

        Parameters
        ----------
        **changes
            New values by name.

        Returns
        -------
        Scenario
            With the same name; what was changed says so as its source.

        Raises
        ------
        DesignError
            When a name is unknown, a value is out of range or only for the record; every one is named.

        Examples
        --------
        >>> from poolkit.planning import scenario
        >>> scenario("dalian-like").changed(labs=0, cars=3)
        Traceback (most recent call last):
        poolkit.errors.DesignError: not a change of dalian-like, 2 problem(s):
          - labs: must be from 1 to 100000 labs, found 0
          - cars: unknown; there are ...
        """
        problems = [each for name, value in changes.items() for each in _check_change(name, value)]
        if problems:
            raise DesignError(f"not a change of {self.name}", problems)
        new = {name: Value(value, CHANGED, verified=True) for name, value in changes.items()}
        return replace(self, values={**self.values, **new})

    def assumptions(self) -> pd.DataFrame:
        """Return every value with its source, those that nobody verified first.

        Returns
        -------
        pandas.DataFrame
            One row a value: ``name``, ``value``, ``unit``, ``source``, ``verified``.
        """
        return assumptions(self.values)


def read_changes(texts: Sequence[str]) -> dict[str, int | float | str]:
    """Return changes of a scenario that are written as text, as on the command line.

    Parameters
    ----------
    texts
        Each ``name=value``; digits may be grouped by commas or underscores.

    Returns
    -------
    dict
        Values by name, for `Scenario.changed`.

    Raises
    ------
    DesignError
        When one is not written so, unknown, told twice, out of range or only for the record; every one is named.

    Examples
    --------
    >>> read_changes(["labs=3", "people=2,000,000", "prevalence=1e-4"])
    {'labs': 3, 'people': 2000000, 'prevalence': 0.0001}
    """
    changes: dict[str, int | float | str] = {}
    problems = []
    for text in texts:
        name, sign, written = (part.strip() for part in text.partition("="))
        kind = FIELDS[name].kind if name in FIELDS else str
        if not sign or not name:
            problems.append(Problem(text, "must be like labs=3"))
            continue
        if name in changes:
            problems.append(Problem(name, "given twice"))
            continue
        try:
            changes[name] = written if kind is str else kind(written.replace("_", "").replace(",", ""))
        except ValueError:
            changes[name] = written
        problems += _check_change(name, changes[name])
    if problems:
        raise DesignError("not changes of a scenario", problems)
    return changes


def assumptions(values: Mapping[str, Value]) -> pd.DataFrame:
    """Return values with unit, source and whether they are verified, those that are not first."""
    rows = [
        (name, each.value, FIELDS[name].unit if name in FIELDS else "", each.source, each.verified)
        for name, each in values.items()
    ]
    table = pd.DataFrame(rows, columns=["name", "value", "unit", "source", "verified"])
    return table.sort_values("verified", kind="stable", ignore_index=True)


def _check_change(name: str, value: Any) -> list[Problem]:
    """Return what is wrong with a value that a planner changes."""
    if name in RECORDED:
        return [Problem(name, "is only recorded: no plan changes with it")]
    return check(name, value)


def check(name: str, value: Any) -> list[Problem]:
    """Return what is wrong with a value of that name."""
    if name not in FIELDS:
        near = get_close_matches(name, FIELDS, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"there are {', '.join(each for each in FIELDS if each not in RECORDED)}"
        )
        return [Problem(name, f"unknown; {hint}")]
    what = out_of_range(name, value)
    return [Problem(name, what)] if what else []
