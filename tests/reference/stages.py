"""Pools in stages, by the definition: sets of samples in plain Python."""

from itertools import combinations, product


def run(n, pools, infected, reacts=lambda k, n_infected: n_infected > 0):
    """Return (outcome by pool, open samples) of pools given as (stage, members); untested pools have no outcome."""
    open_, outcome = set(range(n)), {}
    for stage in sorted({stage for stage, _ in pools}):
        tested = [k for k, (of, members) in enumerate(pools) if of == stage and open_ & set(members)]
        for k in tested:
            outcome[k] = bool(reacts(k, len(set(pools[k][1]) & infected)))
        for k in tested:
            if not outcome[k]:
                open_ -= set(pools[k][1])
    return outcome, open_


def definite(pools, outcome, open_):
    """Return the samples that are the only open one of a reactive pool."""
    alone = [open_ & set(pools[k][1]) for k, reacts in outcome.items() if reacts]
    return {next(iter(samples)) for samples in alone if len(samples) == 1}


def sets_of_at_most(n, most):
    """Return all sets of at most this many of n samples."""
    return [set(chosen) for size in range(min(most, n) + 1) for chosen in combinations(range(n), size)]


def explanations(n, pools, outcome, most):
    """Return the sets of at most this many samples that give just this outcome."""
    return [each for each in sets_of_at_most(n, most) if run(n, pools, each)[0] == outcome]


def fewest_to_tell(n, sets):
    """Return how many samples have to be tested alone, all at once, to tell the sets apart."""
    for size in range(n + 1):
        for chosen in combinations(range(n), size):
            if len({frozenset(each & set(chosen)) for each in sets}) == len(sets):
                return size
    raise AssertionError("sets that are the same")


def expected(n, pools, prevalence):
    """Return (expected tests by stage, expected open samples) over all 2^n states."""
    last = max((stage for stage, _ in pools), default=0)
    tests, alone = [0.0] * last, 0.0
    for state in product([False, True], repeat=n):
        infected = {k for k in range(n) if state[k]}
        weight = prevalence ** len(infected) * (1 - prevalence) ** (n - len(infected))
        outcome, open_ = run(n, pools, infected)
        for k in outcome:
            tests[pools[k][0] - 1] += weight
        alone += weight * len(open_)
    return tests, alone
