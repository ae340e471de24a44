"""`Design` and `Layout`: what every pool design has in common."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import coded
from poolkit.schemas import MEMBERS


class Layout(NamedTuple):
    """Which samples are in which pools, and when each pool is tested.

    A pool of stage 1 is tested always; one of a later stage when a member of it is still open after the stages before.
    What is open after the last stage is tested alone: pools of one sample do not stand in a layout.

    Attributes
    ----------
    n_samples : int
        Samples, numbered from 0 in the order in which they were given.
    offsets : numpy.ndarray of int64
        (pools + 1,) pool p holds ``members[offsets[p]:offsets[p + 1]]``.
    members : numpy.ndarray of int32
        (memberships,) samples, pool by pool, in the order of their slots.
    stage : numpy.ndarray of int8
        (pools,) from 1, never falling.
    """

    n_samples: int
    offsets: NDArray[np.int64]
    members: NDArray[np.int32]
    stage: NDArray[np.int8]


class Design(ABC):
    """A rule by which samples are pooled.

    Attributes
    ----------
    name : str
        The design with its numbers, e.g. ``array-8x12``; `design` finds it again by this name.
    block : int
        Samples that stand together in a full block: the pools of two blocks share no sample.
    """

    name: str
    block: int

    @abstractmethod
    def layout(self, n: int) -> Layout:
        """Return the pools of n samples: full blocks one behind the other, and what is left in a smaller one."""

    def members(self, n: int) -> pa.Table:
        """Return table `members` of n samples: pools `P1`, `P2`, ... and samples `S1`, `S2`, ..., no volumes.

        Examples
        --------
        >>> from poolkit.pooling.designs import Design
        >>> issubclass(Design, object)
        True
        """
        _, offsets, members, _ = self.layout(n)
        sizes = np.diff(offsets)
        pool = np.repeat(np.arange(sizes.size), sizes)
        slot = np.arange(members.size) - offsets[pool] + 1
        columns = [
            coded(pool, pa.array([f"P{k}" for k in range(1, sizes.size + 1)], pa.string())),
            coded(members, pa.array([f"S{k}" for k in range(1, n + 1)], pa.string())),
            pa.array(slot.astype(np.int16)),
            pa.nulls(members.size, pa.float64()),
        ]
        fields = [field.with_type(column.type) for field, column in zip(MEMBERS.schema, columns, strict=True)]
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))
