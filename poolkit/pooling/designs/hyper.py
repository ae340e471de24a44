"""HYPER: samples are the edges of a complete graph or hypergraph of the pools, taken factor by factor."""

from functools import lru_cache
from math import comb
from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.kernels.ordering import apart_order
from poolkit.pooling.designs.coded import Coded, Codes, nearest_to, samples_within, within
from poolkit.pooling.designs.fields import is_prime, powers
from poolkit.pooling.designs.model import LARGEST, impossible, numbers_in

# Places of all factors among which the next is searched, and places looked at in all: a tenth of a second.
_MOST_POINTS = 1_000_000
_MOST_LOOKS = 60_000_000
_MOST_POOLS = 2000


@lru_cache(maxsize=16)
def factors(pools: int, each: int, n: int | None = None) -> Codes:
    """Return pairs or triples of pools, in factors that hold each pool once; together they are all, each once.

    Parameters
    ----------
    pools
        Pools, m: even for pairs; for triples a multiple of 6 that is one more than a prime.
    each
        Pools of a sample, 2 or 3.
    n
        How many factors; all, m - 1 of pairs or (m - 1) (m - 2) / 2 of triples, where not given.

    Returns
    -------
    numpy.ndarray of int64
        (factors, pools // each, each).

    References
    ----------
    Beth 1974, *Algebraische Auflösungsalgorithmen für einige unendliche Familien von 3-Designs*, Le Matematiche 29.

    Examples
    --------
    >>> factors(4, 2).tolist()
    [[[0, 3], [1, 2]], [[1, 3], [2, 0]], [[2, 3], [0, 1]]]
    >>> factors(12, 3).shape
    (55, 4, 3)
    """
    infinity = pools - 1
    n_all = comb(infinity, each - 1)
    n = n_all if n is None else min(n, n_all)
    shift = np.arange(min(infinity, n))
    if each == 2:
        k = np.arange(1, pools // 2)
        first = np.concatenate([[[0, infinity]], np.stack([k, infinity - k], axis=1)])
        found = (first + shift[:, None, None]) % infinity
        return np.where(first == infinity, infinity, found)
    # The map x -> -1 - 1/x takes the points of the projective line round in threes: they are the first factor.
    power = powers(infinity)
    inverse = np.zeros(infinity, np.int64)
    inverse[power] = power[-np.arange(infinity - 1)]
    after = (-1 - inverse) % infinity
    after[0] = infinity
    following = np.append(after, infinity - 1)
    points = np.arange(pools)
    orbit = np.stack([points, following, following[following]], axis=1)
    first = orbit[orbit[:, 0] == orbit.min(axis=1)]
    scale = power[: -(-n // infinity)]
    moved = (first[None, None] * scale[:, None, None, None] + shift[:, None, None]) % infinity
    return np.where(first == infinity, infinity, moved).reshape(-1, pools // 3, 3)[:n]


@lru_cache(maxsize=16)
def _apart(pools: int, n_first: int) -> Codes:
    """Return the factors of all triples, of which the first so many put as few pairs of pools together again as seen.

    Once every pair has met several times nothing is gained, so the others follow in their own order.
    """
    every = factors(pools, 3, max(n_first, _MOST_POINTS // pools))
    n_steps = min(n_first, len(every), 2 * pools, max(1, _MOST_LOOKS // every.size))
    order = np.empty(n_steps, np.int64)
    apart_order(every, np.zeros((pools, pools), np.int64), order)
    return np.concatenate([every[order], np.delete(every, order, axis=0)])[:n_first]


class Hyper(Coded):
    """Balanced pools from a hypergraph factorisation: any number of samples, each in two or three of the pools.

    Parameters
    ----------
    samples
        Samples of a block, any number above that of the pools.
    pools
        Pools, m: even for two pools a sample; for three a multiple of 6 that is one more than a prime (6, 12, 18, 24,
        30, 42, 48, 54, 60, 72, 84, 90, ...).
    each
        Pools of a sample, 2 or 3.

    Notes
    -----
    Every pair (or triple) of pools is a possible sample. They are put in an order such that each m / 2 (m / 3) hold
    every pool once, by the round robin of a tournament for pairs, by the orbits of a map of order three of the
    projective line and its images for triples; the first n are the samples. Guaranteed: the pools of the first n
    samples differ in size by at most one, for every n; no two samples have the same pools until all pairs (triples) are
    used, m (m - 1) / 2 or m (m - 1) (m - 2) / 6, after which they come round again. One positive is decoded for
    certain until then, not two.

    Which of the factors of triples come first is free; here each time the one is taken whose pairs of pools have met
    least, so fewer samples share two pools than with the factors in the order of the construction (331 pairs of samples
    of ``hyper-384-48-3`` instead of 519), and fewer are left open.

    References
    ----------
    .. [1] D. Hong et al., "Group testing via hypergraph factorization applied to COVID-19", Nature Communications 13
       (2022), 1837; [2] T. Beth, "Algebraische Auflösungsalgorithmen für einige unendliche Familien von 3-Designs",
       Le Matematiche 29 (1974), 105-135.
    """

    family = "hyper"
    form = "hyper-SAMPLES-POOLS-POOLS_OF_A_SAMPLE"
    about = "Balanced pools for any number of samples, two or three pools a sample, from a hypergraph factorisation."

    def __init__(self, samples: int, pools: int, each: int) -> None:
        self.name = f"hyper-{samples}-{pools}-{each}"
        self.block, self.pools, self.each = samples, pools, each
        problems = samples_within(samples, 5) + within("pools of a sample", each, 2, 3)
        n, width = min(max(samples, 7), LARGEST), min(max(each, 2), 3)
        rule = "even" if width == 2 else "a multiple of 6 that is one more than a prime"
        if not self._factored(pools, width) or not pools < min(n, _MOST_POOLS):
            problems.append(Problem("pools", f"must be {rule}, and fewer than {min(n, _MOST_POOLS)}, found {pools}"))
        if problems:
            possible = nearest_to(pools, (m for m in range(4, min(n, _MOST_POOLS)) if self._factored(m, width)))
            raise impossible(self.name, problems, [f"hyper-{n}-{m}-{width}" for m in possible])
        self.certain = 1 if samples <= comb(pools, each) else 0

    @staticmethod
    def _factored(pools: int, each: int) -> bool:
        return pools > 3 and (pools % 2 == 0 if each == 2 else pools % 6 == 0 and is_prime(pools - 1))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``384-48-3``."""
        numbers = numbers_in(r"(\d+)-(\d+)-(\d+)", text)
        return None if numbers is None else cls(*numbers)

    def codes(self) -> Codes:
        """Return the pools of each sample."""
        n_factors = -(-self.block * self.each // self.pools)
        found = factors(self.pools, 2, n_factors) if self.each == 2 else _apart(self.pools, n_factors)
        every = found.reshape(-1, self.each)
        return every[np.arange(self.block) % len(every)]
