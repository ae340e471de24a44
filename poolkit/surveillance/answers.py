"""Tables of pools, retests and covariates, as what the likelihood of a regression reads."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from poolkit.arrays import frozen
from poolkit.assays import Assay
from poolkit.errors import DesignError, Problem, some
from poolkit.kernels.overlapping import Sweeps
from poolkit.kernels.regression import Forest

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
INTERCEPT = "intercept"
# Pools open at once at most: 2 ** 16 weights for each sample.
_MOST_OPEN = 16
_CALLS = {"reactive": 1, "suspect": 1, "negative": 0, "invalid": -1, True: 1, False: 0}


class Terms(NamedTuple):
    """What the columns of a table become: a column, and its level where it is text; all levels of the text columns."""

    names: tuple[str, ...]
    of: tuple[tuple[str, str | None], ...]
    levels: dict[str, tuple[str, ...]]


class Answers(NamedTuple):
    """Samples in the order of the likelihood, and what was read of them.

    Attributes
    ----------
    rows : numpy.ndarray
        (samples,) row of each sample in the table of covariates.
    part : numpy.ndarray
        (samples,) tree or part that each is in.
    read : Forest or Sweeps
        The pools.
    first : tuple of numpy.ndarray
        Pools that are in no larger one, and samples in no pool: offsets, members, and the probabilities to react.
    n_tests : int
        Calls that say something.
    """

    rows: Places
    part: Places
    read: Forest | Sweeps
    first: tuple[Places, Places, Floats]
    n_tests: int


def frame_of(table: Any) -> pd.DataFrame:
    """Return a table as a frame with rows from 0."""
    found = table.to_pandas() if hasattr(table, "to_pandas") else pd.DataFrame(table)
    return found.reset_index(drop=True)


def terms_of(covariates: pd.DataFrame, left_out: set[str]) -> Terms:
    """Return the terms of a table: numbers as they are, the levels of text but the first."""
    of: list[tuple[str, str | None]] = []
    levels: dict[str, tuple[str, ...]] = {}
    for name in covariates.columns:
        if name in left_out:
            continue
        if pd.api.types.is_numeric_dtype(covariates[name]):
            of.append((name, None))
        else:
            levels[name] = tuple(sorted(covariates[name].dropna().astype(str).unique()))
            of += [(name, level) for level in levels[name][1:]]
    names = tuple(name if level is None else f"{name}[{level}]" for name, level in of)
    return Terms((INTERCEPT, *names), tuple(of), levels)


def design_of(covariates: pd.DataFrame, terms: Terms) -> tuple[Floats, list[Problem]]:
    """Return one row a sample, one column a term, and what is wrong."""
    design = np.ones((len(covariates), len(terms.names)))
    problems = []
    names = list(dict.fromkeys(name for name, _ in terms.of))
    for name in names:
        if name not in covariates.columns:
            problems.append(Problem(name, "missing"))
        elif (rows := np.flatnonzero(covariates[name].isna())).size:
            problems.append(Problem(name, "must not be missing", tuple(rows.tolist())))
        elif name in terms.levels:
            # A level that was not seen would pass for the first one.
            if (rows := np.flatnonzero(~covariates[name].astype(str).isin(terms.levels[name]))).size:
                text = f"must be one of {some(terms.levels[name])}"
                problems.append(Problem(name, text, tuple(rows.tolist())))
        elif not pd.api.types.is_numeric_dtype(covariates[name]):
            problems.append(Problem(name, f"must be numbers, found {covariates[name].dtype}"))
    if not problems:
        for at, (name, level) in enumerate(terms.of, 1):
            column = covariates[name]
            design[:, at] = column.to_numpy(np.float64) if level is None else column.astype(str) == level
        for at, name in enumerate(terms.names):
            if (rows := np.flatnonzero(~np.isfinite(design[:, at]))).size:
                problems.append(Problem(name, "must be finite", tuple(rows.tolist())))
    return design, problems


def _outcomes(table: pd.DataFrame, name: str) -> tuple[NDArray[np.int8], list[Problem]]:
    column = table["call"]
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column):
        found = column.to_numpy(np.float64, na_value=-2.0).astype(np.int64)
        wrong = (found != 0) & (found != 1)
    else:
        codes, texts = pd.factorize(column)
        of_text = np.array([*(_CALLS.get(text, -2) for text in texts), -2])
        found = of_text[codes]
        wrong = found == -2
    if (rows := np.flatnonzero(wrong)).size:
        return found.astype(np.int8), [Problem(f"{name}.call", "must be reactive or negative", tuple(rows.tolist()))]
    return found.astype(np.int8), []


def gather(pools: Any, retests: Any, covariates: pd.DataFrame, assay: Assay) -> Answers:
    """Return what was read, sample by sample and pool by pool, or say all that is wrong with the tables."""
    pools = frame_of(pools)
    retests = frame_of(retests) if retests is not None else pd.DataFrame({"sample_id": [], "call": np.zeros(0, bool)})
    problems = [
        Problem(f"{name}.{column}", "missing")
        for name, table, columns in (
            ("pools", pools, ("pool_id", "sample_id", "call")),
            ("retests", retests, ("sample_id", "call")),
            ("covariates", covariates, ("sample_id",)),
        )
        for column in columns
        if column not in table.columns
    ]
    if problems:
        raise DesignError("nothing to regress", problems)
    people = pd.Index(covariates["sample_id"])
    if not people.is_unique:
        twice = tuple(np.flatnonzero(people.duplicated()).tolist())
        raise DesignError("nothing to regress", [Problem("covariates.sample_id", "must be unique", twice)])
    member, alone = people.get_indexer(pools["sample_id"]), people.get_indexer(retests["sample_id"])
    for name, table, places in (("pools", pools, member), ("retests", retests, alone)):
        if (rows := np.flatnonzero(places < 0)).size:
            unknown = some(table["sample_id"].iloc[rows[:11]].tolist())
            what = f"must have covariates, which {unknown} has not"
            problems.append(Problem(f"{name}.sample_id", what, tuple(rows.tolist())))
    outcome, wrong = _outcomes(pools, "pools")
    again, wrong_again = _outcomes(retests, "retests")
    problems += wrong + wrong_again
    pool = pd.factorize(pools["pool_id"])[0].astype(np.int64)
    if (rows := np.flatnonzero(pool < 0)).size:
        problems.append(Problem("pools.pool_id", "must not be missing", tuple(rows.tolist())))
    if problems:
        raise DesignError("nothing to regress", problems)
    n_pools = int(pool.max(initial=-1)) + 1
    called = np.full(n_pools, -1, np.int8)
    called[pool] = outcome
    if (rows := np.flatnonzero(called[pool] != outcome)).size:
        problems.append(Problem("pools.call", "must be the same for all samples of a pool", tuple(rows.tolist())))
    if pd.DataFrame({"pool": pool, "member": member}).duplicated().any():
        problems.append(Problem("pools.sample_id", "must be in a pool once"))
    if problems:
        raise DesignError("nothing to regress", problems)
    if not ((outcome >= 0).any() or (again >= 0).any()):
        raise DesignError("nothing to regress", [Problem("pools", "no call says anything")])
    return _arranged(pool, member.astype(np.int64), called, (alone.astype(np.int64), again), assay)


def _arranged(
    pool: Places, member: Places, called: NDArray[np.int8], retests: tuple[Places, NDArray[np.int8]], assay: Assay
) -> Answers:
    sizes = np.bincount(pool, minlength=called.size)
    table = assay.reactive(int(sizes.max(initial=1)))
    # Pools of one are retests; pools that say nothing are left out.
    single = (sizes[pool] == 1) & (called[pool] >= 0)
    places = np.concatenate([retests[0], member[single]])
    answers = np.concatenate([retests[1], called[pool[single]]])
    places, answers = places[answers >= 0], answers[answers >= 0]
    kept = (sizes[pool] > 1) & (called[pool] >= 0)
    pool, member = pool[kept], member[kept]
    present, pool = np.unique(pool, return_inverse=True)
    sizes, called = sizes[present], called[present]
    rows = np.unique(np.concatenate([member, places]))
    member, places = np.searchsorted(rows, member), np.searchsorted(rows, places)
    own = np.ones((rows.size, 2))
    react = np.where(answers[:, None] == 1, table[1, [1, 0]], 1.0 - table[1, [1, 0]])
    np.multiply.at(own, places, react)
    errors = np.column_stack([table[sizes, 1], table[sizes, 0]]) if sizes.size else np.zeros((0, 2))
    of_pool = np.where(called[:, None] == 1, errors, 1.0 - errors)
    n_tests = int(called.size + places.size)
    order = np.lexsort((pool, sizes[pool], member))
    pool, member = pool[order], member[order]
    inner = (member[1:] == member[:-1]).nonzero()[0]
    above = np.full(sizes.size, -1, np.int64)
    above[pool[inner]] = pool[inner + 1]
    last = np.ones(pool.size, np.bool_)
    last[inner] = False
    nested = bool((above[pool[inner]] == pool[inner + 1]).all() and (above[pool[last]] == -1).all())
    outer = np.full(rows.size, -1, np.int64)
    outer[member[last]] = pool[last]
    read: Forest | Sweeps
    if nested:
        order, part, read = _forest(pool, member, above, outer, own, of_pool, sizes)
    else:
        order, part, read = _sweeps(pool, member, own, of_pool, sizes)
    place = np.empty(rows.size, np.int64)
    place[order] = np.arange(rows.size)
    # What the first round would say: pools in no larger one, and samples in none.
    roots = np.unique(outer[outer >= 0]) if nested else np.arange(sizes.size)
    inside = np.isin(pool, roots)
    by_pool = np.argsort(pool[inside], kind="stable")
    lonely = np.flatnonzero(outer < 0)
    counts = np.concatenate([sizes[roots], np.ones(lonely.size, np.int64)])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    members = place[np.concatenate([member[inside][by_pool], lonely])]
    single_errors = np.broadcast_to(table[1, [1, 0]], (lonely.size, 2))
    first = (frozen(offsets), frozen(members), frozen(np.concatenate([errors[roots], single_errors])))
    return Answers(rows[order], part, read, first, n_tests)


def _forest(
    pool: Places, member: Places, above: Places, outer: Places, own: Floats, of_pool: Floats, sizes: Places
) -> tuple[Places, Places, Forest]:
    """Return the order of samples, the tree of each, and the trees."""
    n, n_pools = own.shape[0], sizes.size
    root = np.arange(n_pools)
    while ((next_ := np.where(above[root] >= 0, above[root], root)) != root).any():
        root = next_
    key = np.where(outer >= 0, outer, n_pools + np.arange(n))
    order = np.argsort(key, kind="stable")
    trees, part = np.unique(key[order], return_inverse=True)
    samples = np.concatenate([np.flatnonzero(np.diff(part, prepend=-1)), [n]])
    of_tree = np.searchsorted(trees, root)
    # Smaller pools first; of pools with the same samples as `above` has them.
    nodes = np.lexsort((np.arange(n_pools), sizes, of_tree))
    at = np.empty(n_pools + 1, np.int64)
    at[nodes], at[-1] = np.arange(n_pools), -1
    inside = np.full(n, -1, np.int64)
    firsts = np.flatnonzero(np.diff(member, prepend=-1))
    inside[member[firsts]] = pool[firsts]
    counts = np.bincount(of_tree, minlength=trees.size)
    return (
        order,
        part,
        Forest(
            frozen(samples.astype(np.int64)),
            frozen(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)),
            frozen(at[inside[order]]),
            frozen(at[above[nodes]]),
            *(frozen(np.ascontiguousarray(own[order, k])) for k in (0, 1)),
            *(frozen(np.ascontiguousarray(of_pool[nodes, k])) for k in (0, 1)),
        ),
    )


def _sweeps(pool: Places, member: Places, own: Floats, of_pool: Floats, sizes: Places) -> tuple[Places, Places, Sweeps]:
    """Return the order of samples, the part of each, and the order in which pools open and close."""
    n, n_pools = own.shape[0], sizes.size
    graph = coo_array((np.ones(pool.size), (member, n + pool)), shape=(n + n_pools, n + n_pools))
    label = connected_components(graph, directed=False)[1]
    pools_of: list[list[int]] = [[] for _ in range(n)]
    for s, k in zip(member.tolist(), pool.tolist(), strict=True):
        pools_of[s].append(k)
    orders, masks, closes, closed, bits, starts = [], [], [0], [], [], [0]
    by_part = np.argsort(label[:n], kind="stable")
    for samples in np.split(by_part, np.flatnonzero(np.diff(label[by_part])) + 1):
        ways = [sorted(samples.tolist(), key=lambda s: sorted(pools_of[s])[::way]) for way in (1, -1)]
        width, order, mask, ends = min((_opened(way, pools_of) for way in ways), key=lambda found: found[0])
        if width > _MOST_OPEN:
            what = f"overlap so that {width} are open at once, at most {_MOST_OPEN}"
            raise DesignError("nothing to regress", [Problem("pools", what)])
        orders += order
        masks += mask
        bits.append(width)
        starts.append(len(orders))
        for each in ends:
            closed += each
            closes.append(len(closed))
    of = np.array([k for _, k in closed], np.int64)
    order_ = np.array(orders, np.int64)
    part = np.repeat(np.arange(len(bits)), np.diff(starts))
    return (
        order_,
        part,
        Sweeps(
            frozen(np.array(starts, np.int64)),
            frozen(np.array(bits, np.int64)),
            frozen(np.array(masks, np.int64)),
            frozen(np.array(closes, np.int64)),
            frozen(np.array([bit for bit, _ in closed], np.int64)),
            frozen(np.ascontiguousarray(of_pool[of, 0])),
            frozen(np.ascontiguousarray(of_pool[of, 1])),
            frozen(own[order_]),
        ),
    )


def _opened(
    order: list[int], pools_of: list[list[int]]
) -> tuple[int, list[int], list[int], list[list[tuple[int, int]]]]:
    """Return how many pools are open at once, and of each sample their bits and those closed after it."""
    last = {k: s for s in order for k in pools_of[s]}
    bit: dict[int, int] = {}
    free: list[int] = []
    width, masks, ends = 0, [], []
    for s in order:
        for k in pools_of[s]:
            if k not in bit:
                bit[k] = free.pop() if free else width
                width = max(width, bit[k] + 1)
        masks.append(sum(1 << bit[k] for k in pools_of[s]) if width <= 62 else 0)
        ends.append([(bit[k], k) for k in pools_of[s] if last[k] == s])
        free += [each for each, _ in ends[-1]]
    return width, order, masks, ends
