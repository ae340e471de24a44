"""Partitions: every sample in several pools of one size, no two samples together more often than need be."""

from itertools import count
from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.pooling.designs.layout import Layout, of_pools
from poolkit.pooling.designs.model import Design, impossible, numbers_in

_MOST, _LARGEST_SIZE = 64, 4096


class Partitions(Design):
    """Several partitions of the samples into pools of one size; a sample is open when all its pools react.

    Parameters
    ----------
    partitions
        Pools that each sample is in, from 1 to 64; two are double pooling.
    size
        Samples in a pool, at least 2.

    Notes
    -----
    Broder and Kumar shuffle the samples for every partition. Here the partitions are chosen, so that any two samples
    of a full block share at most one pool, as good as can be: sample k stands in row ``k // size`` and column
    ``k % size`` of a rectangle of m rows, and partition i pools the samples whose ``row + i * column`` is the same
    modulo m, that is lines of slope i; when the rectangle is a square, its columns are a partition too. Lines of
    different slopes meet at most once when no prime factor of m is smaller than the number of slopes; m is the least
    such number from `size` on, and a full block has ``size * m`` samples. Fewer samples stand in as many rows as
    they fill: pools keep their size, and two samples may then share more pools.

    References
    ----------
    .. [1] A. Z. Broder, R. Kumar, "A note on double pooling tests", arXiv:2004.01684 (2020); [2] R. C. Bose,
       "On the application of the properties of Galois fields to the problem of construction of hyper-Graeco-Latin
       squares", Sankhya 3 (1938), 323-338, for the lines.
    """

    family = "partitions"
    form = "partitions-NUMBERxSIZE"
    about = "Every sample in NUMBER pools of SIZE, no two samples together more than once (double pooling: 2)."

    def __init__(self, partitions: int, size: int) -> None:
        self.partitions, self.size = partitions, size
        self.name = f"partitions-{partitions}x{size}"
        problems = [
            Problem(name, f"must be from {low} to {high}, found {found}")
            for name, found, low, high in (
                ("partitions", partitions, 1, _MOST),
                ("size", size, 2, _LARGEST_SIZE),
            )
            if not low <= found <= high
        ]
        if problems:
            near = f"partitions-{min(max(partitions, 1), _MOST)}x{min(max(size, 2), _LARGEST_SIZE)}"
            raise impossible(self.name, problems, [near])
        self.rows = size if self._n_slopes(size) <= _least_factor(size) else 0
        self.rows = self.rows or next(m for m in count(size + 1) if partitions <= _least_factor(m))
        self.block = size * self.rows

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``2x10``."""
        numbers = numbers_in(r"(\d+)x(\d+)", text)
        return None if numbers is None else cls(*numbers)

    def _n_slopes(self, rows: int) -> int:
        """Return how many partitions are lines: all, or all but the columns of a square."""
        return self.partitions - 1 if rows == self.size and self.partitions > 1 else self.partitions

    def full_block(self) -> Layout:
        """Return the pools of each partition, one partition behind the other."""
        return self.block_layout(self.block)

    def block_layout(self, n: int) -> Layout:
        """Return the pools of n samples in as many rows as they fill."""
        samples = np.arange(n)
        row, column = samples // self.size, samples % self.size
        n_rows = -(-n // self.size)
        n_slopes = self._n_slopes(n_rows)
        places = [(row + slope * column) % n_rows for slope in range(n_slopes)]
        places += [column] * (self.partitions - n_slopes)
        order = [np.argsort(place, kind="stable") for place in places]
        cuts = [np.flatnonzero(np.diff(place[each])) + 1 for place, each in zip(places, order, strict=True)]
        return of_pools(n, [pool for each, cut in zip(order, cuts, strict=True) for pool in np.split(each, cut)])


def _least_factor(number: int) -> int:
    return next((factor for factor in range(2, int(number**0.5) + 1) if number % factor == 0), number)
