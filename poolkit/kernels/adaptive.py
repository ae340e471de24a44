"""What to test next: nested search, words of pools read at the same time, and every truth of a component."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import root_of


@kernel
def nested_sizes(prevalence: float, fresh: float, split: NDArray[np.int64], tests: NDArray[np.float64]) -> None:
    """Write the fewest tests that resolve m like samples of whom one is infected for certain, m up to the largest.

    A part of the m is tested: where it reacts the rest is as before any test, at ``fresh`` tests each; else the rest
    holds the infected one. split and tests (largest + 1,) are written: how many to test of m, and the tests.
    """
    stay = np.log1p(-prevalence)
    tests[0] = 0.0
    for m in range(1, tests.size):
        tests[m] = 0.0 if m == 1 else np.inf
        split[m] = 1
        some = -np.expm1(m * stay)
        for k in range(1, m):
            inside = -np.expm1(k * stay) / some
            cost = 1.0 + inside * (tests[k] + (m - k) * fresh) + (1.0 - inside) * tests[m - k]
            if cost < tests[m] - 1e-12:
                tests[m] = cost
                split[m] = k


@kernel
def nested_order(risk: NDArray[np.float64], fresh: NDArray[np.float64], best: NDArray[np.float64]) -> int:
    """Return how many of the first samples to test together, given that one of all of them is infected.

    risk and fresh (samples,) are read: each sample's probability before it was known that one is infected, and the
    tests that it takes once nothing speaks against it. best (samples + 1, samples + 1) is written: the fewest tests
    that resolve the samples from i up to j of whom one is infected.
    """
    n = risk.size
    stay = np.zeros(n + 1)
    rest = np.zeros(n + 1)
    for i in range(n):
        stay[i + 1] = stay[i] + np.log1p(-risk[i])
        rest[i + 1] = rest[i] + fresh[i]
    first = 1
    for length in range(1, n + 1):
        for i in range(n - length + 1):
            j = i + length
            best[i, j] = 0.0 if length == 1 else np.inf
            some = -np.expm1(stay[j] - stay[i])
            for k in range(i + 1, j):
                inside = -np.expm1(stay[k] - stay[i]) / some
                cost = 1.0 + inside * (best[i, k] + rest[j] - rest[k]) + (1.0 - inside) * best[k, j]
                if cost < best[i, j] - 1e-12:
                    best[i, j] = cost
                    if length == n:
                        first = k - i
    return first


@kernel
def word_tests(
    words: NDArray[np.int64], odds: NDArray[np.float64], tie: NDArray[np.float64], fresh: float, last: int
) -> float:
    """Return the tests expected after pools read together, given that one of the samples is infected.

    Bit b of a sample's word says whether it is in pool b. words and odds (samples,) are read; tie (samples + 1,) are
    the tests of so many samples with the same word of whom one is infected, fresh those of a sample against whom
    nothing speaks; ``last`` is 1 when only one more round is left. Truths of more than two infected are left out.
    """
    n = words.size
    total = 0.0
    weight = 0.0
    for i in range(n):
        same = 0
        under = 0
        for k in range(n):
            if words[k] == words[i]:
                same += 1
            elif words[k] & ~words[i] == 0:
                under += 1
        cost = tie[same] + under * fresh
        if last == 1 and under > 0:
            # Who waits for the others to be negative would wait for a round that there is not.
            cost = float(same + under)
        total += odds[i] * cost
        weight += odds[i]
    for i in range(n):
        for j in range(i + 1, n):
            union = words[i] | words[j]
            open_ = 0
            for k in range(n):
                if words[k] & ~union == 0:
                    open_ += 1
            sure = open_ == 2 and union != words[i] and union != words[j]
            total += odds[i] * odds[j] * (0.0 if sure else float(open_))
            weight += odds[i] * odds[j]
    return total / weight


@kernel
def improve_words(
    words: NDArray[np.int64],
    n_pools: int,
    largest: int,
    odds: NDArray[np.float64],
    tie: NDArray[np.float64],
    fresh: float,
    last: int,
) -> float:
    """Change one word or two at a time while that saves tests, and return the tests that are left.

    words (samples,) is read and written, see `word_tests`; no pool takes more than ``largest`` samples.
    """
    n = words.size
    best = word_tests(words, odds, tie, fresh, last)
    n_inside = np.zeros(n_pools, np.int64)
    for i in range(n):
        for b in range(n_pools):
            n_inside[b] += (words[i] >> b) & 1
    better = True
    while better:
        better = False
        for i in range(n):
            kept = words[i]
            for word in range(1 << n_pools):
                fits = True
                for b in range(n_pools):
                    if n_inside[b] - ((words[i] >> b) & 1) + ((word >> b) & 1) > largest:
                        fits = False
                if not fits or word == kept:
                    continue
                words[i] = word
                cost = word_tests(words, odds, tie, fresh, last)
                words[i] = kept
                if cost < best - 1e-12:
                    best = cost
                    for b in range(n_pools):
                        n_inside[b] += ((word >> b) & 1) - ((kept >> b) & 1)
                    words[i] = word
                    kept = np.int64(word)
                    better = True
        for i in range(n):
            for j in range(i + 1, n):
                if words[i] != words[j]:
                    words[i], words[j] = words[j], words[i]
                    cost = word_tests(words, odds, tie, fresh, last)
                    if cost < best - 1e-12:
                        best = cost
                        better = True
                    else:
                        words[i], words[j] = words[j], words[i]
    return best


@kernel
def label(offsets: NDArray[np.int64], members: NDArray[np.int32], parent: NDArray[np.int32]) -> None:
    """Write for each sample the first sample that pools link it to.

    offsets (pools + 1,) and members (memberships,) are read; parent (samples,) is written.
    """
    for sample in range(parent.size):
        parent[sample] = sample
    for pool in range(offsets.size - 1):
        for k in range(offsets[pool] + 1, offsets[pool + 1]):
            one, other = root_of(parent, members[k - 1]), root_of(parent, members[k])
            if one < other:
                parent[other] = one
            else:
                parent[one] = other
    for sample in range(parent.size):
        parent[sample] = root_of(parent, sample)


@kernel
def enumerate_truths(
    weight_yes: NDArray[np.float64],
    weight_no: NDArray[np.float64],
    pools: NDArray[np.int64],
    likelihood: NDArray[np.float64],
    least: float,
    truths: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> int:
    """Write every truth of a component that weighs at least ``least`` of the heaviest found before it.

    Bit s of a truth says whether sample s is infected, bit s of a pool whether it is inside. weight_yes, weight_no
    (samples,), at most 62, pools (pools,) and likelihood (pools, samples + 1), by the infected inside, are read. Return
    the number of truths, or -1 when there is no room for them or eight times as many branches were not enough. A
    branch is left when even the best looks that its pools can still have do not bring it there.
    """
    n = weight_yes.size
    rest = np.ones(n + 1)
    for s in range(n - 1, -1, -1):
        rest[s] = rest[s + 1] * max(weight_yes[s], weight_no[s])
    infected = np.zeros(pools.size, np.int64)
    undecided = np.zeros(pools.size, np.int64)
    for pool in range(pools.size):
        for s in range(n):
            undecided[pool] += (pools[pool] >> s) & 1
    tried = np.zeros(n + 1, np.int64)
    weight = np.ones(n + 1)
    truth = np.int64(0)
    best = 0.0
    found = 0
    steps = 0
    s = 0
    while s >= 0:
        if s == n or tried[s] == 2:
            if s < n:
                for pool in range(pools.size):
                    if (pools[pool] >> s) & 1:
                        infected[pool] -= 1
                        undecided[pool] += 1
                truth &= ~(np.int64(1) << s)
                tried[s] = 0
            s -= 1
            continue
        steps += 1
        if steps > 8 * truths.size:
            return -1
        # First not infected, then infected.
        if tried[s] == 0:
            weight[s + 1] = weight[s] * weight_no[s]
        else:
            weight[s + 1] = weight[s] * weight_yes[s]
            truth |= np.int64(1) << s
        for pool in range(pools.size):
            if (pools[pool] >> s) & 1:
                if tried[s] == 0:
                    undecided[pool] -= 1
                else:
                    infected[pool] += 1
        tried[s] += 1
        bound = weight[s + 1] * rest[s + 1]
        for pool in range(pools.size):
            top = 0.0
            for k in range(infected[pool], infected[pool] + undecided[pool] + 1):
                top = max(top, likelihood[pool, k])
            bound *= top
        if bound <= 0.0 or bound < least * best:
            continue
        s += 1
        if s == n:
            if found == truths.size:
                return -1
            truths[found] = truth
            weights[found] = bound
            best = max(best, bound)
            found += 1
    return found


@kernel
def marginals(truths: NDArray[np.int64], weights: NDArray[np.float64], probability: NDArray[np.float64]) -> None:
    """Add up the truths in which each sample is infected: truths and weights (truths,) to probability (samples,)."""
    probability[:] = 0.0
    for k in range(truths.size):
        for s in range(probability.size):
            if (truths[k] >> s) & 1:
                probability[s] += weights[k]


@kernel
def cut(
    first: NDArray[np.float64], level: NDArray[np.int64], costs: NDArray[np.float64], size: NDArray[np.int64]
) -> None:
    """Cut samples in order of risk into first pools that cost the fewest tests.

    first (samples + 1,) adds up the logarithm of each sample's chance to be free, level (samples,) is the row of costs
    (levels, largest + 1) that says what a reactive pool costs by its size; size (samples + 1,) is written: the size of
    the pool that starts there.
    """
    n = level.size
    best = np.zeros(n + 1)
    for i in range(n - 1, -1, -1):
        best[i] = np.inf
        for m in range(1, min(costs.shape[1] - 1, n - i) + 1):
            cost = 1.0 + best[i + m]
            if m > 1:
                cost -= np.expm1(first[i + m] - first[i]) * costs[level[i + m // 2], m]
            if cost < best[i] - 1e-12:
                best[i] = cost
                size[i] = m
