"""Random designs: so many pools a sample, drawn evenly."""

import re
from typing import Self

import numpy as np
from numpy.typing import NDArray

from poolkit.errors import Problem
from poolkit.pooling.designs.coded import Coded, Codes, samples_within, within
from poolkit.pooling.designs.model import LARGEST, impossible

_MOST_EACH = 60


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the outputs of SplitMix64 from seed 0, counted from 0: the same on every machine and for all time.

    References
    ----------
    Steele, Lea and Flood 2014, *Fast splittable pseudorandom number generators*, OOPSLA.

    Examples
    --------
    >>> mixed(np.array([0, 1], np.uint64)).tolist()
    [16294208416658607535, 7960286522194355700]
    """
    z = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Random(Coded):
    """A random near doubly regular design: each sample in as many pools, the pools as even as can be.

    Parameters
    ----------
    samples
        Samples of a block.
    pools
        Pools, fewer than the samples.
    each
        Pools of a sample, from 2 to half of the pools, at most 60.
    seed
        Another seed, another design; the same seed always gives the same.

    Notes
    -----
    All pools in a random order, and again, and again; each sample takes the next `each` of them. Where a sample takes
    the last of one order and the first of the next, the next order begins with those that it has not. So each sample is
    in exactly `each` different pools, and the pools of the first n samples differ in size by at most one for every n.
    Nothing is guaranteed of how many positives are decoded.

    References
    ----------
    .. [1] O. Johnson, M. Aldridge, J. Scarlett, "Performance of group testing algorithms with near-constant tests per
       item", IEEE Transactions on Information Theory 65 (2019), 707-723; [2] B. Cleary et al., "Using viral load and
       epidemic dynamics to optimize pooled testing in resource-constrained settings", Science Translational Medicine
       13 (2021), eabf1568.
    """

    family = "random"
    form = "random-SAMPLES-POOLS-POOLS_OF_A_SAMPLE[-seedNUMBER]"
    about = "So many pools a sample, drawn by a seed, the pools as even as can be."
    certain = 0

    def __init__(self, samples: int, pools: int, each: int, *, seed: int = 0) -> None:
        last = f"-seed{seed}" if seed else ""
        self.name = f"random-{samples}-{pools}-{each}{last}"
        self.block, self.pools, self.each, self.seed = samples, pools, each, seed
        problems = samples_within(samples, 5)
        n = min(max(samples, 5), LARGEST)
        problems += within("pools", pools, 4, n - 1)
        m = min(max(pools, 4), n - 1)
        problems += within("pools of a sample", each, 2, min(m // 2, _MOST_EACH))
        if seed < 0:
            problems.append(Problem("seed", f"must not be negative, found {seed}"))
        if problems:
            possible = f"random-{n}-{m}-{min(max(each, 2), m // 2, _MOST_EACH)}{last if seed > 0 else ''}"
            raise impossible(self.name, problems, [possible])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``384-48-6`` or ``384-48-6-seed7``."""
        fits = re.fullmatch(r"(\d{1,9})-(\d{1,9})-(\d{1,9})(?:-seed(\d{1,9}))?", text, re.ASCII)
        if fits is None:
            return None
        samples, pools, each, seed = (int(found or 0) for found in fits.groups())
        return cls(samples, pools, each, seed=seed)

    def codes(self) -> Codes:
        """Return the pools that each sample drew."""
        rounds = -(-self.block * self.each // self.pools)
        start = mixed(np.array([self.seed], np.uint64))
        keys = mixed(start + np.arange(rounds * self.pools).astype(np.uint64)).reshape(rounds, self.pools)
        orders = np.argsort(keys, axis=1, kind="stable")
        for k in range(1, rounds):
            n_taken = k * self.pools % self.each
            if n_taken:
                order = orders[k]
                again = np.isin(order, orders[k - 1, self.pools - n_taken :])
                fresh = np.flatnonzero(~again)[: self.each - n_taken]
                later = np.setdiff1d(np.arange(self.pools), fresh)
                orders[k] = order[np.concatenate([fresh, later])]
        return orders.ravel()[: self.block * self.each].reshape(self.block, self.each)
