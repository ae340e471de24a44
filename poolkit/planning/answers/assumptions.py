"""`Assumption`: what an answer supposes, each value with its source and whether anybody has verified it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from poolkit.errors import DesignError, Problem
from poolkit.planning.line.typical import TYPICAL
from poolkit.planning.scenarios.tables import norm


class Assumption(NamedTuple):
    """A value that an answer supposes.

    Attributes
    ----------
    value : float
        The value, in `unit`.
    unit : str
        Its unit.
    source : str
        Where it comes from.
    verified : bool
        Whether the source was read or the value follows from quoted figures; else it is a planner's guess.
    """

    value: float
    unit: str
    source: str
    verified: bool


def _by_norm(name: str) -> Assumption:
    """Return the middle of a norm of `norms`."""
    rule = norm(name)
    low, high = f"{rule['low']:,}", f"{rule['high']:,}"
    told = low if low == high else f"{low}-{high}"
    source = f"{rule['source']}: {told} {rule['unit']}"
    return Assumption((rule["low"] + rule["high"]) / 2.0, "people", source, rule["verified"])


def _typical(name: str, *, times: float = 1.0) -> Assumption:
    """Return a figure of `TYPICAL`; what is computed from quoted figures counts as verified."""
    figure = TYPICAL[name]
    source = figure.source if times == 1.0 else f"{times:g} times {figure.value:g}: {figure.source}"
    return Assumption(times * figure.value, figure.unit, source, figure.told != "assumed")


# In the order in which a specimen meets them. Ranges stand with the source: a value is one point of its range.
# A norm stands in `norms`, a time of the line in `TYPICAL`; here stands what only the answers need.
ASSUMPTIONS: dict[str, Assumption] = {
    "people_per_site": _by_norm("persons a site"),
    "people_per_table": _by_norm("persons a table"),
    "people_per_sampler": _by_norm("persons a sampler"),
    "sampling_hours": Assumption(16.0, "hour", "hours a day at which sites are open; Qingdao 2020: 06-24 h", False),
    "sampling_seconds": _typical("sampling_seconds"),
    "staff_per_table": Assumption(2.0, "people", "registration and order at a table", False),
    "headway_minutes": _typical("courier_minutes"),
    "round_trip_minutes": _typical("transport_minutes", times=2.0),
    "sites_per_route": Assumption(9.5, "sites", "North Rhine-Westphalia 2021: 3,800 schools on 400 routes", True),
    "travel_limit_minutes": Assumption(120.0, "minute", "tubes are to arrive within 2-4 h", False),
    "km_per_hour": Assumption(40.0, "km/h", "courier's speed along the straight line", False),
    "reception_seconds": Assumption(10.0, "second", "unpacking and scanning a tube", False),
    "inactivation_minutes": _typical("inactivation_minutes"),
    "inactivation_tubes": _typical("inactivation_tubes"),
    "transfer_minutes": _typical("transfer_minutes"),
    "transfer_tubes": _typical("transfer_tubes"),
    "wells": _typical("tubes_a_plate"),
    "extraction_minutes": _typical("extraction_minutes"),
    "amplification_minutes": _typical("pcr_minutes"),
    "analysis_seconds": _typical("analysis_seconds"),
    "hands_on_minutes": Assumption(20.0, "minute", "loading a plate for extraction and for amplification", False),
    "tubes_per_lab_staff": Assumption(
        135.0, "tubes/day", "China, end of June 2020: 3.78 M single tubes a day by 28,000 staff", True
    ),
    "use": Assumption(0.85, "share", "part of its time that a machine or a person is at work", False),
    "shift_hours": Assumption(8.0, "hour", "WHO ESFT: shifts of 8 h, one to three a day", True),
}


def assumed(names: Iterable[str], given: Mapping[str, float] | None, problems: list[Problem]) -> dict[str, Assumption]:
    """Return the assumptions of an answer, those given in place of the defaults; what cannot be goes to `problems`."""
    given = given or {}
    found = {name: ASSUMPTIONS[name] for name in names}
    for name, value in given.items():
        if name not in found:
            problems.append(Problem("values", f"unknown '{name}', known are {', '.join(found)}"))
        elif not 0.0 < value < float("inf"):
            problems.append(Problem("values", f"{name} must be above 0, found {value:g}"))
        elif name == "use" and value > 1.0:
            problems.append(Problem("values", f"use must be at most 1, found {value:g}"))
        else:
            found[name] = Assumption(float(value), ASSUMPTIONS[name].unit, "given", True)
    return found


def as_frame(found: Mapping[str, Assumption]) -> pd.DataFrame:
    """Return assumptions as a frame."""
    rows = [(name, *each) for name, each in found.items()]
    return pd.DataFrame(rows, columns=["name", "value", "unit", "source", "verified"])


def assumptions(**values: float) -> pd.DataFrame:
    """Return every value that the planner's answers suppose, with its source.

    Parameters
    ----------
    **values
        Values of your own by name, in place of the defaults.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``value``, ``unit``, ``source``, ``verified``: false where it is a guess that a planner should replace
        by a figure of the own city.

    Raises
    ------
    DesignError
        When a name is unknown or a value is not above 0.

    Examples
    --------
    >>> table = assumptions(headway_minutes=20).set_index("name")
    >>> table.loc[["people_per_sampler", "headway_minutes"], ["value", "source"]].values.tolist()[1]
    [20.0, 'given']
    """
    problems: list[Problem] = []
    found = assumed(ASSUMPTIONS, values, problems)
    if problems:
        raise DesignError("not assumptions", problems)
    return as_frame(found)
