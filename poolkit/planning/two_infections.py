"""Two infections in one tube: what a multiplex assay of pools costs and finds, and its best sizes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from poolkit.errors import DesignError, Problem

Floats = NDArray[np.float64]
# States: 0 neither infection, 1 the first, 2 the second, 3 both; a pool's state is the union of its members'.
_OR = np.bitwise_or.outer(np.arange(4), np.arange(4))
_HAS = np.array([[0, 1, 0, 1], [0, 0, 1, 1]], bool)
_NAMES = ("first", "second")
_LARGEST = 500


@dataclass(frozen=True, slots=True)
class Multiplex:
    """Operating characteristics of hierarchical pools under an assay of two infections.

    Attributes
    ----------
    expected_tests : float
        Tests of one block.
    tests_per_sample : float
        The same for each of its samples.
    by_stage : numpy.ndarray
        (stages,) expected tests of each stage.
    accuracy : pandas.DataFrame
        A row an infection: ``sensitivity``, ``specificity``, ``ppv``, ``npv`` of the whole procedure.
    individuals : pandas.DataFrame
        A row a sample and infection, with the same columns.
    """

    expected_tests: float
    tests_per_sample: float
    by_stage: Floats
    accuracy: pd.DataFrame
    individuals: pd.DataFrame


@dataclass(frozen=True, slots=True)
class MultiplexChoice:
    """The best sizes for an assay of two infections.

    Attributes
    ----------
    groups : tuple of tuple of int
        Sizes of the pools, stage by stage, without the last stage of samples alone.
    expected_tests : float
        Tests of one block.
    tests_per_sample : float
        The same for each of its samples.
    """

    groups: tuple[tuple[int, ...], ...]
    expected_tests: float
    tests_per_sample: float


def multiplex(
    groups: Sequence[Sequence[int]],
    probabilities: ArrayLike,
    *,
    sensitivity: ArrayLike = 1.0,
    specificity: ArrayLike = 1.0,
) -> Multiplex:
    """Return the operating characteristics of hierarchical pools that are tested for two infections at once.

    Parameters
    ----------
    groups
        Sizes of the pools, stage by stage, the first stage one pool: ``[[15], [4, 4, 4, 3]]``. A last stage of samples
        alone follows. A pool of one is that sample's own test.
    probabilities
        (4,) probability of neither infection, the first only, the second only, both; or (samples, 4).
    sensitivity, specificity
        Of one test: a number, (2,) by infection, or (2, stages) with the stage of samples alone.

    Returns
    -------
    Multiplex
        Exact.

    Raises
    ------
    DesignError
        When the groups are not nested, or a probability is none.

    Notes
    -----
    A pool is split when either of its two results is positive. Given the true states of a pool its two results, and
    the results of different tests, are independent. The chain of pools around a sample is summed from the inside out:
    the state of a pool is the union of the state of the pool inside and that of the others, of whom
    P(none has infection a) = prod(1 - p_a). A sample has an infection when it was tested alone and that result was
    positive. O(stages) a sample.

    References
    ----------
    P. Hou, J. M. Tebbs, D. Wang, C. S. McMahan, C. R. Bilder, "Array testing for multiplex assays", Biostatistics 21
    (2020), 417-431; C. R. Bilder, J. M. Tebbs, C. S. McMahan, "Informative group testing for multiplex assays",
    Biometrics 75 (2019), 278-288.

    Examples
    --------
    >>> made = multiplex([[10]], [0.985, 0.008, 0.005, 0.002], sensitivity=0.95, specificity=0.99)
    >>> round(made.expected_tests, 4), made.accuracy.round(4)["sensitivity"].tolist()
    (2.5152, [0.9141, 0.9185])
    """
    sizes = [tuple(int(size) for size in stage) for stage in groups]
    bounds = _bounds(sizes)
    n, n_stages = sizes[0][0], len(sizes) + 1
    states = _states(probabilities, n)
    positive = _positive(sensitivity, specificity, n_stages)
    by_stage = np.zeros(n_stages)
    by_stage[0] = 1.0
    rows = []
    for sample in range(n):
        # Pools around the sample from the outside in; a pool of one is its own test, and nothing follows.
        chain = [pool for stage in bounds for pool in stage if pool[0] <= sample < pool[1]]
        chain = [pool for pool in chain if pool[1] - pool[0] > 1]
        for depth in range(1, len(chain) + 1):
            opens = depth == len(bounds) or any(pool[0] == sample for pool in bounds[depth])
            if opens:
                by_stage[depth] += _reacting(chain[:depth], states, positive)
        rows += _sample(sample, chain, states, positive)
    individuals = pd.DataFrame(rows)
    sums = individuals.groupby("infection", sort=False)[["_tp", "_fn", "_fp", "_tn"]].sum()
    accuracy = pd.DataFrame([_ratios(*row) for row in sums.to_numpy()], index=sums.index)
    total = float(by_stage.sum())
    shown = individuals.drop(columns=["_tp", "_fn", "_fp", "_tn"])
    return Multiplex(total, total / n, by_stage, accuracy, shown)


def choose_multiplex(
    probabilities: ArrayLike,
    *,
    sensitivity: float | Sequence[float] = 1.0,
    specificity: float | Sequence[float] = 1.0,
    max_pool: int = 40,
    max_stages: int = 3,
) -> MultiplexChoice:
    """Return the sizes with the fewest expected tests per sample for an assay of two infections.

    Parameters
    ----------
    probabilities
        (4,) probability of neither infection, the first only, the second only, both, the same for all samples.
    sensitivity, specificity
        Of one test: a number, or one for each infection.
    max_pool
        Samples in the first pool at most, up to 500.
    max_stages
        2 or 3, samples alone included.

    Returns
    -------
    MultiplexChoice
        The optimum over all sizes and all divisions of the first pool into parts.

    Raises
    ------
    DesignError
        When a limit or a probability is impossible.

    Notes
    -----
    Given the first pool of I samples the expected tests are 1 + sum over its parts of c(m, I), with
    c(m, I) = P(first pool reacts) + m P(first pool and part react), or the first term alone where m = 1; the best
    parts follow by dynamic programming, O(I^2) for each I.

    References
    ----------
    As `multiplex`.

    Examples
    --------
    >>> best = choose_multiplex([0.985, 0.008, 0.005, 0.002], sensitivity=0.95, specificity=0.99, max_pool=15)
    >>> best.groups, round(best.expected_tests, 4)
    (((15,), (4, 4, 4, 3)), 2.6584)
    """
    problems = []
    if not 1 <= max_pool <= _LARGEST:
        problems.append(Problem("max_pool", f"must be from 1 to {_LARGEST}, found {max_pool}"))
    if max_stages not in (2, 3):
        problems.append(Problem("max_stages", f"must be 2 or 3, found {max_stages}"))
    if problems:
        raise DesignError("no best size", problems)
    state = _states(probabilities, 1)
    positive = _positive(_pair(sensitivity), _pair(specificity), 3)
    reacts = 1.0 - np.prod(1.0 - positive[:, 0], axis=0)
    union = np.array([_union(np.repeat(state, m, axis=0)) for m in range(max_pool + 1)])
    best = MultiplexChoice(((1,),), 1.0, 1.0)
    for n in range(2, max_pool + 1):
        for groups, tests in _divisions(n, max_stages, union[: n + 1], reacts):
            if tests / n < best.tests_per_sample:
                best = MultiplexChoice(groups, tests, tests / n)
    return best


def _divisions(
    n: int, max_stages: int, union: Floats, reacts: Floats
) -> list[tuple[tuple[tuple[int, ...], ...], float]]:
    first = float(union[n] @ reacts)
    found: list[tuple[tuple[tuple[int, ...], ...], float]] = [(((n,),), 1.0 + n * first)]
    if max_stages == 2:
        return found
    m = np.arange(1, n)
    both = np.einsum("ms,mr,sr->m", union[m] * reacts, union[n - m], reacts[_OR])
    cost = first + m * both
    cost[0] = first
    least, part = np.zeros(n + 1), np.zeros(n + 1, np.int64)
    for total in range(1, n + 1):
        most = min(total, n - 1)
        sums = cost[:most] + least[total - np.arange(1, most + 1)]
        part[total] = int(np.argmin(sums)) + 1
        least[total] = sums[part[total] - 1]
    parts, left = [], n
    while left:
        parts.append(int(part[left]))
        left -= parts[-1]
    return [*found, (((n,), tuple(sorted(parts, reverse=True))), 1.0 + float(least[n]))]


def _pair(given: float | Sequence[float]) -> Floats:
    return np.broadcast_to(np.asarray(given, np.float64), 2)


def _bounds(sizes: list[tuple[int, ...]]) -> list[list[tuple[int, int]]]:
    """Return first and stop of each pool, stage by stage, or refuse what is not nested."""
    problems = []
    if not sizes or len(sizes[0]) != 1 or not 1 <= sizes[0][0] <= _LARGEST:
        problems.append(Problem("groups", f"the first stage must be one pool of 1 to {_LARGEST}, found {sizes[:1]}"))
    ends = [np.cumsum(stage) for stage in sizes]
    for number, stage in enumerate(sizes, 1):
        if min(stage, default=0) < 1:
            problems.append(Problem("groups", f"stage {number}: sizes must be at least 1, found {stage}"))
    if not problems:
        for number, (outer, inner) in enumerate(pairwise(ends), 2):
            if not set(outer.tolist()) <= set(inner.tolist()):
                problems.append(Problem("groups", f"stage {number} does not divide the pools of the stage before"))
    if problems:
        raise DesignError("not nested pools", problems)
    return [
        [(int(stop - size), int(stop)) for size, stop in zip(stage, end, strict=True)]
        for stage, end in zip(sizes, ends, strict=True)
    ]


def _states(probabilities: ArrayLike, n: int) -> Floats:
    given = np.asarray(probabilities, np.float64)
    if given.shape not in ((4,), (n, 4)):
        problem = Problem("probabilities", f"must be 4, or {n} rows of 4, found shape {given.shape}")
        raise DesignError("not probabilities", [problem])
    states = np.broadcast_to(given, (n, 4))
    wrong = np.flatnonzero(~((states >= 0.0).all(axis=1) & (np.abs(states.sum(axis=1) - 1.0) <= 1e-9)))
    if wrong.size:
        problem = Problem("probabilities", "must be at least 0 and add up to 1", tuple(map(int, wrong)))
        raise DesignError("not probabilities", [problem])
    return states


def _positive(sensitivity: ArrayLike, specificity: ArrayLike, n_stages: int) -> Floats:
    """Return (infections, stages, states) how likely each result is positive, given the true state."""
    made, problems = [], []
    for name, given in (("sensitivity", sensitivity), ("specificity", specificity)):
        value = np.asarray(given, np.float64)
        value = value[:, None] if value.shape == (2,) else value
        if value.shape not in ((), (2, 1), (2, n_stages)):
            problems.append(Problem(name, f"must be one, 2, or 2 x {n_stages} numbers, found shape {value.shape}"))
            continue
        if not ((value >= 0.0) & (value <= 1.0)).all():
            problems.append(Problem(name, "must be from 0 to 1"))
        made.append(np.broadcast_to(value, (2, n_stages)))
    if problems:
        raise DesignError("not an assay", problems)
    return np.where(_HAS[:, None, :], made[0][:, :, None], 1.0 - made[1][:, :, None])


def _union(states: Floats) -> Floats:
    """Return how likely each union of these samples' states is."""
    none = float(np.prod(states[:, 0]))
    no_first = float(np.prod(states[:, 0] + states[:, 2]))
    no_second = float(np.prod(states[:, 0] + states[:, 1]))
    return np.array([none, no_second - none, no_first - none, max(0.0, 1.0 - no_first - no_second + none)])


def _outwards(
    weights: Floats, chain: list[tuple[int, int]], inside: tuple[int, int], states: Floats, positive: Floats
) -> Floats:
    """Return the weights of the states of the outermost pool, every pool of the chain having reacted."""
    for stage in range(len(chain) - 1, -1, -1):
        first, stop = chain[stage]
        others = np.concatenate([states[first : inside[0]], states[inside[1] : stop]])
        rest = _union(others)
        reacts = 1.0 - np.prod(1.0 - positive[:, stage], axis=0)
        joined = np.bincount(_OR.ravel(), np.outer(weights, rest).ravel(), minlength=4)
        weights, inside = joined * reacts, (first, stop)
    return weights


def _reacting(chain: list[tuple[int, int]], states: Floats, positive: Floats) -> float:
    nobody, none = (chain[-1][0], chain[-1][0]), np.array([1.0, 0.0, 0.0, 0.0])
    return float(_outwards(none, chain, nobody, states, positive).sum())


def _sample(sample: int, chain: list[tuple[int, int]], states: Floats, positive: Floats) -> list[dict[str, object]]:
    """Return a row an infection: what becomes of a sample that has it, and of one that has not."""
    rows: list[dict[str, object]] = []
    for infection, name in enumerate(_NAMES):
        said = states[sample] * positive[infection, len(chain)]
        weights = [
            _outwards(np.where(_HAS[infection] == has, said, 0.0), chain, (sample, sample + 1), states, positive)
            for has in (True, False)
        ]
        has = float(states[sample] @ _HAS[infection])
        true_positive, false_positive = (float(each.sum()) for each in weights)
        cells = (true_positive, has - true_positive, false_positive, 1.0 - has - false_positive)
        rows.append(
            {
                "sample": sample,
                "infection": name,
                **_ratios(*cells),
                **dict(zip(("_tp", "_fn", "_fp", "_tn"), cells, strict=True)),
            }
        )
    return rows


def _ratios(
    true_positive: float, false_negative: float, false_positive: float, true_negative: float
) -> dict[str, float]:
    def share(part: float, other: float) -> float:
        return part / (part + other) if part + other > 0.0 else float("nan")

    return {
        "sensitivity": share(true_positive, false_negative),
        "specificity": share(true_negative, false_positive),
        "ppv": share(true_positive, false_positive),
        "npv": share(true_negative, false_negative),
    }
