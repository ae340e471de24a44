"""Pool threshold cycles to sets of infected samples: each component of what is open is searched for its best set."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.branches import WINDOW, Leaves, branch, thin
from poolkit.kernels.candidates import Parts
from poolkit.kernels.loads import NEVER, REACTIVE, Beliefs, Desk, misfits, weigh

# More candidates than this in one component are thinned out by a linear fit before the search, at most so many of them.
MOST_BRANCHED = 48
MOST_THINNED = 400
_N_LEAVES = 32
_NODES_A_FIT = 20
# Above this sd (natural logarithm) the linear model of the branches is not trusted with the last word.
_LOOSE = 0.3
# Pools further off than this are set aside, at most so many of them one by one, to see whether one was mixed wrongly.
_FAR = 4.0
_N_ASIDE = 4


class Read(NamedTuple):
    """What was read of each pool, in natural logarithms of load, and the log odds of each sample."""

    outcome: NDArray[np.int8]
    height: NDArray[np.float64]  # NaN where there is no Ct
    sd: NDArray[np.float64]
    least: NDArray[np.float64]  # at the limit of detection
    odds: NDArray[np.float64]


class Found(NamedTuple):
    """What was found of each sample, and from ``share`` on of each component."""

    weight: NDArray[np.float64]
    height: NDArray[np.float64]  # log load beside the best set
    best: NDArray[np.bool_]
    share: NDArray[np.float64]  # of the best set in the weight of all that were looked at
    margin: NDArray[np.float64]  # log weight of the best over the next
    looked: NDArray[np.int64]
    ended: NDArray[np.bool_]  # whether the search came to its end
    unexplained: NDArray[np.int32]  # reactive pools without a member in the best set
    misfit: NDArray[np.float64]  # largest distance of a pool from its load, in sd


@kernel
def _key(row: int) -> np.uint64:
    """Give each candidate 64 bits of its own; a set is known by the exclusive or of its members' (Zobrist)."""
    bits = np.uint64(row + 1) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


class Tally(NamedTuple):
    """The sets looked at in one component: which, and their weights relative to the best so far."""

    seen: NDArray[np.uint64]
    taken: NDArray[np.bool_]
    weight: NDArray[np.float64]  # of each candidate
    best: NDArray[np.float64]  # log weight of the best, of the next, sum of all relative to the best
    n_looked: NDArray[np.int64]
    chosen: NDArray[np.bool_]  # the best set
    theta: NDArray[np.float64]  # and its log loads


@kernel
def _is_new(tally: Tally, bits: np.uint64) -> bool:
    """Note a set, and say whether it was not looked at before."""
    mask = np.uint64(tally.seen.size - 1)
    place = bits & mask
    while tally.taken[place]:
        if tally.seen[place] == bits:
            return False
        place = (place + np.uint64(1)) & mask
    tally.taken[place] = True
    tally.seen[place] = bits
    tally.n_looked[0] += 1
    return True


@kernel
def _note(tally: Tally, chosen: NDArray[np.bool_], value: float) -> bool:
    """Add the weight of a set to those of its members, and say whether it is the best so far."""
    is_best = bool(value > tally.best[0])
    if is_best:
        scale = np.exp(tally.best[0] - value)
        for row in range(chosen.size):
            tally.weight[row] *= scale
        tally.best[2] *= scale
        tally.best[1] = tally.best[0]
        tally.best[0] = value
    elif value > tally.best[1]:
        tally.best[1] = value
    own = np.exp(value - tally.best[0])
    tally.best[2] += own
    for row in range(chosen.size):
        if chosen[row]:
            tally.weight[row] += own
    return is_best


@kernel
def _lay_out(parts: Parts, read: Read, part: int, rows: NDArray[np.int32]) -> Desk:
    """Lay out these candidates of one component, given by their places, ascending."""
    samples = parts.samples[parts.first_sample[part] : parts.first_sample[part + 1]]
    first = parts.first_pool[part]
    m = parts.first_pool[part + 1] - first
    n = rows.size
    place = np.full(samples.size, -1, np.int32)
    for row in range(n):
        place[rows[row]] = row
    n_edges = 0
    for k in range(parts.edges[first], parts.edges[first + m]):
        n_edges += place[parts.inside[k]] >= 0
    desk = Desk(
        np.zeros(m + 1, np.int64),
        np.empty(n_edges, np.int32),
        np.empty(m, np.int8),
        np.empty(m),
        np.empty(m, np.bool_),
        np.empty(m),
        np.empty(m),
        np.empty(n),
        np.full(n, np.inf),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n),
        np.empty(n_edges),
        # Larger parts are thinned out before any load is fitted.
        np.empty((min(n, MOST_THINNED), min(n, MOST_THINNED))),
        np.empty(n),
        np.empty(n),
    )
    for row in range(n):
        desk.odds[row] = read.odds[samples[rows[row]]]
    for k in range(m):
        pool = parts.pools[first + k]
        desk.outcome[k] = read.outcome[pool]
        desk.height[k] = read.height[pool]
        desk.sd[k] = read.sd[pool]
        desk.least[k] = read.least[pool]
        desk.trusted[k] = desk.outcome[k] == REACTIVE and not np.isnan(desk.height[k])
        end = desk.edges[k]
        for j in range(parts.edges[first + k], parts.edges[first + k + 1]):
            row = place[parts.inside[j]]
            if row >= 0:
                desk.inside[end] = row
                end += 1
                if desk.trusted[k]:
                    desk.most[row] = min(desk.most[row], desk.height[k])
        desk.edges[k + 1] = end
    return desk


@kernel
def _try(desk: Desk, beliefs: Beliefs, tally: Tally, trial: NDArray[np.bool_], attempt: NDArray[np.float64]) -> float:
    """Weigh a set and note it; far below everything when it was looked at before or the budget is spent."""
    bits = np.uint64(0)
    for row in range(trial.size):
        if trial[row]:
            bits ^= _key(row)
    if tally.n_looked[0] >= beliefs.n_fits or not _is_new(tally, bits):
        return NEVER
    value = weigh(desk, beliefs, trial, attempt)
    if _note(tally, trial, value):
        tally.chosen[:] = trial
        tally.theta[:] = attempt
    return value


@kernel
def _grow(desk: Desk, beliefs: Beliefs, tally: Tally) -> bool:
    """Weigh the sets that the branches give; say whether they came to their end."""
    leaves = Leaves(np.empty(_N_LEAVES), np.empty((_N_LEAVES, desk.odds.size), np.bool_))
    n_kept, ended = branch(desk, beliefs, leaves, _NODES_A_FIT * beliefs.n_fits)
    best = np.inf
    for k in range(n_kept):
        best = min(best, leaves.value[k])
    for k in range(n_kept):
        if leaves.value[k] <= best + WINDOW:
            trial = leaves.chosen[k].copy()
            _try(desk, beliefs, tally, trial, desk.most.copy())
    return ended


@kernel
def _climb(desk: Desk, beliefs: Beliefs, tally: Tally, swaps: bool) -> None:
    """Change the best set one sample at a time, and one for another if asked, as long as that makes it better."""
    n = desk.odds.size
    improved = True
    while improved and tally.n_looked[0] < beliefs.n_fits:
        before = tally.best[0]
        chosen = tally.chosen.copy()
        theta = tally.theta.copy()
        for row in range(n):
            trial, attempt = chosen.copy(), theta.copy()
            trial[row] = not trial[row]
            if trial[row]:
                attempt[row] = desk.most[row] - 1.0
            _try(desk, beliefs, tally, trial, attempt)
        improved = tally.best[0] > before
        if improved or not swaps:
            continue
        for out in range(n):
            if improved or not chosen[out]:
                continue
            for row in range(n):
                if not chosen[row]:
                    trial, attempt = chosen.copy(), theta.copy()
                    trial[out] = False
                    trial[row] = True
                    attempt[row] = min(theta[out], desk.most[row])
                    if _try(desk, beliefs, tally, trial, attempt) > before:
                        improved = True
                        break


@kernel
def _set_aside(desk: Desk, beliefs: Beliefs, tally: Tally) -> None:
    """Where a pool does not fit the best set, grow sets that do not build on its Ct, one such pool at a time."""
    off = np.empty(desk.outcome.size)
    misfits(desk, tally.chosen, tally.theta, off)
    for _ in range(_N_ASIDE):
        worst = -1
        for pool in range(off.size):
            if abs(off[pool]) > _FAR and (worst < 0 or abs(off[pool]) > abs(off[worst])):
                worst = pool
        if worst < 0:
            return
        off[worst] = 0.0
        desk.trusted[worst] = False
        _grow(desk, beliefs, tally)
        desk.trusted[worst] = True


@kernel
def search(parts: Parts, read: Read, beliefs: Beliefs, first: int, last: int, found: Found) -> None:
    """Find the set of candidates with the greatest weight in each of these components.

    parts, read and beliefs are read; the arrays of found are written for the components from first to last, and for
    their candidates.
    """
    n_places = 64
    while n_places < 2 * beliefs.n_fits + 2:
        n_places *= 2
    for part in range(first, last):
        samples = parts.samples[parts.first_sample[part] : parts.first_sample[part + 1]]
        rows = np.arange(samples.size).astype(np.int32)
        desk = _lay_out(parts, read, part, rows)
        if rows.size > MOST_THINNED:
            rows = np.sort(np.argsort(-desk.most)[:MOST_THINNED].astype(np.int32))
            desk = _lay_out(parts, read, part, rows)
        if rows.size > MOST_BRANCHED:
            rows = rows[thin(desk, beliefs, MOST_BRANCHED)]
            desk = _lay_out(parts, read, part, rows)
        n = rows.size
        for row in range(n):
            if desk.most[row] == np.inf:
                desk.most[row] = beliefs.mean
        tally = Tally(
            np.zeros(n_places, np.uint64),
            np.zeros(n_places, np.bool_),
            np.zeros(n),
            np.array([NEVER, NEVER, 0.0]),
            np.zeros(1, np.int64),
            np.zeros(n, np.bool_),
            np.zeros(n),
        )
        ended = _grow(desk, beliefs, tally) and n == samples.size
        if beliefs.outlier > 0.0:
            _set_aside(desk, beliefs, tally)
        _climb(desk, beliefs, tally, not ended or desk.sd.max() > _LOOSE)
        off = np.empty(desk.outcome.size)
        for row in range(n):
            sample = samples[rows[row]]
            found.weight[sample] = tally.weight[row] / tally.best[2] if tally.best[2] > 0.0 else 0.0
            found.height[sample] = tally.theta[row] if tally.chosen[row] else np.nan
            found.best[sample] = tally.chosen[row]
        found.share[part] = 1.0 / tally.best[2] if tally.best[2] > 0.0 else 0.0
        found.margin[part] = tally.best[0] - tally.best[1]
        found.looked[part] = tally.n_looked[0]
        found.ended[part] = ended and tally.n_looked[0] < beliefs.n_fits
        found.misfit[part] = misfits(desk, tally.chosen, tally.theta, off)
        found.unexplained[part] = 0
        for pool in range(desk.outcome.size):
            covered = False
            for k in range(desk.edges[pool], desk.edges[pool + 1]):
                covered = covered or tally.chosen[desk.inside[k]]
            found.unexplained[part] += desk.outcome[pool] == REACTIVE and not covered
