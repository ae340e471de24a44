"""`alarm`: days with more positives than the days before lead to expect."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.drawing import BLUE, GREY, ORANGE, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.surveillance import charts
from poolkit.surveillance.days import dated, numbered
from poolkit.surveillance.run_length import Chart, Floats, Transform, chart_problems, limit_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["ears-c1", "ears-c2", "ears-c3", "cusum", "binomial-cusum", "ewma"]
Alike = Literal["days", "weekdays", "weekends"]
# What only some methods take.
_FOR = {
    "threshold": ("ears-c1", "ears-c2", "ears-c3"),
    "alpha": ("ears-c1", "ears-c2"),
    "expected": ("cusum",),
    "share": ("binomial-cusum", "ewma"),
    "limit": ("cusum", "binomial-cusum", "ewma"),
}


class _Days(NamedTuple):
    day: "pd.Series[Any]"
    number: NDArray[np.int64]
    kind: NDArray[np.int64]
    positives: Floats
    tested: Floats | None


def alarm(
    counts: Any,
    *,
    method: Method = "ears-c2",
    baseline: int = 7,
    alike: Alike = "days",
    threshold: float | None = None,
    minimum_sd: float = 0.5,
    alpha: float | None = None,
    expected: float | None = None,
    reference: float = 0.5,
    transform: Transform = "standard",
    share: float | None = None,
    odds_ratio: float = 2.0,
    weight: float = 0.2,
    limit: float | None = None,
    false_alarm_days: float = 365.0,
) -> pd.DataFrame:
    """Return for each day whether there are more positives than the days before lead to expect.

    Parameters
    ----------
    counts
        One count a day, with its date where it is a series of pandas; or a table with ``count``, or with ``positive``
        and ``tested`` pools, and with ``day`` (dates or whole numbers that rise). A missing count is a day not
        reported: it is in no baseline and raises no alarm.
    method
        "ears-c1", "ears-c2" or "ears-c3" of counts; "cusum" of counts; "binomial-cusum" or "ewma" of pools. With
        `alpha` "ears-c1" and "ears-c2" take pools too.
    baseline
        Days that a day is compared with; also the first days, from which `expected` or `share` is estimated where not
        given.
    alike
        Days that are compared: all "days", those of the same day of the week ("weekdays"), or working days with
        working days and weekends with weekends ("weekends"; needs dates).
    threshold
        Standard deviations above the baseline (3 where not given), or the sum of "ears-c3" (2).
    minimum_sd
        Floor of the standard deviation, for sparse counts.
    alpha
        Probability of a false alarm a day: limits are then exact instead of mean and standard deviation.
    expected
        Expected count of a day (cusum).
    reference
        Standard deviations that a day may lie above the expected before it counts (cusum).
    transform
        "standard" or "rossi", which makes small counts more normal (cusum).
    share
        Share of pools that is positive in quiet times (binomial-cusum, ewma).
    odds_ratio
        Rise that is to be found soonest (binomial-cusum).
    weight
        Of the day in the smoothed share (ewma).
    limit
        Of the cusum in standard deviations, of the binomial cusum in pools, of the ewma in standard deviations.
    false_alarm_days
        Where no limit is given: mean days until a false alarm, by `mean_run_length` for the median day.

    Returns
    -------
    pandas.DataFrame
        One row a day: ``day``, ``count`` or ``positive`` and ``tested``, ``expected``, ``statistic``, ``limit``,
        ``upper`` (the count that the day may reach) and ``alarm``. Missing where nothing can be said: no alarm.

    Raises
    ------
    DesignError
        When counts are not counts, days do not rise, or the method lacks what it needs or is given what it does not
        take.

    Notes
    -----
    C1: baseline t-7 to t-1; C2: t-9 to t-3; statistic (y - mean) / max(sd, floor), alarm above the threshold. C3: sum
    of max(0, C2 - 1) over t-2 to t, alarm above 2. R's `surveillance` has 3.0902 for 3, and its C3 looks at the two
    days before only. Exact limits: given the baseline's total S of b days, y is negative binomial with S + 1 and
    b / (b + 1); pools are hypergeometric (Fisher). Then the statistic is the normal deviate of that probability.
    Cusum: S = max(0, S + z - k), alarm from the limit on. Binomial cusum: S = max(0, S + x - n k), k between the share
    and the raised share by the likelihood ratio. Ewma: z = (1 - w) z + w x / n, limit by the variance of the pools
    really tested. A day without pools leaves both as they are. An estimated share is (x + 1/2) / (n + 1), an estimated
    count at least half a case in the baseline. Nothing is reset after an alarm. It costs O(days), and about a second
    for a limit that is not given.

    References
    ----------
    Hutwagner, Thompson, Seeman, Treadwell 2003, *The bioterrorism preparedness and response Early Aberration Reporting
    System (EARS)*, J Urban Health 80:i89. Tokars et al. 2009, Emerg Infect Dis 15:533 (working days and weekends).
    Rossi, Lampugnani, Marchi 1999, Statistics in Medicine 18:2111. Steiner, Cook, Farewell, Treasure 2000,
    Biostatistics 1:441. Lucas, Saccucci 1990, Technometrics 32:1.

    Examples
    --------
    >>> counts = [4, 6, 5, 3, 7, 5, 6, 4, 5, 8, 6, 5, 4, 7, 9, 12, 6, 5, 15, 21, 7, 5]
    >>> found = alarm(counts, method="ears-c1")
    >>> found.loc[found["alarm"], ["day", "count"]].values.tolist()
    [[16, 12], [20, 21]]
    """
    days, problems = _days(counts, alike)
    problems += _problems(method, days, alpha, locals())
    if problems or days is None:
        raise DesignError("not a series to watch", problems)
    if method in charts.LAGS:
        base = charts.baselines(days.number, days.kind, ~np.isnan(days.positives), baseline, charts.LAGS[method])
        if alpha is not None:
            found = charts.exact(days.positives, days.tested, base, alpha)
        else:
            found = charts.ears(days.positives, base, 3.0 if threshold is None else threshold, minimum_sd)
        if method == "ears-c3":
            found = charts.ears_c3(found, 2.0 if threshold is None else threshold)
    elif method == "cusum":
        means = _expected(days, expected, baseline)
        known = means[~np.isnan(means)]
        if limit is None:
            level = (float(np.median(known)) if known.size else 1.0, None, None)
            limit = limit_for("cusum", false_alarm_days, level, (reference, odds_ratio, weight), transform)
        found = charts.cusum(days.positives, means, reference, limit, transform)
    else:
        found = _of_pools(days, method, share, baseline, (odds_ratio, weight), limit, false_alarm_days)
    return _frame(days, found)


def _days(counts: Any, alike: str) -> tuple[_Days | None, list[Problem]]:
    """Return the days of a table or of bare counts, and what is wrong with them."""
    problems: list[Problem] = []
    table = counts.to_pandas() if hasattr(counts, "to_pandas") else counts
    if isinstance(table, Mapping):
        table = pd.DataFrame(dict(table))
    if not isinstance(table, pd.DataFrame):
        by_date = isinstance(table, pd.Series) and isinstance(table.index, pd.DatetimeIndex)
        day = table.index if by_date else np.arange(1, len(table) + 1)
        table = pd.DataFrame({"day": day, "count": np.asarray(table, dtype=object)})
    table = table.reset_index(drop=True)
    of_pools = "positive" in table.columns
    needed = ["positive", "tested"] if of_pools else ["count"]
    if missing := [name for name in needed if name not in table.columns]:
        return None, [Problem(name, "missing") for name in missing]
    columns: dict[str, Floats] = {}
    for name in needed:
        values = pd.to_numeric(table[name].astype(object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        wrong = ~((values >= 0) & (values < np.inf) & (values == np.floor(values))) & ~table[name].isna().to_numpy()
        if (rows := np.flatnonzero(wrong)).size:
            problems.append(Problem(name, "must be whole and not negative", tuple(rows.tolist())))
        columns[name] = values
    count, tested = columns[needed[0]], columns.get("tested")
    if tested is not None:
        if (rows := np.flatnonzero(count > tested)).size:
            problems.append(Problem("positive", "must not be more than tested", tuple(rows.tolist())))
        count = np.where(np.isnan(tested), np.nan, count)
        tested = np.where(np.isnan(tested), 0.0, tested)
    day = table["day"] if "day" in table.columns else pd.Series(np.arange(1, len(table) + 1), name="day")
    number, kind, wrong_days = _numbered(day, alike)
    if number.size != len(table):
        return None, problems + wrong_days
    return _Days(day, number, kind, count, tested), problems + wrong_days


def _numbered(day: "pd.Series[Any]", alike: str) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Problem]]:
    """Return days as whole numbers, and which of them are alike."""
    days, problems = numbered(day, "day")
    missing = np.isnan(days)
    if missing.any() and not problems:
        problems.append(Problem("day", "must not be missing", tuple(np.flatnonzero(missing).tolist())))
    if problems:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), problems
    number = days.astype(np.int64)
    if (rows := np.flatnonzero(np.diff(number) <= 0) + 1).size:
        problems.append(Problem("day", "must rise", tuple(rows.tolist())))
    kind = np.zeros(number.size, np.int64)
    if alike == "weekdays":
        kind = number % 7
    elif alike == "weekends":
        # The first day of 1970 was a Thursday.
        kind = ((number + 3) % 7 >= 5).astype(np.int64)
        if not dated(day):
            problems.append(Problem("alike", "weekends need dates"))
    elif alike != "days":
        problems.append(Problem("alike", f"must be one of {', '.join(get_args(Alike))}, found {alike}"))
    return number, kind, problems


def _problems(method: str, days: _Days | None, alpha: float | None, given: dict[str, Any]) -> list[Problem]:
    problems = []
    of_pools = days is not None and days.tested is not None
    if method not in get_args(Method):
        problems.append(Problem("method", f"must be one of {', '.join(get_args(Method))}, found {method}"))
    elif method in ("binomial-cusum", "ewma"):
        if days is not None and not of_pools:
            problems.append(Problem("counts", f"{method} needs positive and tested pools"))
    elif of_pools and (method in ("cusum", "ears-c3") or alpha is None):
        problems.append(
            Problem("method", f"{method} of pools needs binomial-cusum, ewma, or ears-c1, ears-c2 by alpha")
        )
    if alpha is not None and given["threshold"] is not None:
        problems.append(Problem("threshold", "give either it or alpha"))
    problems += [
        Problem(name, f"is not for {method}, but for {', '.join(takes)}")
        for name, takes in _FOR.items()
        if given[name] is not None and method in get_args(Method) and method not in takes
    ]
    share = 0.5 if given["share"] is None else given["share"]
    problems += chart_problems(share, 1, given["odds_ratio"], given["weight"])
    return problems + _numbers_problems(alpha, given)


def _numbers_problems(alpha: float | None, given: dict[str, Any]) -> list[Problem]:
    """Return which numbers are out of range."""
    problems = []
    if alpha is not None and not 0.0 < alpha < 1.0:
        problems.append(Problem("alpha", f"must be between 0 and 1, found {alpha:g}"))
    for name, least in (("baseline", 2), ("minimum_sd", 0.0), ("false_alarm_days", 1.0), ("reference", 0.0)):
        if not given[name] >= least:
            problems.append(Problem(name, f"must be at least {least:g}, found {given[name]:g}"))
    if given["baseline"] % 1 != 0:
        problems.append(Problem("baseline", f"must be whole days, found {given['baseline']:g}"))
    problems += [
        Problem(name, f"must be above 0, found {given[name]:g}")
        for name in ("threshold", "expected", "limit")
        if given[name] is not None and not given[name] > 0.0
    ]
    if given["transform"] not in get_args(Transform):
        problems.append(Problem("transform", f"must be standard or rossi, found {given['transform']}"))
    return problems


def _expected(days: _Days, expected: float | None, baseline: int) -> Floats:
    """Return the expected count of each day: the one given, or of the first days of its kind, themselves left out."""
    means = np.full(days.positives.size, np.nan if expected is None else expected)
    if expected is None:
        for kind in np.unique(days.kind):
            of_kind = np.flatnonzero((days.kind == kind) & ~np.isnan(days.positives))
            first, later = of_kind[:baseline], of_kind[baseline:]
            if first.size == baseline:
                means[later] = max(float(days.positives[first].mean()), 0.5 / baseline)
    return means


def _of_pools(
    days: _Days,
    method: Chart | Method,
    share: float | None,
    baseline: int,
    steps: tuple[float, float],
    limit: float | None,
    false_alarm_days: float,
) -> charts.Charted:
    """Return the chart of pools, from the first day on or, with an estimated share, after the baseline."""
    assert days.tested is not None
    count, tested = days.positives.copy(), days.tested
    if share is None:
        first = np.flatnonzero(~np.isnan(count))[:baseline]
        share = float((count[first].sum() + 0.5) / (tested[first].sum() + 1.0))
        count[first] = np.nan
    if limit is None:
        working = tested[tested > 0]
        n_tested = int(np.median(working)) if working.size else 1
        chart: Chart = "ewma" if method == "ewma" else "binomial-cusum"
        limit = limit_for(chart, false_alarm_days, (None, share, max(n_tested, 1)), (0.5, *steps), "standard")
    if method == "ewma":
        return charts.ewma(count, tested, share, steps[1], limit)
    return charts.binomial_cusum(count, tested, share, steps[0], limit)


def _frame(days: _Days, found: charts.Charted) -> pd.DataFrame:
    whole = not np.isnan(days.positives).any()
    count = days.positives.astype(np.int64) if whole else days.positives
    columns: dict[str, Any] = {"day": days.day.to_numpy()}
    if days.tested is None:
        columns["count"] = count
    else:
        columns |= {"positive": count, "tested": days.tested.astype(np.int64)}
    return pd.DataFrame(columns | found._asdict())


def plot_alarms(found: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the days of `alarm`: what was found, what a day may reach, and the alarms.

    Parameters
    ----------
    found
        What `alarm` returned.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Counts, or the share of pools positive; of C3, which has no limit for a count, its statistic.

    Examples
    --------
    >>> ax = plot_alarms(alarm([4, 6, 5, 3, 7, 5, 6, 4, 5, 18], method="ears-c1"))
    >>> ax.get_ylabel()
    'Positives (count a day)'
    """
    ax = axes_for(ax)
    day = found["day"]
    if found["upper"].isna().all():
        shown, upper, label = found["statistic"], found["limit"], "Statistic (standard deviations)"
        expected = None
    elif "tested" in found:
        of = found["tested"].where(found["tested"] > 0)
        shown, upper, label = 100 * found["positive"] / of, 100 * found["upper"] / of, "Pools positive (%)"
        expected = 100 * found["expected"] / of
        upper = upper.clip(upper=100.0)
    else:
        shown, upper, label = found["count"], found["upper"], "Positives (count a day)"
        expected = found["expected"]
    colours: Sequence[str] = [VERMILLION if each else GREY for each in found["alarm"]]
    ax.bar(day, shown, color=colours, width=0.7, alpha=0.85, zorder=1)
    if expected is not None:
        ax.plot(day, expected, color=BLUE, drawstyle="steps-mid", linewidth=1.4, label="expected", zorder=2)
    ax.plot(day, upper, color=ORANGE, drawstyle="steps-mid", linewidth=1.8, label="limit", zorder=3)
    ax.bar([day.iloc[0]] if len(day) else [], [0.0] if len(day) else [], color=VERMILLION, label="alarm")
    ax.set_xlabel("Day")
    ax.set_ylabel(label)
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    if pd.api.types.is_datetime64_any_dtype(day):
        ax.tick_params(axis="x", labelrotation=30)
    return ax
