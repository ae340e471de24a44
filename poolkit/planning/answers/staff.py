"""`staff`: who is needed by shift, by the official norms and by what the work takes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poolkit.assays import Assay
from poolkit.errors import DesignError, Problem
from poolkit.planning.answers.assumptions import as_frame, assumed
from poolkit.planning.answers.demand import demand, refuse_demand

_SUPPOSED = (
    *("people_per_site", "people_per_table", "people_per_sampler", "sampling_hours", "sampling_seconds"),
    *("staff_per_table", "headway_minutes", "round_trip_minutes", "sites_per_route", "reception_seconds", "wells"),
    *("hands_on_minutes", "analysis_seconds", "tubes_per_lab_staff", "use", "shift_hours"),
)


@dataclass(frozen=True, slots=True)
class Staff:
    """Who is needed.

    Attributes
    ----------
    roles : pandas.DataFrame
        One row a role: ``role``, ``by_norm`` and ``by_time`` (people of all shifts; missing where there is none of the
        kind), ``needed`` (the greater), ``shifts`` a day, ``per_shift``, ``basis``: how it was reckoned.
    sites, tables, vehicles : int
        Where they work.
    assumptions : pandas.DataFrame
        What was supposed.
    """

    roles: pd.DataFrame
    sites: int
    tables: int
    vehicles: int
    assumptions: pd.DataFrame

    def __repr__(self) -> str:
        """Give who is needed, and where."""
        needed = [f"{row['role']} {row['needed']:,}" for row in self.roles.to_dict("records")]
        return f"Staff({', '.join(needed)}; sites {self.sites:,}, tables {self.tables:,}, vehicles {self.vehicles:,})"


def staff(
    people: float,
    *,
    pool_size: int = 10,
    prevalence: float = 0.0,
    assay: Assay | None = None,
    values: Mapping[str, float] | None = None,
) -> Staff:
    """Return the samplers, table staff, couriers and laboratory staff who are needed for so many people a day.

    Parameters
    ----------
    people
        People to be sampled a day.
    pool_size
        Swabs in a tube.
    prevalence
        Probability that a person is infected: members of reactive pools are tested alone.
    assay
        How likely a pool reacts; perfect where not given.
    values
        Assumptions of your own, by the names of `assumptions`.

    Returns
    -------
    Staff
        The roles, with the norm's count and that of the work.

    Raises
    ------
    DesignError
        When a number is out of range or an assumption is unknown.

    Notes
    -----
    By time: minutes of work a day / (shift x use). Samplers of the norm serve the whole population in a day whatever
    the hours; the count by time supposes that people come evenly while sites are open. Each vehicle has one courier a
    shift while sites are open; vehicles = routes x round trip / headway. Breaks and days off are in `use` only.

    References
    ----------
    China 2022, *Guideline for organising mass nucleic-acid testing*, third edition (sites, tables, samplers);
    `assumptions` names the rest.

    Examples
    --------
    >>> dalian = staff(7_450_000)
    >>> dalian.sites, dalian.tables, int(dalian.roles.set_index("role")["by_norm"]["samplers"])
    (2980, 10643, 20695)
    """
    problems: list[Problem] = []
    supposed = assumed(_SUPPOSED, values, problems)
    refuse_demand(problems, people=people, pool_size=pool_size, prevalence=prevalence)
    value = {name: each.value for name, each in supposed.items()}
    if value["sampling_hours"] > 24.0 or value["shift_hours"] > 24.0:
        problems.append(Problem("values", "sampling_hours and shift_hours must be at most 24"))
    if problems:
        raise DesignError("not a staff", problems)
    day = demand(people, pool_size=pool_size, prevalence=prevalence, assay=assay or Assay())
    sites = int(np.ceil(people / value["people_per_site"]))
    tables = int(np.ceil(people / value["people_per_table"]))
    vehicles = vehicles_for(sites, value)
    plates = np.ceil(day.wells / value["wells"])
    a_shift = value["shift_hours"] * value["use"]
    open_shifts = int(np.ceil(value["sampling_hours"] / value["shift_hours"]))
    round_clock = int(np.ceil(24.0 / value["shift_hours"]))
    sampling = people * value["sampling_seconds"] / 3600.0 / a_shift
    bench = day.tubes * value["reception_seconds"] / 3600.0 + plates * value["hands_on_minutes"] / 60.0
    reading = day.wells * value["analysis_seconds"] / 3600.0
    none = float("nan")
    rows = [
        (
            *("samplers", people / value["people_per_sampler"], sampling, open_shifts),
            "norm: population / 360; time: seconds a swab",
        ),
        ("table staff", none, tables * value["staff_per_table"] * open_shifts, open_shifts, "people a table"),
        ("couriers", none, float(vehicles * open_shifts), open_shifts, "one a vehicle; routes x round trip / headway"),
        (
            *("laboratory staff", day.tubes / value["tubes_per_lab_staff"], (bench + reading) / a_shift, round_clock),
            "norm: tubes a day and head; time: reception, loading plates, analysis",
        ),
    ]
    roles = pd.DataFrame(rows, columns=["role", "by_norm", "by_time", "shifts", "basis"])
    for column in ("by_norm", "by_time"):
        roles[column] = np.ceil(np.round(roles[column].to_numpy(np.float64), 9))
    roles.insert(3, "needed", roles[["by_norm", "by_time"]].max(axis=1).astype(np.int64))
    roles.insert(5, "per_shift", np.ceil(roles["needed"] / roles["shifts"]).astype(np.int64))
    return Staff(roles, sites, tables, vehicles, as_frame(supposed))


def vehicles_for(sites: int, value: Mapping[str, float]) -> int:
    """Return the vehicles that call at every site once a headway."""
    routes = np.ceil(sites / value["sites_per_route"])
    return int(np.ceil(round(routes * value["round_trip_minutes"] / value["headway_minutes"], 9)))
