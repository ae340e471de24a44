"""The next pools, round by round: nobody is forgotten, no pool is too large, and a perfect test ends with the truth."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import poolkit
from poolkit.schemas import MEMBERS, POOLS

METHODS = ("nested", "halving", "information")


def calls_of(specimens, calls):
    return pa.table({"specimen_id": pa.array(specimens, pa.string()), "call": pa.array(calls, pa.string())})


def people_of(risks):
    return pa.table({"sample_id": [f"S{k}" for k in range(len(risks))], "probability": pa.array(risks, pa.float64())})


class Bench:
    """A laboratory that tests what it is told to, with known truth."""

    def __init__(self, truth, risks, assay, seed=0, **options):
        self.truth, self.people, self.assay, self.options = np.asarray(truth), people_of(risks), assay, options
        self.random = np.random.default_rng(seed)
        self.members, self.pools = MEMBERS.empty(), POOLS.empty()
        self.specimens, self.called, self.n_tests, self.n_rounds = [], [], 0, 0
        self.rounds = options.pop("rounds", None)
        self.react = assay.reactive(options.get("max_pool", 10))
        self.place = {name: k for k, name in enumerate(self.people["sample_id"].to_pylist())}

    def ask(self):
        left = None if self.rounds is None else max(self.rounds - self.n_rounds, 1)
        return poolkit.next_pools(
            self.members,
            calls_of(self.specimens, self.called),
            prior=self.people,
            assay=self.assay,
            pools=self.pools,
            rounds_left=left,
            start=self.n_tests + 1,
            **self.options,
        )

    def infected_inside(self, members, names):
        inside = dict.fromkeys(names, 0)
        for pool, sample in zip(members["pool_id"].to_pylist(), members["sample_id"].to_pylist(), strict=True):
            inside[pool] += int(self.truth[self.place[sample]])
        return inside

    def test(self, new):
        names = new.pools["pool_id"].to_pylist()
        sizes = new.pools["n_members"].to_pylist()
        inside = self.infected_inside(new.members, names)
        for name, size in zip(names, sizes, strict=True):
            reacts = self.random.random() < self.react[size, inside[name]]
            self.specimens.append(name)
            self.called.append("positive" if reacts else "negative")
        self.members = pa.concat_tables([self.members, new.members])
        self.pools = pa.concat_tables([self.pools, new.pools])
        self.n_tests += len(names)
        self.n_rounds += 1

    def run(self, most=80, check=None):
        while True:
            new = self.ask()
            if check:
                check(self, new)
            if new.pools.num_rows == 0:
                return new
            assert self.n_rounds < most
            self.test(new)


def states(new):
    return dict(zip(new.standing["sample_id"].to_pylist(), new.standing["state"].to_pylist(), strict=True))


def check_round(bench, new):
    """What holds of every answer."""
    state = states(new)
    assert list(state) == bench.people["sample_id"].to_pylist()
    pooled = new.members["sample_id"].to_pylist()
    # Only who is open is tested, never more than allowed in a pool, nobody twice in one, every pool has somebody.
    assert {state[sample] for sample in pooled} <= {"open"}
    assert max(new.pools["n_members"].to_pylist(), default=0) <= bench.options.get("max_pool", 10)
    by_pool = {}
    for pool, sample in zip(new.members["pool_id"].to_pylist(), pooled, strict=True):
        by_pool.setdefault(pool, []).append(sample)
    assert all(len(set(each)) == len(each) for each in by_pool.values())
    assert {pool: len(each) for pool, each in by_pool.items()} == dict(
        zip(new.pools["pool_id"].to_pylist(), new.pools["n_members"].to_pylist(), strict=True)
    )
    assert len({frozenset(each) for each in by_pool.values()}) == len(by_pool)
    # As long as anybody is open, something is tested; one round before the end, everybody who is open.
    assert bool(pooled) == ("open" in state.values())
    if bench.rounds is not None and bench.n_rounds + 1 >= bench.rounds:
        assert set(pooled) == {sample for sample, each in state.items() if each == "open"}
    # Never pooled is in a first pool now.
    before = set(bench.members["sample_id"].to_pylist())
    assert set(state) - before <= set(pooled)
    # Nobody of a reactive pool is negative without a negative look of the same round or a later one.
    stage = dict(zip(bench.pools["pool_id"].to_pylist(), bench.pools["stage"].to_pylist(), strict=True))
    said = dict(zip(bench.specimens, bench.called, strict=True))
    against, cleared = {}, {}
    for pool, sample in zip(bench.members["pool_id"].to_pylist(), bench.members["sample_id"].to_pylist(), strict=True):
        latest = against if said[pool] == "positive" else cleared
        latest[sample] = max(latest.get(sample, 0), stage[pool])
    for sample, each in state.items():
        if each == "negative":
            assert cleared.get(sample, -1) >= against.get(sample, 0)
    if bench.assay == poolkit.Assay():
        # Whatever a perfect test has settled is true, at any moment.
        for sample, each in state.items():
            assert each == "open" or bench.truth[bench.place[sample]] == (each == "positive")


@settings(max_examples=60)
@given(st.data())
def test_a_perfect_test_ends_with_the_truth(small, data):
    n = data.draw(st.integers(1, 12 if small else 40))
    rate = data.draw(st.sampled_from((0.002, 0.02, 0.1, 0.3, 0.7)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    truth = random.random(n) < rate
    risks = np.full(n, rate) if data.draw(st.booleans()) else np.clip(rate * random.gamma(1.0, 1.0, n), 1e-6, 0.9)
    rounds = data.draw(st.sampled_from((None, 1, 2, 3) if small else (None, 1, 2, 3, 4, 5)))
    max_pool = data.draw(st.integers(1, 5 if small else 12))
    method = data.draw(st.sampled_from(METHODS))
    bench = Bench(truth, risks, poolkit.Assay(), rounds=rounds, max_pool=max_pool, method=method)
    end = bench.run(check=check_round)
    assert [each == "positive" for each in states(end).values()] == truth.tolist()
    assert rounds is None or bench.n_rounds <= rounds
