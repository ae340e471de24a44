"""The posterior of samples whose pools a design laid out: everything read of their block counts at once."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.deconvolution.known import Grouped
from poolkit.deconvolution.posterior import EFFORT, evidence_of, graph_of, posterior_of, vouched
from poolkit.kernels import evidence as kernels
from poolkit.kernels import posterior as methods
from poolkit.protocols import Protocol


class Designed:
    """The designed pools of a day and their samples as one graph, single tests beside them as pools of one.

    Parameters
    ----------
    pools : pyarrow.Table
        All pools.
    grouped
        Who is in them.
    looks
        What is known of each specimen.
    alone : numpy.ndarray of int32
        (samples,) the specimen that each sample is by itself.
    unusable : numpy.ndarray of bool
        (pools,) pools whose looks say nothing here.
    protocol
        Sensitivity by pool size, and specificity.
    """

    def __init__(
        self,
        pools: pa.Table,
        grouped: Grouped,
        looks: kernels.Looks,
        alone: NDArray[np.int32],
        unusable: NDArray[np.bool_],
        protocol: Protocol,
    ) -> None:
        designed = pc.is_valid(pools["design"]).to_numpy()
        used = np.flatnonzero(designed & ~unusable)
        n_samples = alone.size
        sizes = np.diff(grouped.offsets)
        pool_of = np.repeat(np.arange(sizes.size), sizes)
        # A sample is spoken of here when all its pools are designed and can be used.
        foreign = np.zeros(n_samples, np.bool_)
        foreign[grouped.samples[~(designed & ~unusable)[pool_of]]] = True
        held = np.zeros(n_samples, np.bool_)
        held[grouped.samples[designed[pool_of]]] = True
        # Members of designed pools, those spoken of and those that are not, are the samples of the graph.
        inside = np.zeros(n_samples, np.bool_)
        number = np.full(sizes.size, -1, np.int32)
        number[used] = np.arange(used.size)
        rows = np.flatnonzero(number[pool_of] >= 0)
        inside[grouped.samples[rows]] = True
        self._samples = np.flatnonzero(inside)
        place = np.full(n_samples, -1, np.int32)
        place[self._samples] = np.arange(self._samples.size)
        single = alone[self._samples]
        tested = looks.n_reactive[single] + looks.n_negative[single] > 0
        tests = np.flatnonzero(tested).astype(np.int32)
        pool = np.concatenate((number[pool_of[rows]], used.size + np.arange(tests.size))).astype(np.int32)
        sample = np.concatenate((place[grouped.samples[rows]], tests))
        self._graph = graph_of(pool, sample, used.size + tests.size, self._samples.size)
        specimens = np.concatenate((used, single[tests]))
        reactive, negative = (looks.n_reactive[specimens], looks.n_negative[specimens])
        assay = Assay(protocol.sensitivity, protocol.specificity)
        self._evidence = evidence_of(self._graph, reactive.astype(np.int32), negative.astype(np.int32), assay)
        read = np.zeros(n_samples, np.bool_)
        read_pools = (looks.n_reactive[: sizes.size] + looks.n_negative[: sizes.size] > 0) & (number >= 0)
        read[grouped.samples[rows[read_pools[pool_of[rows]]]]] = True
        read[self._samples[tested]] = True
        self._spoken = (held & ~foreign & read)[self._samples]

    def write(self, prior: NDArray[np.float64], probability: NDArray[np.float64]) -> None:
        """Write the posterior of each sample spoken of, given its prior; below 0 where none is exact."""
        if not self._spoken.any():
            return
        found = posterior_of(self._graph, self._evidence, prior[self._samples], EFFORT)
        # Only what is exact stands in a result; the table has no word for an approximation.
        said = vouched(found, self._graph, below=methods.APPROXIMATED)
        probability[self._samples[self._spoken]] = said[self._spoken]
