"""`required`: the least sites, vehicles, machines and staff for so many people in so many hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from poolkit.assays import Assay
from poolkit.drawing import BLUE, GREY, ORANGE, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.answers.assumptions import as_frame, assumed
from poolkit.planning.answers.demand import Demand, demand, hours_of, refuse_demand
from poolkit.planning.answers.staff import staff, vehicles_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUPPOSED = (
    *("people_per_site", "people_per_table", "people_per_sampler", "sampling_hours", "sampling_seconds"),
    *("staff_per_table", "headway_minutes", "round_trip_minutes", "sites_per_route"),
    *("transfer_minutes", "transfer_tubes", "inactivation_minutes", "inactivation_tubes"),
    *("extraction_minutes", "amplification_minutes", "wells", "analysis_seconds"),
    *("reception_seconds", "hands_on_minutes", "tubes_per_lab_staff", "use", "shift_hours"),
)


class LabStage(NamedTuple):
    """A stage of the laboratory: so many specimens a run of so many minutes."""

    resource: str
    stage: str
    minutes: float
    places: float


def lab_stages(value: Mapping[str, float]) -> tuple[LabStage, ...]:
    """Return the stages of the laboratory in order, by the assumptions."""
    return (
        LabStage("transfer machines", "reception", value["transfer_minutes"], value["transfer_tubes"]),
        LabStage("ovens", "inactivation", value["inactivation_minutes"], value["inactivation_tubes"]),
        LabStage("extractors", "extraction", value["extraction_minutes"], value["wells"]),
        LabStage("cyclers", "amplification", value["amplification_minutes"], value["wells"]),
        LabStage("readers", "analysis", value["analysis_seconds"] / 60.0, 1.0),
    )


@dataclass(frozen=True, slots=True)
class Required:
    """The least resources for a target.

    Attributes
    ----------
    resources : pandas.DataFrame
        One row a resource in the order in which a specimen meets them: ``resource``, ``stage``, ``kind`` (place,
        machine or staff), ``load`` (how many would be at work all the time), ``least`` (how many are needed), ``use``
        of these, ``people`` that these could serve, and where it was told what there is, ``have``, ``missing`` and
        ``have_people`` that it serves.
    people, hours : float
        The target.
    pool_size : int
        Swabs in a tube.
    prevalence : float
        Probability that a person is infected.
    demand : Demand
        Tubes and wells.
    assumptions : pandas.DataFrame
        What was supposed: see `assumptions`.

    Notes
    -----
    `bottleneck` binds first and `next_bottleneck` second: of the machines and of all that it was told of. What is not
    told is there as `least` says; norms of sites and staff bind only against what there is.
    """

    resources: pd.DataFrame
    people: float
    hours: float
    pool_size: int
    prevalence: float
    demand: Demand
    assumptions: pd.DataFrame

    def __repr__(self) -> str:
        """Give the target, what binds, and how many of each resource there are or must be."""
        served = "" if np.isnan(self.people_served) else f"; what there is serves {self.people_served:,.0f}"
        target = (
            f"{self.people:,.0f} people in {self.hours:g} h, {self.pool_size} a tube, prevalence {self.prevalence:g}"
        )
        counts: dict[bool, list[str]] = {False: [], True: []}
        for row in self.resources.to_dict("records"):
            have = "" if np.isnan(row["have"]) else f"{row['have']:,.0f} of "
            counts[row["kind"] == "staff"].append(f"{row['resource']} {have}{row['least']:,}")
        lines = "".join(f"\n  {', '.join(each)}" for each in counts.values())
        return f"Required({target}{served}; {self.bottleneck} bind first, then {self.next_bottleneck}){lines}"

    @property
    def least(self) -> dict[str, int]:
        """How many of each resource are needed."""
        return {str(name): int(least) for name, least in self.resources[["resource", "least"]].itertuples(index=False)}

    @property
    def bottleneck(self) -> str:
        """What binds first."""
        return self._order()[0]

    @property
    def next_bottleneck(self) -> str:
        """What binds when the bottleneck is gone."""
        return self._order()[1]

    @property
    def people_served(self) -> float:
        """People whom what there is can serve in the time; missing where it was not told."""
        return float(self.resources["have_people"].min())

    def _order(self) -> list[str]:
        table = self.resources[(self.resources["kind"] == "machine") | self.resources["have"].notna()]
        served = table["have_people"].fillna(table["people"])
        return [str(name) for name in table.loc[served.sort_values(kind="stable").index, "resource"]]


def required(
    target: float = 1_000_000,
    *,
    within: str | float = "24h",
    pool_size: int = 10,
    prevalence: float = 0.001,
    have: Mapping[str, int] | None = None,
    assay: Assay | None = None,
    values: Mapping[str, float] | None = None,
) -> Required:
    """Return the least sites, vehicles, machines and staff with which so many people are tested within the time.

    Parameters
    ----------
    target
        People to be tested.
    within
        The time: hours, or a text like 24h, 90min or 3d.
    pool_size
        Swabs in a tube.
    prevalence
        Probability that a person is infected: members of reactive pools are tested alone.
    have
        How many there are, by the names of the resources: what is missing is said, and how many people these serve.
    assay
        How likely a pool reacts; perfect where not given.
    values
        Assumptions of your own, by the names of `assumptions`.

    Returns
    -------
    Required
        The resources, what binds, and what was supposed.

    Raises
    ------
    DesignError
        When a number is out of range, or a resource or an assumption is unknown.

    Notes
    -----
    By physical capacity: a machine makes minutes / (minutes a run) runs and is at work for the part ``use`` of its
    time, round the clock; plates hold the wells that controls leave; sites are open for ``sampling_hours`` a day. A day
    runs into the next here: that the last person has a result by the deadline takes some more. Members of reactive
    pools pass all stages of the laboratory again. Sites, tables and samplers follow the norms where these ask for more
    than the work does.

    References
    ----------
    China 2022, *Guideline for organising mass nucleic-acid testing*, third edition (sites, tables, samplers); Dorfman
    1943, Ann Math Stat 14(4), 436-440 (retests); `assumptions` names the rest.

    Examples
    --------
    How many cyclers for a million people a day, ten in a tube, with one in a thousand infected:

    >>> answer = required(1_000_000, within="24h", pool_size=10, prevalence=0.001)
    >>> answer.least["cyclers"], answer.least["extractors"]
    (106, 44)

    What a city with 64 cyclers and 60 extractors can do, and what is in its way:

    >>> city = required(have={"cyclers": 64, "extractors": 60})
    >>> round(city.people_served, -3), city.bottleneck
    (609000.0, 'cyclers')
    """
    problems: list[Problem] = []
    supposed = assumed(_SUPPOSED, values, problems)
    refuse_demand(problems, people=target, pool_size=pool_size, prevalence=prevalence)
    hours = hours_of(within, problems)
    value = {name: each.value for name, each in supposed.items()}
    problems += [
        Problem("values", f"{name} must be at most 24, found {value[name]:g}")
        for name in ("sampling_hours", "shift_hours")
        if value[name] > 24.0
    ]
    if problems:
        raise DesignError("not a target", problems)
    assay = assay or Assay()
    work = demand(target, pool_size=pool_size, prevalence=prevalence, assay=assay)
    rows = _places(target * 24.0 / hours, value) + _machines(work, hours, value)
    crew = staff(
        target * 24.0 / hours, pool_size=pool_size, prevalence=prevalence, assay=assay, values=_of_staff(value)
    )
    for name, needed in zip(crew.roles["role"].tolist(), crew.roles["needed"].tolist(), strict=True):
        rows.append((name, _STAGE_OF[name], "staff", float(needed), int(needed)))
    table = pd.DataFrame(rows, columns=["resource", "stage", "kind", "load", "least"])
    unknown = [name for name in have or {} if name not in set(table["resource"])]
    problems += [Problem("have", f"unknown '{name}', known are {', '.join(table['resource'])}") for name in unknown]
    problems += [
        Problem("have", f"{name} must be at least 0, found {count}")
        for name, count in (have or {}).items()
        if count < 0
    ]
    if problems:
        raise DesignError("not a target", problems)
    # Loads hold what the share of time at work adds, so that a full load serves the target.
    part = np.where(table["kind"] == "machine", value["use"], 1.0)
    table["use"] = table["load"] * part / table["least"].clip(lower=1)
    table["people"] = target * table["least"] / table["load"]
    table["have"] = table["resource"].map(dict(have or {})).astype(float)
    table["missing"] = (table["least"] - table["have"]).clip(lower=0.0)
    table["have_people"] = target * table["have"] / table["load"]
    return Required(table, target, hours, pool_size, prevalence, work, as_frame(supposed))


_STAGE_OF = {
    "samplers": "sampling",
    "table staff": "sampling",
    "couriers": "courier",
    "laboratory staff": "laboratory",
}
_Row = tuple[str, str, str, float, int]


def _places(people_a_day: float, value: Mapping[str, float]) -> list[_Row]:
    sites = people_a_day / value["people_per_site"]
    open_seconds = value["sampling_hours"] * 3600.0 * value["use"]
    tables = max(people_a_day / value["people_per_table"], people_a_day * value["sampling_seconds"] / open_seconds)
    routes = vehicles_for(_whole(sites), value)
    return [
        ("sites", "sampling", "place", sites, _whole(sites)),
        ("tables", "sampling", "place", tables, _whole(tables)),
        ("vehicles", "courier", "place", float(routes), routes),
    ]


def _machines(work: Demand, hours: float, value: Mapping[str, float]) -> list[_Row]:
    rows: list[_Row] = []
    for each in lab_stages(value):
        runs = np.ceil(round(work.wells / each.places, 6)) if each.places > 1.0 else work.wells
        load = float(runs * each.minutes / (hours * 60.0 * value["use"]))
        rows.append((each.resource, each.stage, "machine", load, _whole(load)))
    return rows


def _of_staff(value: Mapping[str, float]) -> dict[str, float]:
    machines = {"transfer_minutes", "transfer_tubes", "inactivation_minutes", "inactivation_tubes"}
    machines |= {"extraction_minutes", "amplification_minutes"}
    return {name: each for name, each in value.items() if name not in machines}


def _whole(load: float) -> int:
    """Return the least whole number, where what is too much by rounding does not count."""
    return max(1, int(np.ceil(round(load, 9))))


def plot_required(answer: Required, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the people whom each of the least resources, or what there is, can serve, the bottleneck marked.

    Parameters
    ----------
    answer
        What `required` returned.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        A bar a resource with its count; a line at the target.

    Examples
    --------
    >>> plot_required(required()).get_xlabel()
    'people served in 24 hours (thousand)'
    """
    axes = axes_for(ax, width=8.0, height=4.8)
    table = answer.resources
    told = table["have_people"].notna().to_numpy()
    served = np.where(told, table["have_people"], table["people"]) / 1e3
    first = answer.bottleneck
    colours = [
        VERMILLION if name == first else (ORANGE if has else BLUE)
        for name, has in zip(table["resource"], told, strict=True)
    ]
    place = np.arange(len(table))[::-1]
    most = 1.6 * answer.people / 1e3
    axes.barh(place, np.minimum(served, most), color=colours, height=0.7)
    axes.axvline(answer.people / 1e3, color=GREY, linestyle="--", linewidth=1.2, zorder=3)
    for at, row, length, has in zip(place, table.to_dict("records"), served, told, strict=True):
        text = f"{row['have']:,.0f} of {row['least']:,}" if has else f"{row['least']:,}"
        axes.annotate(
            text + (" ▸" if length > most else ""),
            (min(length, most), at),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            zorder=4,
        )
    axes.set_yticks(place, table["resource"].tolist())
    axes.set_xlim(0.0, most * 1.15)
    axes.set(xlabel=f"people served in {answer.hours:g} hours (thousand)", title=f"Bottleneck: {first}")
    if told.any():
        axes.annotate(
            "orange: what there is", (1.0, 1.0), xycoords="axes fraction", ha="right", va="bottom", fontsize=8
        )
    return axes
