"""What a validation study and the days after it say: whether pooling holds, is re-assessed, or stops."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.kernels import intervals
from poolkit.kernels.intervals import Asked
from poolkit.planning.frames import frame_of
from poolkit.planning.validation import ValidationRules, least

Floats = NDArray[np.float64]
_TRUTHS, _CALLS = ("positive", "negative"), ("positive", "negative", "invalid")
_DAYS = ("day", "samples", "positive")


def evaluate_validation(
    data: Any, *, lod_ct: float | None = None, rules: ValidationRules | None = None
) -> pd.DataFrame:
    """Evaluate a validation study of pooling against the rules.

    Parameters
    ----------
    data
        One row a pool: ``expected`` (positive: it holds one positive sample; or negative), ``call`` (positive or
        reactive, negative, or invalid), ``single_ct_cycles`` (of the positive sample alone) and ``pool_ct_cycles``,
        both missing where there is none, and ``site`` where there are several.
    lod_ct
        Mean Ct at the limit of detection, by which weak positives are told; they are not asked for where not given.
    rules
        What is asked; FDA's of 2021 where not given.

    Returns
    -------
    pandas.DataFrame
        One row a rule: ``rule``, ``found``, ``limit`` (missing where nothing is asked), ``passed``, and of shares
        ``lower`` and ``upper`` (exact, 95 %). The last rule is ``all``, with how many were passed of how many.

    Raises
    ------
    DesignError
        When a column is missing or holds what it should not.

    Notes
    -----
    Agreement is of the valid pools. A site is asked for its share of positives among as many as it tested. The mean
    shift is of pools that reacted, with both Ct: pools that did not react would add more, so it is a least value where
    agreement is low; a study without any such pair fails it.

    References
    ----------
    FDA, Template for Developers of Molecular Diagnostic Tests, 6 Oct 2021; see `ValidationRules.sources`.

    Examples
    --------
    >>> study = {
    ...     "expected": ["positive"] * 20 + ["negative"] * 20,
    ...     "call": ["positive"] * 18 + ["negative"] * 22,
    ...     "single_ct_cycles": [30.0] * 20 + [None] * 20,
    ...     "pool_ct_cycles": [31.5] * 18 + [None] * 22,
    ... }
    >>> evaluate_validation(study)[["rule", "found", "passed"]].values.tolist()
    [['positive pools', 20.0, True], ['negative pools', 20.0, True], ['positive agreement', 0.9, True],
     ['negative agreement', 1.0, True], ['invalid share', 0.0, True], ['mean shift (cycles)', 1.5, True],
     ['all', 6.0, True]]
    """
    rules = rules or ValidationRules.named()
    table = _study(data)
    if lod_ct is not None and not np.isfinite(lod_ct):
        raise DesignError("not a validation study", [Problem("lod_ct", f"must be a number, found {lod_ct:g}")])
    expected, call = table["expected"].to_numpy(), table["call"].to_numpy()
    positive, valid = expected == "positive", call != "invalid"
    rows = [
        _row("positive pools", int(positive.sum()), rules.positive_pools),
        _row("negative pools", int((~positive).sum()), rules.negative_pools),
        _share("positive agreement", call[positive & valid] == "positive", rules.agreement),
        _share("negative agreement", call[~positive & valid] == "negative", None),
        _share("invalid share", ~valid, rules.invalid_share, most=True),
    ]
    single, pool = (table[name].to_numpy(np.float64) for name in ("single_ct_cycles", "pool_ct_cycles"))
    shift = (pool - single)[positive & valid & ~np.isnan(single) & ~np.isnan(pool)]
    mean = float(shift.mean()) if shift.size else np.nan
    rows.append(("mean shift (cycles)", mean, rules.shift_cycles, bool(mean <= rules.shift_cycles), np.nan, np.nan))
    if lod_ct is not None:
        known = positive & ~np.isnan(single)
        rows.append(_share("weak positives", single[known] >= lod_ct - rules.weak_cycles, rules.weak_share))
    if "site" in table:
        for site, of_site in table[positive & valid].groupby("site", sort=False):
            agreed = of_site["call"].to_numpy() == "positive"
            rows.append(_share(f"positive agreement, site {site}", agreed, rules.agreement))
    n_passed = sum(row[3] for row in rows)
    rows.append(("all", float(n_passed), float(len(rows)), n_passed == len(rows), np.nan, np.nan))
    return pd.DataFrame(rows, columns=["rule", "found", "limit", "passed", "lower", "upper"])


def _row(rule: str, found: int, limit: int) -> tuple[str, float, float, bool, float, float]:
    return rule, float(found), float(limit), found >= limit, np.nan, np.nan


def _share(
    rule: str, said: NDArray[np.bool_], limit: float | None, *, most: bool = False
) -> tuple[str, float, float, bool, float, float]:
    n, k = said.size, int(said.sum())
    if n == 0:
        return rule, np.nan, np.nan if limit is None else limit, limit is None or most, 0.0, 1.0
    low, high = intervals.binomial(
        np.array([float(k)]), np.array([float(n)]), Asked("clopper-pearson", 0.95, "two-sided")
    )[0]
    passed = limit is None or (k <= limit * n + 1e-9 if most else k >= least(limit, n))
    return rule, k / n, np.nan if limit is None else limit, passed, float(low), float(high)


def _floats(column: "pd.Series[Any]", name: str, problems: list[Problem]) -> Floats:
    """Return numbers, NaN where there is none; text that is no number is a problem."""
    values = np.asarray(pd.to_numeric(column.astype(object), errors="coerce").to_numpy(np.float64, na_value=np.nan))
    if (wrong := np.flatnonzero(np.isnan(values) & column.notna().to_numpy())).size:
        problems.append(Problem(name, "must be a number", tuple(wrong.tolist())))
    return values


def _study(data: Any) -> pd.DataFrame:
    table = frame_of(data, "not a validation study")
    needed = ("expected", "call", "single_ct_cycles", "pool_ct_cycles")
    problems = [Problem(name, "missing") for name in needed if name not in table]
    if "call" in table:
        # Calls of poolkit's own tables are read too.
        table = table.assign(call=table["call"].replace("reactive", "positive"))
    for name, words in (("expected", _TRUTHS), ("call", _CALLS)):
        if name in table and not table[name].isin(words).all():
            wrong = np.flatnonzero(~table[name].isin(words).to_numpy())
            problems.append(Problem(name, f"must be one of {', '.join(words)}", tuple(wrong.tolist())))
    numbers = {name: _floats(table[name], name, problems) for name in needed[2:] if name in table}
    if "site" in table and "expected" in table:
        nowhere = np.flatnonzero((table["site"].isna() & (table["expected"] == "positive")).to_numpy())
        if nowhere.size:
            problems.append(Problem("site", "must not be missing of a positive pool", tuple(nowhere.tolist())))
    if problems:
        raise DesignError("not a validation study", problems)
    return table.assign(**numbers)


def reassess(
    days: Any,
    *,
    single_positivity: float | None = None,
    initial_positivity: float | None = None,
    rules: ValidationRules | None = None,
) -> pd.DataFrame:
    """Say on which days the positivity of pooled testing asks for a re-assessment, or for pooling to stop.

    Parameters
    ----------
    days
        One row a day, in order: ``day`` (whole numbers or dates), ``samples`` (tested in pools) and ``positive`` (of
        them, in the end).
    single_positivity
        Positivity of single tests before pooling.
    initial_positivity
        Or, where there is none: of pooled testing at its beginning.
    rules
        What is asked; FDA's of 2021 where not given.

    Returns
    -------
    pandas.DataFrame
        One row a day: ``day``, ``samples`` and ``positive`` of the last days, that one included, ``positivity``,
        ``ratio`` to what it is compared with, ``probability`` of so few positives if nothing had changed, and
        ``action``: "stop", "reassess", "continue", or "wait" where there are too few samples to expect the positives
        that a comparison needs.

    Raises
    ------
    DesignError
        When a column is missing or wrong, days fall back, or not just one positivity is given.

    Notes
    -----
    Re-assess below 0.85 of the positivity of single tests, or 0.90 of the initial one; stop above 25 % (FDA). The rule
    looks at ratios only and by chance is often broken where infections are few; the probability, a binomial tail, says
    how often.

    References
    ----------
    FDA, Template for Developers of Molecular Diagnostic Tests, 6 Oct 2021; see `ValidationRules.sources`.

    Examples
    --------
    >>> days = {"day": [1, 2, 3], "samples": [1000, 1000, 1000], "positive": [20, 12, 8]}
    >>> reassess(days, single_positivity=0.02)[["positivity", "action"]].round(4).values.tolist()
    [[0.02, 'continue'], [0.016, 'reassess'], [0.0133, 'reassess']]
    """
    rules = rules or ValidationRules.named()
    table = frame_of(days, "no days of pooled testing")
    problems = [Problem(name, "missing") for name in _DAYS if name not in table]
    if (single_positivity is None) == (initial_positivity is None):
        problems.append(Problem("single_positivity", "give either the positivity of single tests or the initial one"))
    before = single_positivity if single_positivity is not None else initial_positivity or 0.0
    if not 0.0 <= before <= 1.0:
        problems.append(Problem("positivity", f"must be from 0 to 1, found {before:g}"))
    if problems:
        raise DesignError("no days of pooled testing", problems)
    number, tested, found = _read_days(table)
    first = np.searchsorted(number, number - rules.window_days + 1.0)
    samples, positive = _rolling(tested, first), _rolling(found, first)
    share = np.where(samples > 0.0, positive / np.maximum(samples, 1.0), 0.0)
    limit = rules.pool_to_single if single_positivity is not None else rules.pool_to_initial
    few = samples * before < rules.window_positives
    low = share < limit * before
    action = np.select([share > rules.stop_positivity, few, low], ["stop", "wait", "reassess"], "continue")
    return pd.DataFrame(
        {
            "day": table["day"].to_numpy(),
            "samples": samples.astype(np.int64),
            "positive": positive.astype(np.int64),
            "positivity": share,
            "ratio": share / before if before > 0.0 else np.nan,
            "probability": intervals.below(positive, samples, np.full(share.size, before)),
            "action": action,
        }
    )


def _read_days(table: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Return days as numbers, samples and positives; all that is wrong with them is named."""
    problems: list[Problem] = []
    number = _numbers(table["day"], problems)
    samples, positive = (_floats(table[name], name, problems) for name in ("samples", "positive"))
    if problems:
        raise DesignError("no days of pooled testing", problems)
    if np.isnan(number).any() or (np.diff(number) <= 0.0).any():
        rows = np.flatnonzero(np.isnan(number) | (np.diff(number, prepend=-np.inf) <= 0.0))
        problems.append(Problem("day", "must rise, and none be missing", tuple(rows.tolist())))
    for name, values, most in (("samples", samples, np.inf), ("positive", positive, samples)):
        rule = "must be whole numbers, not negative" if name == "samples" else "must be whole, from 0 to the samples"
        wrong = np.flatnonzero(~((values >= 0.0) & (values <= most) & (values % 1.0 == 0.0)))
        if wrong.size:
            problems.append(Problem(name, rule, tuple(wrong.tolist())))
    if problems:
        raise DesignError("no days of pooled testing", problems)
    return number, samples, positive


def _numbers(days: "pd.Series[Any]", problems: list[Problem]) -> Floats:
    """Return days as numbers; a time with a zone belongs to the day that it is there."""
    if pd.api.types.is_numeric_dtype(days):
        return _floats(days, "day", problems)
    try:
        at = pd.to_datetime(days, format="ISO8601")
    except (ValueError, TypeError):
        problems.append(Problem("day", "must be dates, such as 2021-01-31, or whole numbers"))
        return np.zeros(len(days))
    if isinstance(at.dtype, pd.DatetimeTZDtype):
        at = at.dt.tz_localize(None)
    return np.asarray((at.dt.normalize() - pd.Timestamp(0)) / pd.Timedelta(days=1), np.float64)


def _rolling(values: Floats, first: NDArray[np.int64]) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[1:] - total[first], np.float64)


def decide_pool_size(
    found: int, *, of: int, n_tested: int, pool_size: int, rules: ValidationRules | None = None
) -> pd.DataFrame:
    """Decide on the pool size after a re-assessment with consecutive positives.

    Parameters
    ----------
    found
        Of the positives, those that pools found too.
    of
        Consecutive positives by single tests, 10 at first and 20 with those that were asked for.
    n_tested
        Samples that it took to meet them.
    pool_size
        That is used.
    rules
        What is asked; FDA's of 2021 where not given.

    Returns
    -------
    pandas.DataFrame
        One row: ``agreement``, its exact 95 % limits ``lower`` and ``upper``, ``action`` ("keep", "more" for as many
        positives more, "smaller" or "cease"), ``pool_size`` afterwards and ``positivity``, the new one to compare with.

    Raises
    ------
    DesignError
        When the counts contradict each other, or `of` is neither of the numbers that the rules know.

    Notes
    -----
    After the first 10: keep from 90 %, 10 more from 80 %, else the next smaller size. After 20: keep from 85 %. A size
    of 2 that fails ends pooling. The new positivity is ``(of / n) (of / (of + 1))``, for n samples tested, which
    stopped at a positive.

    References
    ----------
    FDA, Template for Developers of Molecular Diagnostic Tests, 6 Oct 2021; see `ValidationRules.sources`.

    Examples
    --------
    >>> decide_pool_size(8, of=10, n_tested=500, pool_size=5)[["agreement", "action"]].values.tolist()
    [[0.8, 'more']]
    >>> decide_pool_size(7, of=10, n_tested=500, pool_size=5)[["action", "pool_size"]].values.tolist()
    [['smaller', 4]]
    """
    rules = rules or ValidationRules.named()
    once = rules.reassess_positives
    problems = []
    if of not in {once, 2 * once}:
        problems.append(Problem("of", f"must be {once} or {2 * once}, found {of}"))
    if not (0 <= found <= of and found % 1 == 0):
        problems.append(Problem("found", f"must be a whole number from 0 to {of}, found {found}"))
    if not (n_tested >= of and n_tested % 1 == 0):
        problems.append(Problem("n_tested", f"must be a whole number from {of}, found {n_tested}"))
    if not (pool_size >= 2 and pool_size % 1 == 0):
        problems.append(Problem("pool_size", f"must be a whole number from 2, found {pool_size}"))
    if problems:
        raise DesignError("nothing to decide on", problems)
    keep = least(rules.reassess_keep if of == once else rules.reassess_keep_both, of)
    if found >= keep:
        action, size = "keep", pool_size
    elif of == once and found >= least(rules.reassess_more, of):
        action, size = "more", pool_size
    elif pool_size > 2:
        action, size = "smaller", pool_size - 1
    else:
        action, size = "cease", 1
    row = _share("", np.arange(of) < found, None)
    positivity = of / n_tested * of / (of + 1)
    columns = ["agreement", "lower", "upper", "action", "pool_size", "positivity"]
    return pd.DataFrame([(row[1], row[4], row[5], action, size, positivity)], columns=columns)
