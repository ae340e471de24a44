"""Slow twins of the retesting procedures: every true state of a small pool, and every outcome of its tests.

Written from the procedures as they are described; nothing here is imported from the package.
"""

from itertools import product
from math import prod


def sterrett(risks, sensitivity, specificity, repools):
    """Return {tests: probability} of informative Sterrett testing by summing over states and outcomes."""
    risks = sorted(risks, reverse=True)
    found = {}

    def positive(infected):
        return sensitivity if infected else 1 - specificity

    def note(tests, probability):
        found[tests] = found.get(tests, 0.0) + probability

    def pool(state, k, left, tests, probability):
        if len(state) - k == 1:
            note(tests + 1, probability)
            return
        if len(state) - k == 0:
            note(tests, probability)
            return
        reacts = positive(any(state[k:]))
        note(tests + 1, probability * (1 - reacts))
        if left == 0:
            note(tests + 1 + len(state) - k, probability * reacts)
        else:
            apart(state, k, left, tests + 1, probability * reacts)

    def apart(state, k, left, tests, probability):
        if k == len(state):
            note(tests, probability)
            return
        here = positive(state[k])
        pool(state, k + 1, left - 1, tests + 1, probability * here)
        apart(state, k + 1, left, tests + 1, probability * (1 - here))

    for state in product((False, True), repeat=len(risks)):
        weight = prod(p if infected else 1 - p for p, infected in zip(risks, state, strict=True))
        pool(state, 0, repools, 0, weight)
    return found


def multiplex(pools, probabilities, sensitivity, specificity):
    """Return the expected tests and, for each sample and infection, P(has it and found), P(has not and found).

    ``pools`` lists the pools of each stage as lists of samples; samples alone are the last stage.
    """
    n = len(probabilities)
    tests, hit, false = 0.0, [[0.0, 0.0] for _ in range(n)], [[0.0, 0.0] for _ in range(n)]

    def result(state, members, stage, infection):
        has = any(state[i] >> infection & 1 for i in members)
        return sensitivity[infection][stage] if has else 1 - specificity[infection][stage]

    for state in product(range(4), repeat=n):
        weight = prod(probabilities[i][s] for i, s in enumerate(state))

        def split(members, stage, probability, state=state):
            nonlocal tests
            tests += probability
            if len(members) == 1:
                for infection in (0, 1):
                    share = probability * result(state, members, stage, infection)
                    into = hit if state[members[0]] >> infection & 1 else false
                    into[members[0]][infection] += share
                return
            negative = 1.0
            for infection in (0, 1):
                negative *= 1 - result(state, members, stage, infection)
            after = pools[stage + 1] if stage + 1 < len(pools) else [[i] for i in members]
            for part in after:
                if set(part) <= set(members):
                    split(part, stage + 1, probability * (1 - negative))

        split(pools[0][0], 0, weight)
    return tests, hit, false
