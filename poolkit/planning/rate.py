"""`fit_rate`: the one laboratory rate that explains how results followed swabs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.drawing import BLUE, ORANGE, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.matching import match_stages, matching

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# Hours from a swab to its result when nobody waits: half of the 4 hours that couriers may take at most (an assumption)
# and 6 that laboratories take for a normal report (Baibawen, Gansulong).
SHORTEST_HOURS = 8.0
# Rates are tried on a grid before the best is refined.
_TRIED = 400
_REFINED = 60


@dataclass(frozen=True, slots=True)
class FittedRate:
    """One rate of the laboratories, and how well it explains a trace.

    Attributes
    ----------
    people_an_hour : float
        Persons an hour that get a result while somebody waits.
    shortest_hours : float
        Hours from swab to result when nobody waits; assumed, not fitted.
    points : pandas.DataFrame
        One row an observed moment: ``hour``, ``entered``, ``observed`` and ``fitted`` results, and ``error`` of the
        fitted as a share of the observed.
    curves : pandas.DataFrame
        Hour by hour, as `matching` takes it: ``hour``, persons that entered, persons with a result by the rate.
    peak_backlog : float
        Most persons that wait, by the rate.
    peak_hour : float
        When.
    wait_hours : float
        How long who joins then waits: the backlog by the rate (Little's law).
    """

    people_an_hour: float
    shortest_hours: float
    points: pd.DataFrame
    curves: pd.DataFrame
    peak_backlog: float
    peak_hour: float
    wait_hours: float

    @property
    def people_a_day(self) -> float:
        """Persons a day that get a result while somebody waits."""
        return 24.0 * self.people_an_hour

    @property
    def largest_error(self) -> float:
        """The largest difference of fitted to observed results, as a share of the observed."""
        return float(self.points["error"].abs().max())


def fit_rate(
    curves: pd.DataFrame,
    *,
    before: str = "sampled",
    after: str = "resulted",
    shortest_hours: float = SHORTEST_HOURS,
) -> FittedRate:
    """Return the one laboratory rate that explains best how results followed swabs.

    Parameters
    ----------
    curves
        An observed trace as for `matching`, with at least two moments at which both stages are known.
    before, after
        The columns of who waits and who has a result.
    shortest_hours
        Hours from swab to result when nobody waits.

    Returns
    -------
    FittedRate
        The rate, its errors and what it says of backlog and wait.

    Raises
    ------
    DesignError
        As `matching`; and when fewer than two moments are known, nobody got a result between them, or the shortest time
        is negative.

    Notes
    -----
    A fluid: from the first known moment t0 with r0 results, R(t) = min(r0 + c (t - t0), min over t0 <= s <= t of
    A(s - h) + c (t - s)), where A are the swabs, straight between their known points, h the shortest time and c the
    rate. The first moment is where the fluid starts, so it is met by itself; c has the least sum of squared relative
    errors of the others. Of Qingdao's later moments the rate is told by all but the last, at which the line is nearly
    empty: there the shortest time decides (8 hours: 4.8 % too many, none: 6.1 %). Cost is O(points squared) for each of
    some hundred rates.

    References
    ----------
    Newell 1982, *Applications of Queueing Theory*, chapter 2; Le Boudec and Thiran 2001, *Network Calculus*, section
    1.3 (the minimum).

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> fitted = fit_rate(scenario("qingdao-2020-10").traces[0].curves())
    >>> round(fitted.people_an_hour, -3), round(fitted.largest_error, 3), round(fitted.peak_backlog)
    (156000.0, 0.048, 3567943)
    """
    rows = matching(curves, stages=[before, after]).dropna(subset=["backlog"])
    hours, entered, observed = (rows[name].to_numpy(np.float64) for name in ("hour", "entered", "left"))
    problems = []
    if hours.size < 2:
        problems.append(Problem("curves", f"both stages must be known at two moments at least, found {hours.size}"))
    elif observed[-1] <= observed[0]:
        problems.append(Problem(after, "nobody was added, so that there is no rate"))
    if not shortest_hours >= 0.0:
        problems.append(Problem("shortest_hours", f"must be at least 0, found {shortest_hours:g}"))
    if problems:
        raise DesignError("no rate to fit", problems)
    told = curves[[before, "hour"]].dropna()
    told = told[told["hour"] >= hours[0]]
    arrivals = told["hour"].to_numpy(np.float64), told[before].to_numpy(np.float64)
    counted = observed > 0.0

    def missed(rate: float) -> float:
        fitted = _fluid(hours, arrivals, observed[0], rate, shortest_hours)
        return float((((fitted - observed)[counted] / observed[counted]) ** 2).sum())

    rate = _best(missed, float((np.diff(observed) / np.diff(hours)).max()))
    fitted = _fluid(hours, arrivals, observed[0], rate, shortest_hours)
    error = np.divide(fitted - observed, observed, out=np.zeros(hours.size), where=counted)
    points = pd.DataFrame({"hour": hours, "entered": entered, "observed": observed, "fitted": fitted, "error": error})
    dense = np.union1d(np.arange(hours[0], hours[-1], 0.25), np.concatenate([hours, arrivals[0]]))
    drawn = pd.DataFrame(
        {
            "hour": dense,
            before: np.interp(dense, *arrivals),
            after: _fluid(dense, arrivals, observed[0], rate, shortest_hours),
        }
    )
    peak = match_stages(drawn).iloc[0]
    backlog = float(peak["peak_backlog"])
    return FittedRate(rate, shortest_hours, points, drawn, backlog, float(peak["peak_hour"]), backlog / rate)


def plot_fit_rate(fitted: FittedRate, *, ax: "Axes | None" = None) -> "Axes":
    """Draw a fitted rate with the moments that were observed.

    Parameters
    ----------
    fitted
        Of `fit_rate`, whose ``curves`` and ``points`` stand behind the picture.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Hours to the right, million persons up.

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> ax = plot_fit_rate(fit_rate(scenario("qingdao-2020-10").traces[0].curves()))
    >>> [each.get_label() for each in ax.get_lines()][:2]
    ['sampled', 'resulted at 156,000 persons/h']
    """
    ax = axes_for(ax, width=8.5)
    before, after = (str(name) for name in fitted.curves.columns[1:])
    hours = fitted.curves["hour"]
    ax.plot(hours, fitted.curves[before] / 1e6, color=BLUE, label=before)
    rate = f"{after} at {round(fitted.people_an_hour, -3):,.0f} persons/h"
    ax.plot(hours, fitted.curves[after] / 1e6, color=ORANGE, label=rate)
    style: dict[str, Any] = {"marker": "D", "markersize": 6, "markerfacecolor": "white", "linestyle": "none"}
    ax.plot(fitted.points["hour"], fitted.points["entered"] / 1e6, color=BLUE, label=f"{before}, observed", **style)
    ax.plot(fitted.points["hour"], fitted.points["observed"] / 1e6, color=ORANGE, label=f"{after}, observed", **style)
    ax.set_xlabel("hours")
    ax.set_ylabel("million persons")
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _fluid(hours: Floats, arrivals: tuple[Floats, Floats], first: float, rate: float, shortest: float) -> Floats:
    """Return how many have a result at each hour, by one rate."""
    at, entered = arrivals
    start = at[0]
    breaks = at + shortest
    # Where the arrivals are straight the minimum stands at an end of the piece.
    after = hours[:, None] - breaks[None, :]
    capped = np.where(after >= 0.0, entered[None, :] + rate * after, np.inf).min(axis=1)
    now = np.interp(hours - shortest, at, entered)
    fitted: Floats = np.minimum(np.minimum(first + rate * (hours - start), capped), np.maximum(now, first))
    return fitted


def _best(missed: Callable[[float], float], fastest: float) -> float:
    """Return the rate that misses least: by a grid to twice the fastest seen, then by golden section around it."""
    tried = np.linspace(0.0, 2.0 * fastest, _TRIED + 1)[1:]
    best = int(np.argmin([missed(float(rate)) for rate in tried]))
    low, high = float(tried[max(best - 1, 0)]), float(tried[min(best + 1, tried.size - 1)])
    golden = (5.0**0.5 - 1.0) / 2.0
    for _ in range(_REFINED):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if missed(left) <= missed(right):
            high = right
        else:
            low = left
    return 0.5 * (low + high)
