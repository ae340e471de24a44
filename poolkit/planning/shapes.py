"""What kind of design a layout is, so that its figures are computed by the formula that fits."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.kernels.trees import Tree, nest
from poolkit.pooling.designs import Design, Layout
from poolkit.pooling.designs import design as design_of
from poolkit.pooling.designs.array import Array


class Rectangle(NamedTuple):
    """An array.

    Attributes
    ----------
    n_rows, n_columns : int
        Its sides.
    master : bool
        Whether a pool of all comes first.
    """

    n_rows: int
    n_columns: int
    master: bool


class Nested(NamedTuple):
    """Pools that lie inside pools.

    Attributes
    ----------
    layout : Layout
        The pools.
    tree : poolkit.kernels.trees.Tree
        Which lies in which.
    sizes, stages : tuple of int
        Samples and stage of each pool.
    last : numpy.ndarray of int64
        (samples,) stage of the last pool of each sample, 0 for none.
    """

    layout: Layout
    tree: Tree
    sizes: tuple[int, ...]
    stages: tuple[int, ...]
    last: NDArray[np.int64]


def rectangle_of(design: Design | Layout, n: int | None) -> Rectangle | None:
    """Return the array that a design of so many samples fills once or more, or None where it is none or not full."""
    if isinstance(design, Array) and (n is None or (n > 0 and n % design.block == 0)):
        return Rectangle(design.rows, design.columns, design.master)
    return None


def nested_of(layout: Layout) -> Nested | None:
    """Return which pools of a layout lie in which, or None where some cross.

    Parameters
    ----------
    layout
        Pools in stages.

    Returns
    -------
    Nested or None
        The same pools with the tree that they are.
    """
    n_pools = layout.stage.size
    parent, owner = np.empty(n_pools, np.int64), np.empty(layout.n_samples, np.int64)
    if not nest(layout.offsets, layout.members, layout.stage, parent, owner):
        return None
    pool_offsets, pools = _grouped(parent, n_pools)
    sample_offsets, samples = _grouped(owner, n_pools)
    tree = Tree(parent, owner, np.diff(layout.offsets), pool_offsets, pools, sample_offsets, samples)
    last = np.append(layout.stage.astype(np.int64), 0)[owner]
    return Nested(layout, tree, tuple(tree.size.tolist()), tuple(layout.stage.tolist()), last)


@lru_cache(maxsize=256)
def _by_name(name: str) -> Design:
    return design_of(name)


def named(design: Any) -> Design:
    """Return a design; one of a name is made once, but for the name of a file, which may come to say something else."""
    return _by_name(design) if isinstance(design, str) and "." not in design else design_of(design)


@lru_cache(maxsize=64)
def block_of(plan: Design) -> tuple[Layout, Nested | None]:
    """Return the pools of one full block of a named design, made once."""
    layout = plan.layout(plan.block)
    return layout, nested_of(layout)


def _grouped(group: NDArray[np.int64], n_groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each group starts in the list of its members."""
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(n_groups + 1))
    return first.astype(np.int64), order.astype(np.int64)


def nested_pools(*stages: Sequence[int]) -> Layout:
    """Return the layout of groups of these sizes, stage by stage, each stage in the order of the samples.

    Parameters
    ----------
    *stages
        Sizes of the groups of a stage, from the first sample on; those of a later stage lie inside those before. A
        group of one is a sample tested alone after the stages before. Samples beyond the groups of a later stage are
        tested alone too.

    Returns
    -------
    Layout
        For `characteristics` and for production.

    Raises
    ------
    DesignError
        When there is no group, a size is below 1, or a group is cut by the end of one of the stage before.

    Notes
    -----
    What the names of designs cannot say: groups of unequal sizes. ``hierarchical-24-5-1`` is
    ``nested_pools([24], [5, 5, 5, 5, 4])``; pools of 6, 3 and 1 for samples in order of risk are
    ``nested_pools([6, 3, 1])``.

    Examples
    --------
    >>> nested_pools([6], [4, 2]).members.tolist()
    [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    """
    problems = [
        Problem(f"stage {number}", f"its groups must hold whole samples, at least 1, found {sizes}")
        for number, sizes in enumerate(stages, 1)
        if not (np.ndim(sizes) == 1 and len(sizes) and all(size >= 1 and size % 1 == 0 for size in sizes))
    ]
    if problems:
        raise DesignError("not nested pools", problems)
    if not stages:
        problems.append(Problem("stages", "there must be at least one"))
    ends = [np.cumsum(sizes, dtype=np.int64) for sizes in stages]
    for number, (outer, inner) in enumerate(pairwise(ends), 2):
        cuts = outer[:-1] if inner[-1] >= outer[-1] else outer[outer < inner[-1]]
        if inner[-1] > outer[-1] or not np.isin(cuts, inner).all():
            problems.append(Problem(f"stage {number}", "its groups must lie inside those of the stage before"))
    if problems:
        raise DesignError("not nested pools", problems)
    offsets, members, stage = [0], [], []
    seen = set()
    for number, end in enumerate(ends, 1):
        for first, stop in zip([0, *end[:-1].tolist()], end.tolist(), strict=True):
            if stop - first > 1 and (first, stop) not in seen:
                seen.add((first, stop))
                members.append(np.arange(first, stop, dtype=np.int32))
                offsets.append(offsets[-1] + stop - first)
                stage.append(number)
    every = np.concatenate([np.empty(0, np.int32), *members])
    return Layout(int(ends[0][-1]), np.array(offsets, np.int64), every, np.array(stage, np.int8))
