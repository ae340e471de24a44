"""`coverage`: how often an interval holds the true prevalence, computed exactly."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poolkit.assays.rates import asked, known
from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.kernels import intervals
from poolkit.kernels.intervals import MOST_OUTCOMES
from poolkit.surveillance.pools import Floats, refuse, survey
from poolkit.surveillance.prevalence import Alternative, Method, impossible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINES = (BLUE, VERMILLION, GREEN, ORANGE, SKY, GREY)
_DASHES = ("-", "--", ":")
_POINTS = 400


def coverage(
    pools: Any,
    *,
    method: Method | Sequence[Method] = "skew-score",
    prevalence: float | Sequence[float] | None = None,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    sensitivity: float = 1.0,
    specificity: float = 1.0,
    correlation: float = 0.0,
) -> pd.DataFrame:
    """Compute how often an interval holds the true prevalence, exactly, for pools that are planned.

    Parameters
    ----------
    pools
        Columns ``pool_size`` and ``tested``, as in `prevalence`; outcomes are not looked at.
    method
        One or several intervals, see `prevalence`.
    prevalence
        True prevalences, one or several; 400 of them at which 2 to 50 % of the pools react where not given.
    level, alternative
        Of the intervals.
    sensitivity, specificity, correlation
        Of the test and of the members of a pool, as in `prevalence`.

    Returns
    -------
    pandas.DataFrame
        One row a method and prevalence: ``method``, ``prevalence``, ``coverage``, ``too_low`` and ``too_high``
        (probability that the interval lies wholly below or above the truth) and ``width`` (expected).

    Raises
    ------
    DesignError
        When a column is missing or wrong, a number is out of range, an interval is not defined for these pools, or
        there are more than 200,000 outcomes.

    Notes
    -----
    The interval of every outcome is computed, and the outcomes whose interval holds p are added up by their binomial
    probabilities at p: no simulation. A limit holds what it equals. O(outcomes x prevalences).

    References
    ----------
    Brown, Cai, DasGupta 2001, Stat. Sci. 16, 101.

    Examples
    --------
    >>> plan = {"pool_size": [10], "tested": [100]}
    >>> coverage(plan, method=["blaker", "wald"], prevalence=[0.005])[["method", "coverage"]].round(4).values.tolist()
    [['blaker', 0.9687], ['wald', 0.8685]]
    """
    surveyed, problems = survey(pools, (), None, counted=False)
    names = [method] if isinstance(method, str) else list(method)
    errors = known(sensitivity, specificity, correlation, problems).errors
    wanted = [asked(name, level, alternative, problems) for name in names]
    if not names:
        problems.append(Problem("method", "name at least one"))
    truth = None if prevalence is None else np.atleast_1d(np.asarray(prevalence, np.float64))
    if truth is not None and not ((truth >= 0.0) & (truth <= 1.0)).all():
        problems.append(Problem("prevalence", "must be from 0 to 1"))
    if not problems:
        problems = [each for one in wanted for each in impossible(surveyed.groups, one, weighted=False)]
        if surveyed.groups.tested.sum() == 0.0:
            problems.append(Problem("tested", "there must be pools"))
        elif intervals.n_outcomes(surveyed.groups.tested) > MOST_OUTCOMES:
            problems.append(Problem("tested", f"there are more than {MOST_OUTCOMES:,} outcomes"))
    refuse("no coverage can be computed", problems)
    plan = surveyed.groups
    if truth is None:
        sizes = np.full(_POINTS, (plan.tested * plan.size).sum() / plan.tested.sum())
        truth = intervals.prevalence_of(np.linspace(0.02, 0.5, _POINTS), sizes, errors)
    every = intervals.outcomes(plan)
    limits = [intervals.of_pools(every, errors, one) for one in wanted]
    found = np.empty((len(wanted), truth.size, 4))
    for place, p in enumerate(truth.tolist()):
        chances = intervals.chances(plan, errors, p)
        for row, ends in enumerate(limits):
            found[row, place] = _held(ends, chances, p)
    frames = [
        pd.DataFrame(found[row], columns=["coverage", "too_low", "too_high", "width"]).assign(
            method=name, prevalence=truth
        )
        for row, name in enumerate(names)
    ]
    return pd.concat(frames, ignore_index=True)[["method", "prevalence", "coverage", "too_low", "too_high", "width"]]


def _held(limits: Floats, chances: Floats, p: float) -> tuple[float, float, float, float]:
    # Limits are good to some 1e-13: one that is the truth but for that holds it.
    low = chances[limits[:, 1] < p * (1.0 - 1e-12)].sum()
    high = chances[limits[:, 0] > p * (1.0 + 1e-12)].sum()
    return max(1.0 - low - high, 0.0), low, high, float(chances @ (limits[:, 1] - limits[:, 0]))


def plot_coverage(frame: pd.DataFrame, *, level: float = 0.95, ax: "Axes | None" = None) -> "Axes":
    """Draw how often each interval holds the true prevalence.

    Parameters
    ----------
    frame
        What `coverage` returned.
    level
        That was asked for, drawn as a line.
    ax
        Axes to draw on; of a new figure where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Coverage against prevalence, both in per cent.

    Raises
    ------
    DesignError
        When no prevalence is above 0.

    Examples
    --------
    >>> plot_coverage(coverage({"pool_size": [10], "tested": [20]})).get_ylabel()
    'coverage (%)'
    """
    ax = axes_for(ax)
    # On a logarithmic axis there is no 0.
    frame = frame[frame["prevalence"] > 0.0]
    if frame.empty:
        raise DesignError("nothing to draw", [Problem("frame", "must hold a prevalence above 0")])
    least = frame["prevalence"].min()
    for place, (name, rows) in enumerate(frame.groupby("method", sort=False)):
        ax.plot(
            100.0 * rows["prevalence"],
            100.0 * rows["coverage"],
            color=_LINES[place % len(_LINES)],
            linestyle=_DASHES[place // len(_LINES) % len(_DASHES)],
            linewidth=1.2,
            label=str(name),
        )
    ax.axhline(100.0 * level, color=GREY, linewidth=0.8, linestyle="--")
    ax.set_xscale("log")
    ticks = [step * 10.0**power for power in range(-9, 3) for step in (1, 2, 5)]
    shown = [tick for tick in ticks if 100.0 * least <= tick <= 100.0 * frame["prevalence"].max()]
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("true prevalence (%)")
    ax.set_ylabel("coverage (%)")
    ax.set_ylim(top=100.0)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    return ax
