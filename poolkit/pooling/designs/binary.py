"""Binary and Sperner designs: the fewest pools that name one positive."""

from math import comb
from typing import Self

import numpy as np

from poolkit.pooling.designs.coded import Coded, Codes, samples_within
from poolkit.pooling.designs.model import LARGEST, impossible, numbers_in


class _Named(Coded):
    """A design that is known by its number of samples."""

    least: int

    def __init__(self, samples: int) -> None:
        self.name = f"{self.family}-{samples}"
        problems = samples_within(samples, self.least)
        if problems:
            raise impossible(self.name, problems, [f"{self.family}-{min(max(samples, self.least), LARGEST)}"])
        self.block = samples

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``96``."""
        numbers = numbers_in(r"(\d+)", text)
        return None if numbers is None else cls(*numbers)


class Binary(_Named):
    """A pool for each binary digit: the reactive pools spell the number of the one positive.

    Parameters
    ----------
    samples
        Samples of a block, at least 4.

    Notes
    -----
    Samples are numbered from 1, and sample i is in the pool of each digit 1 of its number, so ``ceil(log2(n + 1))``
    pools name one positive of n or say that there is none: the fewest possible. What is not guaranteed: with two
    positives the digits mix, and even one does not clear the samples whose digits are among its own, which only the
    promise of one positive does.

    References
    ----------
    .. [1] D.-Z. Du, F. K. Hwang, *Combinatorial Group Testing and Its Applications*, 2nd edition (2000), chapter 7;
       [2] F. K. Hwang, "A method for detecting all defective members in a population by group testing", Journal of the
       American Statistical Association 67 (1972), 605-608.
    """

    family = "binary"
    form = "binary-SAMPLES"
    about = "A pool for each binary digit of the sample's number: the fewest pools that name one positive."
    certain = 0
    least = 4

    def __init__(self, samples: int) -> None:
        super().__init__(samples)
        self.pools = samples.bit_length()

    def codes(self) -> Codes:
        """Return the pools of each sample."""
        digit = np.arange(self.pools)
        return np.where((np.arange(1, self.block + 1)[:, None] >> digit) & 1, digit, -1)


class Sperner(_Named):
    """The fewest pools that clear every negative beside one positive.

    Parameters
    ----------
    samples
        Samples of a block, at least 5.

    Notes
    -----
    Each sample is in another half of the m pools, m the least with at least n halves (Sperner's theorem: no fewer pools
    do). So no sample's pools are among another's, and one positive is decoded for certain, without any promise; more
    than one is seen to be so, as more than half of the pools react. The halves are taken shift by shift round a circle,
    so that pools differ in size by at most m / 2 among the first n samples, whatever n.

    References
    ----------
    .. [1] E. Sperner, "Ein Satz über Untermengen einer endlichen Menge", Mathematische Zeitschrift 27 (1928), 544-548;
       [2] W. H. Kautz, R. C. Singleton, "Nonrandom binary superimposed codes", IEEE Transactions on Information Theory
       10 (1964), 363-377.
    """

    family = "sperner"
    form = "sperner-SAMPLES"
    about = "Each sample in another half of the pools: the fewest that decode one positive for certain."
    certain = 1
    least = 5

    def __init__(self, samples: int) -> None:
        super().__init__(samples)
        pools = 4
        while comb(pools, pools // 2) < samples:
            pools += 1
        self.pools = pools

    def codes(self) -> Codes:
        """Return the pools of each sample."""
        number, pools = np.arange(1 << self.pools), np.arange(self.pools)
        halves = number[np.bitwise_count(number) == self.pools // 2]
        # Numbers that are shifts of each other round the circle stand together, in the order of the shifts.
        shifted = ((halves[:, None] << pools) | (halves[:, None] >> (self.pools - pools))) & ((1 << self.pools) - 1)
        first = shifted.min(axis=1)
        halves = halves[np.lexsort([shifted.argmin(axis=1), first])][: self.block]
        return np.nonzero(halves[:, None] >> pools & 1)[1].reshape(self.block, -1)
