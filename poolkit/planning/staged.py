"""Layouts run against sets of infected samples: every set of at most a few, or sets drawn at random."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.errors import DesignError, Problem
from poolkit.kernels import separate, stages
from poolkit.kernels.stages import Pools
from poolkit.pooling.designs import Layout

Words = NDArray[np.uint64]
Counts = NDArray[np.int64]
# Sets of infected samples that may explain the same pools before all that is left open is tested alone.
_PLACES = 512
_FEW = 256


class Ran(NamedTuple):
    """What became of each set of infected samples.

    Attributes
    ----------
    tests : numpy.ndarray of int64
        (sets, stages + 1) pools tested in each stage, and last the samples left open after all of them.
    outcome : numpy.ndarray of int8
        (sets, pools) not tested, negative or reactive, as `poolkit.kernels.stages` writes it.
    open : numpy.ndarray of uint64
        (sets, words) the samples that no negative pool cleared, as bits.
    definite : numpy.ndarray of uint64
        (sets, words) those of them that are the only one left open in a reactive pool, as bits.
    """

    tests: NDArray[np.int64]
    outcome: NDArray[np.int8]
    open: Words
    definite: Words

    @property
    def n_definite(self) -> NDArray[np.int64]:
        """How many samples of each set must be positive."""
        return np.asarray(np.bitwise_count(self.definite).sum(axis=1), np.int64)


def pools_of(layout: Layout) -> Pools:
    """Return the pools of a layout as bits.

    Parameters
    ----------
    layout
        Pools of samples in stages.

    Returns
    -------
    Pools
        For the kernels.
    """
    n_pools = layout.stage.size
    bits = np.zeros((n_pools, _words(layout.n_samples)), np.uint64)
    stages.pack(layout.offsets, layout.members, bits)
    return Pools(bits, np.diff(layout.offsets), layout.stage.astype(np.int64))


def _words(n_samples: int) -> int:
    return max(1, -(-n_samples // 64))


def n_sets(n: int, most: int) -> int:
    """Return how many sets of at most this many of n samples there are.

    Parameters
    ----------
    n
        Samples.
    most
        Infected samples at most.

    Returns
    -------
    int
        Sets, that of none included.
    """
    return sum(comb(n, size) for size in range(min(most, n) + 1))


def every_set(n: int, most: int) -> Words:
    """Return every set of at most this many of n samples as bits.

    Parameters
    ----------
    n
        Samples.
    most
        Infected samples at most.

    Returns
    -------
    numpy.ndarray of uint64
        (sets, words) by size, then in order.
    """
    bits = np.zeros((n_sets(n, most), _words(n)), np.uint64)
    stages.subsets(n, most, bits)
    return bits


def random_sets(n: int, most: int, n_drawn: int, *, seed: int) -> Words:
    """Draw sets of at most this many of n samples, each as likely as any other.

    Parameters
    ----------
    n
        Samples.
    most
        Infected samples at most.
    n_drawn
        Sets to draw, with replacement.
    seed
        Seed of the PCG64 stream.

    Returns
    -------
    numpy.ndarray of uint64
        (sets, words).
    """
    stream = _stream(seed)
    weights = np.array([comb(n, size) for size in range(min(most, n) + 1)], np.float64)
    sizes = np.sort(stream.choice(weights.size, n_drawn, p=weights / weights.sum()))
    # The smallest of n random numbers are a random subset; of those that may be chosen at all only `most` count.
    chosen = np.empty((n_drawn, min(most, n)), np.int64)
    todo = np.arange(n_drawn)
    while todo.size:
        drawn = np.sort(stream.integers(n, size=(todo.size, chosen.shape[1])), axis=1)
        chosen[todo] = stream.permuted(drawn, axis=1)
        todo = todo[(np.diff(drawn, axis=1) == 0).any(axis=1)]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    inside = np.arange(chosen.shape[1]) < sizes[:, None]
    bits = np.zeros((n_drawn, _words(n)), np.uint64)
    stages.pack(offsets, chosen[inside].astype(np.int32), bits)
    return bits


def independent_sets(n: int, prevalence: float, n_drawn: int, *, seed: int) -> Words:
    """Draw sets of infected samples, each sample infected by itself with the same probability.

    Parameters
    ----------
    n
        Samples.
    prevalence
        Probability that a sample is infected.
    n_drawn
        Sets to draw.
    seed
        Seed of the PCG64 stream.

    Returns
    -------
    numpy.ndarray of uint64
        (sets, words).
    """
    stream = _stream(seed)
    # Few are infected: their number is drawn first, and then who they are, over all sets at once.
    total = n * n_drawn
    flags = np.zeros(total, np.bool_)
    flags[_places(stream, total, int(stream.binomial(total, prevalence)))] = True
    rows, columns = np.divmod(np.flatnonzero(flags), n)
    offsets = np.searchsorted(rows, np.arange(n_drawn + 1))
    bits = np.zeros((n_drawn, _words(n)), np.uint64)
    stages.pack(offsets.astype(np.int64), columns.astype(np.int32), bits)
    return bits


def _places(stream: np.random.Generator, total: int, n: int) -> NDArray[np.int64]:
    return np.asarray(stream.choice(total, n, replace=False, shuffle=False), np.int64)


def _stream(seed: int) -> np.random.Generator:
    if seed < 0:
        raise DesignError("not a simulation", [Problem("seed", f"must not be negative, found {seed}")])
    return np.random.Generator(np.random.PCG64(seed))


def run(layout: Layout, infected: Words, *, assay: Assay | None = None, seed: int = 0) -> Ran:
    """Test a layout against sets of infected samples, stage after stage.

    Parameters
    ----------
    layout
        Pools of samples in stages.
    infected
        (sets, words) the infected samples as bits.
    assay
        How likely a pool reacts; perfect when not given.
    seed
        Seed of the PCG64 stream, read when the assay errs.

    Returns
    -------
    Ran
        Tests, outcomes and what is left open.
    """
    pools = pools_of(layout)
    n_rows, n_pools = infected.shape[0], layout.stage.size
    outcome = np.zeros((n_rows, n_pools), np.int8)
    left = np.repeat(_everybody(layout.n_samples), n_rows, axis=0)
    tests = np.zeros((n_rows, int(layout.stage.max(initial=0)) + 1), np.int64)
    definite = np.zeros_like(left)
    perfect = assay is None or (assay.sensitivity == 1.0 and assay.specificity == 1.0)
    largest = int(pools.size.max(initial=1))
    reactive = np.zeros((0, 0)) if perfect or assay is None else assay.reactive(largest)
    uniform = np.zeros((n_rows, 0)) if perfect else _stream(seed).random((n_rows, n_pools))

    def part(rows: slice) -> None:
        if perfect:
            stages.run(pools, infected[rows], outcome[rows], left[rows])
        else:
            stages.run_noisy(pools, infected[rows], reactive, uniform[rows], outcome[rows], left[rows])
        stages.tally(pools, outcome[rows], left[rows], tests[rows], definite[rows])

    _in_threads(part, n_rows)
    return Ran(tests, outcome, left, definite)


def _everybody(n_samples: int) -> Words:
    bits = np.zeros((1, _words(n_samples)), np.uint64)
    stages.pack(np.array([0, n_samples]), np.arange(n_samples, dtype=np.int32), bits)
    return bits


def _in_threads(part: Callable[[slice], None], n_rows: int) -> None:
    """Do all rows: the kernels let go of the interpreter, and no two parts share a row."""
    if n_rows < _FEW:
        part(slice(0, n_rows))
        return
    n_threads = os.cpu_count() or 1
    edges = np.linspace(0, n_rows, 4 * n_threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(part, map(slice, edges[:-1], edges[1:])))


def retests(layout: Layout, ran: Ran, *, max_positives: int) -> NDArray[np.int64]:
    """Count the samples to test alone when it is known that at most a few are infected.

    Parameters
    ----------
    layout
        Pools of samples in stages.
    ran
        What became of each set of infected samples, by a perfect assay.
    max_positives
        How many are infected at most.

    Returns
    -------
    numpy.ndarray of int64
        (sets,) samples, all tested in one round, that tell apart all sets which explain the pools.

    Notes
    -----
    Sets that explain the same pools are told apart by at most one sample fewer than there are sets (Bondy's theorem);
    each time the sample that separates most pairs is taken, which never needs more. Where more than 512 sets
    explain the pools, or more than 2,048 would have to be tried, every sample that is open and not definite is counted.

    References
    ----------
    Bondy 1972, *Induced subsets*, J Comb Theory B 12, 201-202.
    """
    pools = pools_of(layout)
    # What is tested follows from what reacted, so that rows with the same reactive pools are one.
    first, row_of = _distinct(ran.outcome == stages.REACTIVE)
    counted = np.zeros(first.size, np.int64)
    outcome, left, definite = ran.outcome[first], ran.open[first], ran.definite[first]

    def part(rows: slice) -> None:
        separate.retests(pools, outcome[rows], left[rows], definite[rows], max_positives, _PLACES, counted[rows])

    _in_threads(part, counted.size)
    return counted[row_of]


def _distinct(flags: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first of all equal rows, and which of them each row is."""
    if not flags.shape[1]:
        return np.zeros(min(1, flags.shape[0]), np.int64), np.zeros(flags.shape[0], np.int64)
    packed = np.packbits(flags, axis=1)
    n_bytes = packed.shape[1]
    if n_bytes <= 8:
        # Whole numbers are sorted much faster than texts of bytes.
        wide = np.zeros((packed.shape[0], 8), np.uint8)
        wide[:, :n_bytes] = packed
        whole: NDArray[Any] = wide.view(np.uint64).ravel()
    else:
        whole = np.ascontiguousarray(packed).view(np.dtype((np.void, n_bytes))).ravel()
    _, first, row_of = np.unique(whole, return_index=True, return_inverse=True)
    return first, row_of
