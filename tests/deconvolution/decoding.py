"""Random pooled batches with what was read of them, for the decoders and their slow twins alike."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from poolkit import Assay
from poolkit.deconvolution.posterior import graph_of
from poolkit.kernels.components import Graph


class Batch(NamedTuple):
    """Pools of sample numbers, how often each reacted and did not, priors and assay."""

    n_samples: int
    pools: list
    looks: list
    priors: list
    assay: Assay

    @property
    def graph(self) -> Graph:
        pool = [number for number, members in enumerate(self.pools) for _ in members]
        sample = [sample for members in self.pools for sample in members]
        return graph_of(np.array(pool, np.int32), np.array(sample, np.int32), len(self.pools), self.n_samples)

    @property
    def n_reactive(self) -> np.ndarray:
        return np.array([yes for yes, _ in self.looks], np.int32)

    @property
    def n_negative(self) -> np.ndarray:
        return np.array([no for _, no in self.looks], np.int32)

    def reactive(self, size: int, infected: int) -> float:
        """The definition of `Assay`, written again."""
        if not infected:
            return 1.0 - self.assay.specificity
        one = self.assay.sensitivity
        if isinstance(one, tuple):
            (low, at_low), (high, at_high) = one
            along = min(max((size - low) / (high - low), 0.0), 1.0)
            one = at_low + along * (at_high - at_low)
        return one if self.assay.further == "none" else 1.0 - (1.0 - one) ** infected


PROBABILITIES = st.one_of(st.floats(1e-6, 0.999), st.sampled_from([0.01, 0.01, 0.5, 0.0, 1.0]))
RATES = st.one_of(st.floats(0.6, 0.999), st.just(1.0))
# Mostly one look; erased pools, replicates and their contradictions too.
LOOKS = st.sampled_from([(1, 0)] * 5 + [(0, 1)] * 5 + [(0, 0), (2, 0), (0, 2), (1, 1)])


@st.composite
def assays(draw) -> Assay:
    sensitivity = draw(st.one_of(RATES, st.tuples(RATES, RATES).map(lambda two: ((1, two[0]), (6, two[1])))))
    return Assay(sensitivity, draw(RATES), draw(st.sampled_from(["none", "independent"])))


@st.composite
def batches(draw, most: int = 8) -> Batch:
    n = draw(st.integers(1, most))
    members = st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True)
    pools = draw(st.lists(members, max_size=8))
    looks = draw(st.lists(LOOKS, min_size=len(pools), max_size=len(pools)))
    priors = draw(
        st.one_of(st.lists(PROBABILITIES, min_size=n, max_size=n), PROBABILITIES.map(lambda prior: [prior] * n))
    )
    return Batch(n, pools, looks, priors, draw(assays()))
