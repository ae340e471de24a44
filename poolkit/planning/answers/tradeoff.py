"""`pool_size_tradeoff`: what a larger pool saves in wells and costs in turnaround and sensitivity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poolkit.assays import Assay
from poolkit.drawing import GREY, SKY, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.answers.assumptions import Assumption, as_frame, assumed
from poolkit.planning.answers.demand import demand, found_share, reacting, refuse_demand, whole_sizes
from poolkit.planning.answers.required import lab_stages, required

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUPPOSED = (
    *("sampling_hours", "headway_minutes", "round_trip_minutes", "transfer_minutes", "transfer_tubes"),
    *("inactivation_minutes", "inactivation_tubes", "extraction_minutes", "amplification_minutes", "wells"),
    *("analysis_seconds", "use"),
)
# Fetching the kept swabs of a reactive pool, and how long a batch waits to be full: guesses, as in the line.
_FETCH = Assumption(60.0, "minute", "fetching the kept swabs of a reactive pool", False)
_LINGER = Assumption(15.0, "minute", "a batch that is not full starts after it", False)


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """Pool sizes side by side.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a pool size: ``pool_size``, ``wells_per_person``, ``sensitivity`` (a single infected person is found),
        ``retested`` (share of people), ``busiest`` machine, its ``use``, ``negative_hours`` (from swab to the result of
        a negative pool, mean), ``positive_hours`` (where the pool reacts, mean), ``mean_hours``, ``last_hours`` (from
        the first swab to the last result), and ``best``: whether no other size has both fewer wells and a shorter mean.
    assumptions : pandas.DataFrame
        What was supposed: see `assumptions`.
    """

    table: pd.DataFrame
    assumptions: pd.DataFrame

    def __repr__(self) -> str:
        """Give the sizes that no other beats in both wells and hours."""
        best = [
            f"{row['pool_size']} ({row['wells_per_person']:.3g} wells a person, {row['mean_hours']:.3g} h)"
            for row in self.table[self.table["best"]].to_dict("records")
        ]
        return f"Tradeoff({len(self.table)} pool sizes; unbeaten: {', '.join(best) or 'none'})"


def pool_size_tradeoff(
    prevalence: float,
    *,
    people: float = 1_000_000,
    sizes: Sequence[int] = (1, 2, 3, 5, 8, 10, 15, 20, 30),
    machines: Mapping[str, int] | None = None,
    assay: Assay | None = None,
    values: Mapping[str, float] | None = None,
) -> Tradeoff:
    """Return wells, turnaround and sensitivity by pool size at the present prevalence, with the machines there are.

    Parameters
    ----------
    prevalence
        Probability that a person is infected.
    people
        People sampled a day, evenly over the hours in which sites are open.
    sizes
        Pool sizes; 1 is testing alone.
    machines
        How many there are by name; what `required` asks for with ten in a tube where not given.
    assay
        How likely a pool reacts; perfect where not given.
    values
        Assumptions of your own, by the names of `assumptions`.

    Returns
    -------
    Tradeoff
        One row a pool size, and what was supposed.

    Raises
    ------
    DesignError
        When a number is out of range, or a machine or an assumption is unknown.

    Notes
    -----
    A fluid: half a headway and half a round trip, the minutes of each stage (a reader takes a plate), half of what
    fills a batch, at most its linger time, and the backlog of the busiest machine: people come at a rate r for H hours,
    and with capacity c < r the mean wait is H (r / c - 1) / 2 and the last is served at H r / c. Kept swabs of reactive
    pools go first and meet no backlog. Chance adds some near full use; the simulated line is within about a tenth.

    References
    ----------
    Dorfman 1943, Ann Math Stat 14(4), 436-440; Newell 1982, *Applications of queueing theory*, chapter 2 (fluid).

    Examples
    --------
    >>> table = pool_size_tradeoff(0.01, sizes=(1, 5, 10, 20)).table.set_index("pool_size")
    >>> table["wells_per_person"].round(3).tolist(), table["busiest"].tolist()[0]
    ([1.0, 0.249, 0.196, 0.232], 'readers')
    """
    assay = assay or Assay()
    problems: list[Problem] = []
    supposed = assumed(_SUPPOSED, values, problems)
    refuse_demand(problems, people=people, pool_size=1, prevalence=prevalence)
    whole_sizes(problems, sizes)
    value = {name: each.value for name, each in supposed.items()}
    stages = lab_stages(value)
    known = [stage.resource for stage in stages]
    problems += [
        Problem("machines", f"unknown '{name}', known are {', '.join(known)}")
        for name in machines or {}
        if name not in known
    ]
    problems += [
        Problem("machines", f"{name} must be at least 1, found {count}")
        for name, count in (machines or {}).items()
        if count < 1
    ]
    if value["sampling_hours"] > 24.0:
        problems.append(Problem("values", f"sampling_hours must be at most 24, found {value['sampling_hours']:g}"))
    if problems:
        raise DesignError("not a trade-off", problems)
    there = required(people, pool_size=10, prevalence=prevalence, assay=assay, values=value).least | dict(
        machines or {}
    )
    hours = value["sampling_hours"]
    rows = []
    for size in dict.fromkeys(int(size) for size in sizes):
        work = demand(people, pool_size=size, prevalence=prevalence, assay=assay)
        rate = work.wells / hours
        capacity = {
            each.resource: there[each.resource] * each.places * 60.0 / each.minutes * value["use"] for each in stages
        }
        busiest = min(capacity, key=lambda name: capacity[name])
        over = max(1.0, rate / capacity[busiest])
        forming = [min(_LINGER.value, 30.0 * (each.places - 1.0) / rate) for each in stages]
        # A reader takes a plate, specimen by specimen.
        passing = [each.minutes * (value["wells"] if each.places == 1.0 else 1.0) for each in stages]
        bench = (sum(passing) + sum(forming)) / 60.0
        road = (value["headway_minutes"] + value["round_trip_minutes"]) / 120.0
        again = 0.0 if size == 1 else float(reacting(prevalence, size, assay))
        negative = road + bench + 0.5 * hours * (over - 1.0)
        late = _FETCH.value / 60.0 + bench if size > 1 else 0.0
        positive = negative + late
        rows.append(
            {
                "pool_size": size,
                "wells_per_person": work.wells / people,
                "sensitivity": float(found_share(size, assay)),
                "retested": again,
                "busiest": busiest,
                "use": rate / capacity[busiest] * value["use"],
                "negative_hours": negative,
                "positive_hours": positive,
                "mean_hours": (1.0 - again) * negative + again * positive,
                "last_hours": hours * over + road + bench + (late if again > 0.0 else 0.0),
            }
        )
    table = pd.DataFrame(rows)
    wells, mean = table["wells_per_person"].to_numpy(np.float64), table["mean_hours"].to_numpy(np.float64)
    no_worse = (wells[None, :] <= wells[:, None]) & (mean[None, :] <= mean[:, None])
    worse = no_worse & ((wells[None, :] < wells[:, None]) | (mean[None, :] < mean[:, None]))
    table["best"] = np.logical_not(worse.any(axis=1))
    return Tradeoff(table, as_frame(supposed | {"fetch_minutes": _FETCH, "linger_minutes": _LINGER}))


def plot_pool_size_tradeoff(found: Tradeoff, *, ax: "Axes | None" = None) -> "Axes":
    """Draw wells a person and hours to a result by pool size.

    Parameters
    ----------
    found
        What `pool_size_tradeoff` returned.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        Wells on the left axis, hours on the right one: mean from swab to result, and from the first swab to the last
        result. Under each size the sensitivity, where it is below 100 %.

    Examples
    --------
    >>> plot_pool_size_tradeoff(pool_size_tradeoff(0.01)).get_ylabel()
    'wells a person'
    """
    axes, table = axes_for(ax, width=7.5), found.table.sort_values("pool_size")
    at = np.arange(len(table))
    axes.bar(at, table["wells_per_person"], width=0.55, color=SKY, label="wells a person")
    hours = axes.twinx()
    hours.spines["top"].set_visible(False)
    hours.plot(at, table["mean_hours"], "-o", color=VERMILLION, label="mean, swab to result")
    hours.plot(at, table["last_hours"], "--s", color=GREY, label="first swab to last result")
    names = [
        ("alone" if size == 1 else f"{size}") + (f"\n{seen:.0%}" if seen < 1.0 else "")
        for size, seen in zip(table["pool_size"], table["sensitivity"], strict=True)
    ]
    axes.set_xticks(at, names)
    told = ", and sensitivity" if (table["sensitivity"] < 1.0).any() else ""
    axes.set(xlabel=f"swabs in a tube{told}", ylabel="wells a person")
    hours.set_ylabel("hours")
    hours.set_ylim(bottom=0.0)
    handles = [*axes.get_legend_handles_labels()[0], *hours.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return axes
