"""Who is still open: each sample's posterior in its component, and the rule that settles it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.arrays import frozen
from poolkit.assays import Assay
from poolkit.deconvolution.looks import Looked
from poolkit.deconvolution.posterior import EFFORT, evidence_of, graph_of, posterior_of, vouched
from poolkit.kernels import adaptive as kernels
from poolkit.kernels import posterior as methods

# A component's truths are words of so many bits, and there is room for so many of them.
_MOST_SAMPLES, _MOST_TRUTHS = 62, 1 << 15
# Truths that weigh less than this, to the heaviest, are left out; more only where there is no room for the others.
_LEAST = (1e-12, 1e-8, 1e-5, 1e-3, 1e-1)
NEGATIVE, OPEN, POSITIVE = 0, 1, 2


class Component(NamedTuple):
    """Samples whose truths hang together, and what their pools said.

    Attributes
    ----------
    samples : numpy.ndarray of int64
        The samples.
    truths : numpy.ndarray of int64
        (truths,) what can be true: bit s says whether sample s is infected.
    weights : numpy.ndarray of float64
        (truths,) how probable each is.
    """

    samples: NDArray[np.int64]
    truths: NDArray[np.int64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where every sample stands.

    Attributes
    ----------
    probability : numpy.ndarray of float64
        (samples,) posterior; below 0 where what was read cannot be true, or no number was found.
    own : numpy.ndarray of float64
        (samples,) probability by the prior and the looks at the sample alone.
    state : numpy.ndarray of int8
        (samples,) settled negative 0, open 1, settled positive 2.
    tied_to : numpy.ndarray of int32
        (samples,) the first sample that it is tied to by pools that say something.
    components : list of Component
        Those with an open sample and a pool that says something of more than one sample.
    """

    probability: NDArray[np.float64]
    own: NDArray[np.float64]
    state: NDArray[np.int8]
    tied_to: NDArray[np.int32]
    components: list[Component]


def stand(looked: Looked, assay: Assay, *, negative_below: float, positive_above: float) -> Standing:
    """Give every sample its posterior, and settle those of whom enough is known."""
    sizes = np.diff(looked.offsets)
    n_pools = sizes.size
    table_ = assay.reactive(int(max(sizes.max(initial=1), 1)))
    yes, no = _alone(looked, table_, n_pools)
    owner = np.repeat(np.arange(n_pools), sizes)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.where(yes + no > 0.0, yes / (yes + no), -1.0)
    rows = _likelihoods(looked, table_, sizes)
    surely_not, surely = _eliminate(looked, rows, owner, yes, no)
    probability = np.where(surely, 1.0, np.where(surely_not, 0.0, own))
    probability[surely & surely_not] = -1.0
    components: list[Component] = []
    tied_to, large = _sum_up(looked, rows, (surely_not, surely), (yes, no), probability, components)
    if large.size:
        probability[large] = _propagated(looked, assay)[large]
    state = _settle(looked, owner, probability, surely, negative_below, positive_above)
    if (surely_not | surely)[state != OPEN].all() and not large.size:
        components = [each for each in components if (state[each.samples] == OPEN).any()]
        return Standing(probability, own, state, tied_to, components)
    # To plan, who is settled is taken for certain, and a reactive pool inside another says it all.
    settled, components = (state == NEGATIVE, state == POSITIVE), []
    rows[(looked.reactive[:n_pools] > 0) & (rows[:, 0] < rows[:, 1]), 0] = 0.0
    _sum_up(looked, rows, settled, (yes, no), probability.copy(), components)
    return Standing(probability, own, state, tied_to, components)


def _alone(looked: Looked, table_: NDArray[np.float64], n_pools: int) -> tuple[NDArray[np.float64], ...]:
    reactive, negative = looked.reactive[n_pools:], looked.negative[n_pools:]
    yes = looked.prior * table_[1, 1] ** reactive * (1.0 - table_[1, 1]) ** negative
    no = (1.0 - looked.prior) * table_[1, 0] ** reactive * (1.0 - table_[1, 0]) ** negative
    return yes, no


def _likelihoods(looked: Looked, table_: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how likely the looks at each pool are, by its infected members: (pools, largest + 1)."""
    n_pools = sizes.size
    react = table_[sizes]
    rows: NDArray[np.float64] = (
        react ** looked.reactive[:n_pools, None] * (1.0 - react) ** looked.negative[:n_pools, None]
    )
    return rows


def _eliminate(
    looked: Looked,
    rows: NDArray[np.float64],
    owner: NDArray[np.int64],
    yes: NDArray[np.float64],
    no: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is not infected for certain and who is: what a perfect test leaves to be said."""
    sizes = np.diff(looked.offsets)
    inside = np.arange(rows.shape[1])[None, :]
    real = (inside >= 1) & (inside <= sizes[:, None])
    clears = ~(real & (rows > 0.0)).any(axis=1) & (rows[:, 0] > 0.0)
    surely_not = yes <= 0.0
    surely_not[looked.members[clears[owner]]] = True
    surely = no <= 0.0
    # A pool that must hold one, and of whose members all but one cannot be infected, names that one.
    holds = (rows[:, 0] <= 0.0) & (real & (rows > 0.0)).any(axis=1)
    left = np.bincount(owner[~surely_not[looked.members]], minlength=sizes.size)
    named = (holds & (left == 1))[owner] & ~surely_not[looked.members]
    surely[looked.members[named]] = True
    return surely_not, surely


def _sum_up(
    looked: Looked,
    rows: NDArray[np.float64],
    sure: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    weights: tuple[NDArray[np.float64], ...],
    probability: NDArray[np.float64],
    components: list[Component],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Write the posterior of samples that pools link, component by component.

    Return the first sample that each is tied to, and the samples of components that are too large.
    """
    kept, offsets, members, base = _left(looked, rows, sure)
    large: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    parent = np.empty(probability.size, np.int32)
    kernels.label(frozen(offsets), frozen(members), parent)
    if kept.size == 0:
        return parent, large[0]
    linked, roots = np.unique(members), parent[members[offsets[:-1]]]
    by_root = np.argsort(parent[linked], kind="stable")
    linked = linked[by_root]
    starts = np.flatnonzero(np.diff(parent[linked], prepend=-1))
    of_pools = np.argsort(roots, kind="stable")
    pool_ends = np.searchsorted(roots[of_pools], parent[linked[starts]], side="right")
    pool_start = 0
    for pool_stop in pool_ends.tolist():
        mine = of_pools[pool_start:pool_stop]
        pool_start = int(pool_stop)
        samples = _pool_by_pool(mine, offsets, members)
        places_of = np.argsort(samples)
        if samples.size > _MOST_SAMPLES:
            large.append(samples)
            continue
        masks = np.zeros(mine.size, np.int64)
        likelihood = np.zeros((mine.size, samples.size + 1))
        for k, pool in enumerate(mine):
            places = places_of[np.searchsorted(samples, members[offsets[pool] : offsets[pool + 1]], sorter=places_of)]
            masks[k] = (np.int64(1) << places).sum()
            row = rows[kept[pool], base[pool] : base[pool] + samples.size + 1]
            likelihood[k, : row.size] = row
        truths, weight = _truths(weights[0][samples], weights[1][samples], frozen(masks), frozen(likelihood))
        if truths.size == 0:
            probability[samples] = -1.0
            continue
        marginal = np.empty(samples.size)
        kernels.marginals(frozen(truths), frozen(weight), marginal)
        probability[samples] = np.minimum(marginal, 1.0)
        components.append(Component(samples, truths, weight))
    return parent, np.concatenate(large)


def _propagated(looked: Looked, assay: Assay) -> NDArray[np.float64]:
    """Return the posterior of every sample as `decode` finds it in components of any size; -1 where it finds none."""
    n_pools, n_samples = looked.offsets.size - 1, looked.prior.size
    alone = np.flatnonzero(looked.reactive[n_pools:] + looked.negative[n_pools:])
    pool = np.concatenate((np.repeat(np.arange(n_pools), np.diff(looked.offsets)), n_pools + np.arange(alone.size)))
    sample = np.concatenate((looked.members, alone))
    graph = graph_of(pool.astype(np.int32), sample.astype(np.int32), n_pools + alone.size, n_samples)
    read = np.concatenate((np.arange(n_pools), n_pools + alone))
    looks = looked.reactive.astype(np.int32), looked.negative.astype(np.int32)
    evidence = evidence_of(graph, looks[0][read], looks[1][read], assay)
    return vouched(posterior_of(graph, evidence, looked.prior, EFFORT), graph, below=methods.UNCONVERGED)


def _pool_by_pool(
    pools: NDArray[np.int64], offsets: NDArray[np.int64], members: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return their samples in an order in which pools are soon decided, small ones first."""
    by_size = pools[np.argsort(offsets[pools + 1] - offsets[pools], kind="stable")]
    seen = np.concatenate([members[offsets[pool] : offsets[pool + 1]] for pool in by_size]).astype(np.int64)
    _, firsts = np.unique(seen, return_index=True)
    return seen[np.sort(firsts)]


def _truths(
    yes: NDArray[np.float64], no: NDArray[np.float64], masks: NDArray[np.int64], likelihood: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return what can be true of a component, and how probable it is; nothing when its looks contradict each other."""
    truths, weights = np.empty(_MOST_TRUTHS, np.int64), np.empty(_MOST_TRUTHS)
    # Relative weights, so that many samples and looks do not run out of range.
    largest, top = np.maximum(yes, no), likelihood.max(axis=1, keepdims=True)
    yes, no, likelihood = yes / largest, no / largest, likelihood / np.where(top > 0.0, top, 1.0)
    n_truths = -1
    for least in _LEAST:
        n_truths = kernels.enumerate_truths(yes, no, masks, frozen(likelihood), least, truths, weights)
        if n_truths >= 0:
            break
    kept = weights[: max(n_truths, 0)]
    return truths[: kept.size].copy(), kept / kept.sum() if kept.size else kept


def _left(
    looked: Looked, rows: NDArray[np.float64], sure: tuple[NDArray[np.bool_], NDArray[np.bool_]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Return the pools that still say something, their undecided members, and their members infected for certain."""
    surely_not, surely = sure
    n_pools = looked.offsets.size - 1
    owner = np.repeat(np.arange(n_pools), np.diff(looked.offsets))
    undecided = ~(surely_not | surely)[looked.members]
    base = np.bincount(owner[surely[looked.members] & ~surely_not[looked.members]], minlength=n_pools)
    left = np.bincount(owner[undecided], minlength=n_pools)
    among = np.arange(rows.shape[1])[None, :]
    possible = (among >= base[:, None]) & (among <= (base + left)[:, None])
    low = np.where(possible, rows, np.inf).min(axis=1)
    high = np.where(possible, rows, -np.inf).max(axis=1)
    speaks = (left > 0) & (high > low)
    # Of pools that only say that they hold one, one inside another says it all.
    some = possible & (among > 0)
    alike = np.where(some, rows, np.inf).min(axis=1) == np.where(some, rows, -np.inf).max(axis=1)
    pure = speaks & (base == 0) & (rows[:, 0] <= 0.0) & alike
    held: dict[int, frozenset[int]] = {}
    for pool in np.flatnonzero(pure).tolist():
        span = slice(looked.offsets[pool], looked.offsets[pool + 1])
        held[pool] = frozenset(looked.members[span][undecided[span]].tolist())
    least: dict[int, list[frozenset[int]]] = {}
    for pool in sorted(held, key=lambda pool: (len(held[pool]), pool)):
        inner = {id(one): one for sample in held[pool] for one in least.get(sample, ())}
        if any(one <= held[pool] for one in inner.values()):
            speaks[pool] = False
            continue
        for sample in held[pool]:
            least.setdefault(sample, []).append(held[pool])
    kept = np.flatnonzero(speaks)
    chosen = speaks[owner] & undecided
    offsets = np.concatenate(([0], np.cumsum(np.bincount(owner[chosen], minlength=n_pools)[kept])))
    return kept, offsets, looked.members[chosen], base[kept]


def _settle(
    looked: Looked,
    owner: NDArray[np.int64],
    probability: NDArray[np.float64],
    surely: NDArray[np.bool_],
    negative_below: float,
    positive_above: float,
) -> NDArray[np.int8]:
    """Settle by the posterior, but release nobody of a reactive pool without a later negative look.

    Later is the same stage or a higher one; a look alone comes after every pool. A pool that was reactive and then
    negative clears nobody. A positive was reactive alone, or is the only one who can be infected of a reactive pool.
    """
    n_pools = looked.offsets.size - 1
    against, cleared = np.zeros(probability.size, np.int64), np.full(probability.size, -1, np.int64)
    reactive = looked.reactive[:n_pools] > 0
    clear = ~reactive & (looked.negative[:n_pools] > 0)
    stage = looked.stage.astype(np.int64)[owner]
    np.maximum.at(against, looked.members, np.where(reactive[owner], stage, 0))
    np.maximum.at(cleared, looked.members, np.where(clear[owner], stage, -1))
    cleared[looked.negative[n_pools:] > 0] = np.iinfo(np.int64).max
    state = np.full(probability.size, OPEN, np.int8)
    state[(probability >= 0.0) & (probability <= negative_below) & (cleared >= against)] = NEGATIVE
    shown = surely | (looked.reactive[n_pools:] > 0)
    state[(probability >= positive_above) & shown] = POSITIVE
    return state
