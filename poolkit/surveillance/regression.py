"""`regress`: what an individual's covariates have to do with infection, from the calls of pools."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from poolkit.arrays import frozen
from poolkit.assays import Assay
from poolkit.drawing import BLUE, GREY, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.kernels import regression as kernels
from poolkit.surveillance.answers import (
    INTERCEPT,
    Answers,
    Floats,
    Places,
    Terms,
    design_of,
    frame_of,
    gather,
    terms_of,
)
from poolkit.surveillance.fitting import Fit, Likelihood, SiteLikelihood, Sites, climb, started, with_sites

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Link = Literal["logit", "probit", "cloglog"]
Penalty = Literal["none", "firth"]
# Standard error, in standard deviations of the covariate, beyond which nothing holds a coefficient.
_UNHELD = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """What an individual's covariates have to do with infection.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a term: ``term``, ``estimate``, ``standard_error``, ``z``, ``p_value``, ``low``, ``high``.
    covariance : numpy.ndarray
        (terms, terms) of the estimates.
    log_likelihood : float
        At the estimates, without any penalty; with sites, their effects integrated out.
    converged : bool
        Whether a top was reached.
    separated : bool
        Whether a coefficient has no finite estimate, because a covariate or the intercept alone tells all calls apart;
        never with Firth's penalty.
    n_samples, n_tests : int
        Samples and calls that say something.
    link, level
        As given.
    site_sd : float or None
        Standard deviation of the effects of sites.
    sites : pandas.DataFrame or None
        One row a site: ``site``, ``effect``, ``standard_error``.

    Examples
    --------
    >>> pools = {"pool_id": [1, 1, 2, 2, 3, 3, 4, 4], "sample_id": range(8), "call": [1, 1, 0, 0, 1, 1, 0, 0]}
    >>> people = {"sample_id": range(8), "age": [30, 41, 22, 35, 52, 33, 47, 28]}
    >>> found = regress(pools, people, penalty="firth")
    >>> found.predict({"sample_id": ["new"], "age": [50]})["risk"].round(2).tolist()
    [0.55]
    """

    table: pd.DataFrame
    covariance: Floats
    log_likelihood: float
    converged: bool
    separated: bool
    n_samples: int
    n_tests: int
    link: Link
    level: float
    site_sd: float | None
    sites: pd.DataFrame | None
    _terms: Terms = field(repr=False)

    def predict(self, covariates: Any) -> pd.DataFrame:
        """Return the risk of samples by their covariates, at a site without an effect.

        Parameters
        ----------
        covariates
            Table with the columns of the regression; ``sample_id`` is handed on where it is there.

        Returns
        -------
        pandas.DataFrame
            One row a sample: ``sample_id``, ``risk``, and ``low`` and ``high`` at the regression's level.

        Raises
        ------
        DesignError
            When a column or a value is missing, or is text that was not regressed on.
        """
        given = frame_of(covariates)
        design, problems = design_of(given, self._terms)
        if problems:
            raise DesignError("nothing to predict from", problems)
        eta = design @ self.table["estimate"].to_numpy()
        error = np.sqrt(np.einsum("ia,ab,ib->i", design, self.covariance, design))
        reach = stats.norm.ppf(0.5 + self.level / 2.0)
        columns: dict[str, Any] = {"sample_id": given["sample_id"]} if "sample_id" in given.columns else {}
        for name, shift in (("risk", 0.0), ("low", -reach), ("high", reach)):
            columns[name] = np.empty(eta.size)
            kernels.risks(frozen(eta + shift * error), kernels.LINKS.index(self.link), columns[name])
        return pd.DataFrame(columns)


def regress(
    pools: Any,
    covariates: Any,
    *,
    retests: Any = None,
    link: Link = "logit",
    assay: Assay | None = None,
    penalty: Penalty = "none",
    site: str | None = None,
    n_nodes: int | None = None,
    level: float = 0.95,
) -> Regression:
    """Return how the risk of infection goes with covariates, from calls of pools and retests.

    Parameters
    ----------
    pools
        One row for each sample in a pool: ``pool_id``, ``sample_id`` and the pool's ``call`` (reactive or negative;
        suspect counts as reactive, invalid says nothing; or 1 and 0). Samples may be in smaller pools of larger ones
        (halving) or in rows and columns (arrays).
    covariates
        One row a sample: ``sample_id`` and covariates. Text becomes one term for each level but the first.
    retests
        Calls of samples alone: ``sample_id`` and ``call``; several of a sample are independent.
    link
        "logit", "probit" or "cloglog".
    assay
        Sensitivity, by pool size where it goes by it, and specificity; perfect where not given.
    penalty
        "firth" keeps estimates finite where a covariate tells all calls apart.
    site
        Column of the covariates with the site of each sample, whose effects are normal; pools stay within a site.
    n_nodes
        Points of the quadrature over each site's effect; where not given 1 (Laplace), or 9 below 20 pools a site.
    level
        Of the intervals.

    Returns
    -------
    Regression
        The coefficients, and a `predict`.

    Raises
    ------
    DesignError
        When tables lack columns, calls contradict each other or a perfect assay, covariates are missing or depend on
        each other, a pool crosses sites, or more than 16 pools overlap at once.

    Notes
    -----
    A pool's call depends on whether it holds an infected sample; calls are independent given that. For pools in pools
    the likelihood and both derivatives are exact in one pass, O(samples x terms^2): with T_c and N_c the likelihoods of
    what is directly inside, with anybody and with nobody infected, T = some (prod T_c - prod N_c) + none prod N_c. For
    overlapping pools all sets are weighed by which open pools hold somebody, O(samples x 2^open), and the curvature is
    a difference of exact slopes. Newton steps, halved where they fall; standard errors by the observed information.
    Retests are allowed to follow from calls: given these they carry no more of the choice.

    *firth*: half the log determinant of the information that pools in no larger pool are expected to give, as if
    independent, is added; for samples tested alone it is Firth's penalty. Without it, `separated` tells of coefficients
    that have no finite estimate; the numbers are then where the climb stopped.

    *site*: effects are integrated out by adaptive Gauss-Hermite quadrature. Laplace's approximation is several times
    faster and good from some ten pools a site; with two it found a spread of 1 to be 1.4, nine nodes 1.04.

    References
    ----------
    Vansteelandt, Goetghebeur, Verstraeten 2000, *Regression models for disease prevalence with diagnostic tests on
    pools of serum samples*, Biometrics 56:1126. Xie 2001, *Regression analysis of group testing samples*, Stat Med
    20:1957. Firth 1993, Biometrika 80:27. Chen, Tebbs, Bilder 2009, *Group testing regression models with fixed and
    random effects*, Biometrics 65:1270. Pinheiro, Bates 1995, J Comput Graph Stat 4:12.

    Examples
    --------
    >>> draw = np.random.default_rng(1)
    >>> people = pd.DataFrame({"sample_id": np.arange(4000), "age": draw.uniform(0, 80, 4000).round()})
    >>> ill = draw.random(4000) < 1 / (1 + np.exp(6 - 0.04 * people["age"]))
    >>> pools = pd.DataFrame({"pool_id": np.arange(4000) // 10, "sample_id": np.arange(4000)})
    >>> pools["call"] = ill.groupby(pools["pool_id"]).transform("max")
    >>> found = regress(pools, people)
    >>> found.table[["term", "estimate"]].round(2).values.tolist()
    [['intercept', -6.18], ['age', 0.04]]
    """
    assay = assay or Assay()
    people = frame_of(covariates)
    _refuse(people, link, assay, penalty, site, n_nodes, level)
    answers = gather(pools, retests, people, assay)
    seen = people.iloc[answers.rows].reset_index(drop=True)
    terms = terms_of(seen, {"sample_id", *([site] if site else [])})
    design, problems = design_of(seen, terms)
    if problems:
        rows = [tuple(sorted(answers.rows[list(each.rows)].tolist())) for each in problems]
        problems = [Problem(each.where, each.what, found) for each, found in zip(problems, rows, strict=True)]
        raise DesignError("nothing to regress", problems)
    centre, spread = design.mean(axis=0), design.std(axis=0)
    centre[0], spread[0] = 0.0, 1.0
    if (spread == 0.0).any() or np.linalg.matrix_rank(scaled := (design - centre) / spread) < design.shape[1]:
        raise DesignError("nothing to regress", [Problem("covariates", "a term is constant or follows from others")])
    likelihood = Likelihood(answers, scaled, kernels.LINKS.index(link))
    fit, sites = _fit(likelihood, penalty, None if site is None else _sites(seen[site], answers), n_nodes)
    return _regression(fit, sites, answers, (centre, spread), terms, (link, level, penalty), likelihood)


def _refuse(
    people: pd.DataFrame, link: str, assay: Assay, penalty: str, site: str | None, n_nodes: int | None, level: float
) -> None:
    taken = Problem(INTERCEPT, "is a term of its own and cannot name a covariate")
    problems = [taken] if INTERCEPT in people.columns else []
    if n_nodes is not None and not (n_nodes >= 1 and n_nodes % 1 == 0 and site is not None):
        problems.append(Problem("n_nodes", f"must be a whole number from 1, and goes with a site, found {n_nodes}"))
    if link not in kernels.LINKS:
        problems.append(Problem("link", f"must be one of {', '.join(kernels.LINKS)}, found {link}"))
    if penalty not in get_args(Penalty):
        problems.append(Problem("penalty", f"must be none or firth, found {penalty}"))
    elif penalty == "firth" and site is not None:
        problems.append(Problem("penalty", "firth goes without sites"))
    if assay.further != "none":
        problems.append(Problem("assay", f"must feel only whether somebody is infected, found {assay.further}"))
    if site is not None and site not in people.columns:
        problems.append(Problem("site", f"must be a column of the covariates, found {site}"))
    if not 0.0 < level < 1.0:
        problems.append(Problem("level", f"must be between 0 and 1, found {level:g}"))
    if problems:
        raise DesignError("nothing to regress", problems)


def _sites(column: "pd.Series[Any]", answers: Answers) -> tuple[Places, Places, Any]:
    """Return the site of each part and of each sample, and the names of the sites."""
    of_sample, names = pd.factorize(column, sort=True)
    of_part = np.empty(int(answers.part[-1]) + 1, np.int64)
    of_part[answers.part] = of_sample
    wrong = (of_part[answers.part] != of_sample) | (of_sample < 0)
    if wrong.any():
        rows = tuple(sorted(answers.rows[wrong].tolist()))
        raise DesignError("nothing to regress", [Problem("site", "must be one for all samples of a pool", rows)])
    return of_part, of_sample.astype(np.int64), names


def _fit(
    likelihood: Likelihood, penalty: Penalty, sites: tuple[Places, Places, Any] | None, n_nodes: int | None
) -> tuple[Fit, tuple[Sites, Any] | None]:
    start = started(likelihood)
    if not np.isfinite(likelihood.at(start).value):
        raise DesignError("nothing to regress", [Problem("call", "calls contradict a perfect assay")])
    if sites is None:
        return climb(likelihood.penalised if penalty == "firth" else likelihood.at, start), None
    fixed = climb(likelihood.at, start)
    found = with_sites(SiteLikelihood(likelihood, sites[0], sites[1], n_nodes), fixed.at)
    return found.fit, (found, sites[2])


def _regression(
    fit: Fit,
    sites: tuple[Sites, Any] | None,
    answers: Answers,
    scale: tuple[Floats, Floats],
    terms: Terms,
    asked: tuple[Link, float, Penalty],
    likelihood: Likelihood,
) -> Regression:
    centre, spread = scale
    link, level, penalty = asked
    top = likelihood.at(fit.at) if penalty == "firth" else fit.top
    k = fit.at.size
    # What nothing holds has a standard error that is huge, not none.
    values, axes = np.linalg.eigh(-top.curvature)
    covariance = ((axes / np.maximum(values, 1e-12)) @ axes.T)[:k, :k]
    separated = penalty == "none" and bool((np.diag(covariance) > _UNHELD**2).any())
    # Back to the units of the covariates.
    back = np.diag(1.0 / spread)
    back[0] -= centre / spread
    estimate, covariance = back @ fit.at, back @ covariance @ back.T
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    z = np.divide(estimate, error, out=np.full(k, np.nan), where=error > 0.0)
    reach = stats.norm.ppf(0.5 + level / 2.0) * error
    table = pd.DataFrame(
        {
            "term": terms.names,
            "estimate": estimate,
            "standard_error": error,
            "z": z,
            "p_value": 2.0 * stats.norm.sf(np.abs(z)),
            "low": estimate - reach,
            "high": estimate + reach,
        }
    )
    effects = None
    if sites is not None:
        found, names = sites
        effects = pd.DataFrame({"site": names, "effect": found.effects, "standard_error": found.errors})
    return Regression(
        table,
        np.asarray(covariance, np.float64),
        top.value,
        fit.converged and not separated,
        separated,
        answers.rows.size,
        answers.n_tests,
        link,
        level,
        None if sites is None else sites[0].sd,
        effects,
        terms,
    )


def coefficients(found: Regression, *, exponentiated: bool = False) -> pd.DataFrame:
    """Return the coefficients of a regression with their intervals, the intercept left out.

    Parameters
    ----------
    found
        What `regress` returned.
    exponentiated
        Whether to return odds ratios (logit) or hazard ratios (cloglog).

    Returns
    -------
    pandas.DataFrame
        One row a term: ``term``, ``estimate``, ``low``, ``high``, ``p_value``.

    Raises
    ------
    DesignError
        When ratios are asked of a probit regression, which has none.

    Examples
    --------
    >>> pools = {"pool_id": [1, 1, 2, 2, 3, 3, 4, 4], "sample_id": range(8), "call": [1, 1, 0, 0, 1, 1, 0, 0]}
    >>> people = {"sample_id": range(8), "age": [30, 41, 22, 35, 52, 33, 47, 28]}
    >>> coefficients(regress(pools, people, penalty="firth"))["term"].tolist()
    ['age']
    """
    shown = found.table.loc[found.table["term"] != INTERCEPT, ["term", "estimate", "low", "high", "p_value"]]
    shown = shown.reset_index(drop=True)
    if exponentiated:
        if found.link == "probit":
            raise DesignError("nothing to show", [Problem("exponentiated", "a probit has no ratios")])
        shown[["estimate", "low", "high"]] = np.exp(shown[["estimate", "low", "high"]].clip(upper=700.0))
    return shown


def plot_coefficients(found: Regression, *, exponentiated: bool = False, ax: "Axes | None" = None) -> "Axes":
    """Draw the coefficients of a regression with their intervals.

    Parameters
    ----------
    found
        What `regress` returned.
    exponentiated
        Whether to draw ratios, on a logarithmic axis.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        One line a term, the first on top.

    Examples
    --------
    >>> pools = {"pool_id": [1, 1, 2, 2, 3, 3, 4, 4], "sample_id": range(8), "call": [1, 1, 0, 0, 1, 1, 0, 0]}
    >>> people = {"sample_id": range(8), "age": [30, 41, 22, 35, 52, 33, 47, 28]}
    >>> plot_coefficients(regress(pools, people, penalty="firth"), exponentiated=True).get_xlabel()
    'Odds ratio for one unit, 95 % interval'
    """
    shown = coefficients(found, exponentiated=exponentiated)
    ax = axes_for(ax, height=1.4 + 0.42 * max(len(shown), 2))
    rows = np.arange(len(shown))
    reach = [shown["estimate"] - shown["low"], shown["high"] - shown["estimate"]]
    ax.axvline(1.0 if exponentiated else 0.0, color=GREY, linewidth=1.0, linestyle="--", zorder=1)
    ax.errorbar(shown["estimate"], rows, xerr=reach, fmt="o", color=BLUE, capsize=3, linewidth=1.6, zorder=2)
    ax.set_yticks(rows, shown["term"].tolist())
    ax.set_ylim(len(shown) - 0.5, -0.5)
    name = f"Coefficient ({found.link}) for one unit"
    if exponentiated:
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter  # noqa: PLC0415

        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        name = f"{'Odds' if found.link == 'logit' else 'Hazard'} ratio for one unit"
    ax.set_xlabel(f"{name}, {100 * found.level:g} % interval")
    return ax
