"""`Coded`: designs in which each sample has a code word, the pools that it is put in, all tested at once."""

from abc import abstractmethod
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from poolkit.errors import Problem
from poolkit.pooling.designs.layout import Layout, of_pools
from poolkit.pooling.designs.model import LARGEST, Design

Codes = NDArray[np.int64]


class Coded(Design):
    """A design of one stage, given by the pools of each sample.

    Attributes
    ----------
    pools : int
        Pools of a full block.
    certain : int
        Positives among the samples of a block up to which every negative sample is in a negative pool, as the
        construction guarantees; a design may reach more.
    """

    pools: int
    certain: int

    @abstractmethod
    def codes(self) -> Codes:
        """Return the pools of each sample of a full block, (block, most pools a sample), -1 where there is no more."""

    def full_block(self) -> Layout:
        """Return the pools of a full block, samples in order of their numbers."""
        return self.block_layout(self.block)

    def block_layout(self, n: int) -> Layout:
        """Return the pools of the first n samples of a block; none where n tests alone take no more than the pools."""
        codes = self.codes()[:n]
        sample, place = np.nonzero(codes >= 0)
        pool = codes[sample, place]
        order = np.argsort(pool, kind="stable")
        held = np.split(sample[order], np.cumsum(np.bincount(pool, minlength=self.pools))[:-1])
        layout = of_pools(n, held)
        return layout if layout.stage.size < n else of_pools(n)


def within(place: str, found: int, least: int, most: int) -> list[Problem]:
    """Return the problem of a number outside its range, or nothing.

    Examples
    --------
    >>> print(*within("layers", 9, 2, 6))
    layers: must be from 2 to 6, found 9
    """
    return [] if least <= found <= most else [Problem(place, f"must be from {least} to {most}, found {found}")]


def samples_within(found: int, least: int = 4) -> list[Problem]:
    """Return the problem of a block that no pool has slots for, or that is too small, or nothing.

    Examples
    --------
    >>> print(*samples_within(2))
    samples: must be from 4 to 32767, found 2
    """
    return within("samples", found, least, LARGEST)


def nearest_to(number: int, possible: Iterable[int], most: int = 3) -> list[int]:
    """Return the possible numbers that are nearest to one, nearest first, the smaller first where two are as near.

    Examples
    --------
    >>> nearest_to(16, [9, 15, 21, 27])
    [15, 21, 9]
    """
    return sorted(possible, key=lambda each: (abs(each - number), each))[:most]
