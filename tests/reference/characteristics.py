"""Slow twin of the characteristics: every set of infected samples and every outcome of every pool, one by one."""

from itertools import product


def figures(n, pools, risks, reacts, alone, unmatched="clear"):
    """Return tests of each stage and alone, how likely each number of tests is, and of each sample being called.

    pools are (stage, members) in order of stage; ``reacts(pool, infected)`` and ``alone(sample, infected)`` are
    probabilities; the last two results are how likely each sample is called positive, infected and not, None where it
    cannot be so.
    """
    n_stages = max((stage for stage, _ in pools), default=0)
    held = [sum(1 << sample for sample in members) for _, members in pools]
    of_stage = [stage for stage, _ in pools]
    react = [[reacts(number, k) for k in range(len(members) + 1)] for number, (_, members) in enumerate(pools)]
    found = [[alone(sample, infected) for infected in (0, 1)] for sample in range(n)]
    stages = [0.0] * (n_stages + 1)
    tests_of = {}
    called = [[0.0, 0.0] for _ in range(n)]
    weight = [[0.0, 0.0] for _ in range(n)]
    for state in product((0, 1), repeat=n):
        likely = 1.0
        for risk, infected in zip(risks, state, strict=True):
            likely *= risk if infected else 1.0 - risk
        if likely == 0.0:
            continue
        for sample, infected in enumerate(state):
            weight[sample][infected] += likely
        infected_set = sum(1 << sample for sample, infected in enumerate(state) if infected)
        yes = [react[number][(each & infected_set).bit_count()] for number, each in enumerate(held)]
        for share, left, tested, reactive in outcomes((1 << n) - 1, held, of_stage, yes):
            open_ = taken_back(left, held, of_stage, reactive, unmatched)
            for number in tested:
                stages[of_stage[number] - 1] += likely * share
            stages[-1] += likely * share * open_.bit_count()
            n_tests = len(tested) + open_.bit_count()
            tests_of[n_tests] = tests_of.get(n_tests, 0.0) + likely * share
            for sample in range(n):
                if open_ >> sample & 1:
                    called[sample][state[sample]] += likely * share * found[sample][state[sample]]
    shares = [
        [part / whole if whole > 0.0 else None for part, whole in zip(called[s], weight[s], strict=True)]
        for s in range(n)
    ]
    return stages, tests_of, [each[1] for each in shares], [each[0] for each in shares]


def outcomes(everybody, held, of_stage, yes):
    """Give each outcome: its probability, who is in no negative pool, and the pools tested and reactive of it."""
    waiting = [(1.0, everybody, (), ())]
    for stage in sorted(set(of_stage)):
        following = []
        for share, left, before, positive in waiting:
            tested = tuple(k for k, of in enumerate(of_stage) if of == stage and left & held[k])
            for signs in product((True, False), repeat=len(tested)):
                part, still, reactive = share, left, positive
                for number, sign in zip(tested, signs, strict=True):
                    part *= yes[number] if sign else 1.0 - yes[number]
                    if sign:
                        reactive = (*reactive, number)
                    else:
                        still &= ~held[number]
                if part > 0.0:
                    following.append((part, still, before + tested, reactive))
        waiting = following
    return waiting


def taken_back(left, held, of_stage, reactive, unmatched):
    """Return who is tested alone: who is left, and who is in a reactive pool of whom nobody is left."""
    if unmatched == "clear":
        return left
    again = 0
    for number in reactive:
        if not left & held[number] and (unmatched == "retest" or of_stage[number] == max(of_stage)):
            again |= held[number]
    return left | again


def partitions(n, largest):
    """Give every way to write n as a sum of sizes of at most largest, falling."""
    if n == 0:
        yield ()
    for size in range(min(n, largest), 0, -1):
        for rest in partitions(n - size, size):
            yield (size, *rest)


def compositions(n, largest):
    """Give every way to write n as a sum of sizes of at most largest, in any order."""
    if n == 0:
        yield ()
    for size in range(1, min(n, largest) + 1):
        for rest in compositions(n - size, largest):
            yield (size, *rest)
