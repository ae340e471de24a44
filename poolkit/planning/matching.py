"""Matching of sampling, transport, testing and feedback, as numbers: degree, backlog and lag of every stage."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.frames import frame_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# A count that is told in round numbers may stand a little above the one before it.
_SLACK = 1e-9
_TITLE = "not cumulative curves"
_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, GREY)


def matching(curves: Any, *, stages: Sequence[str] | None = None) -> pd.DataFrame:
    """Return how well the stages match, hour by hour: degree, backlog and lag of each.

    Parameters
    ----------
    curves
        Table with one row a moment: ``hour``, increasing, and for each stage how many persons had passed it by then;
        missing where that is not known. An observed trace or a simulated run.
    stages
        The columns of the stages, in the order in which a person passes them; all columns of numbers but ``hour``
        where not given.

    Returns
    -------
    pandas.DataFrame
        One row a moment and pair of stages: ``hour``, ``before``, ``after``, ``whole`` (from the first stage to the
        last, where there are more than two), ``entered`` and ``left`` (persons, cumulative), ``degree``, ``backlog``
        (persons) and ``lag_hours``. Missing where a curve does not reach.

    Raises
    ------
    DesignError
        When the hours do not rise, a stage is not there, counts fall, or more leave a stage than entered it; all
        that is wrong is named.

    Notes
    -----
    With A(t) persons that entered and D(t) that left: the degree of matching is D/A, the backlog A - D, and the lag
    L(t) the least with D(t + L) = A(t): how long the person waits that enters at t. Between its known points a curve is
    straight; beyond them it is missing, and so is the lag of who had not left by the last of them. Cost is O(n log n).

    Near the start every degree is 0, since nobody can have left; so the worst hour is that of the largest backlog, see
    `match_stages`.

    References
    ----------
    Little 1961, *A Proof for the Queuing Formula L = lambda W*, Operations Research 9(3); Newell 1982, *Applications of
    Queueing Theory*, chapter 2 (cumulative curves).

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> trace = scenario("qingdao-2020-10").traces[0]
    >>> matching(trace.curves())[["hour", "degree", "backlog", "lag_hours"]].round(3).head(2).values.tolist()
    [[0.0, 0.363, 3567943.0, 22.592], [35.5, 0.769, 2300000.0, 21.077]]
    """
    curves = frame_of(curves, _TITLE)
    named = _stages(curves, stages)
    hours = curves["hour"].to_numpy(np.float64)
    known = {stage: _known(hours, curves[stage].to_numpy(np.float64)) for stage in named}
    parts = []
    for before, after in _pairs(named):
        entered, left = (np.interp(hours, *known[stage], left=np.nan, right=np.nan) for stage in (before, after))
        with np.errstate(invalid="ignore"):
            degree = np.divide(left, entered, out=np.full(hours.size, np.nan), where=entered > 0.0)
        parts.append(
            pd.DataFrame(
                {
                    "hour": hours,
                    "before": before,
                    "after": after,
                    "whole": before == named[0] and after == named[-1] and len(named) > 2,
                    "entered": entered,
                    "left": left,
                    "degree": degree,
                    "backlog": np.maximum(entered - left, 0.0),
                    "lag_hours": lag(hours, entered, *known[after]),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def match_stages(curves: Any, *, stages: Sequence[str] | None = None, least_share: float = 0.05) -> pd.DataFrame:
    """Return how well each stage matched the one before, and which was the worst and when.

    Parameters
    ----------
    curves
        As for `matching`.
    stages
        As for `matching`.
    least_share
        The least degree is looked for after this share of all persons has entered.

    Returns
    -------
    pandas.DataFrame
        One row a pair of stages, in their order, the whole last: ``before``, ``after``, ``whole``, ``degree`` (of the
        persons' hours: the area under the leaving curve by that under the entering one), ``least_degree`` and
        ``least_degree_hour``, ``peak_backlog`` (persons) and ``peak_hour``, ``degree_at_peak``, ``lag_at_peak_hours``,
        ``longest_lag_hours`` and ``longest_lag_hour``, and ``worst``: the pair with the largest backlog.

    Raises
    ------
    DesignError
        As `matching`, and when the share is none.

    Notes
    -----
    The degree of the whole period is 1 - (mean backlog / mean entered), which no choice of an hour can flatter. Where
    the trace is a single moment it is the degree at that moment.

    References
    ----------
    As for `matching`.

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> trace = scenario("shijiazhuang-2021-01").traces[0]
    >>> match_stages(trace.curves())[["after", "peak_backlog", "least_degree", "worst"]].round(3).values.tolist()
    [['delivered', 1000000.0, 0.878, False], ['tested', 2110000.0, 0.707, True], ['tested', 3110000.0, 0.621, False]]
    """
    if not 0.0 <= least_share < 1.0:
        raise DesignError(
            "nothing to match", [Problem("least_share", f"must be from 0 to below 1, found {least_share:g}")]
        )
    rows = []
    for (before, after, whole), of_pair in matching(curves, stages=stages).groupby(
        ["before", "after", "whole"], sort=False
    ):
        told = of_pair.dropna(subset=["backlog"])
        late = told[told["entered"] >= least_share * told["entered"].max()]
        lowest, peak, longest = (
            _first(late, "degree", least=True),
            _first(told, "backlog", least=False),
            _first(told, "lag_hours", least=False),
        )
        rows.append(
            {
                "before": before,
                "after": after,
                "whole": whole,
                "degree": _area_share(told),
                "least_degree": lowest["degree"],
                "least_degree_hour": lowest["hour"],
                "peak_backlog": peak["backlog"],
                "peak_hour": peak["hour"],
                "degree_at_peak": peak["degree"],
                "lag_at_peak_hours": peak["lag_hours"],
                "longest_lag_hours": longest["lag_hours"],
                "longest_lag_hour": longest["hour"],
            }
        )
    table = pd.DataFrame(rows)
    table["worst"] = table.index == table["peak_backlog"].mask(table["whole"]).fillna(-1.0).idxmax()
    return table


def lag(hours: Floats, entered: Floats, at: Floats, left: Floats) -> Floats:
    """Return how long it takes until as many have left as had entered at each hour; NaN where they never do."""
    found = np.full(hours.size, np.nan)
    wanted = ~np.isnan(entered)
    first = np.searchsorted(left, entered[wanted] * (1.0 - _SLACK), side="left")
    reached = first < left.size
    target = entered[wanted][reached]
    upper = first[reached]
    lower = np.maximum(upper - 1, 0)
    rise = left[upper] - left[lower]
    share = np.divide(target - left[lower], rise, out=np.ones(target.size), where=rise > 0.0)
    when = at[lower] + np.clip(share, 0.0, 1.0) * (at[upper] - at[lower])
    waited = np.full(reached.size, np.nan)
    waited[reached] = np.maximum(when - hours[wanted][reached], 0.0)
    found[wanted] = waited
    return found


def plot_matching(
    curves: Any,
    *,
    stages: Sequence[str] | None = None,
    trace: Any = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the cumulative curves of the stages, with the largest backlog and the wait of who joins it.

    Parameters
    ----------
    curves
        As for `matching`, whose frame stands behind the picture.
    stages
        As for `matching`.
    trace
        What was observed, drawn as points over the curves: stages of the same names get their colours.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Hours to the right, millions (or thousands) of persons up. The vertical gap between two curves is the backlog,
        the horizontal one the lag.

    Raises
    ------
    DesignError
        As `matching`.

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> ax = plot_matching(scenario("qingdao-2020-10").traces[0].curves())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('hours', 'million persons')
    """
    curves = frame_of(curves, _TITLE)
    named = _stages(curves, stages)
    ax = axes_for(ax, width=8.5)
    highest = max(float(curves[stage].max()) for stage in named)
    unit, word = (1e6, "million persons") if highest >= 1e6 else (1e3, "thousand persons")
    colour_of = {stage: _COLOURS[n % len(_COLOURS)] for n, stage in enumerate(named)}
    hours = curves["hour"].to_numpy(np.float64)
    for n, stage in enumerate(named):
        at, passed = _known(hours, curves[stage].to_numpy(np.float64))
        # A later curve is thinner, so that the one below is seen where both are the same.
        width = 1.3 + 0.6 * (len(named) - 1 - n)
        marker = "o" if at.size < 10 else None
        ax.plot(at, passed / unit, color=colour_of[stage], marker=marker, markersize=5, linewidth=width, label=stage)
    if trace is not None:
        trace = frame_of(trace, _TITLE)
        for n, stage in enumerate(_stages(trace, None)):
            at, passed = _known(trace["hour"].to_numpy(np.float64), trace[stage].to_numpy(np.float64))
            colour = colour_of.get(stage, _COLOURS[n % len(_COLOURS)])
            style: dict[str, Any] = {"marker": "D", "markersize": 6, "markerfacecolor": "white", "linestyle": "none"}
            ax.plot(at, passed / unit, color=colour, label=f"{stage}, observed", **style)
    _mark_worst(ax, match_stages(curves, stages=stages), matching(curves, stages=stages), unit)
    ax.set_xlabel("hours")
    ax.set_ylabel(word)
    ax.set_ylim(bottom=0.0)
    if hours.size == 1:
        ax.set_xlim(hours[0] - 1.0, hours[0] + 1.0)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _mark_worst(ax: "Axes", of_stages: pd.DataFrame, of_hours: pd.DataFrame, unit: float) -> None:
    """Draw the largest backlog as a vertical arrow and its lag as a horizontal one, and say both in the legend."""
    worst = of_stages[of_stages["worst"]].iloc[0]
    pair = of_hours[(of_hours["before"] == worst["before"]) & (of_hours["after"] == worst["after"])]
    here = pair[pair["hour"] == worst["peak_hour"]]
    if here.empty or not worst["peak_backlog"] > 0.0:
        return
    hour, low, high = worst["peak_hour"], here["left"].iloc[0] / unit, here["entered"].iloc[0] / unit
    arrow = {"arrowstyle": "<->", "color": GREY, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (hour, low), (hour, high), arrowprops=arrow)
    said = f"most wait: {worst['peak_backlog'] / unit:.3g} {'M' if unit == 1e6 else 'k'}"
    waited = worst["lag_at_peak_hours"]
    if waited > 0.0:
        ax.annotate("", (hour, high), (hour + waited, high), arrowprops=arrow)
        said += f",\nwho joins them then: {waited:.1f} h"
    ax.plot([], [], color=GREY, linewidth=1.0, label=said)


def _pairs(named: Sequence[str]) -> list[tuple[str, str]]:
    pairs = list(pairwise(named))
    return pairs if len(pairs) == 1 else [*pairs, (named[0], named[-1])]


def _known(hours: Floats, passed: Floats) -> tuple[Floats, Floats]:
    told = ~np.isnan(passed)
    return hours[told], passed[told]


def _first(rows: pd.DataFrame, column: str, *, least: bool) -> dict[str, float]:
    """Return the first row with the least or largest value, or one of missing values where there is none."""
    told = rows.dropna(subset=[column])
    names = ("hour", "degree", "backlog", "lag_hours")
    if told.empty:
        return dict.fromkeys(names, float("nan"))
    values = told[column].to_numpy(np.float64)
    place = int(values.argmin() if least else values.argmax())
    return {name: float(told[name].to_numpy(np.float64)[place]) for name in names}


def _area_share(told: pd.DataFrame) -> float:
    hours, entered, left = (told[name].to_numpy(np.float64) for name in ("hour", "entered", "left"))
    if hours.size > 1:
        steps = np.diff(hours)
        entered, left = (0.5 * (each[1:] + each[:-1]) * steps for each in (entered, left))
    all_entered = float(entered.sum())
    return float(left.sum()) / all_entered if all_entered > 0.0 else float("nan")


def _stages(curves: pd.DataFrame, stages: Sequence[str] | None) -> list[str]:
    """Return the names of the stages; all that is wrong with the curves is named."""
    problems = []
    if stages is None:
        numbers = curves.select_dtypes("number").columns
        stages = [str(name) for name in numbers if name != "hour"]
    missing = [name for name in ("hour", *stages) if name not in curves.columns]
    problems += [Problem(name, "no such column") for name in missing]
    if len(stages) < 2:
        problems.append(Problem("stages", f"must be at least two, found {len(stages)}"))
    if len(set(stages)) < len(stages):
        problems.append(Problem("stages", "each may be named only once"))
    if curves.empty:
        problems.append(Problem("curves", "must have at least one row"))
    problems += [
        Problem(name, f"must be numbers, found {curves[name].dtype}")
        for name in ("hour", *stages)
        if name in curves and not pd.api.types.is_numeric_dtype(curves[name])
    ]
    if not problems:
        hours = curves["hour"].to_numpy(np.float64)
        if not np.isfinite(hours).all() or (np.diff(hours) <= 0.0).any():
            problems.append(Problem("hour", "must increase", _rows(~(np.diff(hours) > 0.0), 1)))
        for stage in stages:
            problems += _falling(stage, curves[stage].to_numpy(np.float64))
        for before, after in pairwise(stages):
            more = curves[after].to_numpy(np.float64) > curves[before].to_numpy(np.float64) * (1.0 + _SLACK)
            if more.any():
                problems.append(Problem(after, f"must not be more than {before}", _rows(more)))
    if problems:
        raise DesignError(_TITLE, problems)
    return list(stages)


def _falling(stage: str, passed: Floats) -> list[Problem]:
    told = np.flatnonzero(~np.isnan(passed))
    if told.size == 0:
        return [Problem(stage, "must be told at some hour")]
    wrong = np.concatenate([[passed[told[0]] < 0.0], np.diff(passed[told]) < 0.0])
    return [Problem(stage, "must not fall, nor begin below 0", tuple(told[wrong].tolist()))] if wrong.any() else []


def _rows(wrong: NDArray[np.bool_], offset: int = 0) -> tuple[int, ...]:
    return tuple((np.flatnonzero(wrong) + offset).tolist())
