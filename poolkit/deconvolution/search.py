"""What a search costs and where it starts: like samples, a cap on pools, and rounds that are counted or not."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import adaptive as kernels

# From here on nobody gains from a pool: (3 - sqrt(5)) / 2 (P. Ungar, "The cutoff point for group testing",
# Communications on Pure and Applied Mathematics 13, 1960).
CUTOFF = (3.0 - 5.0**0.5) / 2.0
# Words of pools read together are searched for at most so many samples and pools; larger groups are cut in parts.
_MOST_SAMPLES, _MOST_POOLS, _N_STARTS = 16, 6, 12


class Searched(NamedTuple):
    """The best nested search of like samples.

    Attributes
    ----------
    fresh : float
        Tests per sample.
    tests : numpy.ndarray of float64
        (largest + 1,) tests that resolve m samples of whom one is infected.
    """

    fresh: float
    tests: NDArray[np.float64]


class Rounds(NamedTuple):
    """The best search found of like samples, by the rounds that are left.

    Attributes
    ----------
    fresh : tuple of float
        Tests per sample against whom nothing speaks.
    tests : tuple of numpy.ndarray of float64
        (largest + 1,) tests that resolve m samples of whom one is infected.
    words : tuple of tuple of numpy.ndarray of int64
        For m samples of whom one is infected, which pools each goes into: bit b for pool b.
    """

    fresh: tuple[float, ...]
    tests: tuple[NDArray[np.float64], ...]
    words: tuple[tuple[NDArray[np.int64], ...], ...]


@lru_cache(maxsize=4096)
def searched(prevalence: float, largest: int) -> Searched:
    """Solve the nested search of like samples in pools of at most `largest`.

    Notes
    -----
    What a sample costs that comes back is the answer itself; the equation is a contraction and is solved by repeating
    it to 1e-15.
    """
    split, tests = np.empty(largest + 1, np.int64), np.zeros(largest + 1)
    fresh = 1.0
    while True:
        kernels.nested_sizes(prevalence, fresh, split, tests)
        better = min(1.0, float(_per_sample(prevalence, tests).min()))
        if fresh - better < 1e-15:
            return Searched(better, tests)
        fresh = better


def _per_sample(prevalence: float, tests: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tests per sample of a first pool of 1, 2, ... samples."""
    sizes = np.arange(1, tests.size)
    per_sample: NDArray[np.float64] = (1.0 - np.expm1(sizes * np.log1p(-prevalence)) * tests[1:]) / sizes
    return per_sample


@lru_cache(maxsize=1024)
def rounds_of(prevalence: float, largest: int, rounds: int) -> Rounds:
    """Search like samples in pools of at most `largest` within so many rounds, round by round from the last."""
    if rounds == 1:
        alone = np.arange(largest + 1.0)
        # Who is the last that can be infected is infected, and is not tested.
        alone[1:2] = 0.0
        singly = tuple(np.int64(1) << np.arange(m, dtype=np.int64) for m in range(largest + 1))
        return Rounds((np.inf, 1.0), (alone, alone), (singly, singly))
    fresh, tests, words = rounds_of(prevalence, largest, rounds - 1)
    now = np.zeros(largest + 1)
    chosen = [np.zeros(m, np.int64) for m in range(largest + 1)]
    for m in range(2, largest + 1):
        now[m], chosen[m] = (
            _best_words(m, prevalence, largest, tests[-1], fresh[-1], last=rounds == 2)
            if m <= _MOST_SAMPLES
            else _best_parts(m, prevalence, tests[-1])
        )
    return Rounds((*fresh, fresh_within(prevalence, largest, rounds)), (*tests, now), (*words, tuple(chosen)))


def fresh_within(prevalence: float, largest: int, rounds: int) -> float:
    """Return the tests per sample within so many rounds; what a reactive pool takes has one round less."""
    if rounds == 1:
        return 1.0
    return min(1.0, float(_per_sample(prevalence, rounds_of(prevalence, largest, rounds - 1).tests[-1]).min()))


def _best_words(
    m: int, prevalence: float, largest: int, tie: NDArray[np.float64], fresh: float, *, last: bool
) -> tuple[float, NDArray[np.int64]]:
    """Return the fewest tests found for m samples of whom one is infected, and their words.

    A local search from starts that are always the same: the best of them is good, and not proven to be the best.
    """
    odds = np.full(m, prevalence / (1.0 - prevalence))
    best = float(m), np.int64(1) << np.arange(m, dtype=np.int64)
    random = np.random.default_rng(m)
    for n_pools in range(1, min(m, _MOST_POOLS) + 1):
        for start in range(_N_STARTS):
            words = random.integers(0, 1 << n_pools, m) if start else np.arange(m) % (1 << n_pools)
            tests = n_pools + kernels.improve_words(words, n_pools, largest, odds, tie, fresh, int(last))
            if tests < best[0] - 1e-9:
                best = tests, words
    return best


def _best_parts(m: int, prevalence: float, tie: NDArray[np.float64]) -> tuple[float, NDArray[np.int64]]:
    """Return the tests of the best cut into parts that are all tested, and the words that say so."""
    some = -np.expm1(np.arange(m + 1) * np.log1p(-prevalence))
    best = float(m), np.int64(1) << np.arange(min(m, 62), dtype=np.int64)
    for n_parts in range(2, min(m, 62) + 1):
        part = np.arange(m) * n_parts // m
        sizes = np.bincount(part)
        tests = n_parts + float((some[sizes] * tie[sizes]).sum() / some[m])
        if tests < best[0] - 1e-9 or best[1].size < m:
            best = tests, np.int64(1) << part.astype(np.int64)
    return best


def level_of(risk: float) -> float:
    """Return the power of two nearest to a probability, in steps that keep the number of searches small."""
    return float(min(2.0 ** round(np.log2(max(risk, 1e-9))), 0.25))
