"""The exact figures of pools inside pools and of pools that cross, and the choice of the formula for a layout."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import crossings, trees
from poolkit.planning.accuracy import Stages, reactions
from poolkit.planning.drawn import Drawn
from poolkit.planning.figures import Drawing, Figures, Floats, Unmatched, alone
from poolkit.planning.load_figures import InsidePoolsByLoad, chained
from poolkit.planning.shapes import Nested
from poolkit.pooling.designs import Layout

# 2 ** 14 sets of pools a sample are summed at most.
_MOST_POOLS_A_SAMPLE = 14


class Placed(Figures):
    """Samples in a layout of pools."""

    def __init__(self, layout: Layout, risk: Floats, sample: NDArray[np.int64], stages: Stages) -> None:
        self._layout, self._risk, self._sample, self._stages = layout, risk, sample, stages
        self.n_samples = layout.n_samples

    @property
    def risk(self) -> Floats:
        """How likely the sample at each place is infected."""
        return self._risk

    @property
    def sample(self) -> NDArray[np.int64]:
        """Which sample stands at each place."""
        return self._sample


class InsidePools(Placed):
    """Pools that lie inside pools; with retests, samples of a reactive pool that is left empty are tested alone."""

    def __init__(self, nested: Nested, risk: Floats, placed: tuple[NDArray[np.int64], Stages], *, retest: bool) -> None:
        sample, stages = placed
        super().__init__(nested.layout, risk, sample, stages)
        self._retest, self._last = retest, nested.last
        self._tree = nested.tree
        tree, stage = nested.tree, nested.layout.stage
        n_columns = max(nested.sizes, default=1) + 1 if stages.counted else 2
        self._reactive = reactions(stages, nested.sizes, nested.stages, n_columns)
        self._infected, above = np.empty_like(self._reactive), np.empty_like(self._reactive)
        trees.counts(tree, risk, self._infected)
        tested, self._open = np.empty(stage.size), np.empty((risk.size, 2))
        trees.reach(tree, risk, self._reactive, self._infected, above, tested, self._open)
        if retest:
            back = np.empty_like(self._open)
            trees.take_back(tree, risk, self._reactive, self._infected, above, back)
            self._open += back
        by_stage = np.bincount(stage, tested)[1:].tolist() if stage.size else ()
        n_alone = float(risk @ self._open[:, 1] + (1.0 - risk) @ self._open[:, 0])
        self.stages = (*by_stage, n_alone)

    def each(self) -> tuple[Floats, Floats]:
        """Return what the last test makes of who is tested alone."""
        found, wrong = alone(self._stages, self._last)
        return self._open[:, 1] * found, self._open[:, 0] * wrong

    @cached_property
    def _roots(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._tree.parent < 0)

    def variance(self) -> float | None:
        """Return the sum over the pools that lie in no other, which are independent; None with retests."""
        if self._retest:
            return None
        first, second = np.empty_like(self._infected), np.empty_like(self._infected)
        trees.moments(self._tree, self.risk, self._reactive, self._infected, first, second)
        mean, square = first[self._roots].sum(axis=1), second[self._roots].sum(axis=1)
        return max(float((square - mean**2).sum()), 0.0)

    def distribution(self) -> Floats | None:
        """Return how likely each number of tests is; None with retests."""
        if self._retest:
            return None
        tree = self._tree
        most = np.ones(tree.parent.size, np.int64) + np.diff(tree.sample_offsets)
        for pool in range(most.size - 1, -1, -1):
            if tree.parent[pool] >= 0:
                most[tree.parent[pool]] += most[pool]
        top = np.minimum(tree.size, self._infected.shape[1] - 1)
        starts = np.concatenate([[0], np.cumsum((top + 1) * (most + 1))])
        joint = np.zeros(int(starts[-1]))
        trees.distribution(tree, self.risk, self._reactive, self._infected, starts, most, joint)
        total = np.ones(1)
        for root in self._roots.tolist():
            block = joint[starts[root] : starts[root + 1]].reshape(int(top[root]) + 1, int(most[root]) + 1)
            total = np.convolve(total, block.sum(axis=0))
        n_alone = int((tree.owner < 0).sum())
        return np.concatenate([np.zeros(n_alone), total])


class CrossingPools(Placed):
    """Pools that cross, each later one of samples that were in the same pools before."""

    def __init__(
        self,
        layout: Layout,
        lists: Sequence[NDArray[np.int32]],
        before: Sequence[NDArray[np.int32]],
        risk: Floats,
        placed: tuple[NDArray[np.int64], Stages],
    ) -> None:
        super().__init__(layout, risk, *placed)
        stages = placed[1]
        both = reactions(stages, tuple(np.diff(layout.offsets).tolist()), tuple(layout.stage.tolist()), 2)
        with np.errstate(divide="ignore"):
            log_clean = np.maximum(np.log1p(-risk), crossings.NEVER)
        crossing = crossings.Crossing(
            layout.offsets,
            layout.members,
            np.ascontiguousarray(both[:, 1]),
            np.ascontiguousarray(both[:, 0]),
            log_clean,
        )
        tested = _all_react(before, np.full(len(before), -1), crossing)
        by_stage = np.bincount(layout.stage, weights=tested, minlength=2)[1:]
        self._false = _all_react(lists, np.arange(risk.size), crossing)
        self._hit = np.array([float(both[each, 1].prod()) for each in lists])
        n_alone = float(risk @ self._hit + (1.0 - risk) @ self._false)
        self.stages = (*by_stage.tolist(), n_alone)
        self._last = np.array([int(layout.stage[each].max(initial=0)) for each in lists])

    def each(self) -> tuple[Floats, Floats]:
        """Return what the last test makes of who is tested alone."""
        found, wrong = alone(self._stages, self._last)
        return self._hit * found, self._false * wrong


def _all_react(lists: Sequence[NDArray[np.int32]], but: NDArray[np.int64], crossing: crossings.Crossing) -> Floats:
    offsets = np.concatenate([[0], np.cumsum([each.size for each in lists])]).astype(np.int64)
    listed = np.concatenate([np.zeros(0, np.int32), *lists]).astype(np.int32)
    probability = np.empty(len(lists))
    crossings.all_react(offsets, listed, but.astype(np.int64), crossing, probability)
    return probability


def crossing_lists(layout: Layout) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]] | None:
    """Return the pools of each sample, and those that all samples of each pool share before it.

    Parameters
    ----------
    layout
        Pools in stages.

    Returns
    -------
    tuple or None
        None where samples of a pool were in different pools before, or a sample is in more than 14.
    """
    stage = layout.stage
    pool = np.repeat(np.arange(stage.size, dtype=np.int32), np.diff(layout.offsets))
    order = np.lexsort((pool, layout.members))
    ends = np.searchsorted(layout.members[order], np.arange(1, layout.n_samples + 1))
    lists = np.split(pool[order], ends)[: layout.n_samples]
    if max((each.size for each in lists), default=0) > _MOST_POOLS_A_SAMPLE:
        return None
    before = []
    for number in range(stage.size):
        inside = layout.members[layout.offsets[number] : layout.offsets[number + 1]]
        if stage[number] == stage[0]:
            before.append(np.zeros(0, np.int32))
            continue
        earlier = [each[stage[each] < stage[number]] for each in (lists[sample] for sample in inside)]
        if any(not np.array_equal(each, earlier[0]) for each in earlier[1:]):
            return None
        before.append(earlier[0])
    return lists, before


def of_layout(
    layout: Layout,
    nested: Nested | None,
    risk: Floats,
    placed: tuple[NDArray[np.int64], Stages],
    drawing: Drawing,
    *,
    unmatched: Unmatched,
) -> Figures:
    """Return the figures of a layout by the first formula that fits, else simulated.

    Parameters
    ----------
    layout
        Pools in stages.
    nested
        Which of them lie in which, None where some cross.
    risk
        (samples,) how likely the sample at each place is infected.
    placed
        (samples,) which sample stands at each place, and the assay of each stage.
    drawing
        How to simulate.
    unmatched
        What becomes of the samples of a reactive pool that negative ones clear.

    Returns
    -------
    Figures
        `errors` says whether they are exact.
    """
    if placed[1].shared:
        retested = unmatched == "retest" and nested is not None and bool((nested.tree.parent >= 0).any())
        if nested is not None and not retested and chained(placed[1], risk):
            return InsidePoolsByLoad(nested, risk, placed, drawing)
        return Drawn(layout, risk, placed, drawing, unmatched=unmatched)
    if nested is not None:
        # Pools of the last stage are never left empty.
        return InsidePools(nested, risk, placed, retest=unmatched == "retest" and bool((nested.tree.parent >= 0).any()))
    if unmatched == "clear":
        lists = None if placed[1].counted else crossing_lists(layout)
        if lists is not None:
            return CrossingPools(layout, *lists, risk, placed)
    return Drawn(layout, risk, placed, drawing, unmatched=unmatched)
