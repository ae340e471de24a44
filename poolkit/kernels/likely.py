"""The likely sets of a large component, one by one; nothing is proved of the others."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.bounds import Setting, popcount, prepare
from poolkit.kernels.components import Evidence, Parts
from poolkit.kernels.enumeration import Beliefs, Local
from poolkit.kernels.search import Effort
from poolkit.kernels.sets import Found, compare, count_in, gain_of, new_found, unexplained, write

_ONE = np.uint64(1)
_NO = np.uint64(0)


class Path(NamedTuple):
    """The way from the root to where the search stands."""

    listed: NDArray[np.int32]  # (depth, samples) undecided samples
    value: NDArray[np.float64]  # (depth, samples) log weight that each adds to every up pool it would explain
    n_listed: NDArray[np.int32]
    hit: NDArray[np.uint64]  # (depth, 2) pools that hold a chosen sample
    weight: NDArray[np.float64]
    chosen: NDArray[np.int32]
    pool: NDArray[np.uint64]  # (depth, 2) bit of the pool that is branched on
    share: NDArray[np.float64]  # (depth, pools) the best value in each up pool not hit
    total: NDArray[np.float64]  # (depth,) their sum


@kernel
def search_likely(
    local: Local,
    odds: NDArray[np.float64],
    evidence: Evidence,
    parts: Parts,
    part: int,
    effort: Effort,
    beliefs: Beliefs,
) -> bool:
    """Weigh the sets not much less probable than the best one, and write what follows.

    Returns whether the search came to an end. Only samples are chosen that explain more than they contradict, and what
    a node can reach is guessed from the best value in each of its pools. Other samples are given the weight that each
    alone has beside the best set.
    """
    setting = prepare(local, odds, evidence, parts, part)
    n, n_pools = local.starts.size - 1, local.low.size
    n_listed = _put_first(setting)
    # Each step down settles a pool that is to be explained.
    depth = n_pools + 3
    path = Path(
        np.empty((depth, n_listed), np.int32),
        np.empty((depth, n_listed)),
        np.zeros(depth, np.int32),
        np.zeros((depth, 2), np.uint64),
        np.zeros(depth),
        np.full(depth, -1, np.int32),
        np.zeros((depth, 2), np.uint64),
        np.empty((depth, n_pools)),
        np.zeros(depth),
    )
    found = new_found(n, n_pools)
    ended = _descend(setting, path, found, effort)
    beliefs.error[part] = np.inf
    if found.sums[0] > 0.0:
        _add_others(setting, found, n_listed)
        write(found, parts, part, beliefs)
    return bool(ended and found.sums[0] > 0.0)


@kernel
def _put_first(setting: Setting) -> int:
    """Put the samples first that explain more than they contradict, if nothing else did, and return how many."""
    n_likely = 0
    for k in range(setting.order.size):
        i = setting.order[k]
        a = popcount(setting.mask[i, 0] & setting.up[0]) + popcount(setting.mask[i, 1] & setting.up[1])
        m = popcount(setting.mask[i, 0] & ~setting.up[0]) + popcount(setting.mask[i, 1] & ~setting.up[1])
        if setting.log_odds[i] + a * setting.step_up + m * setting.step_down >= 0.0:
            setting.order[k], setting.order[n_likely] = setting.order[n_likely], i
            n_likely += 1
    return n_likely


@kernel
def _descend(setting: Setting, path: Path, found: Found, effort: Effort) -> bool:
    """Search depth first, the likeliest first; returns false when the steps ran out."""
    path.listed[0, :] = setting.order[: path.listed.shape[1]]
    path.n_listed[0] = path.listed.shape[1]
    steps = effort.n_likely
    depth = 0
    entered = True
    while depth >= 0:
        if entered:
            steps -= path.n_listed[depth] + 8
            entered = _guess(setting, path, depth)
            if not entered:
                _weigh(setting, path, found, depth, effort.reach)
        if steps < 0:
            return False
        if entered and _next(setting, path, found, depth, effort.reach):
            depth += 1
            continue
        if path.chosen[depth] >= 0:
            count_in(setting, found, path.chosen[depth], -1)
            found.here[path.chosen[depth]] = False
        depth -= 1
        # Whoever is left has been entered before: only its next child is looked for.
        entered = False
        while depth >= 0 and not entered:
            if path.pool[depth, 0] | path.pool[depth, 1] != _NO and _next(setting, path, found, depth, effort.reach):
                depth += 1
                entered = True
            else:
                if path.chosen[depth] >= 0:
                    count_in(setting, found, path.chosen[depth], -1)
                    found.here[path.chosen[depth]] = False
                depth -= 1
    return True


@kernel
def _guess(setting: Setting, path: Path, depth: int) -> bool:
    """Value the listed samples of a node, and pick the pool to branch on; returns whether there is one."""
    hit, share = path.hit[depth], path.share[depth]
    up0, up1 = setting.up[0] & ~hit[0], setting.up[1] & ~hit[1]
    down0, down1 = ~setting.up[0] & ~hit[0], ~setting.up[1] & ~hit[1]
    two = setting.likelihood.shape[0] > 64
    n_able = np.zeros(setting.likelihood.shape[0], np.int32)
    for word in range(2):
        bits = up0 if word == 0 else up1
        while bits != _NO:
            low = bits & (~bits + _ONE)
            j = word * 64 + popcount(low - _ONE)
            share[j] = setting.likelihood[j, 0]
            bits ^= low
    for k in range(path.n_listed[depth]):
        i = path.listed[depth, k]
        word0, word1 = setting.mask[i, 0] & up0, setting.mask[i, 1] & up1
        a, m = popcount(word0), popcount(setting.mask[i, 0] & down0)
        if two:
            a += popcount(word1)
            m += popcount(setting.mask[i, 1] & down1)
        value = (setting.log_odds[i] + m * setting.step_down) / a if a > 0 else -np.inf
        path.value[depth, k] = value
        if value <= -setting.step_up:
            continue
        for word in range(2):
            bits = word0 if word == 0 else word1
            while bits != _NO:
                low = bits & (~bits + _ONE)
                j = word * 64 + popcount(low - _ONE)
                share[j] = max(share[j], value)
                n_able[j] += 1
                bits ^= low
    total, fewest = 0.0, 0
    path.pool[depth, 0] = _NO
    path.pool[depth, 1] = _NO
    for word in range(2):
        bits = up0 if word == 0 else up1
        while bits != _NO:
            low = bits & (~bits + _ONE)
            j = word * 64 + popcount(low - _ONE)
            total += share[j]
            if n_able[j] > 0 and (fewest == 0 or n_able[j] < fewest):
                fewest = n_able[j]
                path.pool[depth, word] = low
                path.pool[depth, 1 - word] = _NO
            bits ^= low
    path.total[depth] = total
    return fewest > 0


@kernel
def _next(setting: Setting, path: Path, found: Found, depth: int, reach: float) -> bool:
    """Make the next child of a node that may reach far enough, and return whether there is one.

    The members of the pool that is branched on are chosen in turn, the likeliest first, each without those before it;
    in the last child none is.
    """
    pool0, pool1 = path.pool[depth, 0], path.pool[depth, 1]
    hit, listed, share = path.hit[depth], path.listed[depth], path.share[depth]
    up0, up1 = setting.up[0] & ~hit[0], setting.up[1] & ~hit[1]
    below = depth + 1
    path.weight[below] = path.weight[depth]
    path.hit[below, 0], path.hit[below, 1] = hit[0], hit[1]
    while pool0 | pool1 != _NO:
        best, most = -1, -np.inf
        n = path.n_listed[depth]
        for k in range(n):
            i = listed[k]
            if (setting.mask[i, 0] & pool0) | (setting.mask[i, 1] & pool1) != _NO and path.value[depth, k] > most:
                best, most = k, path.value[depth, k]
        if best < 0 or most <= -setting.step_up:
            # Nobody is left who could explain it: the last child.
            path.pool[depth, 0], path.pool[depth, 1] = _NO, _NO
            kept = 0
            for k in range(n):
                i = listed[k]
                path.listed[below, kept] = i
                kept += (setting.mask[i, 0] & pool0) | (setting.mask[i, 1] & pool1) == _NO
            path.n_listed[below] = kept
            path.chosen[below] = -1
            j = popcount(pool0 - _ONE) if pool0 != _NO else 64 + popcount(pool1 - _ONE)
            return bool(
                path.weight[depth] + path.total[depth] - share[j] + setting.likelihood[j, 0] >= found.sums[2] - reach
            )
        taken = listed[best]
        path.n_listed[depth] = n - 1
        for k in range(best, n - 1):
            listed[k] = listed[k + 1]
            path.value[depth, k] = path.value[depth, k + 1]
        saved, n_saved = 0.0, 0
        for word in range(2):
            bits = setting.mask[taken, word] & (up0 if word == 0 else up1)
            while bits != _NO:
                low = bits & (~bits + _ONE)
                saved += share[word * 64 + popcount(low - _ONE)]
                n_saved += 1
                bits ^= low
        if path.weight[depth] + path.total[depth] - saved + most * n_saved < found.sums[2] - reach:
            continue
        path.listed[below, : n - 1] = listed[: n - 1]
        path.n_listed[below] = n - 1
        path.chosen[below] = taken
        path.hit[below, 0] |= setting.mask[taken, 0]
        path.hit[below, 1] |= setting.mask[taken, 1]
        count_in(setting, found, taken, 1)
        found.here[taken] = True
        path.weight[below] += gain_of(setting, found, taken)
        return True
    return False


@kernel
def _weigh(setting: Setting, path: Path, found: Found, depth: int, reach: float) -> None:
    """Weigh the set that stands here, with any of the samples still listed beside it."""
    hit, n = path.hit[depth], path.n_listed[depth]
    down0, down1 = ~setting.up[0] & ~hit[0], ~setting.up[1] & ~hit[1]
    weight = path.weight[depth] + unexplained(setting, hit, setting.up[0], setting.up[1])
    if weight < found.sums[2] - reach or weight == -np.inf:
        return
    if found.sums[2] == -np.inf:
        found.sums[5] = weight
    product, second = 1.0, 0.0
    for k in range(n):
        i = path.listed[depth, k]
        m = popcount(setting.mask[i, 0] & down0) + popcount(setting.mask[i, 1] & down1)
        x = setting.odds[i] * setting.down_most**m
        path.value[depth, k] = x
        product *= 1.0 + x
        second = max(second, x)
    mass = np.exp(weight - found.sums[5]) * product
    found.sums[0] += mass
    for k in range(n):
        found.with_it[path.listed[depth, k]] += mass * path.value[depth, k] / (1.0 + path.value[depth, k])
    for d in range(1, depth + 1):
        if path.chosen[d] >= 0:
            found.with_it[path.chosen[d]] += mass
    compare(found, weight, min(second, 1.0))


@kernel
def _add_others(setting: Setting, found: Found, n_listed: int) -> None:
    """Give the samples that were not searched the weight that each alone has beside the best set."""
    hit = np.zeros(2, np.uint64)
    for i in range(found.best.size):
        if found.best[i]:
            hit[0] |= setting.mask[i, 0]
            hit[1] |= setting.mask[i, 1]
    for k in range(n_listed, setting.order.size):
        i = setting.order[k]
        m = popcount(setting.mask[i, 0] & ~setting.up[0] & ~hit[0])
        m += popcount(setting.mask[i, 1] & ~setting.up[1] & ~hit[1])
        x = setting.odds[i] * setting.down_most**m
        found.with_it[i] = found.sums[0] * x / (1.0 + x)
