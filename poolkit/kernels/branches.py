"""The sets of candidates that explain the pools of one component: branch and bound over a linear model of the loads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.loads import FORBIDDEN, REACTIVE, Beliefs, Desk, factor, solve

_OPEN, _IN, _OUT = 0, 1, 2
# Sets this much lighter than the best are not looked for.
WINDOW = 8.0


class Leaves(NamedTuple):
    """The best sets by the linear model: minus their log weight, and who is in them."""

    value: NDArray[np.float64]
    chosen: NDArray[np.bool_]


class _Tree(NamedTuple):
    """Where the search stands: a slot for each candidate that is left out, a place for each that is decided."""

    inverse: NDArray[np.float64]  # (slots, n, n) inverse of the normal matrix of those not left out
    solution: NDArray[np.float64]  # (slots, n)
    totals: NDArray[np.float64]  # (slots, 2) half the residual, half the log determinant
    state: NDArray[np.int8]
    row: NDArray[np.int32]  # decided at this depth
    stage: NDArray[np.int8]
    slot: NDArray[np.int32]
    cover: NDArray[np.int32]  # of each pool, candidates not left out
    bare: NDArray[np.int32]  # of each candidate, reactive pools that nobody who is in explains
    starts: NDArray[np.int64]  # the pools of a candidate, by their place
    pools: NDArray[np.int32]


@kernel
def linear(desk: Desk, inverse: NDArray[np.float64], solution: NDArray[np.float64]) -> tuple[float, float]:
    """Fit all loads at once, each in units of the most that it can be, by least squares of relative errors.

    inverse (n, n) of the normal matrix and solution (n,) are written; half the residual and half the log determinant
    are returned. Each load has a prior sd of one such unit.
    """
    n = solution.size
    normal = desk.normal
    for i in range(n):
        desk.pull[i] = 0.0
        for j in range(n):
            normal[i, j] = 0.0
        normal[i, i] = 1.0
    residual = 0.0
    for pool in range(desk.outcome.size):
        if desk.outcome[pool] != REACTIVE or not desk.trusted[pool]:
            continue
        weight = 1.0 / (desk.sd[pool] * desk.sd[pool])
        residual += 0.5 * weight
        for k in range(desk.edges[pool], desk.edges[pool + 1]):
            i = desk.inside[k]
            desk.share[k] = np.exp(desk.most[i] - desk.height[pool])
            desk.pull[i] += weight * desk.share[k]
            for m in range(desk.edges[pool], k + 1):
                j = desk.inside[m]
                normal[max(i, j), min(i, j)] += weight * desk.share[k] * desk.share[m]
    half = factor(normal, n)
    for j in range(n):
        desk.step[:n] = 0.0
        desk.step[j] = 1.0
        solve(normal, n, desk.step)
        for i in range(n):
            inverse[i, j] = desk.step[i]
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += inverse[i, j] * desk.pull[j]
        solution[i] = total
        residual -= 0.5 * total * desk.pull[i]
    return residual, half


@kernel
def turn(desk: Desk, starts: NDArray[np.int64], pools: NDArray[np.int32]) -> None:
    """Write the pools that each candidate is in, by their places; starts (candidates + 1,) begins at 0."""
    for k in range(desk.inside.size):
        starts[desk.inside[k] + 1] += 1
    for row in range(starts.size - 1):
        starts[row + 1] += starts[row]
    for pool in range(desk.outcome.size):
        for k in range(desk.edges[pool], desk.edges[pool + 1]):
            pools[starts[desk.inside[k]]] = pool
            starts[desk.inside[k]] += 1
    for row in range(starts.size - 1, 0, -1):
        starts[row] = starts[row - 1]
    starts[0] = 0


@kernel
def thin(desk: Desk, beliefs: Beliefs, n_kept: int) -> NDArray[np.int32]:
    """Leave out candidates one by one, the one that the linear fit misses least, until so many are kept."""
    n = desk.odds.size
    inverse = np.empty((n, n))
    solution = np.empty(n)
    linear(desk, inverse, solution)
    starts = np.zeros(n + 1, np.int64)
    pools = np.empty(desk.inside.size, np.int32)
    turn(desk, starts, pools)
    cover = np.diff(desk.edges)
    left = np.ones(n, np.bool_)
    n_left = n
    while n_left > n_kept:
        out = -1
        least = np.inf
        for row in range(n):
            if left[row]:
                load = max(solution[row], 0.0)
                cost = 0.5 * load * load / inverse[row, row] + desk.odds[row]
                for k in range(starts[row], starts[row + 1]):
                    if cover[pools[k]] == 1 and desk.outcome[pools[k]] == REACTIVE:
                        cost -= beliefs.uncovered
                if cost < least:
                    least = cost
                    out = row
        left[out] = False
        n_left -= 1
        for k in range(starts[out], starts[out + 1]):
            cover[pools[k]] -= 1
        pivot = inverse[out, out]
        for i in range(n):
            if left[i]:
                ratio = inverse[i, out] / pivot
                solution[i] -= ratio * solution[out]
                for j in range(n):
                    inverse[i, j] -= ratio * inverse[out, j]
    return np.flatnonzero(left).astype(np.int32)


@kernel
def _leave_out(tree: _Tree, slot: int, row: int) -> None:
    """Write into the next slot what the equations are without this candidate."""
    pivot = tree.inverse[slot, row, row]
    ratio = tree.solution[slot, row] / pivot
    for i in range(tree.state.size):
        if tree.state[i] != _OUT and i != row:
            each = tree.inverse[slot, i, row] / pivot
            tree.solution[slot + 1, i] = tree.solution[slot, i] - tree.inverse[slot, i, row] * ratio
            for j in range(i + 1):
                tree.inverse[slot + 1, i, j] = tree.inverse[slot, i, j] - each * tree.inverse[slot, j, row]
                tree.inverse[slot + 1, j, i] = tree.inverse[slot + 1, i, j]
    tree.totals[slot + 1, 0] = tree.totals[slot, 0] + 0.5 * tree.solution[slot, row] * ratio
    tree.totals[slot + 1, 1] = tree.totals[slot, 1] + 0.5 * np.log(pivot)


@kernel
def _change_cover(desk: Desk, tree: _Tree, row: int, by: int) -> int:
    """Change how many are not left out of each of a candidate's pools, and return how many reactive ones have none."""
    n_bare = 0
    for k in range(tree.starts[row], tree.starts[row + 1]):
        tree.cover[tree.pools[k]] += by
        n_bare += tree.cover[tree.pools[k]] == 0 and desk.outcome[tree.pools[k]] == REACTIVE
    return n_bare


@kernel
def _keep(leaves: Leaves, n_kept: int, state: NDArray[np.int8], value: float) -> int:
    """Keep a set if there is room or the worst that is kept is worse; return how many are kept."""
    place = n_kept
    if n_kept == leaves.value.size:
        place = 0
        for k in range(n_kept):
            if leaves.value[k] > leaves.value[place]:
                place = k
        if leaves.value[place] <= value:
            return n_kept
        n_kept -= 1
    leaves.value[place] = value
    for row in range(state.size):
        leaves.chosen[place, row] = state[row] == _IN
    return n_kept + 1


@kernel
def _bare(desk: Desk, tree: _Tree) -> tuple[int, int, int]:
    """Count for each open candidate the reactive pools that nobody who is in explains.

    Returns how many such pools there are, how many one candidate explains at most, and who is the only one left for one
    of them, -1 for nobody.
    """
    tree.bare[:] = 0
    n_bare = 0
    forced = -1
    for pool in range(desk.outcome.size):
        if desk.outcome[pool] != REACTIVE:
            continue
        explained = False
        for k in range(desk.edges[pool], desk.edges[pool + 1]):
            explained = explained or tree.state[desk.inside[k]] == _IN
        if explained:
            continue
        n_bare += 1
        for k in range(desk.edges[pool], desk.edges[pool + 1]):
            row = desk.inside[k]
            if tree.state[row] == _OPEN:
                tree.bare[row] += 1
                if tree.cover[pool] == 1:
                    forced = row
    most = 1
    for row in range(tree.bare.size):
        most = max(most, tree.bare[row])
    return n_bare, most, forced


@kernel
def _look(desk: Desk, beliefs: Beliefs, tree: _Tree, slot: int) -> tuple[float, float, int, bool]:
    """Return the bound of a node, the log weight of who is in, and whom to decide next and how first; -1 for nobody.

    The bound: whoever is open may stay for nothing, and whoever is in costs at least what it costs beside all of them;
    and the pools that nobody explains yet need as many more as they cannot do without.
    """
    is_law = beliefs.uncovered < FORBIDDEN
    n_bare, most_bare, forced = _bare(desk, tree)
    bound = tree.totals[slot, 0]
    value = tree.totals[slot, 0] + tree.totals[slot, 1]
    widest = -1.0
    cheapest = np.inf
    pick = -1
    is_in = False
    for row in range(tree.state.size):
        if tree.state[row] == _OUT:
            continue
        load = tree.solution[slot, row]
        cost = -desk.odds[row] - 0.5 * np.log(tree.inverse[slot, row, row])
        if tree.state[row] == _IN:
            bound += cost
            value = np.inf if load <= 0.0 and desk.trusted.any() else value - desk.odds[row]
            continue
        bound += min(cost, 0.0)
        cheapest = min(cheapest, cost)
        gain = 0.5 * load * load / tree.inverse[slot, row, row] if load > 0.0 else 0.0
        gain += cost * tree.bare[row] / most_bare
        if abs(gain - cost) > widest:
            widest = abs(gain - cost)
            pick = row
            is_in = gain >= cost
    if is_law and n_bare > 0 and pick >= 0:
        bound += max(cheapest, 0.0) * ((n_bare + most_bare - 1) // most_bare)
        if forced >= 0:
            pick = forced
            is_in = True
    return bound, value, pick, is_in


@kernel
def branch(desk: Desk, beliefs: Beliefs, leaves: Leaves, n_nodes: int) -> tuple[int, bool]:
    """Collect the sets that weigh most by the linear model.

    desk and beliefs are read, leaves is written. Returns how many sets were kept, and whether the search came to its
    end within `n_nodes`. A reactive pool keeps at least one candidate when `beliefs.uncovered` is a law.
    """
    n = desk.odds.size
    tree = _Tree(
        np.empty((n + 1, n, n)),
        np.empty((n + 1, n)),
        np.empty((n + 1, 2)),
        np.zeros(n, np.int8),
        np.empty(n + 1, np.int32),
        np.zeros(n + 1, np.int8),
        np.zeros(n + 1, np.int32),
        np.empty(desk.outcome.size, np.int32),
        np.empty(n, np.int32),
        np.zeros(n + 1, np.int64),
        np.empty(desk.inside.size, np.int32),
    )
    turn(desk, tree.starts, tree.pools)
    for pool in range(desk.outcome.size):
        tree.cover[pool] = desk.edges[pool + 1] - desk.edges[pool]
    tree.totals[0, 0], tree.totals[0, 1] = linear(desk, tree.inverse[0], tree.solution[0])
    best = np.inf
    n_kept = 0
    depth = 0
    visited = 0
    while depth >= 0:
        slot = tree.slot[depth]
        if tree.stage[depth] == 0:
            visited += 1
            if visited > n_nodes:
                return n_kept, False
            bound, value, pick, is_in = _look(desk, beliefs, tree, slot)
            if pick < 0 and value <= best + WINDOW:
                n_kept = _keep(leaves, n_kept, tree.state, value)
                best = min(best, value)
            if pick < 0 or bound > best + WINDOW:
                depth -= 1
                continue
            tree.row[depth] = pick
            tree.stage[depth] = 1 if is_in else 2
        # Stage 1: in, and then (3) out; stage 2: out, and then (4) in; stage 5: both are done.
        row, stage = tree.row[depth], tree.stage[depth]
        if tree.state[row] == _OUT:
            _change_cover(desk, tree, row, 1)
        tree.state[row] = _OPEN
        if stage == 5:
            depth -= 1
            continue
        tree.stage[depth] = 3 if stage == 1 else 4 if stage == 2 else 5
        if stage == 1 or stage == 4:
            tree.state[row] = _IN
            tree.slot[depth + 1] = slot
        else:
            bare = _change_cover(desk, tree, row, -1) > 0 and beliefs.uncovered < FORBIDDEN
            load = tree.solution[slot, row]
            without = tree.totals[slot, 0] + 0.5 * load * load / tree.inverse[slot, row, row]
            if bare or without > best + WINDOW:
                _change_cover(desk, tree, row, 1)
                continue
            _leave_out(tree, slot, row)
            tree.state[row] = _OUT
            tree.slot[depth + 1] = slot + 1
        depth += 1
        tree.stage[depth] = 0
    return n_kept, True
