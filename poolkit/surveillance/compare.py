"""`compare_prevalence`: how far apart two prevalences are, and `prevalence_test`: whether one is what was supposed."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import special

from poolkit.assays.rates import asked, known
from poolkit.errors import Problem
from poolkit.kernels import contrast, intervals
from poolkit.kernels.contrast import DIFFERENCE, RATIO
from poolkit.kernels.intervals import ALTERNATIVES, GENERAL, Asked
from poolkit.kernels.prevalence import LRT, MLE, Errors, Groups, Rule, log_likelihood
from poolkit.surveillance.pools import Floats, refuse, survey
from poolkit.surveillance.prevalence import Alternative, impossible

_TESTS = ("exact", "score", "wald")


def compare_prevalence(
    first: Any,
    second: Any,
    *,
    method: Literal["skew-score", "bc-skew-score", "score", "lrt", "wald"] = "skew-score",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    sensitivity: float = 1.0,
    specificity: float = 1.0,
    correlation: float = 0.0,
) -> pd.DataFrame:
    """Compare two prevalences from pools by their difference and by their ratio, each with an interval.

    Parameters
    ----------
    first, second
        Pools of either, as `prevalence` takes them.
    method
        Of the interval, see Notes.
    level
        Confidence.
    alternative : {"two-sided", "less", "greater"}
        Both limits, only an upper one of the full level, or only a lower one.
    sensitivity, specificity, correlation
        Of the test and of the members of a pool, as in `prevalence`.

    Returns
    -------
    pandas.DataFrame
        Rows ``difference`` (first less second) and ``ratio`` (first over second): ``measure``, ``first`` and ``second``
        (maximum-likelihood estimates), ``value``, ``lower``, ``upper``. The ratio to a prevalence of 0 is infinite, and
        missing where both are 0, with limits of 0 and infinity.

    Raises
    ------
    DesignError
        When a column is missing or wrong, a number is out of range, or either has no pools.

    Notes
    -----
    The score of the contrast is taken at the likeliest pair of prevalences so far apart, on the scale of the difference
    or of the logarithm of the ratio: with V the variances there, ``T = (V1 S1 - V2 S2) / sqrt(V1 + V2)``. *score*
    solves T = z and T = -z; *skew-score* takes off ``g (z^2 - 1) / 6`` with ``g = (V1^3 M1 - V2^3 M2) / (V1 +
    V2)^1.5`` and M the third moments; *bc-skew-score* also the mean that the score has at estimated nuisance,
    ``(V2 b1 - V1 b2) / (V1 + V2)^1.5``, of biases b of first order; *lrt* is the profile likelihood ratio; *wald* has
    the variances at the estimates, and makes one point of two prevalences of 0. The limits are the outermost
    solutions. About 0.01 s for a few sizes.

    References
    ----------
    Biggerstaff 2008, JABES 13, 478; Gart and Nam 1990, Biometrics 46, 637; McCullagh and Tibshirani 1990, JRSS B 52,
    325 (mean of the profile score).

    Examples
    --------
    >>> june = {"pool_size": [10], "tested": [200], "positive": [12]}
    >>> july = {"pool_size": [10], "tested": [200], "positive": [4]}
    >>> compare_prevalence(june, july).round(4)[["measure", "value", "lower", "upper"]].values.tolist()
    [['difference', 0.0042, 0.0002, 0.0087], ['ratio', 3.0564, 1.044, 10.6461]]
    """
    one, problems = survey(first, (), None)
    problems = [problem_of("first", problem) for problem in problems]
    other, more = survey(second, (), None)
    problems += [problem_of("second", problem) for problem in more]
    errors = known(sensitivity, specificity, correlation, problems).errors
    wanted = asked(method, level, alternative, problems)
    if method not in {*GENERAL, "wald"} and not any(problem.where == "method" for problem in problems):
        problems.append(Problem("method", f"must be one of {', '.join([*GENERAL, 'wald'])}, found {method}"))
    for name, side in (("first", one), ("second", other)):
        if not problems and side.groups.tested.sum() == 0.0:
            problems.append(Problem(name, "holds no pools"))
    refuse("no prevalences can be compared", problems)
    pools = Groups(
        np.array([0, one.groups.size.size, one.groups.size.size + other.groups.size.size], np.int64),
        *(np.concatenate([a, b]) for a, b in zip(one.groups[1:], other.groups[1:], strict=True)),
    )
    best = intervals.estimate(pools, errors, MLE)
    rows = []
    for measure, scale in (("difference", DIFFERENCE), ("ratio", RATIO)):
        value = float(best[0] - best[1]) if scale == DIFFERENCE else _ratio(best[0], best[1])
        low, high = _limits(pools, errors, best, wanted, scale)
        rows.append((measure, float(best[0]), float(best[1]), value, low, high))
    return pd.DataFrame(rows, columns=["measure", "first", "second", "value", "lower", "upper"])


def problem_of(side: str, problem: Problem) -> Problem:
    """Return a problem that says which table it is of."""
    return Problem(f"{side}: {problem.where}", problem.what, problem.rows)


def _ratio(first: float, second: float) -> float:
    if second > 0.0:
        return float(first / second)
    return np.inf if first > 0.0 else np.nan


def _limits(pools: Groups, errors: Errors, best: Floats, wanted: Asked, scale: int) -> tuple[float, float]:
    least, most = (-1.0, 1.0) if scale == DIFFERENCE else (0.0, np.inf)
    if wanted.method == "wald":
        return _wald(pools, errors, best, wanted, scale)
    kind = GENERAL[wanted.method]
    likely = 0.0
    if kind == LRT:
        at = np.clip(best, 1e-90, 1.0 - 1e-15)
        likely = sum(log_likelihood(pools, side, errors, float(-np.log1p(-at[side]))) for side in (0, 1))
    if scale == DIFFERENCE:
        middle, reach = float(best[0] - best[1]), 1.0
    else:
        # Where a prevalence is 0, the middle of what is possible is taken from half a pool more.
        at = best if (best > 0.0).all() else _half_more(pools, errors)
        middle, reach = float(np.log(at[0] / at[1])), 60.0
    low, high = least, most
    if wanted.quantiles[0] > 0.0 and not (scale == RATIO and best[0] == 0.0):
        far = -reach if scale == DIFFERENCE else middle - reach
        low = contrast.limit(pools, errors, scale, Rule(kind, wanted.quantiles[0], 1.0, likely), (middle, far))
        low = low if scale == DIFFERENCE else (0.0 if low <= far else float(np.exp(low)))
    if wanted.quantiles[1] > 0.0 and not (scale == RATIO and best[1] == 0.0):
        far = reach if scale == DIFFERENCE else middle + reach
        high = contrast.limit(pools, errors, scale, Rule(kind, wanted.quantiles[1], -1.0, likely), (middle, far))
        high = high if scale == DIFFERENCE else (np.inf if high >= far else float(np.exp(high)))
    return float(low), float(high)


def _half_more(pools: Groups, errors: Errors) -> Floats:
    more = pools._replace(positive=np.minimum(pools.positive + 0.5, pools.tested))
    return np.clip(intervals.estimate(more, errors, MLE), 1e-12, 1.0 - 1e-12)


def _wald(pools: Groups, errors: Errors, best: Floats, wanted: Asked, scale: int) -> tuple[float, float]:
    error = intervals.about(pools, errors, best)[:, 0]
    low, high = wanted.quantiles
    if scale == DIFFERENCE:
        middle, width = best[0] - best[1], float(np.hypot(*error))
        return (
            max(middle - low * width, -1.0) if low > 0.0 else -1.0,
            min(middle + high * width, 1.0) if high > 0.0 else 1.0,
        )
    if (best == 0.0).any():
        return 0.0, np.inf
    middle, width = np.log(best[0] / best[1]), float(np.hypot(*(error / best)))
    return (
        float(np.exp(middle - low * width)) if low > 0.0 else 0.0,
        float(np.exp(min(middle + high * width, 700.0))) if high > 0.0 else np.inf,
    )


def prevalence_test(
    pools: Any,
    *,
    hypothesis: float,
    group: str | Sequence[str] | None = None,
    method: Literal["exact", "score", "wald"] = "exact",
    alternative: Alternative = "two-sided",
    sensitivity: float = 1.0,
    specificity: float = 1.0,
    correlation: float = 0.0,
) -> pd.DataFrame:
    """Test whether the prevalence of each group is what was supposed.

    Parameters
    ----------
    pools, group
        As in `prevalence`.
    hypothesis
        Prevalence that is supposed, above 0 and below 1.
    method : {"exact", "score", "wald"}
        See Notes.
    alternative : {"two-sided", "less", "greater"}
        What is true where the hypothesis is not.
    sensitivity, specificity, correlation
        Of the test and of the members of a pool, as in `prevalence`.

    Returns
    -------
    pandas.DataFrame
        One row a group: the columns of `group`, ``pools``, ``positive``, ``prevalence`` (maximum likelihood),
        ``hypothesis``, ``statistic`` (a standard normal one; missing for the exact test) and ``p_value``.

    Raises
    ------
    DesignError
        When a column is missing or wrong, a number is out of range, a group has no pools, or an exact test of several
        sizes would take more than 200,000 outcomes.

    Notes
    -----
    *exact*: the probability of an estimate as far or farther on one side, doubled at most to 1 for two sides, which is
    what clopper-pearson limits answer to; *score*: ``S / sqrt(I)`` at the hypothesis; *wald*: estimate less hypothesis
    over the standard error at the estimate, whose p-value is 0 or 1 where that is 0.

    References
    ----------
    Hepworth 1996, Biometrics 52, 1134; Tebbs and Bilder 2004, JABES 9, 75.

    Examples
    --------
    >>> pools = {"pool_size": [7], "tested": [24], "positive": [3]}
    >>> found = prevalence_test(pools, hypothesis=0.0516, method="score")
    >>> found["p_value"].round(6).tolist()
    [0.050191]
    """
    by = [group] if isinstance(group, str) else list(group or ())
    surveyed, problems = survey(pools, by, None)
    errors = known(sensitivity, specificity, correlation, problems).errors
    if method not in _TESTS:
        problems.append(Problem("method", f"must be one of {', '.join(_TESTS)}, found {method}"))
    if alternative not in ALTERNATIVES:
        problems.append(Problem("alternative", f"must be one of {', '.join(ALTERNATIVES)}, found {alternative}"))
    if not 0.0 < hypothesis < 1.0:
        problems.append(Problem("hypothesis", f"must be between 0 and 1, found {hypothesis:g}"))
    n_pools = surveyed.total(surveyed.groups.tested)
    if not problems and not (n_pools > 0.0).all():
        problems.append(Problem("tested", "every group must have pools"))
    if not problems and method == "exact":
        problems += impossible(surveyed.groups, Asked("clopper-pearson", 0.95, "two-sided"), weighted=False)
    refuse("nothing can be tested", problems)
    best = intervals.estimate(surveyed.groups, errors, MLE)
    statistic = np.full(best.size, np.nan)
    if method == "exact":
        tails = _exact_tails(surveyed.groups, errors, best, hypothesis)
    else:
        if method == "score":
            score, information = np.empty(best.size), np.empty(best.size)
            at = np.full(best.size, hypothesis)
            contrast.scores(surveyed.groups, np.arange(best.size), errors, at, score, information)
            statistic = score / np.sqrt(information)
        else:
            error = intervals.about(surveyed.groups, errors, best)[:, 0]
            far = best - hypothesis
            statistic = np.where(error > 0.0, far / np.where(error > 0.0, error, 1.0), np.copysign(np.inf, far))
        tails = np.stack([special.ndtr(statistic), special.ndtr(-statistic)], axis=1)
    if alternative == "two-sided":
        p_value = np.minimum(2.0 * tails.min(axis=1), 1.0)
    else:
        p_value = tails[:, 0 if alternative == "less" else 1]
    columns = {
        "pools": n_pools.astype(np.int64),
        "positive": surveyed.total(surveyed.groups.positive).astype(np.int64),
        "prevalence": best,
        "hypothesis": hypothesis,
        "statistic": statistic,
        "p_value": p_value,
    }
    return surveyed.keys.assign(**columns)


def _exact_tails(groups: Groups, errors: Errors, best: Floats, hypothesis: float) -> Floats:
    """Return how likely an estimate as low and one as high is at the hypothesis, (groups, 2)."""
    tails = np.empty((best.size, 2))
    for group in range(best.size):
        rows = slice(groups.offsets[group], groups.offsets[group + 1])
        alone = Groups(
            np.array([0, rows.stop - rows.start]), groups.size[rows], groups.tested[rows], groups.positive[rows]
        )
        chances = intervals.chances(alone, errors, hypothesis)
        if alone.size.size == 1:
            k = np.arange(chances.size)
            low, high = k <= alone.positive[0], k >= alone.positive[0]
        else:
            every = intervals.estimate(intervals.outcomes(alone), errors, MLE)
            low, high = every <= best[group] * (1.0 + 1e-9), every >= best[group] * (1.0 - 1e-9)
        tails[group] = min(chances[low].sum(), 1.0), min(chances[high].sum(), 1.0)
    return tails
