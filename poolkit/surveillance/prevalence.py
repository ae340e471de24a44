"""`prevalence`: how common the infection is among samples that were tested in pools, by group."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.assays.rates import Known, Rate, asked, known
from poolkit.drawing import BLUE, GREY, axes_for
from poolkit.errors import Problem
from poolkit.kernels import contrast, intervals
from poolkit.kernels.intervals import MOST_OUTCOMES, ONE_SIZE, Asked
from poolkit.kernels.prevalence import FIRTH, MLE, Groups
from poolkit.surveillance.pools import Floats, Surveyed, named, refuse, survey

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal[
    "skew-score",
    "bc-skew-score",
    "score",
    "lrt",
    "wald",
    "clopper-pearson",
    "blaker",
    "agresti-coull",
    "second-order",
    "jeffreys",
]
Alternative = Literal["two-sided", "less", "greater"]
Estimator = Literal["firth", "mle", "gart", "mir"]
ESTIMATORS = ("firth", "mle", "gart", "mir")


class _Estimated(NamedTuple):
    """Of each group: the estimate, its standard error, and how many times fewer pools it is worth."""

    value: Floats
    error: Floats
    effect: Floats


def prevalence(
    pools: Any,
    *,
    group: str | Sequence[str] | None = None,
    estimator: Estimator = "firth",
    method: Method = "skew-score",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    sensitivity: Rate = 1.0,
    specificity: Rate = 1.0,
    correlation: float = 0.0,
    site: str | None = None,
    design_effect: float = 1.0,
) -> pd.DataFrame:
    """Estimate the prevalence among samples that were tested in pools, with an interval, for every group.

    Parameters
    ----------
    pools
        Table or mapping of columns: ``pool_size``, ``tested`` (pools of that size; 1 where the column is absent) and
        ``positive`` (of them); pools of several sizes are rows.
    group
        Column or columns that name the group of a row; all rows are one group where not given.
    estimator : {"firth", "mle", "gart", "mir"}
        Bias-reduced as CDC gives it, maximum likelihood, that less its bias, or the minimum infection rate.
    method
        Of the interval, see Notes.
    level
        Confidence, or posterior probability.
    alternative : {"two-sided", "less", "greater"}
        Both limits; only an upper one, of the full level, above a lower limit of 0; or only a lower one.
    sensitivity, specificity
        Of the test of a pool: a probability, or (called rightly, tested) in the study that estimated it, whose own
        uncertainty then widens the interval.
    correlation
        Of two members of a pool: above 0 where families or classes share a tube (beta-binomial).
    site
        Column of the clusters that were sampled: the design effect is then estimated from them.
    design_effect
        Or: how many times larger the variance is than for as many pools taken at random, at least 1.

    Returns
    -------
    pandas.DataFrame
        One row a group, in the order of their first rows: the columns of `group`, ``pools``, ``positive``,
        ``samples``, ``prevalence``, ``lower``, ``upper``, ``standard_error`` (at most 1) and ``design_effect``. The
        prevalence of a group without pools is missing and its limits are 0 and 1.

    Raises
    ------
    DesignError
        When a column is missing or wrong, a number is out of range, an interval is asked of pools that it is not
        defined for, or exact limits would take more than 200,000 outcomes.

    Notes
    -----
    A pool of m reacts with probability ``Se - (Se + Sp - 1) (1 - p)^m``. With S the score, I the information and b the
    bias ``-sum(n P' P'' / (P (1 - P))) / (2 I^2)`` of first order: *mle* solves S = 0 (for one size ``1 - ((Se - x/n) /
    (Se + Sp - 1))^(1/m)``), *firth* solves S = I b (the solution next below mle), *gart* is mle - b, *mir* is positive
    pools over samples, which counts one infected sample in each and is too low where infection is not rare. Mle is 1
    where every pool is positive, firth below 1 for pools of two or more. Where pools of several sizes contradict each
    other and the test errs, the likelihood may have two tops: that on the side of the overall share is taken.

    Intervals for pools of any sizes: *skew-score* solves ``S/sqrt(I) - g (z^2 - 1)/6 = z`` with the skewness g of the
    score, *bc-skew-score* less b, *score* without either (Wilson's for one size), *lrt* the likelihood ratio, *wald*
    mle and standard error, cut at 0 and 1. By these (but wald) all-negative pools of a specific test give 0 and
    ``z^2 / (N + z^2)``, Wilson's upper limit for their N samples, as CDC does; by wald they give 0 and 0. Where a
    corrected score has no root, as at levels above 0.998 with one positive pool, the limit is 0 or 1.
    *clopper-pearson* is exact: outcomes are ordered by mle where sizes differ. *jeffreys* is Bayesian with the prior
    sqrt(I), its limits 0 and 1 where mle is. Where fewer pools react than a test that errs lets react without any
    infection, or more than it can find, most limits are both 0 or both 1: the test does worse than was said, rather
    than that the prevalence is known so well. Only for one size: *blaker* (exact, never wider
    than clopper-pearson), *agresti-coull*, *second-order* (Cai's, with eta of the two-sided z).

    True coverage at 95 %, least and mean over 400 prevalences at which 2 to 50 % of 100 pools of 10 react (`coverage`):
    clopper-pearson 0.952 and 0.964, blaker 0.950 and 0.957, agresti-coull 0.939 and 0.954, skew-score 0.932 and 0.952,
    bc-skew-score 0.932 and 0.951, score 0.928 and 0.951, second-order 0.917 and 0.950, lrt 0.905 and 0.950, jeffreys
    0.880 and 0.949, wald 0.797 and 0.937.

    Estimated errors and the design effect divide the pools that the interval rests on by the ratio of variances, by
    the delta method. With sites it is ``C/(C-1) sum(S_c^2) / I`` over the scores of C sites, never below 1, and 1 for a
    group of one site. O(rows); exact limits for several sizes O(outcomes), 200,000 at most.

    References
    ----------
    Hepworth and Biggerstaff 2017, JABES 22, 602 (Firth, Gart); Biggerstaff 2008, JABES 13, 478 (skew-corrected score);
    Hepworth 1996, Biometrics 52, 1134 (exact, several sizes); Blaker 2000, Can. J. Stat. 28, 783; Brown, Cai, DasGupta
    2001, Stat. Sci. 16, 101 (Agresti-Coull, Jeffreys); Cai 2005, JSPI 131, 63 (second order); Rao and Scott 1992,
    Biometrics 48, 577 (design effect).

    Examples
    --------
    >>> found = prevalence({"pool_size": [5, 10, 20], "tested": [40, 30, 20], "positive": [1, 2, 3]})
    >>> found[["prevalence", "lower", "upper"]].round(6).values.tolist()
    [[0.00693, 0.002847, 0.014386]]
    >>> pools = {"week": [1, 1, 2], "pool_size": [10, 5, 10], "tested": [100, 20, 120], "positive": [3, 0, 9]}
    >>> prevalence(pools, group="week", method="clopper-pearson")[["week", "lower", "upper"]].round(4).values.tolist()
    [[1.0, 0.0006, 0.008], [2.0, 0.0035, 0.0147]]
    """
    by = [group] if isinstance(group, str) else list(group or ())
    surveyed, problems = survey(pools, by, site)
    test = known(sensitivity, specificity, correlation, problems)
    wanted = asked(method, level, alternative, problems)
    if estimator not in ESTIMATORS:
        problems.append(Problem("estimator", f"must be one of {', '.join(ESTIMATORS)}, found {estimator}"))
    if not 1.0 <= design_effect < np.inf:
        problems.append(Problem("design_effect", f"must be at least 1, found {design_effect:g}"))
    if design_effect != 1.0 and site is not None:
        problems.append(Problem("design_effect", "give either sites or a design effect"))
    refuse("no prevalence can be estimated", problems)
    found = _estimated(surveyed, test, estimator, design_effect)
    problems = impossible(surveyed.groups, wanted, weighted=bool((found.effect > 1.0).any()))
    refuse("no prevalence can be estimated", problems)
    limits = intervals.of_pools(_effective(surveyed, found.effect), test.errors, wanted)
    n_pools = surveyed.total(surveyed.groups.tested)
    columns = {
        "pools": n_pools.astype(np.int64),
        "positive": surveyed.total(surveyed.groups.positive).astype(np.int64),
        "samples": surveyed.total(surveyed.groups.tested * surveyed.groups.size).astype(np.int64),
        "prevalence": np.where(n_pools > 0.0, found.value, np.nan),
        "lower": limits[:, 0],
        "upper": limits[:, 1],
        "standard_error": np.where(n_pools > 0.0, found.error, 1.0),
        "design_effect": found.effect,
    }
    return surveyed.keys.assign(**columns)


def _estimated(surveyed: Surveyed, test: Known, estimator: str, design_effect: float) -> _Estimated:
    groups, errors = surveyed.groups, test.errors
    best = intervals.estimate(groups, errors, MLE)
    said = intervals.about(groups, errors, best)
    if estimator == "firth":
        value = intervals.estimate(groups, errors, FIRTH)
    elif estimator == "gart":
        value = np.clip(best - said[:, 1], 0.0, 1.0)
    elif estimator == "mir":
        samples = surveyed.total(groups.tested * groups.size)
        value = surveyed.total(groups.positive) / np.maximum(samples, 1.0)
    else:
        value = best
    effect = np.full(best.size, design_effect)
    if surveyed.sites is not None and surveyed.site_of is not None:
        effect = _between_sites(surveyed.sites, surveyed.site_of, test, best)
    variance = said[:, 0] ** 2
    added = said[:, 2] ** 2 * test.variances[0] + said[:, 3] ** 2 * test.variances[1]
    certain = variance == 0.0
    effect = effect + np.where(certain, 0.0, added / np.where(certain, 1.0, variance))
    return _Estimated(value, np.minimum(said[:, 0] * np.sqrt(effect), 1.0), effect)


def _between_sites(sites: Groups, site_of: NDArray[np.int64], test: Known, best: Floats) -> Floats:
    """Return how much more the scores of the sites of each group vary than those of pools taken at random."""
    inside = (best > 0.0) & (best < 1.0)
    at = np.where(inside, best, 0.5)
    scores, expected = np.empty(site_of.size), np.empty(site_of.size)
    contrast.scores(sites, site_of, test.errors, at, scores, expected)
    squares = np.bincount(site_of, scores**2, best.size)
    information = np.bincount(site_of, expected, best.size)
    n_sites = np.bincount(site_of, minlength=best.size)
    some = inside & (n_sites > 1) & (information > 0.0)
    effect = n_sites / np.maximum(n_sites - 1, 1) * squares / np.where(some, information, 1.0)
    return np.where(some, np.maximum(effect, 1.0), 1.0)


def _effective(surveyed: Surveyed, effect: Floats) -> Groups:
    weight = effect[surveyed.owner]
    groups = surveyed.groups
    return groups._replace(tested=groups.tested / weight, positive=groups.positive / weight)


def impossible(groups: Groups, wanted: Asked, *, weighted: bool) -> list[Problem]:
    """Return why an interval is not defined for these pools."""
    owner = np.repeat(np.arange(groups.offsets.size - 1), np.diff(groups.offsets))
    kinds = np.bincount(owner[groups.tested > 0.0], minlength=groups.offsets.size - 1)
    mixed = np.flatnonzero(kinds > 1).tolist()
    problems = []
    if wanted.method in ONE_SIZE and mixed:
        text = f"{wanted.method} is for pools of one size; there are several in group {named(mixed)}"
        problems.append(Problem("method", text))
    if weighted and (wanted.method == "blaker" or (wanted.method == "clopper-pearson" and mixed)):
        problems.append(Problem("method", f"{wanted.method} needs whole pools: no design effect, no estimated errors"))
    elif wanted.method == "clopper-pearson" and mixed:
        ways = np.bincount(owner, np.log1p(groups.tested), groups.offsets.size - 1)
        many = [place for place in mixed if ways[place] > np.log(MOST_OUTCOMES)]
        if many:
            text = f"exact limits take more than {MOST_OUTCOMES:,} outcomes in group {named(many)}; take skew-score"
            problems.append(Problem("method", text))
    return problems


def plot_prevalence(frame: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the prevalence of each group with its interval.

    Parameters
    ----------
    frame
        What `prevalence` returned.
    ax
        Axes to draw on; of a new figure where not given.

    Returns
    -------
    matplotlib.axes.Axes
        One row a group, the first on top; prevalence in per cent.

    Examples
    --------
    >>> pools = {"week": [1, 2], "pool_size": [10, 10], "tested": [100, 120], "positive": [3, 9]}
    >>> plot_prevalence(prevalence(pools, group="week")).get_xlabel()
    'prevalence (%)'
    """
    ax = axes_for(ax, height=1.4 + 0.34 * len(frame))
    place = np.arange(len(frame))
    names = list(frame.columns[: list(frame.columns).index("pools")])
    value, low, high = (100.0 * frame[name].to_numpy(np.float64) for name in ("prevalence", "lower", "upper"))
    ax.hlines(place, low, high, color=BLUE, linewidth=2)
    ax.plot(value, place, "o", color=BLUE, markersize=6)
    for y, pools, positive in zip(place, frame["pools"], frame["positive"], strict=True):
        ax.annotate(
            f"{positive:,} / {pools:,}",
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=GREY,
        )
    labels = [", ".join(map(str, row)) for row in frame[names].itertuples(index=False)] if names else ["all"]
    ax.set_yticks(place, labels)
    ax.set_ylim(max(len(frame), 1) - 0.5, -0.5)
    ax.set_xlim(left=0.0)
    ax.set_xlabel("prevalence (%)")
    ax.set_ylabel(", ".join(names))
    ax.set_title("pools positive / tested", loc="right", fontsize=8, color=GREY)
    ax.grid(axis="x", alpha=0.3)
    return ax
