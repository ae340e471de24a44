"""`estimate`: prevalence, sensitivity, specificity and over-dispersion from the pools that were read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from poolkit.arrays import frozen
from poolkit.assays import Assay
from poolkit.deconvolution.looks import Looked, look
from poolkit.errors import DesignError, Problem
from poolkit.kernels import estimate as kernels

NAMES = ("prevalence", "sensitivity", "specificity", "overdispersion")
# Beta distributions, (a, b). Prevalence: Jeffreys. The others are weak and stand for a test that is worth pooling:
# means 0.95 and 0.99, as much as 20 infected and 100 other samples of known truth say; correlation below 0.5.
PRIOR = {
    "prevalence": (0.5, 0.5),
    "sensitivity": (19.0, 1.0),
    "specificity": (99.0, 1.0),
    "overdispersion": (1.0, 5.0),
}
# Points that the posterior is added up at, how often their spread is fitted to it, and how wide the logistic
# distribution is in each of its directions, in standard deviations: its tails are those of a beta on the logit scale.
_N_POINTS, _N_FITS, _WIDTH = 8192, 3, 0.75

# A kind of pool: size, looks at it (reactive, negative), and looks at each member alone with how many had them.
Kind = tuple[int, tuple[int, int], tuple[tuple[int, int, int], ...]]


class Estimated(NamedTuple):
    """One number: posterior mean, and the interval that holds it with the stated probability."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the pools say about the samples and about the test.

    Attributes
    ----------
    prevalence : Estimated
        Share of samples infected.
    sensitivity, specificity : Estimated
        Of the test, on pools and on single samples alike.
    overdispersion : Estimated
        Correlation of two members of a pool: 0 when samples are pooled at random, above when households or classes
        stand together.
    n_pools : float
        Pools that it rests on, those of earlier batches by what is still remembered of them.
    level : float
        Probability that an interval holds the truth.

    Examples
    --------
    >>> import pyarrow as pa
    >>> members = pa.table({"pool_id": ["P1", "P1", "P2", "P2"], "sample_id": ["S1", "S2", "S3", "S4"]})
    >>> calls = pa.table({"specimen_id": ["P1", "P2"], "call": ["negative", "negative"]})
    >>> found = estimate(members, calls)
    >>> f"{found.prior:.2f} {found.assay.sensitivity:.2f} {found.assay.specificity:.2f}"
    '0.13 0.95 0.99'
    """

    prevalence: Estimated
    sensitivity: Estimated
    specificity: Estimated
    overdispersion: Estimated
    n_pools: float
    level: float
    _tally: tuple[tuple[Kind, float], ...] = field(repr=False)

    @property
    def prior(self) -> float:
        """The prevalence, as the prior of the next batch."""
        return self.prevalence.value

    @property
    def assay(self) -> Assay:
        """The test as it was found to be."""
        return Assay(self.sensitivity.value, self.specificity.value)


def estimate(
    members: Any,
    calls: Any,
    *,
    earlier: Estimate | None = None,
    memory: float = 1.0,
    prior: Mapping[str, tuple[float, float]] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Estimate prevalence, sensitivity, specificity and over-dispersion from a batch and those before it.

    Parameters
    ----------
    members
        Table `members`, or its columns ``pool_id`` and ``sample_id``.
    calls
        Columns ``specimen_id`` (a pool, or a sample tested alone) and ``call``; suspect counts as reactive, and
        invalid says nothing.
    earlier
        What was estimated before this batch.
    memory
        What a pool of an earlier batch counts for, from 0 to 1: below 1 the estimate follows a prevalence that moves.
    prior
        Parameters of a beta distribution, by name; see Notes for what holds by default.
    level
        Probability of the intervals.

    Returns
    -------
    Estimate
        Its `prior` and `assay` go into the next batch.

    Raises
    ------
    DesignError
        When a number is out of range or a prior names no parameter.
    SchemaError
        When a table is not what it should be.

    Notes
    -----
    A pool's infected members are beta-binomial with mean prevalence and correlation over-dispersion; a pool reacts with
    the sensitivity if it holds one or more of them, else with the complement of the specificity, and so does a sample
    alone. Retests tell an error of the pool from one of the sample. Of a sample in several pools the largest pool is
    used, without the looks at its members, since who of them was looked at depended on what is not used.

    Priors are beta distributions: prevalence (0.5, 0.5), sensitivity (19, 1), specificity (99, 1) and over-dispersion
    (1, 5). Pools of which only the reactive ones are retested say little about the sensitivity, and its interval shows
    it. Means and intervals are those of the posterior, added up at points along its own axes, always the same.

    Batches are kept as counts of equal pools, so one after the other gives what all at once gives. O(kinds of pool).

    Examples
    --------
    >>> import pyarrow as pa
    >>> members = pa.table({"pool_id": ["P1"] * 5 + ["P2"] * 5, "sample_id": [f"S{k}" for k in range(10)]})
    >>> read = ["P1", "P2", "S5", "S6", "S7", "S8", "S9"]
    >>> said = ["negative", "positive", "positive", "negative", "negative", "negative", "negative"]
    >>> first = estimate(members, pa.table({"specimen_id": read, "call": said}))
    >>> 0.05 < first.prevalence.low < first.prevalence.value < 0.2 < first.prevalence.high
    False
    """
    believed = _check(memory, prior, level)
    tally: Counter[Kind] = Counter()
    for kind, count in earlier._tally if earlier is not None else ():
        tally[kind] += memory * count  # type: ignore[assignment]
    for kind in _kinds(look(members, calls, 0.5, None)):
        tally[kind] += 1
    kept = tuple(sorted((kind, float(count)) for kind, count in tally.items() if count > 0.0))
    points, weights = _posterior(kept, believed)
    prevalence, sensitivity, specificity, overdispersion = (_summary(each, weights, level) for each in points.T)
    n_pools = sum(count for _, count in kept)
    return Estimate(prevalence, sensitivity, specificity, overdispersion, n_pools, level, kept)


def _check(memory: float, prior: Mapping[str, tuple[float, float]] | None, level: float) -> NDArray[np.float64]:
    problems = []
    if not 0.0 <= memory <= 1.0:
        problems.append(Problem("memory", f"must be from 0 to 1, found {memory:g}"))
    if not 0.0 < level < 1.0:
        problems.append(Problem("level", f"must be between 0 and 1, found {level:g}"))
    for name, given in (prior or {}).items():
        if name not in NAMES:
            problems.append(Problem("prior", f"must name one of {', '.join(NAMES)}, found {name}"))
        elif min(given) <= 0.0:
            problems.append(Problem("prior", f"must have both parameters above 0 for {name}, found {given}"))
    if problems:
        raise DesignError("nothing can be estimated so", problems)
    return np.array([{**PRIOR, **(prior or {})}[name] for name in NAMES], np.float64)


def _kinds(looked: Looked) -> list[Kind]:
    """Return the kind of every pool that was read, and of every sample alone that is in none."""
    sizes = np.diff(looked.offsets)
    n_pools, n_samples = sizes.size, looked.prior.size
    owner = np.repeat(np.arange(n_pools), sizes)
    reactive, negative = looked.reactive.tolist(), looked.negative.tolist()
    n_held = np.bincount(looked.members, minlength=n_samples)
    largest = np.zeros(n_samples, np.int64)
    np.maximum.at(largest, looked.members, sizes[owner])
    kinds: list[Kind] = []
    used = np.zeros(n_samples, np.bool_)
    for pool in np.argsort(-sizes, kind="stable").tolist():
        inside = looked.members[looked.offsets[pool] : looked.offsets[pool + 1]]
        if inside.size == 0 or used[inside].any():
            continue
        used[inside] = True
        alone: Counter[tuple[int, int]] = Counter({(0, 0): inside.size})
        if (n_held[inside] == 1).all():
            alone = Counter((reactive[n_pools + s], negative[n_pools + s]) for s in inside.tolist())
        looks = tuple(sorted((*look_, count) for look_, count in alone.items()))
        kinds.append((inside.size, (reactive[pool], negative[pool]), looks))
    kinds += [
        (1, (0, 0), ((reactive[n_pools + s], negative[n_pools + s], 1),)) for s in np.flatnonzero(n_held == 0).tolist()
    ]
    return [kind for kind in kinds if sum(kind[1]) + sum(yes + no for yes, no, _ in kind[2]) > 0]


def _posterior(
    tally: tuple[tuple[Kind, float], ...], believed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points of the four parameters and how probable each is."""
    sizes = frozen(np.array([kind[0] for kind, _ in tally], np.int64))
    looks = frozen(np.array([kind[1] for kind, _ in tally], np.int64).reshape(-1, 2))
    offsets = frozen(np.cumsum([0, *(len(kind[2]) for kind, _ in tally)], dtype=np.int64))
    members = frozen(np.array([row for kind, _ in tally for row in kind[2]], np.int64).reshape(-1, 3))
    counts = frozen(np.array([count for _, count in tally], np.float64))

    def log_density(at: NDArray[np.float64]) -> NDArray[np.float64]:
        points = special.expit(at)
        total = np.empty(points.shape[0])
        kernels.log_likelihood(frozen(points), sizes, looks, offsets, members, counts, total)
        # On the logit scale a beta density (a, b) is p^a q^b.
        density: NDArray[np.float64] = total + (
            believed[:, 0] * special.log_expit(at) + believed[:, 1] * special.log_expit(-at)
        ).sum(axis=1)
        return density

    start = special.logit(np.clip(believed[:, 0] / believed.sum(axis=1), 0.01, 0.99))
    best = optimize.minimize(lambda at: -log_density(at[None, :])[0], start, method="Nelder-Mead")
    centre, spread = best.x, _curvature(log_density, best.x)
    # Steps of the powers of the root of x^5 = x + 1 fill four dimensions evenly.
    root = 1.1673039782614187
    u = (0.5 + np.arange(1, _N_POINTS + 1)[:, None] / root ** np.arange(1, 5)) % 1.0
    moves, covered = _WIDTH * special.logit(u), (np.log(u) + np.log1p(-u)).sum(axis=1)
    for _ in range(_N_FITS):
        values, axes = np.linalg.eigh(spread)
        at = centre + moves @ (np.sqrt(np.clip(values, 1e-8, None))[:, None] * axes.T)
        density = log_density(at) - covered
        weights = np.exp(density - density.max())
        weights /= weights.sum()
        centre = weights @ at
        spread = (at - centre).T @ ((at - centre) * weights[:, None])
    return special.expit(at), weights


def _curvature(log_density: Any, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the covariance of the normal distribution that is curved like the density at its top."""
    step = 0.05
    moves = step * np.eye(at.size)
    pairs = [(i, j) for i in range(at.size) for j in range(at.size)]
    corners = [at + a * moves[i] + b * moves[j] for i, j in pairs for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    found = log_density(np.array(corners)).reshape(-1, 4)
    bent = ((found[:, 0] - found[:, 1] - found[:, 2] + found[:, 3]) / (4.0 * step**2)).reshape(at.size, at.size)
    values, axes = np.linalg.eigh(-(bent + bent.T) / 2.0)
    covariance: NDArray[np.float64] = (axes / np.clip(values, 0.05, None)) @ axes.T
    return covariance


def _summary(values: NDArray[np.float64], weights: NDArray[np.float64], level: float) -> Estimated:
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2.0
    low, high = np.interp([(1.0 - level) / 2.0, (1.0 + level) / 2.0], below, values[order])
    return Estimated(float(weights @ values), float(low), float(high))
