"""Adaptive testing from its definition: the sum over every truth, search by recursion, and one scheme counted out."""

from functools import cache
from itertools import combinations, product
from math import exp, lgamma, log, prod


def truths(yes, no, pools, likelihood):
    """Weigh all 2^n truths: pools are lists of samples, likelihood gives each pool's row by its infected."""
    weights = {}
    for truth in product((0, 1), repeat=len(yes)):
        weight = 1.0
        for infected, one, other in zip(truth, yes, no, strict=True):
            weight *= one if infected else other
        for pool, row in zip(pools, likelihood, strict=True):
            weight *= row[sum(truth[s] for s in pool)]
        weights[truth] = weight
    total = sum(weights.values())
    return {truth: weight / total for truth, weight in weights.items()} if total > 0.0 else {}


def marginals(weights, n):
    return [sum(weight for truth, weight in weights.items() if truth[s]) for s in range(n)]


def nested_tests(prevalence, max_pool, rounds=200):
    """Tests per sample of the best nested search; what comes back costs what a fresh sample costs, from 1 downwards."""
    stay = 1.0 - prevalence

    def in_one_go(fresh):
        @cache
        def holds_one(m):
            """Tests for m samples of whom at least one is infected."""
            if m == 1:
                return 0.0
            some = 1.0 - stay**m
            return min(
                1.0
                + (1.0 - stay**k) / some * (holds_one(k) + (m - k) * fresh)
                + stay**k * (1.0 - stay ** (m - k)) / some * holds_one(m - k)
                for k in range(1, m)
            )

        return min(1.0, *((1.0 + (1.0 - stay**m) * holds_one(m)) / m for m in range(1, max_pool + 1)))

    fresh = 1.0
    for _ in range(rounds):
        fresh = in_one_go(fresh)
    return fresh


def three_rounds_by_pairs(prevalence, size=10, n_pools=5):
    """Tests per sample of pools of ten, then five pools of four so that any two samples differ, then one by one.

    Each of the ten is in two of the five second pools, another pair each. Who is in no negative pool is open; where one
    alone is open it is infected. All 2^10 truths are counted.
    """
    pairs = list(combinations(range(n_pools), 2))[:size]
    expected = 1.0
    for truth in product((0, 1), repeat=size):
        infected = sum(truth)
        if infected == 0:
            continue
        reactive = {pool for s in range(size) if truth[s] for pool in pairs[s]}
        open_ = sum(set(pair) <= reactive for pair in pairs)
        weight = prevalence**infected * (1.0 - prevalence) ** (size - infected)
        expected += weight * (n_pools + (0 if open_ == 1 else open_))
    return expected / size


def pool_log_likelihood(pool_looks, member_looks, prevalence, sensitivity, specificity, overdispersion):
    """Log of the sum over all 2^n truths of a pool whose members share a beta-distributed risk.

    Looks are (times reactive, times negative), of the pool and of each member alone.
    """
    total = 1.0 / overdispersion - 1.0
    a, b, n = prevalence * total, (1.0 - prevalence) * total, len(member_looks)

    def beta(x, y):
        return lgamma(x) + lgamma(y) - lgamma(x + y)

    def said(looks, infected):
        reacts = sensitivity if infected else 1.0 - specificity
        return reacts ** looks[0] * (1.0 - reacts) ** looks[1]

    return log(
        sum(
            exp(beta(a + sum(truth), b + n - sum(truth)) - beta(a, b))
            * said(pool_looks, any(truth))
            * prod(said(looks, infected) for looks, infected in zip(member_looks, truth, strict=True))
            for truth in product((0, 1), repeat=n)
        )
    )
