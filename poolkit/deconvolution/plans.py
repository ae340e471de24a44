"""Which of a component's open samples to test next, together and at the same time: search, halving, information."""

from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.arrays import frozen
from poolkit.assays import Assay
from poolkit.deconvolution.search import CUTOFF, level_of, rounds_of, searched
from poolkit.kernels import adaptive as kernels

Method = Literal["nested", "halving", "information"]
# Evidence speaks against a sample when it makes it so many times as likely to be infected as it was by itself.
_SUSPECTED = 3.0
# Subsets of so many samples are all looked at; of more, the first ones in order of risk.
_EVERY_SUBSET = 10


class Joint(NamedTuple):
    """What can be true of a component, bit s for sample s, and how probable each truth is."""

    truths: NDArray[np.int64]
    weights: NDArray[np.float64]


class Plan(NamedTuple):
    """What to do with a component.

    Attributes
    ----------
    pools : list of list of int
        Places of samples in the component, pool by pool.
    free : list of int
        Places of samples that can be pooled with those of other components.
    """

    pools: list[list[int]]
    free: list[int]


class Rules(NamedTuple):
    """How to choose: method, most samples in a pool, rounds left or None, and when a sample is positive."""

    method: Method
    max_pool: int
    rounds_left: int | None
    positive_above: float
    assay: Assay


def plan(joint: Joint, own: NDArray[np.float64], is_open: NDArray[np.bool_], rules: Rules) -> Plan:
    """Choose the next pools of a component: joint says what can be true, own and is_open are (samples,)."""
    chance = np.empty(own.size)
    kernels.marginals(frozen(joint.truths), frozen(joint.weights), chance)
    open_ = np.flatnonzero(is_open)
    open_ = open_[np.lexsort((open_, -chance[open_]))]
    if rules.rounds_left == 1:
        return Plan([[int(s)] for s in open_], [])
    suspected = chance[open_] > _SUSPECTED * own[open_]
    # Where the evidence holds whoever is infected among the suspected, the others are as good as never pooled.
    if _none_of(joint, open_[suspected]) > 0.5:
        suspected[:] = bool(suspected.any()) or _none_of(joint, open_) < 0.5
    core, free = open_[suspected], open_[~suspected]
    if core.size == 1:
        none_free = _holds(joint, free) == 0
        implied = joint.weights[none_free & (_holds(joint, core) > 0)].sum()
        waits = free.size and implied >= (1.0 - 1e-9) * joint.weights[none_free].sum()
        return Plan([] if waits else [core.tolist()], free.tolist())
    if core.size == 0:
        return Plan([], free.tolist())
    # Where others than the likely ones hold an infected sample too, these are searched first.
    unlikely = core[chance[core] <= 0.5]
    if 1 < unlikely.size < core.size and _none_of(joint, unlikely) < 0.5:
        core = unlikely
    core = core[: max(rules.max_pool, 2)]
    choose = {"nested": _search, "halving": _halving, "information": _information}[rules.method]
    return Plan(choose(joint, core, rules), free.tolist())


def _holds(joint: Joint, samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each truth how many of these samples are infected in it."""
    mask = (np.int64(1) << samples).sum() if samples.size else np.int64(0)
    infected: NDArray[np.int64] = np.bitwise_count(joint.truths & mask).astype(np.int64)
    return infected


def _none_of(joint: Joint, samples: NDArray[np.int64]) -> float:
    return float(joint.weights[_holds(joint, samples) == 0].sum())


def _before(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities of independent samples that are these once it is known that one is infected."""
    if chance.sum() <= 1.0 + 1e-6:
        return np.clip(chance * 1e-3, 1e-12, 0.5)
    some = 1.0
    for _ in range(100):
        some = -np.expm1(np.log1p(-np.minimum(chance * some, 1.0 - 1e-12)).sum())
    before: NDArray[np.float64] = np.clip(chance * some, 1e-12, 1.0 - 1e-9)
    return before


def _search(joint: Joint, core: NDArray[np.int64], rules: Rules) -> list[list[int]]:
    """Test the first of the samples in order of risk, or words when rounds are counted."""
    infected = (joint.truths[:, None] >> core) & 1
    risk = _before(joint.weights @ infected)
    if rules.rounds_left is not None:
        return _words(risk, core, rules)
    fresh = np.array([searched(level_of(p), rules.max_pool).fresh if p < CUTOFF else 1.0 for p in risk])
    best = np.zeros((core.size + 1, core.size + 1))
    n_first = kernels.nested_order(frozen(risk), frozen(fresh), best)
    return [core[: min(n_first, rules.max_pool)].tolist()]


def _words(risk: NDArray[np.float64], core: NDArray[np.int64], rules: Rules) -> list[list[int]]:
    left = rules.rounds_left or 1
    largest = max(rules.max_pool, 2)
    level = level_of(float(risk.mean()))
    values = rounds_of(level, largest, left)
    words = values.words[left][core.size].copy()
    n_pools = int(words.max()).bit_length()
    if core.size <= 16 and n_pools <= 6:
        # The words that give the least away stand first; from there on the risks themselves decide.
        words = words[np.argsort(np.bitwise_count(words), kind="stable")]
        odds = risk / (1.0 - risk)
        before = rounds_of(level, largest, left - 1)
        kernels.improve_words(
            words, n_pools, rules.max_pool, frozen(odds), before.tests[-1], before.fresh[-1], int(left == 2)
        )
    pools = [core[((words >> b) & 1) > 0].tolist() for b in range(n_pools)]
    pools = [part for pool in pools for part in _parts(pool, rules.max_pool) if 0 < len(part) < core.size]
    return pools or [core[: core.size // 2].tolist()]


def _parts(pool: list[int], most: int) -> list[list[int]]:
    return [pool[start : start + most] for start in range(0, len(pool), most)]


def _candidates(core: NDArray[np.int64], most: int) -> list[NDArray[np.int64]]:
    """Return the sets to choose from: all of a small core, else the beginnings and neighbours in order of risk."""
    if core.size <= _EVERY_SUBSET:
        sizes = range(1, min(most, core.size) + 1)
        return [np.array(each) for size in sizes for each in combinations(core.tolist(), size)]
    starts = range(core.size)
    return [core[i : i + size] for size in range(1, min(most, core.size) + 1) for i in starts if i + size <= core.size]


def _halving(joint: Joint, core: NDArray[np.int64], rules: Rules) -> list[list[int]]:
    """Test the set whose chance to hold an infected sample is nearest to one half."""
    found = [abs(_none_of(joint, each) - 0.5) for each in _candidates(core, rules.max_pool)]
    return [_candidates(core, rules.max_pool)[int(np.argmin(np.round(found, 12)))].tolist()]


def _information(joint: Joint, core: NDArray[np.int64], rules: Rules) -> list[list[int]]:
    """Add the set whose outcome says most about the truth beside those of the sets before it, read at the same time.

    So many sets that what is not known could be said in the rounds that are left, one bit a set; one when rounds are
    not counted.
    """
    react = rules.assay.reactive(max(rules.max_pool, 1))
    bits = -float(_plogp(joint.weights).sum())
    n_sets = 1 if rules.rounds_left is None else max(1, min(int(np.ceil(bits / rules.rounds_left)), core.size, 6))
    candidates = _candidates(core, rules.max_pool)
    yes = np.array([react[each.size][_holds(joint, each)] for each in candidates])
    noise = (_entropy(yes) @ joint.weights).ravel()
    chosen: list[int] = []
    outcome = joint.weights[None, :]
    for _ in range(n_sets):
        reacts = outcome @ yes.T
        mass = outcome.sum(axis=1)[:, None]
        gain = _plogp(mass).sum() - (_plogp(reacts) + _plogp(mass - reacts)).sum(axis=0) - noise
        pick = int(np.argmax(np.round(gain, 12)))
        if pick in chosen or gain[pick] <= 1e-9:
            break
        chosen.append(pick)
        outcome = np.concatenate((outcome * yes[pick], outcome * (1.0 - yes[pick])))
    return [candidates[pick].tolist() for pick in chosen] or [[int(core[0])]]


def _plogp(p: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.maximum(p, 1e-300)
    product: NDArray[np.float64] = np.where(p > 0.0, kept * np.log2(kept), 0.0)
    return product


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return -_plogp(p) - _plogp(1.0 - p)


def first_pools(chance: NDArray[np.float64], rules: Rules) -> list[NDArray[np.int64]]:
    """Cut samples against whom nothing speaks into pools, in order of risk: places of samples, pool by pool."""
    order = np.argsort(-chance, kind="stable")
    if rules.rounds_left == 1 or order.size == 0:
        return [order[k : k + 1] for k in range(order.size)]
    risk = np.clip(chance[order], 1e-9, 1.0 - 1e-9)
    levels = np.array([level_of(p) if p < CUTOFF else 1.0 for p in risk])
    named, level = np.unique(levels, return_inverse=True)
    costs = np.array([_reactive_costs(float(p), rules) for p in named])
    stay = np.concatenate(([0.0], np.cumsum(np.log1p(-risk))))
    size = np.ones(order.size + 1, np.int64)
    kernels.cut(frozen(stay), frozen(level.astype(np.int64)), frozen(costs), size)
    pools, start = [], 0
    while start < order.size:
        pools.append(order[start : start + size[start]])
        start += int(size[start])
    return pools


def _reactive_costs(risk: float, rules: Rules) -> NDArray[np.float64]:
    """Return the tests that a reactive pool of 1, 2, ... takes; no end of them where nobody should be pooled."""
    if risk > CUTOFF:
        return np.full(rules.max_pool + 1, 1e9)
    if rules.rounds_left is None:
        return searched(risk, rules.max_pool).tests
    return rounds_of(risk, rules.max_pool, rules.rounds_left - 1).tests[-1]
