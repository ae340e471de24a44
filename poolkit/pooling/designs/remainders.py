"""Chinese remainder designs: a sample's pools are the remainders of its number."""

from abc import abstractmethod
from bisect import bisect_left
from functools import lru_cache
from itertools import combinations
from math import log, sqrt
from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.pooling.designs.coded import Coded, Codes, samples_within, within
from poolkit.pooling.designs.fields import is_prime
from poolkit.pooling.designs.model import LARGEST, impossible, numbers_in


def first_primes(product: int) -> list[int]:
    """Return the first primes, as many as it takes for their product to reach a number.

    Examples
    --------
    >>> first_primes(96), first_primes(96**2)
    ([2, 3, 5, 7], [2, 3, 5, 7, 11, 13])
    """
    found, reached, number = [], 1, 1
    while reached < product:
        number += 1
        if is_prime(number):
            found.append(number)
            reached *= number
    return found


@lru_cache(maxsize=12)
def _largest_products(most: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return for each sum up to a number the largest product of powers of different primes, and the powers."""
    best: list[tuple[int, tuple[int, ...]]] = [(1, ())] * (most + 1)
    # No larger prime is in any of them [Massias, Nicolas and Robin 1989]; their factor is 1.328.
    largest = int(1.4 * sqrt(most * log(most))) + 2
    for prime in filter(is_prime, range(2, largest + 1)):
        before = best.copy()
        power = prime
        while power <= most:
            for total in range(power, most + 1):
                reached, moduli = before[total - power]
                if reached * power > best[total][0]:
                    best[total] = (reached * power, (*moduli, power))
            power *= prime
    return best


def cheapest_moduli(product: int) -> list[int]:
    """Return powers of different primes with the least sum whose product reaches a number.

    The largest product for each sum (Landau's function) is found prime by prime, as a knapsack is filled; no search
    back and forth is needed for the best.

    References
    ----------
    Massias, Nicolas and Robin 1989, *Effective bounds for the maximal order of an element in the symmetric group*,
    Mathematics of Computation 53, for the largest prime that has to be looked at.

    Examples
    --------
    >>> cheapest_moduli(96), cheapest_moduli(96**2)
    ([3, 5, 7], [3, 5, 7, 8, 11])
    """
    most = 64
    while _largest_products(most)[-1][0] < product:
        most *= 2
    best = _largest_products(most)
    return sorted(best[bisect_left(best, product, key=lambda each: each[0])][1])


class _Promised(Coded):
    """A design for a number of samples of which at most so many are positive."""

    most_positives: int

    def __init__(self, samples: int, positives: int) -> None:
        self.name = f"{self.family}-{samples}-{positives}"
        self.block, self.positives = samples, positives
        least = 2 if self.most_positives == 3 else 1
        problems = [*samples_within(samples, 8), *within("positives", positives, least, self.most_positives)]
        if not problems:
            self.pools = self._count(samples, positives)
            if self.pools >= samples:
                found = f"{samples} would take {self.pools} pools, no fewer than tests alone"
                problems.append(Problem("samples", found))
        if problems:
            n, d = min(max(samples, 8), LARGEST), min(max(positives, least), self.most_positives)
            raise impossible(self.name, problems, self._nearest(n, d, least))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``96-2``."""
        numbers = numbers_in(r"(\d+)-(\d+)", text)
        return None if numbers is None else cls(*numbers)

    @classmethod
    @abstractmethod
    def _count(cls, samples: int, positives: int) -> int:
        """Return the pools that so many samples and positives take."""

    def _nearest(self, n: int, d: int, least: int) -> list[str]:
        found = []
        for positives in range(d, least - 1, -1):
            samples = n
            while samples < LARGEST and self._count(samples, positives) >= samples:
                samples += max(1, samples // 16)
            samples = min(samples, LARGEST)
            if self._count(samples, positives) < samples:
                found.append(f"{self.family}-{samples}-{positives}")
        return found[:3]


class _Sieve(_Promised):
    """A pool for each remainder of each modulus; what differs is the moduli."""

    most_positives = 10

    def __init__(self, samples: int, positives: int) -> None:
        super().__init__(samples, positives)
        self.certain = positives

    @staticmethod
    @abstractmethod
    def _moduli(product: int) -> list[int]:
        """Return moduli without a common divisor whose product reaches a number."""

    @classmethod
    def _count(cls, samples: int, positives: int) -> int:
        return sum(cls._moduli(samples**positives))

    def codes(self) -> Codes:
        """Return the remainders of each sample's number."""
        moduli = self._moduli(self.block**self.positives)
        starts: Codes = np.cumsum([0, *moduli[:-1]])
        remainders: Codes = np.arange(self.block)[:, None] % np.array(moduli)
        return remainders + starts


class ChineseRemainder(_Sieve):
    """The Chinese remainder sieve: for each of the first primes, a pool for each remainder.

    Parameters
    ----------
    samples
        Samples of a block, n.
    positives
        Positives, d, up to which every negative sample is in a negative pool.

    Notes
    -----
    The first primes are taken until their product is at least ``n**d``; the pools are as many as their sum. Two
    samples agree modulo primes whose product is below n, so d positives cannot cover all the primes of a negative:
    d positives are decoded for certain. A pool of each prime holds each p-th sample.

    References
    ----------
    .. [1] D. Eppstein, M. T. Goodrich, D. S. Hirschberg, "Improved combinatorial group testing algorithms for
       real-world problem sizes", SIAM Journal on Computing 36 (2007), 1360-1375, section 3.
    """

    family = "chinese-remainder"
    form = "chinese-remainder-SAMPLES-POSITIVES"
    about = "Pools of equal remainder by the first primes; decodes so many positives for certain."
    _moduli = staticmethod(first_primes)


class BacktrackedRemainder(_Sieve):
    """The Chinese remainder sieve with the cheapest moduli: powers of different primes with the least sum.

    Parameters
    ----------
    samples
        Samples of a block, n.
    positives
        Positives, d, up to which every negative sample is in a negative pool.

    Notes
    -----
    As `ChineseRemainder`, with the powers of different primes that have the least sum among all whose product is at
    least ``n**d``. The paper finds them by backtracking; here they come from Landau's function, and are always the
    best. d positives are decoded for certain.

    References
    ----------
    .. [1] D. Eppstein, M. T. Goodrich, D. S. Hirschberg, "Improved combinatorial group testing algorithms for
       real-world problem sizes", SIAM Journal on Computing 36 (2007), 1360-1375, section 3; [2] E. Landau, "Über die
       Maximalordnung der Permutationen gegebenen Grades", Archiv der Mathematik und Physik 5 (1903), 92-103.
    """

    family = "chinese-remainder-backtracked"
    form = "chinese-remainder-backtracked-SAMPLES-POSITIVES"
    about = "Pools of equal remainder by the prime powers of the least sum; decodes so many positives for certain."
    _moduli = staticmethod(cheapest_moduli)


class SpecialRemainder(_Promised):
    """The special designs for at most two and at most three positives, from the digits of the sample's number.

    Parameters
    ----------
    samples
        Samples of a block, n.
    positives
        The promise, 2 or 3 positives at most.

    Notes
    -----
    Two positives: numbers in base 3, a pool for each digit's place and value, and one for each two places whose digits
    are equal; with q places ``q (q + 5) / 2`` pools for up to ``3**q`` samples. Three positives: numbers in base 2, a
    pool for each two places and their values, ``2 q (q - 1)`` pools for up to ``2**q`` samples. No two sets of at most
    so many positives make the same pools reactive, so under the promise the answer is unique; without it, eliminating
    the members of negative pools may leave samples open. Fewer pools than `BacktrackedRemainder` pay for that.

    References
    ----------
    .. [1] D. Eppstein, M. T. Goodrich, D. S. Hirschberg, "Improved combinatorial group testing algorithms for
       real-world problem sizes", SIAM Journal on Computing 36 (2007), 1360-1375, sections on d = 2 and d = 3.
    """

    family = "chinese-remainder-special"
    form = "chinese-remainder-special-SAMPLES-POSITIVES"
    about = "Pools of digits and of pairs of digits, for at most two or three positives; it needs that promise."
    most_positives = 3
    certain = 0

    @staticmethod
    def _places(samples: int, base: int) -> int:
        places = 2
        while base**places < samples:
            places += 1
        return places

    @classmethod
    def _count(cls, samples: int, positives: int) -> int:
        if positives == 2:
            places = cls._places(samples, 3)
            return places * (places + 5) // 2
        places = cls._places(samples, 2)
        return 2 * places * (places - 1)

    def codes(self) -> Codes:
        """Return the pools of the digits of each sample's number."""
        base = 3 if self.positives == 2 else 2
        places = self._places(self.block, base)
        digits = np.arange(self.block)[:, None] // base ** np.arange(places) % base
        pairs = list(combinations(range(places), 2))
        if self.positives == 2:
            equal = [np.where(digits[:, a] == digits[:, b], 3 * places + k, -1) for k, (a, b) in enumerate(pairs)]
            return np.concatenate([digits + 3 * np.arange(places), np.stack(equal, axis=1)], axis=1)
        return np.stack([4 * k + 2 * digits[:, a] + digits[:, b] for k, (a, b) in enumerate(pairs)], axis=1)
