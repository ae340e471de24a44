"""Hypercube testing: samples stand in a cube of any dimension, and its slices are the pools."""

from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.pooling.designs.layout import Layout, of_pools
from poolkit.pooling.designs.model import LARGEST, Design, impossible, numbers_in

_MASTER = "-master"
# Of a square, without and with a pool of all; more dimensions reach the slots of a pool sooner.
_LARGEST_SIDE = (8192, 181)


class Hypercube(Design):
    """Slices of a hypercube; the samples where reactive slices cross are open.

    Parameters
    ----------
    side
        Samples along an edge, and slices in each dimension; at least 2.
    dimensions
        Dimensions, at least 2; two are a square array.
    master
        Whether one pool of all is tested first, and the slices only where it reacts.

    Notes
    -----
    The first coordinate changes fastest. Fewer samples than a block fill a cube of as few dimensions as hold them, so
    that none of its slices is one that all samples share. Mutesa and others pool about 0.35 / prevalence samples with
    side 3 and a master pool: one infected sample is then found by 3 slices in each dimension.

    References
    ----------
    .. [1] L. Mutesa, P. Ndishimye, Y. Butera et al., "A pooled testing strategy for identifying SARS-CoV-2 at low
       prevalence", Nature 589 (2021), 276-280.
    """

    family = "hypercube"
    form = "hypercube-SIDE-DIMENSIONS[-master]"
    about = (
        "Samples in a cube of SIDE to each of DIMENSIONS; its slices are pools, with or without one of all (Mutesa)."
    )

    def __init__(self, side: int, dimensions: int, *, master: bool = False) -> None:
        self.side, self.dimensions, self.master = side, dimensions, master
        last = _MASTER if master else ""
        self.name = f"hypercube-{side}-{dimensions}{last}"
        longest = _LARGEST_SIDE[master]
        problems = [
            Problem(name, f"must be at least 2, found {found}")
            for name, found in (("side", side), ("dimensions", dimensions))
            if found < 2
        ]
        near_side, near = max(side, 2), min(max(dimensions, 2), 16)
        while near > 2 and near_side ** (near if master else near - 1) > LARGEST:
            near -= 1
        near_side = min(near_side, longest)
        if not problems and (side, dimensions) != (near_side, near):
            pool = "the master pool" if master else "a slice"
            problems.append(Problem(pool, f"must hold at most {LARGEST} samples"))
        if problems:
            raise impossible(self.name, problems, [f"hypercube-{near_side}-{near}{last}"])
        self.block = side**dimensions

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``3-4`` or ``3-4-master``."""
        numbers = numbers_in(r"(\d+)-(\d+)", text.removesuffix(_MASTER))
        return None if numbers is None else cls(*numbers, master=text.endswith(_MASTER))

    def full_block(self) -> Layout:
        """Return the slices of every dimension, behind the pool of all if there is one."""
        return self.block_layout(self.block)

    def block_layout(self, n: int) -> Layout:
        """Return the slices of a cube of as few dimensions as hold n samples, but at least two."""
        samples = np.arange(n)
        slices = []
        step = 1
        while step < n or step <= self.side:
            place = samples // step % self.side
            slices += [samples[place == each] for each in range(self.side)]
            step *= self.side
        return of_pools(n, [samples], slices) if self.master else of_pools(n, slices)
