"""Branch and bound over the sets that explain a component, and a proved bound on the weight of those left out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.bounds import N_TILTS, Setting, popcount, prepare, tilted, work_out
from poolkit.kernels.components import Evidence, Parts
from poolkit.kernels.enumeration import TIE, Beliefs, Local
from poolkit.kernels.sets import Found, compare, count_in, gain_of, new_found, unexplained, write

_DEEPEST = 200
_ONE = np.uint64(1)
_NO = np.uint64(0)


class Effort(NamedTuple):
    """How much is tried."""

    n_nested: int  # pools of the largest component that is tried as a tree
    n_open: int  # pools that a sweep over pool states may hold open at once
    n_enumerated: int  # samples of the largest component that is enumerated
    error: float  # what a probability may be wrong by and still count as exact
    n_steps: int  # samples looked at by the search of one component with proof
    n_likely: int  # and without
    n_proved: int  # samples of the largest component whose search is tried with proof
    n_rounds: int  # of belief propagation
    reach: float  # a set so much less probable (log) than the best is not looked at where nothing is proved


class Stack(NamedTuple):
    """The way from the root to where the search stands; node 0 is the root."""

    listed: NDArray[np.int32]  # (depth, samples) undecided samples
    n_listed: NDArray[np.int32]
    hit: NDArray[np.uint64]  # (depth, 2) pools that hold a chosen sample
    weight: NDArray[np.float64]  # log, of what is chosen and of the pools hit and the down pools
    chosen: NDArray[np.int32]  # sample chosen to get here, -1 for none
    pool: NDArray[np.uint64]  # (depth, 2) pool that is branched on: the bits of it
    single: NDArray[np.int32]  # sample that is branched on where no pool is
    child: NDArray[np.int32]  # place in the list where the next child is looked for
    tilt: NDArray[np.int32]


@kernel
def search(
    local: Local,
    odds: NDArray[np.float64],
    evidence: Evidence,
    parts: Parts,
    part: int,
    effort: Effort,
    beliefs: Beliefs,
) -> bool:
    """Weigh the sets of a component in about the order of their weight, and write what follows.

    Returns whether any set has a weight. Weights are relative to that of the best set; what a node of the search can
    hold at most is either weighed, or smaller than a part of what was found and left out: its bound is summed, and no
    probability is wrong by more than that sum over what was found.
    """
    setting = prepare(local, odds, evidence, parts, part)
    n, n_pools = local.starts.size - 1, local.low.size
    depth = min(n + n_pools + 2, _DEEPEST)
    stack = Stack(
        np.empty((depth, n), np.int32),
        np.zeros(depth, np.int32),
        np.zeros((depth, 2), np.uint64),
        np.zeros(depth),
        np.full(depth, -1, np.int32),
        np.zeros((depth, 2), np.uint64),
        np.full(depth, -1, np.int32),
        np.zeros(depth, np.int32),
        np.zeros(depth, np.int32),
    )
    found = new_found(n, n_pools)
    unit = _greedy(setting, found)
    steps = effort.n_steps
    close = effort.error * 0.01
    while True:
        found.with_it[:] = 0.0
        found.tied[:] = False
        found.sums[0] = 0.0
        found.sums[1] = 0.0
        found.sums[2:5] = -np.inf
        left = _descend(setting, stack, found, unit, close, steps)
        done = found.sums[1] <= effort.error * found.sums[0]
        steps = left
        if done or left <= 0 or close < 1e-18:
            break
        close *= 0.02
    total = found.sums[0]
    write(found, parts, part, beliefs)
    beliefs.error[part] = found.sums[1] / total if total > 0.0 else np.inf
    return bool(total > 0.0)


@kernel
def _greedy(setting: Setting, found: Found) -> float:
    """Return the log weight of a good set: samples are added while that helps."""
    n = setting.odds.size
    hit = np.zeros(2, np.uint64)
    found.n_chosen[:] = 0
    taken = np.zeros(n, np.bool_)
    down, up = np.log(max(setting.down_least, 1e-300)), -np.log(max(setting.floor, 1e-300))
    while True:
        best, gain = -1, 0.0
        for i in range(n):
            if taken[i]:
                continue
            a = popcount(setting.mask[i, 0] & setting.up[0] & ~hit[0])
            a += popcount(setting.mask[i, 1] & setting.up[1] & ~hit[1])
            m = popcount(setting.mask[i, 0] & ~setting.up[0] & ~hit[0])
            m += popcount(setting.mask[i, 1] & ~setting.up[1] & ~hit[1])
            value = setting.log_odds[i] + a * up + m * down
            if value > gain:
                best, gain = i, value
        if best < 0:
            break
        taken[best] = True
        count_in(setting, found, best, 1)
        hit[0] |= setting.mask[best, 0]
        hit[1] |= setting.mask[best, 1]
    weight = 0.0
    for i in range(n):
        if taken[i]:
            weight += setting.log_odds[i]
    for j in range(found.n_chosen.size):
        weight += setting.likelihood[j, min(found.n_chosen[j], setting.likelihood.shape[1] - 1)]
    found.n_chosen[:] = 0
    found.sums[5] = 1.0 if weight > -np.inf else 0.0
    return weight if weight > -np.inf else 0.0


@kernel
def _descend(setting: Setting, stack: Stack, found: Found, unit: float, close: float, steps: int) -> int:
    """Search depth first, and return how many of the steps are left; below 0 when they ran out."""
    n = setting.odds.size
    stack.listed[0, :] = setting.order
    stack.n_listed[0] = n
    stack.hit[0, :] = _NO
    stack.weight[0] = 0.0
    stack.chosen[0] = -1
    stack.tilt[0] = N_TILTS // 2
    steps -= n
    depth = 0 if _open(setting, stack, found, 0, unit, close) else -1
    while depth >= 0:
        if not _next(setting, stack, found, depth):
            _leave(setting, stack, found, depth)
            depth -= 1
            continue
        steps -= stack.n_listed[depth + 1] + 8
        # Without steps whatever is still open is bounded and left.
        limit = close if steps > 0 and depth + 2 < stack.chosen.size else np.inf
        if _open(setting, stack, found, depth + 1, unit, limit):
            depth += 1
        else:
            _leave(setting, stack, found, depth + 1)
    return steps


@kernel
def _leave(setting: Setting, stack: Stack, found: Found, depth: int) -> None:
    """Take back the choice that led to a node."""
    if stack.chosen[depth] >= 0:
        count_in(setting, found, stack.chosen[depth], -1)
        found.here[stack.chosen[depth]] = False


@kernel
def _next(setting: Setting, stack: Stack, found: Found, depth: int) -> bool:
    """Make the next child of a node, and return whether there is one.

    Where a pool is branched on, a child chooses one of its listed samples and rules out those before it; the last
    child rules out all. Where a sample is, it is chosen and then ruled out.
    """
    listed, n = stack.listed[depth], stack.n_listed[depth]
    below = stack.listed[depth + 1]
    place, single = stack.child[depth], stack.single[depth]
    pool0, pool1 = stack.pool[depth, 0], stack.pool[depth, 1]
    stack.tilt[depth + 1] = stack.tilt[depth]
    if place > n:
        return False
    taken = -1
    if single >= 0:
        taken = single if place == 0 else -1
        stack.child[depth] = 1 if place == 0 else n + 1
        kept = 0
        for k in range(n):
            below[kept] = listed[k]
            kept += listed[k] != single
    else:
        while place < n and (setting.mask[listed[place], 0] & pool0) | (setting.mask[listed[place], 1] & pool1) == _NO:
            place += 1
        if place < n:
            taken = listed[place]
        stack.child[depth] = place + 1
        kept = 0
        for k in range(n):
            i = listed[k]
            inside = (setting.mask[i, 0] & pool0) | (setting.mask[i, 1] & pool1) != _NO
            below[kept] = i
            kept += k > place or not inside
    stack.n_listed[depth + 1] = kept
    stack.chosen[depth + 1] = taken
    stack.hit[depth + 1, 0] = stack.hit[depth, 0]
    stack.hit[depth + 1, 1] = stack.hit[depth, 1]
    stack.weight[depth + 1] = stack.weight[depth]
    if taken >= 0:
        stack.hit[depth + 1, 0] |= setting.mask[taken, 0]
        stack.hit[depth + 1, 1] |= setting.mask[taken, 1]
        count_in(setting, found, taken, 1)
        found.here[taken] = True
        stack.weight[depth + 1] += gain_of(setting, found, taken)
    return True


@kernel
def _open(setting: Setting, stack: Stack, found: Found, depth: int, unit: float, close: float) -> bool:
    """Bound a node: weigh it or leave it out where that is exact enough, else say what to branch on and return true."""
    hit, n = stack.hit[depth], stack.n_listed[depth]
    added, alive0, alive1 = tilted(setting, stack.listed[depth], n, hit, stack.tilt[depth])
    weight = stack.weight[depth] + unexplained(setting, hit, setting.up[0] & ~alive0, setting.up[1] & ~alive1)
    if weight == -np.inf:
        return False
    rest = 0.0
    if not setting.saturates and n > 0:
        for j in range(found.n_chosen.size):
            if found.n_chosen[j] > 0:
                rest += setting.rest[j, found.n_chosen[j]]
    n_alive = popcount(alive0) + popcount(alive1)
    if n_alive == 0:
        return _settle(setting, stack, found, depth, weight, rest, unit, close)
    limit = close * max(found.sums[0], found.sums[5])
    t = stack.tilt[depth]
    upper = weight + rest + added + n_alive * np.log(max(setting.floor, setting.top * np.exp(setting.tilt[t])))
    if np.exp(upper - unit) > limit:
        # Another tilt may bound it better.
        for step in (1, -1):
            moved = False
            while 0 <= t + step < N_TILTS:
                added, _, _ = tilted(setting, stack.listed[depth], n, hit, t + step)
                floor = np.log(max(setting.floor, setting.top * np.exp(setting.tilt[t + step])))
                other = weight + rest + added + n_alive * floor
                if other >= upper:
                    break
                upper, t, moved = other, t + step, True
            if moved:
                break
    if np.exp(upper - unit) <= limit:
        found.sums[1] += np.exp(upper - unit)
        found.sums[4] = max(found.sums[4], upper)
        return False
    stack.tilt[depth] = t
    stack.child[depth] = 0
    stack.single[depth] = -1
    stack.pool[depth, 0] = alive0 & (~alive0 + _ONE) if alive0 != _NO else _NO
    stack.pool[depth, 1] = alive1 & (~alive1 + _ONE) if alive0 == _NO else _NO
    return True


@kernel
def _settle(
    setting: Setting,
    stack: Stack,
    found: Found,
    depth: int,
    weight: float,
    rest: float,
    unit: float,
    close: float,
) -> bool:
    """Weigh a node that leaves nothing to explain, with all sets of what is listed; or name a sample to branch on.

    Samples that no down pool would notice are independent of each other; those that some would are so from below.
    """
    listed, n, hit = stack.listed[depth], stack.n_listed[depth], stack.hit[depth]
    down0, down1 = ~setting.up[0] & ~hit[0], ~setting.up[1] & ~hit[1]
    if not setting.known[0]:
        work_out(setting, 0)
    weights = setting.weights[0]
    product, gap = 1.0, rest if n > 0 else 0.0
    worst, branch, forced = 0.0, -1, False
    second = 0.0
    for k in range(n):
        i = listed[k]
        odds = setting.odds[i]
        m = popcount(setting.mask[i, 0] & down0) + popcount(setting.mask[i, 1] & down1)
        if m == 0 and setting.saturates:
            product *= 1.0 + min(odds, 1.0 / odds)
            second = max(second, min(odds, 1.0 / odds))
            if odds > 1.0:
                weight += np.log(odds)
            continue
        x = odds * setting.down_least**m if setting.saturates else 0.0
        own = (odds * weights[setting.share[i], m, 0] if m > 0 else np.log1p(odds)) - (x - 0.5 * x * x)
        most = odds * setting.down_most**m
        product *= 1.0 + x
        gap += own
        forced = forced or most > 0.5 or odds > 1.0
        second = max(second, most)
        if most > worst:
            worst, branch = most, i
    lower = np.exp(weight - unit) * product
    left_out = lower * np.expm1(gap)
    small = left_out <= close * max(found.sums[0], found.sums[5])
    if branch >= 0 and not (small and (not forced or close == np.inf or lower <= close)):
        stack.single[depth] = branch
        stack.pool[depth, 0] = _NO
        stack.pool[depth, 1] = _NO
        stack.child[depth] = 0
        return True
    found.sums[0] += lower
    found.sums[1] += left_out
    if not setting.saturates and left_out > 0.0:
        found.sums[4] = max(found.sums[4], np.log(left_out) + unit)
    for d in range(1, depth + 1):
        if stack.chosen[d] >= 0:
            found.with_it[stack.chosen[d]] += lower
    for k in range(n):
        i = listed[k]
        odds = setting.odds[i]
        m = popcount(setting.mask[i, 0] & down0) + popcount(setting.mask[i, 1] & down1)
        if m > 0 or not setting.saturates:
            odds = odds * setting.down_least**m if setting.saturates else 0.0
        found.with_it[i] += lower * (odds / (1.0 + odds))
        found.here[i] = m == 0 and setting.saturates and odds > 1.0
    compare(found, weight, second)
    for k in range(n):
        found.here[listed[k]] = False
        if second >= 1.0 - TIE and setting.odds[listed[k]] == 1.0 and weight >= found.sums[2] - TIE:
            m = popcount(setting.mask[listed[k], 0] & down0) + popcount(setting.mask[listed[k], 1] & down1)
            found.tied[listed[k]] = found.tied[listed[k]] or m == 0
    return False
