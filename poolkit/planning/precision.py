"""How many pools: for an interval so narrow, for a test so sure, for freedom from infection."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from poolkit.assays import Assay
from poolkit.assays.rates import asked
from poolkit.errors import DesignError, Problem
from poolkit.kernels.intervals import Asked
from poolkit.kernels.prevalence import Errors
from poolkit.planning.planned import (
    MOST_POOLS,
    between,
    errors_of,
    limits_of,
    outcomes_of,
    powers,
    refuse,
    share_at,
    sizes_of,
    smallest,
    without_wald,
)

# Numbers of pools that are tried at once when one is looked for.
_STRIDE = 64


def pools_for_precision(
    prevalence: float,
    *,
    half_width: float,
    pool_size: int | Sequence[int] = 1,
    level: float = 0.95,
    method: str = "clopper-pearson",
    assay: Assay | None = None,
) -> pd.DataFrame:
    """Say how many pools it takes for an interval of the prevalence to be so narrow on average.

    Parameters
    ----------
    prevalence
        That is expected.
    half_width
        Half of the expected width of the interval; a fifth of the prevalence is a usual wish.
    pool_size
        One or several, a row each.
    level
        Confidence.
    method
        Of the interval, see `prevalence`; any but wald.
    assay
        How likely a pool reacts; perfect where not given.

    Returns
    -------
    pandas.DataFrame
        ``pool_size``, ``pools``, ``samples`` and ``half_width`` (expected, as near below what was asked as goes).

    Raises
    ------
    DesignError
        When a number is out of range, or ten million pools are not enough.

    Notes
    -----
    The expected width is the sum over all outcomes of the width of their interval times their binomial probability. It
    falls with the pools but for steps of the order of one pool, so that the number is found by halving. O(sqrt(pools)
    log(pools)).

    References
    ----------
    Tebbs and Bilder 2004, JABES 9, 75 (expected width).

    Examples
    --------
    >>> pools_for_precision(0.01, half_width=0.005, pool_size=[1, 5, 10])[["pool_size", "pools"]].values.tolist()
    [[1, 1719], [5, 352], [10, 182]]
    """
    sizes, problems = sizes_of(pool_size, assay)
    wanted = asked(method, level, "two-sided", problems)
    without_wald(problems, method)
    between(problems, "prevalence", prevalence, 0.0, 1.0)
    between(problems, "half_width", half_width, 0.0, 0.5)
    refuse("no number of pools", problems)
    rows = []
    for size in sizes:
        errors = errors_of(assay, size)

        def width(n: int, size: int = size, errors: Errors = errors) -> float:
            some = outcomes_of(np.array([n]), size, errors, prevalence)
            limits = limits_of(some, size, errors, wanted)
            return float(some.chance @ (limits[:, 1] - limits[:, 0])) / 2.0

        n = smallest(lambda n: width(n) <= half_width)
        if n is None:
            text = f"{MOST_POOLS:,} pools of {size} do not make the interval so narrow"
            raise DesignError("no number of pools", [Problem("half_width", text)])
        rows.append((size, n, n * size, width(n)))
    return pd.DataFrame(rows, columns=["pool_size", "pools", "samples", "half_width"])


def pools_for_freedom(
    prevalence: float,
    *,
    pool_size: int | Sequence[int] = 1,
    confidence: float = 0.95,
    assay: Assay | None = None,
) -> pd.DataFrame:
    """Say how many pools, all of them negative, show with confidence that infection is rarer than a prevalence.

    Parameters
    ----------
    prevalence
        That would be found, the design prevalence.
    pool_size
        One or several, a row each.
    confidence
        Probability that at least one pool reacts if the prevalence is so high.
    assay
        How likely a pool reacts, by its size too; perfect where not given.

    Returns
    -------
    pandas.DataFrame
        ``pool_size``, ``pools``, ``samples`` and ``confidence`` (reached).

    Raises
    ------
    DesignError
        When a number is out of range.

    Notes
    -----
    A pool of k stays negative with probability ``Q = (1 - (1 - p)^k) (1 - Se) + (1 - p)^k Sp``, and all n do with
    ``Q^n``: n is ``log(1 - confidence) / log(Q)``, rounded up. Of a very large population.

    References
    ----------
    Christensen and Gardner 2000, Prev. Vet. Med. 45, 83; RSurveillance, n.pooled.

    Examples
    --------
    >>> pools_for_freedom(0.01, pool_size=5)[["pools", "samples"]].values.tolist()
    [[60, 300]]
    """
    sizes, problems = sizes_of(pool_size, assay)
    between(problems, "prevalence", prevalence, 0.0, 1.0)
    between(problems, "confidence", confidence, 0.0, 1.0)
    refuse("no number of pools", problems)
    rows = []
    for size in sizes:
        share = share_at(prevalence, size, errors_of(assay, size))
        # Of very large pools each reacts: one is enough.
        quiet = np.log1p(-min(share, 1.0 - 1e-16))
        n = max(int(np.ceil(np.log1p(-confidence) / quiet - 1e-9)), 1)
        rows.append((size, n, n * size, float(-np.expm1(n * quiet))))
    return pd.DataFrame(rows, columns=["pool_size", "pools", "samples", "confidence"])


def pools_for_test(
    prevalence: float,
    *,
    hypothesis: float,
    power: float = 0.8,
    pool_size: int | Sequence[int] = 1,
    level: float = 0.95,
    alternative: str = "less",
    method: str = "clopper-pearson",
    assay: Assay | None = None,
) -> pd.DataFrame:
    """Say how many pools it takes to refute a supposed prevalence with so much power.

    Parameters
    ----------
    prevalence
        That is true.
    hypothesis
        That is supposed, and refuted by an interval that does not hold it.
    power
        Probability of that.
    pool_size
        One or several, a row each.
    level, alternative, method
        Of the interval, see `prevalence`; any method but wald.
    assay
        How likely a pool reacts; perfect where not given.

    Returns
    -------
    pandas.DataFrame
        ``pool_size``, ``pools`` (the least number that reaches the power), ``samples``, ``power`` (reached) and
        ``lasting`` (the least number from which half as many more all reach it).

    Raises
    ------
    DesignError
        When a number is out of range, the hypothesis lies on the other side of the prevalence, or 200,000 pools are not
        enough.

    Notes
    -----
    Power rises in saw teeth: one more pool may lower it, since the counts that refute are whole. That is why `lasting`
    is given: a survey that may lose or gain a few pools should plan on it. See `power_of_pools`.

    References
    ----------
    Tebbs and Bilder 2004, JABES 9, 75.

    Examples
    --------
    >>> pools_for_test(0.001, hypothesis=0.005, pool_size=20)[["pools", "lasting"]].values.tolist()
    [[64, 79]]
    """
    sizes, problems = sizes_of(pool_size, assay)
    wanted = asked(method, level, alternative, problems)
    without_wald(problems, method)
    between(problems, "prevalence", prevalence, 0.0, 1.0)
    between(problems, "hypothesis", hypothesis, 0.0, 1.0)
    between(problems, "power", power, 0.0, 1.0)
    wrong = {"less": prevalence >= hypothesis, "greater": prevalence <= hypothesis}
    if wrong.get(alternative, prevalence == hypothesis):
        where = {"less": "above", "greater": "below"}.get(alternative, "other than")
        text = f"must be {where} the prevalence, found {hypothesis:g}"
        problems.append(Problem("hypothesis", text))
    refuse("no number of pools", problems)
    rows = []
    for size in sizes:
        found = _pools_for_test(prevalence, hypothesis, power, size, errors_of(assay, size), wanted)
        if found is None:
            text = f"is not reached with 200,000 pools of {size}"
            raise DesignError("no number of pools", [Problem("power", text)])
        rows.append((size, found[0], found[0] * size, found[1], found[2]))
    return pd.DataFrame(rows, columns=["pool_size", "pools", "samples", "power", "lasting"])


def _pools_for_test(
    prevalence: float, hypothesis: float, power: float, size: int, errors: Errors, wanted: Asked
) -> tuple[int, float, int] | None:
    share, supposed = (share_at(p, size, errors) for p in (prevalence, hypothesis))
    z = -special.ndtri(max(wanted.tails)), special.ndtri(power)
    spread = [np.sqrt(each * (1.0 - each)) for each in (supposed, share)]
    guess = ((z[0] * spread[0] + max(z[1], 0.0) * spread[1]) / (supposed - share)) ** 2
    n = 1 if guess < 400.0 else int(0.5 * guess)
    first: tuple[int, float] | None = None
    lasting = n
    stride = _STRIDE
    while n <= 200_000:
        reached = powers(np.arange(n, n + stride), size, errors, (prevalence, hypothesis), wanted)
        enough = reached >= power
        if first is None and enough.any():
            first = n + int(enough.argmax()), float(reached[enough.argmax()])
        if not enough.all():
            lasting = n + int(np.flatnonzero(~enough)[-1]) + 1
        n += stride
        if first is not None and n > 1.5 * lasting:
            return *first, lasting
    return None if first is None else (*first, lasting)
