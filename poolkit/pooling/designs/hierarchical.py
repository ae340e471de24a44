"""Hierarchical testing: a reactive pool is split into smaller ones, down to samples alone."""

import re
from itertools import pairwise
from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.pooling.designs.layout import Layout, of_pools
from poolkit.pooling.designs.model import LARGEST, Design, impossible


class Hierarchical(Design):
    """Pools that are split, stage by stage, into smaller ones where they react.

    Parameters
    ----------
    sizes
        Pool sizes stage by stage, falling, the last 1: ``(10, 5, 1)`` is pools of ten, their halves, samples alone.

    Notes
    -----
    Each pool is split by itself, in the order of its slots, into pools of the next size; where the sizes do not
    divide, the last part is what is left: ten by fours are 4, 4 and 2. A part of one sample is tested alone, and a part
    that is its whole pool is not tested twice.

    References
    ----------
    .. [1] M. Sobel, P. A. Groll, "Group testing to eliminate efficiently all defectives in a binomial sample",
       Bell System Technical Journal 38 (1959), 1179-1252, for splitting; [2] E. Litvak, X. M. Tu, M. Pagano,
       "Screening for the presence of a disease by pooling sera samples", JASA 89 (1994), 424-434, for stages of
       halves.
    """

    family = "hierarchical"
    form = "hierarchical-SIZE-SIZE-...-1"
    about = "Pools of the first SIZE; a reactive one is split into pools of the next, down to samples alone."

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes
        self.name = "-".join(map(str, ("hierarchical", *sizes)))
        problems = []
        if len(sizes) < 2 or sizes[-1] != 1:
            problems.append(Problem("sizes", f"must be two or more, the last 1, found {'-'.join(map(str, sizes))}"))
        if any(large <= small for large, small in pairwise(sizes)):
            problems.append(Problem("sizes", f"must fall from stage to stage, found {'-'.join(map(str, sizes))}"))
        if sizes and max(sizes) > LARGEST:
            problems.append(Problem("sizes", f"must be at most {LARGEST}, found {max(sizes)}"))
        if len(sizes) > 100:
            problems.append(Problem("sizes", f"must be at most 100 stages, found {len(sizes)}"))
        if problems:
            possible = sorted({min(size, LARGEST) for size in sizes if size > 1} or {2}, reverse=True)[:99]
            raise impossible(self.name, problems, ["-".join(map(str, ("hierarchical", *possible, 1)))])
        self.block = sizes[0]

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``10-5-1``."""
        fits = re.fullmatch(r"\d{1,9}(-\d{1,9})*", text, re.ASCII)
        return cls(*map(int, text.split("-"))) if fits else None

    def full_block(self) -> Layout:
        """Return the whole, its parts, their parts and so on."""
        return self.block_layout(self.block)

    def block_layout(self, n: int) -> Layout:
        """Return the first n samples, their parts, and so on."""
        stages = [[np.arange(n)]]
        for size in self.sizes[1:-1]:
            parts = [pool[first : first + size] for pool in stages[-1] for first in range(0, pool.size, size)]
            stages.append(parts)
        return of_pools(n, *stages)
