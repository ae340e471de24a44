"""The figures of pools inside pools where all tests of a sample see one viral load."""

from functools import cached_property, lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.planning.accuracy import Stages, rates
from poolkit.planning.drawn import Drawn
from poolkit.planning.figures import Drawing, Figures, Floats
from poolkit.planning.shapes import Nested

# Pools around a sample, the smallest first: samples and assay of each.
Chain = tuple[tuple[int, Assay], ...]
# More infected than these in one pool are taken as these, as in `poolkit.assays.loads`.
_MOST_INFECTED = 8
# Numbers of infected that are less likely are left out.
_RARE = 1e-12


class Reached(NamedTuple):
    """How likely all pools around a sample react: not infected, infected, and infected and found alone too."""

    clean: float
    infected: float
    found: float


def chained(stages: Stages, risk: Floats) -> bool:
    """Say whether the sums over loads apply: samples as likely infected, and loads or nothing that counts."""
    every = (*stages.assays, stages.single)
    return bool(risk.size and (risk == risk[0]).all()) and all(
        each is None or each.loads is not None or each.further == "none" for each in every
    )


@lru_cache(maxsize=4096)
def reached(chain: Chain, alone: Assay, prevalence: float) -> Reached:
    """Return how likely all pools around a sample react.

    Parameters
    ----------
    chain
        The pools around it.
    alone
        What reads the sample alone.
    prevalence
        How likely each sample is infected.

    Returns
    -------
    Reached
        Means over points of the loads of the infected, the sample's own first, then those next to it.
    """
    clean = _all_react(chain, 0, prevalence)
    infected = _all_react(chain, 1, prevalence)
    return Reached(float(clean.mean()), float(infected.mean()), float((infected * _detected(alone, 1)[1]).mean()))


def _all_react(chain: Chain, own: int, prevalence: float) -> Floats:
    """Return how likely all pools react at each point, where the sample itself is infected or not."""
    # held[k]: k of the pool so far are infected, and all pools so far react.
    held = np.zeros((_MOST_INFECTED + 1, 1))
    held[own] = 1.0
    inside = 1
    for size, assay in chain:
        further = _counts(size - inside, prevalence)
        wider = np.zeros_like(held)
        for more in np.flatnonzero(further > _RARE):
            kept = _MOST_INFECTED + 1 - more
            wider[more:] += further[more] * held[:kept]
            wider[-1] += further[more] * held[kept:].sum(axis=0)
        held = wider * _detected(assay, size)
        inside = size
    return np.asarray(held.sum(axis=0), np.float64)


def _counts(n: int, prevalence: float) -> Floats:
    """Return how likely n samples hold 0, 1, ... infected, so many or more last."""
    exactly = [
        comb(n, k) * prevalence**k * (1.0 - prevalence) ** (n - k) if k <= n else 0.0 for k in range(_MOST_INFECTED)
    ]
    more = max(1.0 - sum(exactly), 0.0) if n >= _MOST_INFECTED else 0.0
    return np.array([*exactly, more])


def _detected(assay: Assay, size: int) -> Floats:
    """Return how likely a pool reacts by its infected (row, from 0) at each point of their loads."""
    found, wrong = rates(assay, size)
    if assay.loads is None:
        return np.array([[wrong], *[[found]] * _MOST_INFECTED])
    each = assay.loads.detected_each(size)
    return np.concatenate([np.full((1, each.shape[1]), wrong), each])


class InsidePoolsByLoad(Figures):
    """Pools inside pools whose samples are all as likely infected, each with one load in all its tests."""

    def __init__(
        self, nested: Nested, risk: Floats, placed: tuple[NDArray[np.int64], Stages], drawing: Drawing
    ) -> None:
        self._nested, self._risk, self._placed, self._drawing = nested, risk, placed, drawing
        self.n_samples = risk.size
        stages = placed[1]
        prevalence = float(risk[0]) if risk.size else 0.0
        chains: list[Chain] = []
        tested = np.ones(len(nested.sizes))
        for pool, (size, stage) in enumerate(zip(nested.sizes, nested.stages, strict=True)):
            around = int(nested.tree.parent[pool])
            if around >= 0:
                outside = reached(chains[around], stages.at(0), prevalence)
                tested[pool] = prevalence * outside.infected + (1.0 - prevalence) * outside.clean
            chains.append(((size, stages.at(stage)), *(chains[around] if around >= 0 else ())))
        self._tested, self._chains = tested, chains
        kinds: dict[tuple[Chain, Assay], Reached] = {}
        each = []
        for owner, last in zip(nested.tree.owner.tolist(), nested.last.tolist(), strict=True):
            kind = chains[owner] if owner >= 0 else (), stages.alone(last + 1 if last else 0)
            if kind not in kinds:
                kinds[kind] = reached(*kind, prevalence)
            each.append((*kinds[kind], rates(kind[1], 1)[1]))
        clean, infected, self._found, wrong = np.array(each).reshape(-1, 4).T
        self._wrong = clean * wrong
        of_pools = np.bincount(nested.layout.stage, weights=tested, minlength=2)[1:] if tested.size else np.zeros(0)
        self.stages = (*of_pools.tolist(), float(risk @ infected + (1.0 - risk) @ clean))

    @property
    def risk(self) -> Floats:
        """How likely the sample at each place is infected."""
        return self._risk

    @property
    def sample(self) -> NDArray[np.int64]:
        """Which sample stands at each place."""
        return self._placed[0]

    def each(self) -> tuple[Floats, Floats]:
        """Return how likely each sample is called positive: if infected, and if not."""
        return self._found, self._wrong

    @cached_property
    def _drawn(self) -> Drawn:
        return Drawn(self._nested.layout, self._risk, self._placed, self._drawing, unmatched="clear")

    def variance(self) -> float:
        """Return the variance of all tests: exact where no pool lies in another, else of sets that are drawn now."""
        if (self._nested.tree.parent >= 0).any():
            return self._drawn.variance()
        total, prevalence = 0.0, float(self._risk[0])
        for size, chain in zip(self._nested.sizes, self._chains, strict=True):
            found = reached(chain, self._placed[1].at(0), prevalence)
            share = prevalence * found.infected + (1.0 - prevalence) * found.clean
            total += size**2 * share * (1.0 - share)
        return total
