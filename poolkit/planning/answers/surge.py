"""`surge`: what a rising prevalence does to pools, and when their size has to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.answers.assumptions import Assumption, as_frame
from poolkit.planning.answers.demand import reacting, refuse_demand, wells_per_person, whole_sizes
from poolkit.planning.scenarios.tables import norm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Pool below the first; up to the second only in community surveys or among people without symptoms; not above.
ICMR_POOL_BELOW = float(norm("positivity up to which pooling is advised")["high"])
ICMR_COMMUNITY_TO = float(norm("positivity up to which pooling is allowed")["high"])
_ICMR = "ICMR, Advisory on feasibility of using pooled samples for molecular testing of COVID-19, 13 April 2020"
_GRID = np.geomspace(1e-6, 1.0, 1201)


@dataclass(frozen=True, slots=True)
class Surge:
    """What a rising prevalence does.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a prevalence: ``prevalence``, ``positive_pools`` (share), ``wells_per_person``, ``wells`` of all people,
        ``use`` of the wells there are (missing where not given), ``best_pool_size``, ``best_wells_per_person``, and
        what ICMR says: ``pool``, ``community only`` or ``do not pool``.
    changes : pandas.DataFrame
        Which pool size needs the fewest wells: ``pool_size``, ``from_prevalence``, ``to_prevalence``.
    limits : pandas.DataFrame
        ``limit``, ``prevalence`` (missing where it is never reached), ``meaning``.
    pool_size : int
        The pool size of the columns without ``best``.
    sizes : tuple of int
        Pool sizes that are allowed.
    assay : Assay
        How likely a pool reacts.
    assumptions : pandas.DataFrame
        What was supposed.
    """

    table: pd.DataFrame
    changes: pd.DataFrame
    limits: pd.DataFrame
    pool_size: int
    sizes: tuple[int, ...]
    assay: Assay
    assumptions: pd.DataFrame

    def __repr__(self) -> str:
        """Give which pool size needs the fewest wells up to which prevalence."""
        rows = self.changes.to_dict("records")
        fewest = [f"{row['pool_size']} up to {row['to_prevalence']:.3g}" for row in rows]
        return f"Surge(pool size {self.pool_size}; fewest wells by prevalence: {', '.join(fewest)})"


def surge(
    prevalences: Sequence[float] | None = None,
    *,
    people: float = 1_000_000,
    pool_size: int = 10,
    sizes: Sequence[int] = (1, 5, 10, 20),
    wells: float | None = None,
    assay: Assay | None = None,
) -> Surge:
    """Return how many wells are needed as prevalence rises, and at which prevalence the pool size has to change.

    Parameters
    ----------
    prevalences
        Those of the table, above 0; 61 from 0.01 % to 30 % where not given.
    people
        People to be tested.
    pool_size
        Swabs in a tube now.
    sizes
        Pool sizes that are allowed; 1 is testing alone. China allowed 5, 10 and, for professional laboratories, 20.
    wells
        Wells that the laboratories can run for these people, controls apart: see `required`.
    assay
        How likely a pool reacts; perfect where not given.

    Returns
    -------
    Surge
        A row a prevalence, the best pool size by prevalence, and the limits.

    Raises
    ------
    DesignError
        When a prevalence is not above 0 and at most 1, a size is below 1, or there are no people.

    Notes
    -----
    Members of a reactive pool are tested alone: 1/n + P(pool reacts) wells a person, with infected people spread by
    chance. Real pools hold households, so that fewer react and the limits lie somewhat higher. Where one pool size
    gives way to the next is found by bisection to 1e-12. No size of pool saves a well from 30.66 % on, 1 - 3^(-1/3).

    References
    ----------
    Dorfman 1943, *The detection of defective members of large populations*, Ann Math Stat 14(4), 436-440; ICMR 2020,
    *Advisory on feasibility of using pooled samples for molecular testing of COVID-19*.

    Examples
    --------
    >>> found = surge(pool_size=10, wells=200_000)
    >>> found.changes.round(4).values.tolist()
    [[20.0, 0.0, 0.0054], [10.0, 0.0054, 0.0236], [5.0, 0.0236, 0.2752], [1.0, 0.2752, 1.0]]
    >>> float(found.limits.set_index("limit")["prevalence"].round(4)["wells_full"])
    0.0105
    """
    assay = assay or Assay()
    problems: list[Problem] = []
    refuse_demand(problems, people=people, pool_size=pool_size, prevalence=0.0)
    grid = np.geomspace(1e-4, 0.3, 61) if prevalences is None else np.asarray(prevalences, np.float64)
    wrong = np.flatnonzero(~((grid > 0.0) & (grid <= 1.0)))
    if wrong.size:
        rows = tuple(int(row) for row in wrong)
        problems.append(Problem("prevalences", "must be above 0 and at most 1", rows))
    whole_sizes(problems, sizes)
    if wells is not None and not wells > 0.0:
        problems.append(Problem("wells", f"must be above 0, found {wells:g}"))
    if problems:
        raise DesignError("not a surge", problems)
    allowed = tuple(sorted({int(size) for size in sizes}, reverse=True))
    needed = wells_per_person(grid, pool_size, assay)
    every = wells_per_person(grid[:, None], np.array(allowed)[None, :], assay)
    best = every.argmin(axis=1)
    table = pd.DataFrame(
        {
            "prevalence": grid,
            "positive_pools": reacting(grid, pool_size, assay),
            "wells_per_person": needed,
            "wells": needed * people,
            "use": np.nan if wells is None else needed * people / wells,
            "best_pool_size": np.array(allowed)[best],
            "best_wells_per_person": every.min(axis=1),
            "icmr": np.select(
                [grid < ICMR_POOL_BELOW, grid <= ICMR_COMMUNITY_TO], ["pool", "community only"], "do not pool"
            ),
        }
    )
    changes = _changes(allowed, assay)
    limits = _limits(changes, people, pool_size, allowed, wells, assay)
    return Surge(table, changes, limits, pool_size, tuple(reversed(allowed)), assay, as_frame(_supposed(assay)))


def _supposed(assay: Assay) -> dict[str, Assumption]:
    is_perfect = assay.sensitivity == 1.0 and assay.specificity == 1.0
    validated = "perfect: no validation was given" if is_perfect else "given"
    single = assay.sensitivity if isinstance(assay.sensitivity, float | int) else assay.sensitivity[0][1]
    return {
        "sensitivity": Assumption(float(single), "share", validated, not is_perfect),
        "specificity": Assumption(assay.specificity, "share", validated, not is_perfect),
        "icmr_pool_below": Assumption(ICMR_POOL_BELOW, "share", _ICMR, True),
        "icmr_community_to": Assumption(ICMR_COMMUNITY_TO, "share", _ICMR, True),
        "correlation": Assumption(0.0, "share", "infected people spread over pools by chance", False),
    }


def _changes(sizes: tuple[int, ...], assay: Assay) -> pd.DataFrame:
    """Return from which prevalence to which each of the sizes needs the fewest wells."""

    def best(prevalence: NDArray[np.float64]) -> NDArray[np.int64]:
        every = wells_per_person(prevalence[:, None], np.array(sizes)[None, :], assay)
        return np.asarray(every.argmin(axis=1), np.int64)

    along = best(_GRID)
    rows, begun = [], 0.0
    for k in np.flatnonzero(np.diff(along)):
        low, high = float(_GRID[k]), float(_GRID[k + 1])
        while high - low > 1e-12:
            middle = 0.5 * (low + high)
            low, high = (middle, high) if best(np.array([middle]))[0] == along[k] else (low, middle)
        rows.append((sizes[along[k]], begun, high))
        begun = high
    rows.append((sizes[along[-1]], begun, 1.0))
    return pd.DataFrame(rows, columns=["pool_size", "from_prevalence", "to_prevalence"])


def _first_above(size: int, level: float, assay: Assay) -> float:
    """Return the prevalence at which pools of a size need so many wells a person; missing where they never do."""
    if not float(wells_per_person(1.0, size, assay)) >= level:
        return float("nan")
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if float(wells_per_person(middle, size, assay)) >= level else (middle, high)
    return high


def _limits(
    changes: pd.DataFrame, people: float, pool_size: int, sizes: tuple[int, ...], wells: float | None, assay: Assay
) -> pd.DataFrame:
    level = float("nan") if wells is None else wells / people
    own = changes[changes["pool_size"] == pool_size]
    pooled = [size for size in sizes if size > 1]
    ends = [_first_above(size, 1.0, assay) for size in pooled]
    any_size = [_first_above(size, 1.0, assay) for size in range(2, 17)]
    fits = [_first_above(size, level, assay) for size in sizes]
    rows = [
        ("icmr_pool_below", ICMR_POOL_BELOW, "ICMR: pool below it"),
        ("icmr_community_to", ICMR_COMMUNITY_TO, "ICMR: to here only community surveys, above it do not pool"),
        (
            "pool_size_changes",
            float(own["to_prevalence"].iloc[0]) if len(own) else float("nan"),
            f"from here on another size than {pool_size} needs fewer wells",
        ),
        ("pool_size_stops_paying", _first_above(pool_size, 1.0, assay), f"pools of {pool_size} need a well a person"),
        ("pooling_stops_paying", _most(ends), f"no pool of {', '.join(map(str, pooled))} saves a well"),
        ("any_pooling_stops_paying", _most(any_size), "no pool of any size saves a well"),
        ("wells_full", _first_above(pool_size, level, assay), f"pools of {pool_size} need more wells than there are"),
        ("wells_full_at_best", _most(fits), "no allowed pool size does with the wells that there are"),
    ]
    return pd.DataFrame(rows, columns=["limit", "prevalence", "meaning"])


def _most(values: Sequence[float]) -> float:
    found = [value for value in values if not np.isnan(value)]
    return max(found) if len(found) == len(values) and found else float("nan")


def plot_surge(found: Surge, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the wells a person needs by prevalence for each pool size, with the limits.

    Parameters
    ----------
    found
        What `surge` returned.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        A line a pool size, the present one thick; grey spans for ICMR's limits; a point where the wells are full.

    Examples
    --------
    >>> plot_surge(surge(wells=200_000)).get_xlabel()
    'prevalence (%)'
    """
    axes = axes_for(ax, width=7.5)
    grid = found.table["prevalence"].to_numpy(np.float64)
    grid = np.geomspace(grid.min(), max(grid.max(), grid.min() * 1.01), 300)
    colours = (GREY, SKY, BLUE, GREEN, ORANGE)
    for number, size in enumerate(dict.fromkeys([*found.sizes, found.pool_size])):
        now = size == found.pool_size
        needed = wells_per_person(grid, size, found.assay)
        name = "alone" if size == 1 else f"{size}-in-1" + (", now" if now else "")
        colour = VERMILLION if now else colours[number % len(colours)]
        axes.plot(100.0 * grid, needed, color=colour, linewidth=2.6 if now else 1.5, label=name, zorder=3 if now else 2)
    top = 1.25
    axes.set_xscale("log")
    left, right = 100.0 * grid[0], 100.0 * grid[-1]
    community, forbidden = 100.0 * ICMR_POOL_BELOW, 100.0 * ICMR_COMMUNITY_TO
    axes.axvspan(max(left, community), max(left, min(right, forbidden)), color=GREY, alpha=0.12, linewidth=0.0)
    axes.axvspan(max(left, forbidden), max(right, forbidden), color=GREY, alpha=0.28, linewidth=0.0)
    use = found.table["use"].to_numpy(np.float64)
    if np.isfinite(use[0]):
        full = float(found.table["wells_per_person"].iloc[0] / use[0])
        axes.axhline(full, color="black", linestyle="--", linewidth=1.0)
        axes.annotate("wells there are", (left, full), xytext=(4, 3), textcoords="offset points", fontsize=8)
        at = 100.0 * float(found.limits.set_index("limit")["prevalence"]["wells_full"])
        if left <= at <= right:
            axes.plot([at], [full], "o", color=VERMILLION, zorder=4)
            axes.annotate(f"full at {at:.2g} %", (at, full), xytext=(6, -12), textcoords="offset points", fontsize=8)
    for place, text in ((community, "ICMR 2 %"), (forbidden, "ICMR 5 %")):
        if left <= place <= right:
            axes.annotate(text, (place, top), xytext=(2, -10), textcoords="offset points", fontsize=8)
    ticks = [each for each in (0.001, 0.01, 0.1, 1.0, 10.0, 100.0) if left * 0.999 <= each <= right * 1.001]
    axes.set_xticks(ticks, [f"{each:g}" for each in ticks])
    axes.set(xlim=(left, right), ylim=(0.0, top), xlabel="prevalence (%)", ylabel="wells a person")
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=6)
    return axes
