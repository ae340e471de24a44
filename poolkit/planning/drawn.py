"""Figures of a design by simulation: sets of infected samples, tested stage by stage as a laboratory does."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.assays import Assay, log10_load_quantile
from poolkit.planning.accuracy import Stages, rates
from poolkit.planning.figures import Drawing, Figures, Floats, Unmatched
from poolkit.pooling.designs import Layout

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
# So many samples of all sets are drawn at once.
_AT_ONCE = 4_000_000
_NAMES = ("sensitivity", "specificity", "ppv", "npv")


class Drawn(Figures):
    """A layout tested against sets of infected samples that are drawn.

    Attributes
    ----------
    errors : mapping
        Standard errors of ``expected_tests``, ``sensitivity``, ``specificity``, ``ppv`` and ``npv``.
    """

    errors: Mapping[str, float]

    def __init__(
        self,
        layout: Layout,
        risk: Floats,
        placed: tuple[Counts, Stages],
        drawing: Drawing,
        *,
        unmatched: Unmatched,
    ) -> None:
        self._risk, self._sample = risk, placed[0]
        self.n_samples = layout.n_samples
        stream = np.random.Generator(np.random.PCG64(drawing.seed))
        plan = _plan(layout, placed[1], drawing.sides, unmatched)
        of_sample = np.zeros((4, risk.size), np.int64)
        parts = []
        n_left = drawing.n_drawn
        while n_left:
            n_sets = min(n_left, max(1, _AT_ONCE // max(1, risk.size)))
            parts.append(_some(plan, risk, n_sets, stream, of_sample))
            n_left -= n_sets
        of_set = np.concatenate(parts)
        tests = of_set[:, 6:]
        self.stages = tuple(tests.mean(axis=0).tolist())
        self._tests = tests.sum(axis=1)
        self._each = _shares(of_sample[0], of_sample[1]), _shares(of_sample[2], of_sample[3])
        found = [_share(of_set[:, part], of_set[:, whole]) for part, whole in ((0, 1), (2, 3), (0, 4), (2, 5))]
        self._overall = tuple(value for value, _ in found)
        self.errors = {"expected_tests": float(self._tests.std(ddof=1) / drawing.n_drawn**0.5)} | {
            name: error for name, (_, error) in zip(_NAMES, found, strict=True)
        }

    @property
    def risk(self) -> Floats:
        """How likely the sample at each place is infected."""
        return self._risk

    @property
    def sample(self) -> Counts:
        """Which sample stands at each place."""
        return self._sample

    def each(self) -> tuple[Floats, Floats]:
        """Return how often each sample was called positive: infected, and not; the mean of all where never drawn."""
        return self._each

    def overall(self) -> tuple[float, float, float, float]:
        """Return shares over all samples of all sets."""
        sensitivity, specificity, ppv, npv = self._overall
        return sensitivity, specificity, ppv, npv

    def variance(self) -> float:
        """Return the variance over the sets."""
        return float(self._tests.var(ddof=1))


def _shares(part: Counts, whole: Counts) -> Floats:
    mean = float(part.sum() / max(1, whole.sum()))
    return np.asarray(np.divide(part, whole, out=np.full(part.size, mean), where=whole > 0), np.float64)


def _share(part: Counts, whole: Counts) -> tuple[float, float]:
    """Return a share over independent sets and its standard error; 1 where there is nothing to share."""
    n, mean = part.size, float(whole.mean())
    if mean == 0.0:
        return 1.0, 0.0
    share = float(part.sum() / whole.sum())
    return share, float((part - share * whole).std(ddof=1) / (mean * n**0.5))


class _Plan(NamedTuple):
    """The pools of a layout as rows of ones, their stages and assays, and that of each sample alone."""

    inside: NDArray[np.float32]
    stage: Counts
    assays: list[Assay]
    last: Counts
    alone: dict[int, Assay]
    again: Flags


def _plan(layout: Layout, stages: Stages, sides: tuple[int, int] | None, unmatched: Unmatched) -> _Plan:
    n_pools = layout.stage.size
    pool = np.repeat(np.arange(n_pools), np.diff(layout.offsets))
    inside = np.zeros((n_pools, layout.n_samples), np.float32)
    inside[pool, layout.members] = 1.0
    stage = layout.stage.astype(np.int64)
    last = np.zeros(layout.n_samples, np.int64)
    np.maximum.at(last, layout.members, stage[pool])
    assays = [stages.at(each) for each in stage.tolist()]
    if stages.columns is not None and sides is not None:
        # The rows of an array, then its columns, and so on for the next.
        lines = np.flatnonzero(stage == stage.max())
        for line in lines[np.arange(lines.size) % sum(sides) >= sides[0]]:
            assays[line] = stages.columns
    again = np.full(n_pools, unmatched == "retest") | ((stage == stage.max(initial=0)) & (unmatched == "lines"))
    return _Plan(
        inside, stage, assays, last, {each: stages.alone(each + 1 if each else 0) for each in set(last.tolist())}, again
    )


def _some(plan: _Plan, risk: Floats, n_sets: int, stream: np.random.Generator, of_sample: Counts) -> Counts:
    """Run some sets and return of each: found, infected, cleared, clean, called, not called, and tests by stage.

    of_sample (4, samples) is added to: found, infected, wrongly called, clean.
    """
    infected = stream.random((n_sets, risk.size)) < risk
    copies = np.zeros((0, 0))
    if any(each.loads is not None for each in (*plan.assays, *plan.alone.values())):
        copies = np.zeros(infected.shape)
        copies[infected] = 10.0 ** log10_load_quantile(stream.random(int(infected.sum())) * (1.0 - 1e-12) + 5e-13)
    reacts = stream.random((n_sets, plan.stage.size)) < _reactive(plan, infected, copies)
    open_ = np.ones((n_sets, risk.size), np.bool_)
    tests = []
    tested = np.zeros(reacts.shape, np.bool_)
    for stage in range(1, int(plan.stage.max(initial=0)) + 1):
        of = np.flatnonzero(plan.stage == stage)
        rows = plan.inside[of]
        tested[:, of] = open_.astype(np.float32) @ rows.T > 0.0
        negative = tested[:, of] & ~reacts[:, of]
        open_ &= negative.astype(np.float32) @ rows == 0.0
        tests.append(tested[:, of].sum(axis=1))
    if plan.again.any():
        held = open_.astype(np.float32) @ plan.inside.T > 0.0
        empty = tested & reacts & ~held & plan.again
        open_ |= empty.astype(np.float32) @ plan.inside > 0.0
    called = open_ & (stream.random(open_.shape) < _by_itself(plan, infected, copies))
    found, wrong = called & infected, called & ~infected
    of_sample += np.stack([found.sum(axis=0), infected.sum(axis=0), wrong.sum(axis=0), (~infected).sum(axis=0)])
    n_called, n_infected, n_found = called.sum(axis=1), infected.sum(axis=1), found.sum(axis=1)
    n_cleared = (~called & ~infected).sum(axis=1)
    sums = [n_found, n_infected, n_cleared, risk.size - n_infected, n_called, risk.size - n_called]
    return np.stack([*sums, *tests, open_.sum(axis=1)], axis=1).astype(np.int64)


def _reactive(plan: _Plan, infected: Flags, copies: Floats) -> Floats:
    """Return how likely each pool reacts in each set, by its infected or by their loads."""
    counts = (infected.astype(np.float32) @ plan.inside.T).astype(np.int64)
    likely = np.empty(counts.shape)
    sizes = plan.inside.sum(axis=1).astype(np.int64)
    for size, assay in set(zip(sizes.tolist(), plan.assays, strict=True)):
        same = np.flatnonzero([assay == other and size == of for other, of in zip(plan.assays, sizes, strict=True)])
        if assay.loads is None:
            likely[:, same] = assay.reactive(size)[size][counts[:, same]]
        else:
            some = counts[:, same] > 0
            held = (copies @ plan.inside[same].T.astype(np.float64))[some]
            of_same = np.full(some.shape, 1.0 - assay.specificity)
            of_same[some] = assay.loads.detected(np.log10(held), size)
            likely[:, same] = of_same
    return likely


def _by_itself(plan: _Plan, infected: Flags, copies: Floats) -> Floats:
    """Return how likely each sample reacts alone in each set."""
    likely = np.empty(infected.shape)
    for last, assay in plan.alone.items():
        same = np.flatnonzero(plan.last == last)
        found, wrong = rates(assay, 1)
        some = infected[:, same]
        of_same = np.where(some, found, wrong)
        if assay.loads is not None:
            of_same[some] = assay.loads.detected(np.log10(copies[:, same][some]), 1)
        likely[:, same] = of_same
    return likely
