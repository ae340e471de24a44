"""Designs with three pools a sample: Kirkman and Steiner triple systems, and all triples."""

from abc import abstractmethod
from functools import lru_cache
from math import comb
from typing import Self

from poolkit.errors import Problem
from poolkit.pooling.designs.coded import Coded, Codes, samples_within, within
from poolkit.pooling.designs.model import LARGEST, impossible, numbers_in
from poolkit.pooling.designs.triples import all_triples, evenly, has_kirkman, kirkman_classes, steiner_triples

_MOST_POOLS = 999
_MOST_OF_ALL = 40


@lru_cache(maxsize=16)
def _steiner(pools: int, samples: int) -> Codes:
    found = evenly(steiner_triples(pools), samples)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=16)
def _triples(pools: int, samples: int) -> Codes:
    found = evenly(all_triples(pools), samples)
    found.flags.writeable = False
    return found


class _OfTriples(Coded):
    """Three pools a sample, from a family of triples."""

    certain = 2
    rule: str
    most_pools: int

    def __init__(self, pools: int, samples: int) -> None:
        self.name = f"{self.family}-{pools}x{samples}"
        self.pools, self.block = pools, samples
        problems = samples_within(samples, 10)
        if not (pools <= self.most_pools and self._exists(pools)):
            problems.append(Problem("pools", f"must be {self.rule}, at most {self.most_pools}, found {pools}"))
        elif not problems:
            problems = within("samples", samples, pools + 1, self._most(pools))
        if problems:
            n = min(max(samples, 10), LARGEST)
            goes = [v for v in range(6, self.most_pools + 1) if self._exists(v)]
            clipped = {v: min(max(n, v + 1), self._most(v), LARGEST) for v in goes}
            near = sorted(goes, key=lambda v: (abs(clipped[v] - n), abs(v - pools), v))[:3]
            names = [f"{self.family}-{v}x{clipped[v]}" for v in near]
            if self.family != "triples" and 6 <= pools <= _MOST_OF_ALL and pools < n <= comb(pools, 3):
                names.append(f"triples-{pools}x{n}")
            raise impossible(self.name, problems, names)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``45x105``."""
        numbers = numbers_in(r"(\d+)x(\d+)", text)
        return None if numbers is None else cls(*numbers)

    @staticmethod
    @abstractmethod
    def _exists(pools: int) -> bool:
        """Return whether there is a family of so many pools."""

    @staticmethod
    def _most(pools: int) -> int:
        """Return the triples of a Steiner system: any two pools are in one."""
        return pools * (pools - 1) // 6


class Kirkman(_OfTriples):
    """The first parallel classes of a Kirkman triple system: three pools a sample, two samples share at most one.

    Parameters
    ----------
    pools
        v, 3 more than a multiple of 6: 9, 15, 21, 27, 33, ... (there is a system for each, yet no construction is kept
        here for 69, 165, 213, 231, 273, 285 and fifteen more below 1,000).
    samples
        Samples of a block, more than v and at most v (v - 1) / 6.

    Notes
    -----
    A Kirkman system is a Steiner triple system (any two of the v pools are together in exactly one triple) whose
    triples fall into (v - 1) / 2 classes that hold each pool once. The samples are the triples, class by class, so the
    pools of the first n samples differ in size by at most one for every n, and are equal after whole classes of v / 3.
    Two positives are decoded for certain. Made anew from a finite field each time: v = 3 q and v = 2 q + 1 for q a
    prime power 6 t + 1 (Ray-Chaudhuri and Wilson), or by tripling or inflating a smaller system.

    The sizes are Tapestry's: ``kirkman-21x70`` and ``kirkman-27x117`` are whole systems, ``kirkman-45x105`` is 7 of 22
    classes, ``kirkman-63x399`` 19 of 31, ``kirkman-93x961`` 31 of 46. Tapestry's 16 x 40 is none: 16 pools have room
    for at most 37 triples that share one pool at most; `AllTriples` gives one in which few share two.

    References
    ----------
    .. [1] D. K. Ray-Chaudhuri, R. M. Wilson, "Solution of Kirkman's schoolgirl problem", Proceedings of Symposia in
       Pure Mathematics 19 (1971), 187-203; [2] S. Ghosh et al., "A compressed sensing approach to pooled RT-PCR testing
       for COVID-19 detection", IEEE Open Journal of Signal Processing 2 (2021), 248-264.
    """

    family = "kirkman"
    form = "kirkman-POOLSxSAMPLES"
    about = "Three pools a sample, two samples share at most one; even pools, from a Kirkman triple system."
    rule = "3 more than a multiple of 6, with a Kirkman system known here"
    most_pools = _MOST_POOLS

    _exists = staticmethod(lambda pools: pools > 3 and has_kirkman(pools))

    def codes(self) -> Codes:
        """Return the triple of each sample."""
        return kirkman_classes(self.pools).reshape(-1, 3)[: self.block]


class Steiner(_OfTriples):
    """Triples of a Steiner system: three pools a sample, two samples share at most one.

    Parameters
    ----------
    pools
        v, 1 or 3 more than a multiple of 6, at least 9.
    samples
        Samples of a block, more than v and at most v (v - 1) / 6.

    Notes
    -----
    Bose's construction for v = 6 t + 3, Skolem's for 6 t + 1. The triples are taken in an order that keeps pools even;
    unlike those of `Kirkman` the pools of the first n samples may differ in size by two. Two positives are decoded for
    certain.

    References
    ----------
    .. [1] R. C. Bose, "On the construction of balanced incomplete block designs", Annals of Eugenics 9 (1939),
       353-399; [2] T. Skolem, "Some remarks on the triple systems of Steiner", Mathematica Scandinavica 6 (1958),
       273-280.
    """

    family = "steiner"
    form = "steiner-POOLSxSAMPLES"
    about = "Three pools a sample, two samples share at most one; from a Steiner triple system of any size."
    rule = "1 or 3 more than a multiple of 6, at least 9"
    most_pools = 199

    _exists = staticmethod(lambda pools: pools > 8 and pools % 6 in (1, 3))

    def codes(self) -> Codes:
        """Return the triple of each sample."""
        return _steiner(self.pools, self.block)


class AllTriples(_OfTriples):
    """Every sample in another three of the pools, any number of pools; two samples may share two.

    Parameters
    ----------
    pools
        v, from 6 to 40.
    samples
        Samples of a block, more than v and at most v (v - 1) (v - 2) / 6.

    Notes
    -----
    The triples are taken in an order that keeps those that share two pools to the end and the pools even. One positive
    is decoded for certain. ``triples-20x1140``, all triples of 20 pools, and ``triples-16x40`` have the sizes of
    Tapestry's.

    References
    ----------
    .. [1] S. Ghosh et al., "A compressed sensing approach to pooled RT-PCR testing for COVID-19 detection", IEEE Open
       Journal of Signal Processing 2 (2021), 248-264.
    """

    family = "triples"
    form = "triples-POOLSxSAMPLES"
    about = "Every sample in another three of the pools, up to all triples of them; two samples may share two."
    certain = 1
    rule = "at least 6"
    most_pools = _MOST_OF_ALL

    _exists = staticmethod(lambda pools: pools > 5)
    _most = staticmethod(lambda pools: comb(pools, 3))

    def codes(self) -> Codes:
        """Return the triple of each sample."""
        return _triples(self.pools, self.block)
