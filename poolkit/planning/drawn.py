"""Figures of a design by simulation: sets of infected samples, tested as production tests them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import stages as kernels
from poolkit.planning.accuracy import Stages, reactions
from poolkit.planning.figures import Drawing, Figures, Floats, Unmatched, alone
from poolkit.planning.staged import pools_of
from poolkit.pooling.designs import Layout

Flags = NDArray[np.bool_]


class Drawn(Figures):
    """A layout tested stage by stage against sets of infected samples that are drawn.

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
        placed: tuple[NDArray[np.int64], Stages],
        drawing: Drawing,
        *,
        unmatched: Unmatched,
    ) -> None:
        n_drawn = drawing.n_drawn
        self._risk, self._sample = risk, placed[0]
        self.n_samples = layout.n_samples
        stream = np.random.Generator(np.random.PCG64(drawing.seed))
        infected = stream.random((n_drawn, risk.size)) < risk
        tests, open_, last = _run(layout, infected, placed[1], drawing.n_columns, stream, unmatched=unmatched)
        found_alone, wrong_alone = alone(placed[1], last)
        called = open_ & (stream.random(open_.shape) < np.where(infected, found_alone, wrong_alone))
        self.stages = tuple(tests.mean(axis=0).tolist())
        self._tests = tests.sum(axis=1).astype(np.int64)
        found, n_infected = (called & infected).sum(axis=0), infected.sum(axis=0)
        wrong, n_clean = (called & ~infected).sum(axis=0), (~infected).sum(axis=0)
        every = found.sum() / max(1, n_infected.sum()), wrong.sum() / max(1, n_clean.sum())
        self._each = (
            np.divide(found, n_infected, out=np.full(risk.size, float(every[0])), where=n_infected > 0),
            np.divide(wrong, n_clean, out=np.full(risk.size, float(every[1])), where=n_clean > 0),
        )
        of_set = [
            (called & infected).sum(axis=1),
            infected.sum(axis=1),
            (~called & ~infected).sum(axis=1),
            (~infected).sum(axis=1),
            called.sum(axis=1),
            (~called).sum(axis=1),
        ]
        self._overall = tuple(
            float(of_set[part].sum() / of_set[whole].sum()) if of_set[whole].any() else 1.0
            for part, whole in ((0, 1), (2, 3), (0, 4), (2, 5))
        )
        self.errors = {"expected_tests": float(self._tests.std(ddof=1) / n_drawn**0.5)} | {
            name: _error(of_set[part], of_set[whole], value)
            for (name, part, whole), value in zip(
                (("sensitivity", 0, 1), ("specificity", 2, 3), ("ppv", 0, 4), ("npv", 2, 5)), self._overall, strict=True
            )
        }

    @property
    def risk(self) -> Floats:
        """How likely the sample at each place is infected."""
        return self._risk

    @property
    def sample(self) -> NDArray[np.int64]:
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


def _error(part: NDArray[np.int64], whole: NDArray[np.int64], ratio: float) -> float:
    """Return the standard error of a ratio of sums over independent sets."""
    n, mean = part.size, whole.mean()
    return float((part - ratio * whole).std(ddof=1) / (mean * n**0.5)) if mean > 0.0 else 0.0


def _run(
    layout: Layout,
    infected: Flags,
    stages: Stages,
    n_columns: int,
    stream: np.random.Generator,
    *,
    unmatched: Unmatched,
) -> tuple[NDArray[np.int64], Flags, NDArray[np.int64]]:
    """Return tests of each stage and alone, who is tested alone, and the stage of each sample's last pool."""
    n_drawn, n_samples = infected.shape
    pools = pools_of(layout)
    n_pools = layout.stage.size
    sizes = pools.size.tolist()
    table = reactions(stages, sizes, layout.stage.tolist(), max(sizes, default=0) + 2)
    if stages.columns is not None:
        last = range(n_pools - n_columns, n_pools)
        table[last] = reactions(
            Stages((stages.columns,), None, None), [sizes[k] for k in last], [1] * n_columns, table.shape[1]
        )
    # The kernel reads a row of the table by the size of a pool; here each pool has a row of its own.
    pools = pools._replace(size=np.arange(n_pools))
    bits = np.zeros((n_drawn, pools.bits.shape[1]), np.uint64)
    rows, columns = np.nonzero(infected)
    starts = np.searchsorted(rows, np.arange(n_drawn + 1)).astype(np.int64)
    kernels.pack(starts, columns.astype(np.int32), bits)
    left = np.zeros((1, bits.shape[1]), np.uint64)
    kernels.pack(np.array([0, n_samples]), np.arange(n_samples, dtype=np.int32), left)
    left = np.repeat(left, n_drawn, axis=0)
    outcome = np.zeros((n_drawn, n_pools), np.int8)
    kernels.run_noisy(pools, bits, table, stream.random((n_drawn, n_pools)), outcome, left)
    open_ = np.unpackbits(left.astype("<u8").view(np.uint8), axis=1, bitorder="little")[:, :n_samples].astype(np.bool_)
    inside = np.zeros((n_pools, n_samples), np.float32)
    inside[np.repeat(np.arange(n_pools), np.diff(layout.offsets)), layout.members] = 1.0
    if unmatched != "clear":
        held = open_.astype(np.float32) @ inside.T > 0.0
        empty = (outcome == kernels.REACTIVE) & ~held
        if unmatched == "lines":
            empty[:, layout.stage < layout.stage.max(initial=0)] = False
        open_ |= empty.astype(np.float32) @ inside > 0.0
    n_stages = int(layout.stage.max(initial=0))
    tested = outcome != kernels.UNTESTED
    tests = [tested[:, layout.stage == stage].sum(axis=1) for stage in range(1, n_stages + 1)]
    last_stage = np.zeros(n_samples, np.int64)
    np.maximum.at(last_stage, layout.members, np.repeat(layout.stage, np.diff(layout.offsets)).astype(np.int64))
    return np.stack([*tests, open_.sum(axis=1)], axis=1), open_, last_stage
