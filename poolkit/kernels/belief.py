"""Loopy belief propagation, damped, with pools that feel how many of their members are infected."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Evidence, Parts
from poolkit.kernels.enumeration import Beliefs, Local

_MOST = 700.0


@kernel
def propagate(
    local: Local,
    odds: NDArray[np.float64],
    evidence: Evidence,
    parts: Parts,
    part: int,
    limits: tuple[int, float],
    beliefs: Beliefs,
) -> bool:
    """Pass messages between samples and pools until no probability moves, and return whether they came to rest.

    limits are the rounds at most, and the change of a probability that counts as none. A message is the log of the
    likelihood ratio of infected to not; each is the mean of the old and the new one. Without rest the probabilities
    are not to be used.
    """
    n, n_pools = local.starts.size - 1, local.low.size
    start, first = parts.sample_offsets[part], parts.pool_offsets[part]
    largest = 1
    for j in range(n_pools):
        largest = max(largest, local.offsets[j + 1] - local.offsets[j])
    message = np.zeros(local.members.size)
    belief = np.empty(n)
    for i in range(n):
        belief[i] = np.log(odds[parts.samples[start + i]])
    chance = np.empty(largest)
    before = np.empty(largest + 1)
    after = np.empty((largest + 1, largest + 2))
    rest = False
    for _ in range(limits[0]):
        moved = 0.0
        for j in range(n_pools):
            low, high = local.offsets[j], local.offsets[j + 1]
            row = evidence.table[evidence.kind[parts.pools[first + j]]]
            for k in range(low, high):
                chance[k - low] = 1.0 / (1.0 + np.exp(-min(max(belief[local.members[k]] - message[k], -_MOST), _MOST)))
            _leave_one_out(chance, high - low, row, local.low[j], before, after)
            for k in range(low, high):
                i = local.members[k]
                no, yes = after[k - low, 0], after[k - low, 1]
                told = np.log(yes) - np.log(no) if no > 0.0 and yes > 0.0 else (_MOST if yes > no else -_MOST)
                told = 0.5 * (message[k] + min(max(told, -_MOST), _MOST))
                old = belief[i]
                belief[i] += told - message[k]
                message[k] = told
                moved = max(moved, abs(1.0 / (1.0 + np.exp(-belief[i])) - 1.0 / (1.0 + np.exp(-old))))
        if moved < limits[1]:
            rest = True
            break
    beliefs.error[part] = np.inf
    beliefs.margin[part] = np.inf
    for i in range(n):
        sample = parts.samples[start + i]
        beliefs.probability[sample] = 1.0 / (1.0 + np.exp(-belief[i]))
        beliefs.likely[sample] = belief[i] > 0.0
        beliefs.tied[sample] = False
    return rest


@kernel
def _leave_one_out(
    chance: NDArray[np.float64],
    n: int,
    row: NDArray[np.float64],
    low: int,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> None:
    """Write for each member the likelihood of the pool were it not infected, and were it, the others being as they may.

    chance (n,) is how likely each is infected, row the likelihood by number infected, of which `low` are certain;
    ``after[i, 0]`` and ``after[i, 1]`` are written; before is room to work in.
    """
    # after[i, k]: mean likelihood over members i and later, when k of those before are infected.
    for k in range(n + 1):
        after[n, k] = row[low + k]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1):
            after[i, k] = (1.0 - chance[i]) * after[i + 1, k] + chance[i] * after[i + 1, k + 1]
    before[0] = 1.0
    for i in range(n):
        no, yes = 0.0, 0.0
        for k in range(i + 1):
            no += before[k] * after[i + 1, k]
            yes += before[k] * after[i + 1, k + 1]
        before[i + 1] = 0.0
        for k in range(i, -1, -1):
            before[k + 1] += chance[i] * before[k]
            before[k] *= 1.0 - chance[i]
        after[i, 0], after[i, 1] = no, yes
