"""`wrong_prevalence`: what a design costs when the prevalence is not the one that it was chosen for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poolkit.assays import Assay
from poolkit.drawing import BLUE, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.choice import Choice, Objective, asked_of, choose, value_of
from poolkit.planning.operating import characteristics
from poolkit.pooling.designs import Design, Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PERFECT = Assay()
# Prevalences looked at: so many times the assumed one.
_TIMES = (0.1, 0.2, 0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0)


def wrong_prevalence(
    prevalence: float,
    *,
    design: str | Design | Layout | Choice | None = None,
    true: Sequence[float] | None = None,
    assay: Assay = _PERFECT,
    alone: Assay | None = None,
    objective: Objective = "tests",
    cost_missed: float = 200.0,
    cost_false: float = 50.0,
    max_pool: int = 100,
    max_stages: int = 3,
    max_rounds: int | None = None,
) -> pd.DataFrame:
    """Return what a design chosen for one prevalence costs at others, beside the best one for each.

    Parameters
    ----------
    prevalence
        The one that the design is chosen for.
    design
        The design; what `choose` finds where not given.
    true
        What the prevalence may truly be; from a tenth to ten times where not given.
    assay, alone, objective, cost_missed, cost_false, max_pool, max_stages, max_rounds
        As in `choose`.

    Returns
    -------
    pandas.DataFrame
        One row a true prevalence: ``prevalence``, ``design``, ``value`` of it, ``tests_per_sample``, ``sensitivity``,
        ``ppv``, ``best_design``, ``best_value`` and ``excess``: how much more than the best it is, as a share.

    Raises
    ------
    DesignError
        When a number is out of range.

    Notes
    -----
    One choice for each true prevalence. Testing everybody alone is among the designs, so that the excess shows too
    when pooling no longer pays.

    Examples
    --------
    >>> table = wrong_prevalence(0.01, true=[0.01, 0.05], max_pool=16, max_stages=2)
    >>> table[["design", "best_design", "excess"]].round(3).values.tolist()[1]
    ['array-16x16', 'array-9x10', 0.183]
    """
    problems = [
        Problem("true", f"must be from 0 to 1, found {each:g}") for each in true or () if not 0.0 <= each <= 1.0
    ]
    if true is not None and not len(true):
        problems.append(Problem("true", "must hold at least one"))
    if problems:
        raise DesignError("not a plan", problems)
    limits = (max_pool, max_stages, max_rounds, 0.0, 0)
    aim = (objective, cost_missed, cost_false)
    asked_of(prevalence, None, (assay, alone or assay), aim, limits)

    def best(at: float) -> Choice:
        return choose(
            at,
            assay=assay,
            alone=alone,
            objective=objective,
            cost_missed=cost_missed,
            cost_false=cost_false,
            max_pool=max_pool,
            max_stages=max_stages,
            max_rounds=max_rounds,
        )

    chosen = best(prevalence) if design is None else design
    plan = chosen.design if isinstance(chosen, Choice) else chosen
    rows = []
    for at in (min(1.0, prevalence * times) for times in _TIMES) if true is None else true:
        found = characteristics(plan, prevalence=at, assay=assay, alone=alone)
        value = value_of(found, asked_of(at, None, (assay, alone or assay), aim, limits))
        other = best(at)
        rows.append(
            {
                "prevalence": at,
                "design": chosen.name if isinstance(chosen, Choice) else found.design,
                "value": value,
                "tests_per_sample": found.tests_per_sample,
                "sensitivity": found.sensitivity,
                "ppv": found.ppv,
                "best_design": other.name,
                "best_value": other.value,
                "excess": value / other.value - 1.0,
            }
        )
    return pd.DataFrame(rows).drop_duplicates("prevalence", ignore_index=True)


def plot_wrong_prevalence(table: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the value of a design and of the best one against the true prevalence.

    Parameters
    ----------
    table
        What `wrong_prevalence` returned.
    ax
        Axes to draw on; those of a new figure where not given.

    Returns
    -------
    matplotlib.axes.Axes
        True prevalence in percent across, on a logarithmic scale; what is lost is shaded.

    Examples
    --------
    >>> plot_wrong_prevalence(wrong_prevalence(0.01, true=[0.01, 0.05], max_pool=16)).get_xlabel()
    'true prevalence, %'
    """
    ax = axes_for(ax)
    drawn = table[table["prevalence"] > 0.0].sort_values("prevalence")
    x = 100.0 * drawn["prevalence"].to_numpy(np.float64)
    value, best = drawn["value"].to_numpy(np.float64), drawn["best_value"].to_numpy(np.float64)
    ax.fill_between(x, best, value, color=VERMILLION, alpha=0.15, linewidth=0.0)
    ax.plot(x, value, "o-", color=VERMILLION, markersize=4, label=str(drawn["design"].iloc[0]))
    ax.plot(x, best, "o-", color=BLUE, markersize=4, label="the best design at each prevalence")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("true prevalence, %")
    ax.set_ylabel("tests for each sample" if drawn["value"].equals(drawn["tests_per_sample"]) else "cost, in tests")
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, fontsize="small")
    return ax
