"""`nowcast`: positives of the last days, those included whose samples are taken but not yet reported."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from poolkit.drawing import BLUE, GREY, ORANGE, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.surveillance.days import dated, numbered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
# How alike the shares of positives of two days may be: from nothing to all but the same, in samples' worth.
_WEIGHTS = np.geomspace(1.0, 1e4, 33)


def nowcast(
    samples: Any,
    *,
    as_of: Any,
    max_delay: int | None = None,
    level: float = 0.95,
    n_draws: int = 4000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return for each day of sampling how many positives there will be once all is reported.

    Parameters
    ----------
    samples
        One row a sample: ``sampled`` and ``reported`` (days: dates or whole numbers; ``reported`` missing where the
        result is outstanding) and ``positive`` (0 or 1; missing where outstanding). Without ``positive`` each row is a
        positive. What was sampled or reported after `as_of` is not looked at.
    as_of
        The day on which one looks; what is reported on it is seen.
    max_delay
        Days after which nothing more is reported; the longest delay that was seen where not given.
    level
        Of the intervals.
    n_draws
        Draws of the delays.
    seed
        Of the draws.

    Returns
    -------
    pandas.DataFrame
        One row a day from the first to `as_of`: ``day``, ``reported`` positives, ``outstanding`` samples that are
        known, ``share_reported`` that is expected of the delays, ``expected`` positives in the end, ``low`` and
        ``high``.

    Raises
    ------
    DesignError
        When columns are missing, days are dates here and numbers there, a sample is reported before it is taken, or
        nothing is reported yet.

    Notes
    -----
    Two cases. *Outstanding samples are in the table*: of m on a day their positives are beta-binomial, the day's share
    with a beta prior at the share of all days, whose weight is the likeliest for the days seen. Exact. Positives are
    taken to be reported as fast as others. *They are not*: with g(d) = P(delay d | delay at most d), from the samples
    old enough to show it, the share reported after d days is G(d) = prod_{j > d} (1 - g(j)). Of a day with n seen, the
    rest is negative binomial with n + 1 and (G + 1 / m) / (1 + 1 / m), m the mean of all days, Poisson counts with an
    exponential prior; the g are drawn from Beta(x + 1/2, y + 1/2). Delays are those of the whole table: where they
    change, give the last weeks only. It costs O(samples + days x draws).

    References
    ----------
    Lawless 1994, *Adjustments for reporting delays and the prediction of occurred but not reported events*, Canadian
    Journal of Statistics 22:15. Hoehle, an der Heiden 2014, Biometrics 70:993.

    Examples
    --------
    >>> seen = {"sampled": [1] * 8 + [2] * 9 + [3] * 6, "reported": [1] * 4 + [2] * 9 + [3] * 10}
    >>> nowcast(seen, as_of=3)[["day", "reported", "expected"]].round(1).values.tolist()
    [[1.0, 8.0, 8.0], [2.0, 9.0, 9.0], [3.0, 6.0, 11.6]]
    """
    table = samples.to_pandas() if hasattr(samples, "to_pandas") else pd.DataFrame(samples)
    table = table.reset_index(drop=True)
    sampled, reported, seen, positive, today = _read(table, as_of, (level, n_draws, max_delay))
    first = int(sampled.min())
    n_days = today - first + 1
    at = sampled - first
    found = np.bincount(at[seen & positive], minlength=n_days)
    done = np.bincount(at[seen], minlength=n_days)
    outstanding = np.bincount(at[~seen], minlength=n_days)
    age = n_days - 1 - np.arange(n_days)
    tails = (0.5 - level / 2.0, 0.5 + level / 2.0)
    delay = (reported - sampled)[seen]
    longest = int(delay.max()) if max_delay is None else max_delay
    if delay.size and int(delay.max()) > longest:
        raise DesignError("nothing to nowcast", [Problem("max_delay", f"results took {int(delay.max())} days")])
    counts = _delays(delay, today - sampled[seen], longest)
    share = _reached((counts[0] + 0.5 * (counts[1] == 0)) / np.maximum(counts[1], 1.0))[np.minimum(age, longest)]
    if outstanding.any():
        rest, low, high = _of_known(found, done, outstanding, tails)
    else:
        rest, low, high = _of_unseen(found, age, share, counts, (n_draws, seed, *tails))
    day = np.arange(first, today + 1)
    columns = {
        "day": day.astype("datetime64[D]").astype("datetime64[s]") if dated(table["sampled"]) else day,
        "reported": found,
        "outstanding": outstanding,
        "share_reported": share,
        "expected": found + rest,
        "low": found + low,
        "high": found + high,
    }
    return pd.DataFrame(columns)


def _read(
    table: pd.DataFrame, as_of: Any, asked: tuple[float, int, int | None]
) -> tuple[Days, Days, NDArray[np.bool_], NDArray[np.bool_], int]:
    """Return days of sampling and report, which are reported, which are positive, and the day of looking."""
    level, n_draws, max_delay = asked
    problems = [Problem(name, "missing") for name in ("sampled", "reported") if name not in table.columns]
    if not 0.0 < level < 1.0:
        problems.append(Problem("level", f"must be between 0 and 1, found {level:g}"))
    if n_draws < 1:
        problems.append(Problem("n_draws", f"must be at least 1, found {n_draws}"))
    if max_delay is not None and not (max_delay >= 0 and max_delay == int(max_delay)):
        problems.append(Problem("max_delay", f"must be whole days, found {max_delay}"))
    if problems:
        raise DesignError("nothing to nowcast", problems)
    sampled, reported, today = _days(table, as_of)
    seen = ~np.isnan(reported)
    positive = np.ones(len(table), np.bool_)
    if "positive" in table.columns:
        values = pd.to_numeric(table["positive"].astype(object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
        if (rows := np.flatnonzero(seen & (values != 0) & (values != 1))).size:
            problems.append(Problem("positive", "must be 0 or 1 where reported", tuple(rows.tolist())))
        positive = values == 1
    elif not seen.all():
        problems.append(Problem("positive", "must be there where results are outstanding"))
    if not (seen & (reported <= today)).any():
        problems.append(Problem("reported", "nothing is reported yet"))
    if problems:
        raise DesignError("nothing to nowcast", problems)
    # Without outstanding rows a result of later says that nobody knew of the sample by then.
    kept = (sampled <= today) & ((reported <= today) if seen.all() else np.ones(len(table), np.bool_))
    seen &= np.nan_to_num(reported, nan=np.inf) <= today
    sampled, reported, seen, positive = sampled[kept], reported[kept], seen[kept], positive[kept]
    return (
        sampled.astype(np.int64),
        np.where(seen, reported, 0.0).astype(np.int64),
        seen,
        positive,
        today,
    )


def _days(table: pd.DataFrame, as_of: Any) -> tuple[Floats, Floats, int]:
    """Return days of sampling, of report (NaN where there is none) and of looking."""
    looked = pd.Series([as_of])
    columns = {"sampled": table["sampled"], "reported": table["reported"], "as_of": looked}
    found, problems = {}, []
    for name, column in columns.items():
        found[name], wrong = numbered(column, name)
        problems += wrong
    sampled, reported, now = found.values()
    if not problems:
        if np.isnan(now[0]):
            problems.append(Problem("as_of", "must be a day"))
        if len({dated(column) for column in columns.values() if column.notna().any()}) > 1:
            problems.append(Problem("as_of", "must be dates as the days of the samples are, or numbers as they are"))
        if (rows := np.flatnonzero(np.isnan(sampled))).size:
            problems.append(Problem("sampled", "must not be missing", tuple(rows.tolist())))
        if (rows := np.flatnonzero(reported < sampled)).size:
            problems.append(Problem("reported", "must not be before sampled", tuple(rows.tolist())))
    if problems:
        raise DesignError("nothing to nowcast", problems)
    return sampled, reported, int(now[0])


def _delays(delay: Days, age: Days, longest: int) -> tuple[Floats, Floats]:
    """Return, by delay, how many results had it and how many had at most it, of samples old enough to have it."""
    exactly, at_most = np.zeros(longest + 1), np.zeros(longest + 1)
    for d in range(longest + 1):
        old = delay[age >= d]
        exactly[d], at_most[d] = (old == d).sum(), (old <= d).sum()
    return exactly, at_most


def _reached(chance: Floats) -> Floats:
    """Return the share reported after each delay, from P(delay d | at most d) in the last axis."""
    later = np.cumprod(1.0 - chance[..., :0:-1], axis=-1)[..., ::-1]
    return np.concatenate([later, np.ones((*chance.shape[:-1], 1))], axis=-1)


def _of_known(found: Days, done: Days, outstanding: Days, tails: tuple[float, float]) -> tuple[Floats, Floats, Floats]:
    """Return mean and interval of the positives among samples that are known to be outstanding."""
    share = (found.sum() + 0.5) / (done.sum() + 1.0)
    likely = [stats.betabinom.logpmf(found, done, weight * share, weight * (1.0 - share)).sum() for weight in _WEIGHTS]
    weight = _WEIGHTS[int(np.argmax(likely))]
    a, b = weight * share + found, weight * (1.0 - share) + done - found
    low, high = (np.zeros(found.size) for _ in range(2))
    for day in np.flatnonzero(outstanding):
        sums = np.cumsum(stats.betabinom.pmf(np.arange(outstanding[day] + 1), outstanding[day], a[day], b[day]))
        low[day], high[day] = np.minimum(np.searchsorted(sums, tails), outstanding[day])
    return outstanding * a / (a + b), low, high


def _of_unseen(
    found: Days, age: Days, share: Floats, counts: tuple[Floats, Floats], drawn: tuple[int, int, float, float]
) -> tuple[Floats, Floats, Floats]:
    """Return mean and interval of the positives that nobody has told of yet."""
    n_draws, seed, *tails = drawn
    draw = np.random.default_rng(seed)
    exactly, at_most = counts
    chance = draw.beta(exactly + 0.5, at_most - exactly + 0.5, (n_draws, exactly.size))
    reached = _reached(chance)
    # The mean of all days, each by the share of it that is seen.
    usual = max(float(found.sum() / np.maximum(share, 1e-9).sum()), 1.0 / found.size)
    rest, low, high = (np.zeros(found.size) for _ in range(3))
    for day in np.flatnonzero(age < exactly.size - 1):
        here = (reached[:, age[day]] + 1.0 / usual) / (1.0 + 1.0 / usual)
        rest[day] = ((found[day] + 1.0) * (1.0 - here) / here).mean()
        low[day], high[day] = np.quantile(draw.negative_binomial(found[day] + 1, here), tails)
    return rest, low, high


def plot_nowcast(found: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw what is reported and what `nowcast` expects, by day of sampling.

    Parameters
    ----------
    found
        What `nowcast` returned.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Bars of what is reported, on them what is still expected, with intervals.

    Examples
    --------
    >>> seen = {"sampled": [1] * 8 + [2] * 9 + [3] * 6, "reported": [1] * 4 + [2] * 9 + [3] * 10}
    >>> plot_nowcast(nowcast(seen, as_of=3)).get_ylabel()
    'Positives (count a day)'
    """
    ax = axes_for(ax)
    rest = found["expected"] - found["reported"]
    ax.bar(found["day"], found["reported"], color=BLUE, width=0.8, label="reported")
    ax.bar(found["day"], rest, bottom=found["reported"], color=ORANGE, width=0.8, label="still expected")
    open_ = found[found["high"] > found["low"]]
    reach = [(open_["expected"] - open_["low"]).clip(lower=0.0), (open_["high"] - open_["expected"]).clip(lower=0.0)]
    ax.errorbar(open_["day"], open_["expected"], yerr=reach, fmt="none", ecolor=GREY, capsize=3, label="interval")
    ax.set_xlabel("Day of sampling")
    ax.set_ylabel("Positives (count a day)")
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    if pd.api.types.is_datetime64_any_dtype(found["day"]):
        ax.tick_params(axis="x", labelrotation=30)
    return ax
