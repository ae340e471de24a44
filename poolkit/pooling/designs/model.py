"""`Design`: what every pool design has in common."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import coded
from poolkit.errors import DesignError, Problem
from poolkit.pooling.designs.description import Description, description
from poolkit.pooling.designs.layout import Layout, first_samples, of_pools, one_behind_the_other
from poolkit.schemas import MEMBERS

__all__ = ["LARGEST", "Design", "Layout", "impossible", "numbers_in"]

# A slot is an int16.
LARGEST = 32767


class Design(ABC):
    """A rule by which samples are pooled.

    A family of designs is a class of its own: it says how its names are written, reads the numbers from one, and gives
    the pools of one block. It is entered in `names` to be found.

    Attributes
    ----------
    family : str
        How the names of its designs begin, e.g. ``array``.
    form : str
        How they are written, numbers as capitals, e.g. ``array-ROWSxCOLUMNS[-master]``.
    about : str
        The family in one sentence.
    name : str
        The design with its numbers, e.g. ``array-8x12``; `design` finds it again by this name.
    block : int
        Samples that stand together in a full block: the pools of two blocks share no sample.
    """

    family: ClassVar[str]
    form: ClassVar[str]
    about: ClassVar[str]
    name: str
    block: int

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self | None:
        """Return the design of the numbers behind the family's name and its dash, or none where they are no such.

        Numbers that are written right and yet impossible are a `DesignError` with the nearest that are possible.
        """

    @abstractmethod
    def full_block(self) -> Layout:
        """Return the pools of a full block."""

    def block_layout(self, n: int) -> Layout:
        """Return the pools of n samples of one block, n from 1 to `block`; by default the full block cut short."""
        return first_samples(self._whole, n)

    @cached_property
    def _whole(self) -> Layout:
        return self.full_block()

    def layout(self, n: int) -> Layout:
        """Return the pools of n samples: full blocks one behind the other, and what is left in a smaller one.

        Examples
        --------
        >>> import poolkit
        >>> poolkit.design("two-stage-3").layout(5).members.tolist()
        [0, 1, 2, 3, 4]
        """
        return one_behind_the_other(*self._blocks(n))

    def _blocks(self, n: int) -> tuple[Layout, int, Layout]:
        """Return a full block, how many of them n samples fill, and the block of the rest."""
        if n < 0:
            raise DesignError("no samples to pool", [Problem("n", f"must be at least 0, found {n}")])
        n_full, n_left = divmod(n, self.block)
        full = self.block_layout(self.block) if n_full else of_pools(0)
        return full, n_full, self.block_layout(n_left) if n_left else of_pools(0)

    def describe(self, n: int | None = None) -> Description:
        """Return the facts of the design for n samples, by default those of a full block.

        Examples
        --------
        >>> import poolkit
        >>> poolkit.design("hierarchical-10-5-1").describe().largest_pool
        (10, 5)
        """
        return description(self.name, self.block, *self._blocks(self.block if n is None else n))

    def members(self, n: int) -> pa.Table:
        """Return table `members` of n samples: pools `P1`, `P2`, ... and samples `S1`, `S2`, ..., no volumes.

        Examples
        --------
        >>> import poolkit
        >>> poolkit.design("two-stage-3").members(5)["pool_id"].to_pylist()
        ['P1', 'P1', 'P1', 'P2', 'P2']
        """
        return _members(self.layout(n))

    def table(self, n: int) -> pa.Table:
        """Return the pools of n samples as `design` reads them: table `members` without volumes, and a stage.

        Examples
        --------
        >>> import poolkit
        >>> poolkit.design(poolkit.design("hierarchical-4-2-1").table(4)).describe().n_pools
        (1, 2)
        """
        layout = self.layout(n)
        stage = pa.array(np.repeat(layout.stage, np.diff(layout.offsets)))
        return _members(layout).drop_columns(["volume_ul"]).append_column("stage", stage)

    def __repr__(self) -> str:
        """Give the design as `design` takes it."""
        return f"design({self.name!r})"


def _members(layout: Layout) -> pa.Table:
    sizes = np.diff(layout.offsets)
    pool = np.repeat(np.arange(sizes.size), sizes)
    slot = np.arange(layout.members.size) - layout.offsets[pool] + 1
    columns = [
        coded(pool, _running("P", sizes.size)),
        coded(layout.members, _running("S", layout.n_samples)),
        pa.array(slot.astype(np.int16)),
        pa.nulls(layout.members.size, pa.float64()),
    ]
    fields = [field.with_type(column.type) for field, column in zip(MEMBERS.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _running(letter: str, n: int) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(np.arange(1, n + 1)).cast(pa.string()), "")


def impossible(name: str, problems: Sequence[Problem], nearest: Sequence[str]) -> DesignError:
    """Return the error of a design whose numbers do not go, with the nearest that do.

    Examples
    --------
    >>> print(impossible("two-stage-1", [Problem("size", "must be at least 2, found 1")], ["two-stage-2"]))
    there is no design two-stage-1, 2 problem(s):
      - size: must be at least 2, found 1
      - nearest: two-stage-2
    """
    return DesignError(f"there is no design {name}", [*problems, Problem("nearest", ", ".join(nearest))])


def numbers_in(pattern: str, text: str) -> list[int] | None:
    r"""Return the whole numbers that a pattern finds, or none where it does not fit the whole text.

    Examples
    --------
    >>> numbers_in(r"(\d+)x(\d+)", "8x12"), numbers_in(r"(\d+)x(\d+)", "8 by 12")
    ([8, 12], None)
    """
    found = re.fullmatch(pattern, text, re.ASCII)
    # What has more digits than a slot can count is no size of anything here.
    return None if found is None or max(map(len, found.groups())) > 9 else [int(each) for each in found.groups()]
