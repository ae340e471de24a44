"""The best design of each family, by dynamic programs and exact formulas over all sizes and shapes."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.kernels import rectangles, splits
from poolkit.planning.accuracy import by_size, rates
from poolkit.planning.arrangement import Arrange
from poolkit.planning.shapes import block_of, named, nested_pools
from poolkit.pooling.designs import Layout

Floats = NDArray[np.float64]
# The logarithm of a probability of 0, as in `kernels.crossings`.
_NEVER = -800.0


class Sought(NamedTuple):
    """What a design is sought for.

    Attributes
    ----------
    risks : numpy.ndarray
        (samples,) of each sample, lowest first; or (1,) of all.
    alike : bool
        Whether all samples are as likely infected.
    pooled, single : Assay
        Of pools and of samples alone.
    max_pool : int
        Samples a pool at most.
    least : float
        How likely an infected sample must be found, at least.
    """

    risks: Floats
    alike: bool
    pooled: Assay
    single: Assay
    max_pool: int
    least: float


class Price(NamedTuple):
    """What errors cost, in tests: of an infected sample missed, and of another called positive."""

    missed: float
    false: float


class Option(NamedTuple):
    """A design to choose from.

    Attributes
    ----------
    family, name : str
        What it is called.
    plan : str or Layout
        What `characteristics` and production take.
    rounds, largest : int
        Rounds of tests at most, and samples of the largest pool.
    arrange : str
        How samples of known risks stand in it.
    """

    family: str
    name: str
    plan: str | Layout
    rounds: int
    largest: int
    arrange: Arrange = "given"


def wanted(sought: Sought, price: Price, n_stages: int) -> splits.Wanted:
    """Return what the dynamic programs read.

    Parameters
    ----------
    sought
        What is sought.
    price
        What errors cost.
    n_stages
        Stages of pools.

    Returns
    -------
    poolkit.kernels.splits.Wanted
        For the kernels.
    """
    risks = np.full(sought.max_pool, sought.risks[0]) if sought.alike else sought.risks
    with np.errstate(divide="ignore"):
        clean = np.maximum(np.log1p(-risks), _NEVER)
    return splits.Wanted(
        *by_size(sought.pooled, sought.max_pool),
        *rates(sought.single, 1),
        np.concatenate([[0.0], np.cumsum(clean)]),
        np.concatenate([[0.0], np.cumsum(risks)]),
        float(price.missed),
        float(price.false),
        sought.least,
        n_stages,
    )


def best_nested(sought: Sought, price: Price, n_stages: int, per_sample: float) -> Option | None:
    """Return the pools inside pools of the least cost: by sample, or less so much for each sample.

    Parameters
    ----------
    sought
        What is sought.
    price
        What errors cost.
    n_stages
        Stages of pools at most.
    per_sample
        What a sample takes off the cost, where a ratio is sought; NaN where the cost a sample is.

    Returns
    -------
    Option or None
        None where no design finds the infected as often as it must.
    """
    asked = wanted(sought, price, n_stages)
    if not sought.alike:
        last = np.zeros(sought.risks.size + 1, np.int64)
        cost = splits.roots(sought.max_pool, asked, last)
        if not np.isfinite(cost):
            return None
        ends = _ends(last)
        return _option([_Group(stop - first, first) for first, stop in ends], asked, alike=False)
    costs = np.empty(sought.max_pool + 1)
    splits.roots_alike(asked, costs)
    sizes = np.arange(1, costs.size)
    if not np.isfinite(costs[1:]).any():
        return None
    value = costs[1:] / sizes if np.isnan(per_sample) else costs[1:] - per_sample * sizes
    return _option([_Group(int(np.argmin(value)) + 1, 0)], asked, alike=True)


def nested_of_size(sought: Sought, price: Price, n_stages: int, size: int) -> Option:
    """Return the best split of a first pool of this size."""
    return _option([_Group(size, 0)], wanted(sought, price, n_stages), alike=True)


class _Group(NamedTuple):
    size: int
    first: int


def _ends(last: NDArray[np.int64]) -> list[tuple[int, int]]:
    found, stop = [], last.size - 1
    while stop > 0:
        found.append((stop - int(last[stop]), stop))
        stop -= int(last[stop])
    return found[::-1]


def _option(first: list[_Group], asked: splits.Wanted, *, alike: bool) -> Option:
    """Return the option of these first pools, split as the dynamic program splits them."""
    stages = [[each.size for each in first]]
    # Of each group: how likely it and all around it react without and with somebody infected.
    groups = [
        (each, float(asked.false_reacts[each.size]), float(asked.reacts[each.size])) for each in first if each.size > 1
    ]
    for stage in range(1, asked.n_stages):
        sizes: dict[int, list[int]] = {}
        following = []
        for group, none, some in groups:
            parts = _parts(group, stage, none, some, asked, alike=alike)
            if len(parts) == group.size:
                continue
            sizes[group.first] = [part.size for part in parts]
            whole = asked.clean[group.first + group.size] - asked.clean[group.first]
            for part in parts:
                rest = float(np.exp(whole - (asked.clean[part.first + part.size] - asked.clean[part.first])))
                above = rest * none + (1.0 - rest) * some
                if part.size > 1:
                    reacts = asked.false_reacts[part.size], asked.reacts[part.size]
                    following.append((part, above * float(reacts[0]), some * float(reacts[1])))
        if not sizes:
            break
        stages.append(_filled(sizes, sum(stages[0])))
        groups = following
    return _named(stages)


def _parts(group: _Group, stage: int, none: float, some: float, asked: splits.Wanted, *, alike: bool) -> list[_Group]:
    last = np.zeros(group.size + 1, np.int64)
    if alike:
        splits.split_alike(group.size, stage, none, some, asked, last)
        sizes = sorted((stop - first for first, stop in _ends(last)), reverse=True)
    else:
        splits.split(group.first, group.first + group.size, stage, none, some, asked, last)
        sizes = [stop - first for first, stop in _ends(last)]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return [_Group(size, group.first + start) for size, start in zip(sizes, starts, strict=False)]


def _filled(sizes: dict[int, list[int]], n: int) -> list[int]:
    """Return the groups of a stage in order, samples that are in none of them as groups of one."""
    filled: list[int] = []
    at = 0
    while at < n:
        found = sizes.get(at, [1])
        filled += found
        at += sum(found)
    return filled


def _named(stages: list[list[int]]) -> Option:
    largest = max(stages[0])
    if largest == 1:
        return Option("individual", "individual", nested_pools(stages[0]), 1, 1, "sorted")
    layout = nested_pools(*stages)
    rounds = len(stages) + 1
    family = "two-stage" if rounds == 2 else f"hierarchical, {rounds} stages"
    if len(stages[0]) == 1:
        sizes = [stage[0] for stage in stages]
        name = f"two-stage-{largest}" if rounds == 2 else "-".join(map(str, ("hierarchical", *sizes, 1)))
        if all(large > small for large, small in pairwise(sizes)):
            same, _ = block_of(named(name))
            if np.array_equal(same.offsets, layout.offsets) and np.array_equal(same.members, layout.members):
                return Option(family, name, name, rounds, largest, "sorted")
    return Option(family, "-".join([*map(_told, stages), "1"]), layout, rounds, largest, "sorted")


def _told(sizes: list[int]) -> str:
    """Return sizes as a text, runs of the same size counted: ``(5x4,4)``."""
    runs: list[tuple[int, int]] = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1] = (size, runs[-1][1] + 1)
        else:
            runs.append((size, 1))
    text = ",".join(f"{size}x{count}" if count > 1 else f"{size}" for size, count in runs)
    return text if len(sizes) == 1 else f"({text})"


def array_figures(sought: Sought, *, master: bool) -> Floats:
    """Return tests, sensitivity and false positives of all arrays of samples that are all as likely infected.

    Parameters
    ----------
    sought
        What is sought.
    master
        Whether a pool of all comes first.

    Returns
    -------
    numpy.ndarray
        (longest + 1, longest + 1, 3), tests of the array infinite where there is none or it finds too little.
    """
    largest = sought.max_pool
    longest = largest // 2 if master else largest
    sides = rectangles.Sides(int(master), 1, *by_size(sought.pooled, largest), *rates(sought.single, 1))
    found = np.empty((longest + 1, longest + 1, 3))
    rectangles.every(float(sought.risks[0]), longest, largest, sides, found)
    found[found[:, :, 1] < sought.least, 0] = np.inf
    return found


def best_array(sought: Sought, value: Callable[[Floats, Floats, Floats], Floats], *, master: bool) -> Option | None:
    """Return the array of the least value.

    Parameters
    ----------
    sought
        What is sought.
    value
        From tests a sample, sensitivity and false positives.
    master
        Whether a pool of all comes first.

    Returns
    -------
    Option or None
        None where no array will do.
    """
    found = array_figures(sought, master=master)
    if not np.isfinite(found[:, :, 0]).any():
        return None
    side = np.maximum(np.arange(found.shape[0]), 1)
    tests = found[:, :, 0] / (side[:, None] * side[None, :])
    n_rows, n_columns = np.unravel_index(int(np.argmin(value(tests, found[:, :, 1], found[:, :, 2]))), tests.shape)
    return array_option(int(n_rows), int(n_columns), master=master)


def array_option(n_rows: int, n_columns: int, *, master: bool, arrange: Arrange = "given") -> Option:
    """Return an array as an option."""
    name = f"array-{n_rows}x{n_columns}{'-master' if master else ''}"
    largest = n_rows * n_columns if master else max(n_rows, n_columns)
    return Option("array with master" if master else "array", name, name, 2 + master, largest, arrange)


def arrays_of(n: int, max_pool: int, *, master: bool) -> Iterator[Option]:
    """Give the full arrays of n samples of different risks, in every arrangement."""
    if master and n > max_pool:
        return
    for n_rows in range(2, min(n // 2, max_pool) + 1):
        if n % n_rows == 0 and n // n_rows <= max_pool:
            for arrange in ("gradient", "spiral", "sorted"):
                yield array_option(n_rows, n // n_rows, master=master, arrange=arrange)
