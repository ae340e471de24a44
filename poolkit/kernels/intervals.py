"""Intervals of a prevalence by name, arrays in and arrays out.

Surveillance reports by them and planning counts on them, so that what is planned is what is reported.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from poolkit.kernels import bayes, prevalence
from poolkit.kernels.prevalence import Errors, Groups

Floats = NDArray[np.float64]

# Of pools of any sizes, of pools of one size only.
GENERAL = {
    "skew-score": prevalence.SKEW,
    "bc-skew-score": prevalence.BIAS_SKEW,
    "score": prevalence.SCORE,
    "lrt": prevalence.LRT,
}
METHODS = (*GENERAL, "wald", "clopper-pearson", "blaker", "agresti-coull", "second-order", "jeffreys")
ONE_SIZE = ("blaker", "agresti-coull", "second-order")
ALTERNATIVES = ("two-sided", "less", "greater")
# Outcomes of a group with pools of several sizes that its exact interval goes through.
MOST_OUTCOMES = 200_000


class Asked(NamedTuple):
    """An interval: its name, its level, and whether it has both ends, only an upper or only a lower one."""

    method: str
    level: float
    alternative: str

    @property
    def tails(self) -> tuple[float, float]:
        """What lies below the lower and above the upper limit; 0 for an end that is not asked for."""
        outside = 1.0 - self.level
        if self.alternative == "two-sided":
            return outside / 2.0, outside / 2.0
        return (0.0, outside) if self.alternative == "less" else (outside, 0.0)

    @property
    def quantiles(self) -> tuple[float, float]:
        """The normal quantiles of the tails; 0 for an end that is not asked for."""
        low, high = (-float(special.ndtri(tail)) if tail > 0.0 else 0.0 for tail in self.tails)
        return low, high


def estimate(pools: Groups, errors: Errors, how: int) -> Floats:
    """Return the estimate of each group, `prevalence.MLE` or `prevalence.FIRTH`."""
    found = np.empty(pools.offsets.size - 1)
    prevalence.estimates(pools, errors, how, found)
    return found


def about(pools: Groups, errors: Errors, found: Floats) -> Floats:
    """Return standard error, bias, and the slopes by sensitivity and specificity, of each estimate."""
    said = np.empty((found.size, 4))
    prevalence.variances(pools, errors, found, said)
    return said


def of_pools(pools: Groups, errors: Errors, asked: Asked) -> Floats:
    """Return the limits of the prevalence of each group, (groups, 2)."""
    n_groups = pools.offsets.size - 1
    found = np.empty((n_groups, 2))
    if asked.method in GENERAL:
        prevalence.limits(pools, errors, GENERAL[asked.method], asked.quantiles, found)
        return found
    if asked.method == "wald":
        best = estimate(pools, errors, prevalence.MLE)
        error = about(pools, errors, best)[:, 0]
        low, high = asked.quantiles
        found[:, 0] = np.maximum(best - low * error, 0.0) if low > 0.0 else 0.0
        found[:, 1] = np.minimum(best + high * error, 1.0) if high > 0.0 else 1.0
        owner = np.repeat(np.arange(n_groups), np.diff(pools.offsets))
        found[np.bincount(owner, pools.tested, n_groups) == 0.0] = 0.0, 1.0
        return found
    size, tested, positive, mixed = _one_size(pools)
    one = ~mixed
    shares = binomial(positive[one], tested[one], asked, (1.0 - errors.specificity, errors.sensitivity))
    found[one, 0] = prevalence_of(shares[:, 0], size[one], errors)
    found[one, 1] = prevalence_of(shares[:, 1], size[one], errors)
    for group in np.flatnonzero(mixed).tolist():
        rows = slice(pools.offsets[group], pools.offsets[group + 1])
        alone = Groups(
            np.array([0, rows.stop - rows.start]), pools.size[rows], pools.tested[rows], pools.positive[rows]
        )
        if asked.method == "jeffreys":
            bayes.quantiles(alone, errors, asked.tails, found[group : group + 1])
        else:
            found[group] = ordered(alone, errors, asked.tails)
    if asked.method == "jeffreys":
        # Also where the test errs: an interval holds its estimate.
        best = estimate(pools, errors, prevalence.MLE)
        found[best <= 0.0, 0] = 0.0
        found[best >= 1.0, 1] = 1.0
    # Nothing was tested, so nothing is known.
    found[tested == 0.0] = 0.0, 1.0
    return found


def _one_size(pools: Groups) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Return size, pools tested and positive of each group, and whether its pools are of more than one size."""
    n_groups = pools.offsets.size - 1
    if pools.size.size == n_groups and (np.diff(pools.offsets) == 1).all():
        return pools.size, pools.tested, pools.positive, np.zeros(n_groups, np.bool_)
    owner = np.repeat(np.arange(n_groups), np.diff(pools.offsets))
    used = pools.tested > 0.0
    tested: Floats = np.bincount(owner, pools.tested, n_groups).astype(np.float64)
    positive: Floats = np.bincount(owner, pools.positive, n_groups).astype(np.float64)
    smallest, largest = np.full(n_groups, np.inf), np.zeros(n_groups)
    np.minimum.at(smallest, owner[used], pools.size[used])
    np.maximum.at(largest, owner[used], pools.size[used])
    return np.maximum(largest, 1.0), tested, positive, (largest > smallest)


def prevalence_of(share: Floats, size: Floats, errors: Errors) -> Floats:
    """Return the prevalence at which so large a share of pools of a size reacts, 0 and 1 beyond what is possible."""
    gain = errors.sensitivity + errors.specificity - 1.0
    held = np.clip((share - (1.0 - errors.specificity)) / gain, 0.0, 1.0)
    if errors.spread == 0.0:
        inside = held < 1.0
        found = np.ones(held.size)
        found[inside] = -np.expm1(np.log1p(-held[inside]) / size[inside])
        return found
    found = np.empty(share.size)
    pools = Groups(np.arange(share.size + 1), size, np.ones(share.size), np.ascontiguousarray(share))
    prevalence.estimates(pools, errors, prevalence.MLE, found)
    return found


def share_of(at: Floats, size: Floats, errors: Errors) -> Floats:
    """Return the share of pools of a size that reacts at a prevalence."""
    gain = errors.sensitivity + errors.specificity - 1.0
    size, at = np.broadcast_arrays(size, at)
    if errors.spread == 0.0:
        with np.errstate(divide="ignore"):
            held = -np.expm1(size * np.log1p(-at))
    else:
        j = np.arange(int(size.max(initial=1.0)))
        steps = np.where(
            j < size[..., None], np.log1p(-np.minimum(at[..., None] / (1.0 + j * errors.spread), 1 - 1e-16)), 0
        )
        held = -np.expm1(steps.sum(axis=-1))
    found: Floats = gain * held + (1.0 - errors.specificity)
    return found


def binomial(x: Floats, n: Floats, asked: Asked, between: tuple[float, float] = (0.0, 1.0)) -> Floats:
    """Return the limits of the probability of which x of n are a binomial draw, (counts, 2).

    `between` is where the probability has to lie, which only the Bayesian interval makes use of.
    """
    if asked.method == "blaker":
        return _distinct(_blaker, x, n, asked)
    if asked.method in ("clopper-pearson", "jeffreys"):
        return _distinct(lambda x, n, asked: _beta(x, n, asked, between), x, n, asked)
    found = np.empty((x.size, 2))
    safe = np.maximum(n, 1.0)
    for end, z, sign in ((0, asked.quantiles[0], -1.0), (1, asked.quantiles[1], 1.0)):
        if z == 0.0:
            found[:, end] = float(end)
        elif asked.method == "agresti-coull":
            trials = n + z * z
            middle = (x + z * z / 2.0) / trials
            found[:, end] = middle + sign * z * np.sqrt(middle * (1.0 - middle) / trials)
        else:
            eta, share = z * z / 3.0 + 1.0 / 6.0, x / safe
            spread = share * (1.0 - share)
            bend = -(13.0 * z * z + 17.0) / 18.0 * spread + z * z / 18.0 + 7.0 / 36.0
            middle = (x + eta) / (n + 2.0 * eta)
            found[:, end] = middle + sign * z * np.sqrt(np.maximum(spread + bend / safe, 0.0) / safe)
    if asked.method == "second-order":
        found[x <= 0.0, 0] = 0.0
        found[x >= n, 1] = 1.0
    return np.clip(found, 0.0, 1.0)


def _distinct(of: Callable[[Floats, Floats, Asked], Floats], x: Floats, n: Floats, asked: Asked) -> Floats:
    """Return what a function gives, asked once for each pair of counts."""
    order = np.lexsort((x, n))
    x, n = x[order], n[order]
    new = np.ones(x.size, np.bool_)
    new[1:] = (x[1:] != x[:-1]) | (n[1:] != n[:-1])
    found = np.empty((x.size, 2))
    found[order] = of(x[new], n[new], asked)[np.cumsum(new) - 1]
    return found


def _beta(x: Floats, n: Floats, asked: Asked, between: tuple[float, float]) -> Floats:
    found = np.empty((x.size, 2))
    low, high = asked.tails
    found[:, 0], found[:, 1] = 0.0, 1.0
    if asked.method == "clopper-pearson":
        some, left = (x > 0.0) & (low > 0.0), (x < n) & (high > 0.0)
        found[some, 0] = special.betaincinv(x[some], n[some] - x[some] + 1.0, low)
        found[left, 1] = special.betainccinv(x[left] + 1.0, n[left] - x[left], high)
        return found
    a, b = x + 0.5, n - x + 0.5
    if between == (0.0, 1.0):
        if low > 0.0:
            found[:, 0] = np.where(x > 0.0, special.betaincinv(a, b, low), 0.0)
        if high > 0.0:
            found[:, 1] = np.where(x < n, special.betainccinv(a, b, high), 1.0)
        return found
    least, most = special.betainc(a, b, between[0]), special.betainc(a, b, between[1])
    # Hardly anything of the posterior is left where far fewer or far more pools react than can be: the nearer end.
    lost = most - least < 1e-12
    nearer = np.where(x < n * between[0], between[0], between[1])
    for end, tail in ((0, low), (1, 1.0 - high)):
        if (low, high)[end] > 0.0:
            found[:, end] = np.where(lost, nearer, special.betaincinv(a, b, least + tail * (most - least)))
        else:
            found[:, end] = between[end]
    return found


def below(k: Floats, n: Floats, share: Floats) -> Floats:
    """Return the probability of at most k of n."""
    found: Floats = np.where(
        k < 0.0, 0.0, special.betainc(np.maximum(n - k, 1e-300), np.maximum(k, 0.0) + 1.0, 1.0 - share)
    )
    return np.where(k >= n, 1.0, found)


def above(k: Floats, n: Floats, share: Floats) -> Floats:
    """Return the probability of at least k of n."""
    found: Floats = special.betainc(np.maximum(k, 1e-300), np.maximum(n - k, 0.0) + 1.0, share)
    return np.where(k <= 0.0, 1.0, found)


def _blaker(x: Floats, n: Floats, asked: Asked) -> Floats:
    if asked.alternative != "two-sided":
        # An interval with one end has nothing to balance.
        return _beta(x, n, asked._replace(method="clopper-pearson"), (0.0, 1.0))
    found = np.empty((x.size, 2))
    found[:, 0] = _blaker_lower(x, n, 1.0 - asked.level)
    found[:, 1] = 1.0 - _blaker_lower(n - x, n, 1.0 - asked.level)
    return found


def _blaker_lower(x: Floats, n: Floats, outside: float) -> Floats:
    """Return the least share that Blaker's acceptability of x does not refuse.

    From Clopper and Pearson's limit on, where the upper tail is half of what may lie outside, the lower tail may hold
    at most the k of which no more than that falls; the acceptability is both tails together. It grows by a jump to more
    than is refused at the latest where one more k fits in, so that one root of each kind is all there is.
    """
    found = np.zeros(x.size)
    some = x > 0.0
    if not some.any():
        return found
    x, n = x[some], n[some]
    first = special.betaincinv(x, n - x + 1.0, outside / 2.0)
    k = np.floor(special.bdtrik(outside / 2.0, n, first))
    k = np.where(np.isfinite(k), k, -1.0)
    # The inverse may be one off.
    k = np.where(below(k + 1.0, n, first) <= outside / 2.0, k + 1.0, k)
    k = np.where((k >= 0.0) & (below(k, n, first) > outside / 2.0), k - 1.0, k)
    k = np.minimum(k, x - 1.0)
    jump = cross(lambda share: above(x, n, share) - below(k + 1.0, n, share), first, np.ones(x.size))
    reached = above(x, n, jump) + below(k, n, jump) > outside
    crossing = cross(
        lambda share: above(x, n, share) + below(k, n, share) - outside, first, np.where(reached, jump, 1.0)
    )
    found[some] = np.where(reached, crossing, jump)
    return found


def cross(of: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Return where functions that are not above 0 at `low` and are so at `high` become so, by Chandrupatla's method."""
    a, b, c = high, low, high
    fa, fb = of(a), of(b)
    fc = fa
    step = np.full(a.size, 0.5)
    near = np.where(np.abs(fa) < np.abs(fb), a, b)
    done = np.zeros(a.size, np.bool_)
    for _ in range(100):
        at = a + step * (b - a)
        f = of(at)
        same = (f > 0.0) == (fa > 0.0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = at, f
        near = np.where(done, near, np.where(np.abs(fa) < np.abs(fb), a, b))
        wide = np.abs(b - a)
        least = np.where(wide > 0.0, 2e-15 * np.abs(near) / np.where(wide > 0.0, wide, 1.0), 1.0)
        done |= (least > 0.5) | (fa == 0.0)
        if done.all():
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            curved = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            trusted = (phi * phi < xi) & ((1.0 - phi) ** 2 < 1.0 - xi) & (curved > 0.0) & (curved < 1.0)
        step = np.clip(np.where(trusted, curved, 0.5), least, np.maximum(1.0 - least, least))
    return near


def n_outcomes(tested: Floats) -> float:
    """Return how many outcomes pools of these numbers have."""
    return float(np.prod(tested + 1.0))


def outcomes(pools: Groups) -> Groups:
    """Return every outcome of one group as a group of its own, the last row's count changing fastest."""
    n_rows = pools.size.size
    axes = [np.arange(int(tested) + 1.0) for tested in pools.tested]
    every = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, n_rows)
    offsets = np.arange(0, every.size + 1, n_rows)
    return Groups(offsets, np.tile(pools.size, len(every)), np.tile(pools.tested, len(every)), every.ravel())


def chances(pools: Groups, errors: Errors, at: float) -> Floats:
    """Return how likely each outcome of one group is, in the order of `outcomes`."""
    share = share_of(np.array([at]), pools.size, errors)
    found = np.ones(1)
    for tested, reacts in zip(pools.tested, share, strict=True):
        k = np.arange(int(tested) + 1.0)
        log = special.gammaln(tested + 1.0) - special.gammaln(k + 1.0) - special.gammaln(tested - k + 1.0)
        log += special.xlogy(k, reacts) + special.xlog1py(tested - k, -reacts)
        found = (found[:, None] * np.exp(log)[None, :]).ravel()
    return found


def ordered(pools: Groups, errors: Errors, tails: tuple[float, float]) -> Floats:
    """Return the exact limits of one group of pools of several sizes, its outcomes ordered by their estimates."""
    estimates = estimate(outcomes(pools), errors, prevalence.MLE)
    here = estimate(pools, errors, prevalence.MLE)[0]
    as_much = estimates >= here * (1.0 - 1e-9)
    as_little = estimates <= here * (1.0 + 1e-9)
    found = np.array([0.0, 1.0])
    if tails[0] > 0.0 and not as_much.all():
        found[0] = _crossing(lambda at: chances(pools, errors, at)[as_much].sum() - tails[0])
    if tails[1] > 0.0 and not as_little.all():
        found[1] = _crossing(lambda at: tails[1] - chances(pools, errors, at)[as_little].sum())
    return found


def _crossing(of: Callable[[float], float]) -> float:
    """Return the prevalence where a rising function becomes positive, 0 and 1 where it is so at once or never."""
    if of(0.0) > 0.0:
        return 0.0
    # On the scale of t, so that small ones are found to all digits.
    low, high = -80.0, 3.65
    if of(-np.expm1(-np.exp(high))) <= 0.0:
        return 1.0
    for _ in range(70):
        middle = 0.5 * (low + high)
        if of(-np.expm1(-np.exp(middle))) > 0.0:
            high = middle
        else:
            low = middle
        if high - low < 1e-15 * max(abs(high), 1.0):
            break
    return float(-np.expm1(-np.exp(high)))
