"""The next pools, round by round: nobody is forgotten, no pool is too large, and a perfect test ends with the truth."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poolkit
from poolkit.kernels import adaptive as kernels
from poolkit.schemas import MEMBERS, POOLS
from tests.reference import adaptive as twin

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


@settings(max_examples=15)
@given(st.data())
def test_a_test_that_errs_comes_to_an_end(small, data):
    n = data.draw(st.integers(1, 10 if small else 60))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    truth = random.random(n) < data.draw(st.sampled_from((0.0, 0.02, 0.1)))
    assay = poolkit.Assay(((1, 0.97), (10, 0.9)), 0.99, data.draw(st.sampled_from(("none", "independent"))))
    rounds = data.draw(st.sampled_from((None, 2, 4)))
    method = data.draw(st.sampled_from(METHODS))
    bench = Bench(truth, np.full(n, 0.02), assay, seed=n, rounds=rounds, max_pool=4 if small else 10, method=method)

    def check(bench, new):
        if bench.rounds is not None and bench.n_rounds >= bench.rounds:
            bench.rounds = None
        check_round(bench, new)

    end = bench.run(most=300, check=check)
    assert set(states(end).values()) <= {"negative", "positive"}


def test_answers_are_as_often_wrong_as_their_probabilities_say(small):
    n = 100 if small else 3000
    random = np.random.default_rng(8)
    truth = random.random(n) < 0.03
    bench = Bench(truth, np.full(n, 0.03), poolkit.Assay(0.93, 0.99), seed=2, cost_missed=20.0, cost_false=5.0)
    end = bench.run()
    probability = end.standing["probability"].to_numpy()
    expected = probability.sum()
    spread = 4 * np.sqrt((probability * (1 - probability)).sum()) + 1e-9
    positive = np.array([each == "positive" for each in states(end).values()])
    assert abs(truth[~positive].sum() - probability[~positive].sum()) <= spread
    assert abs(truth.sum() - expected) <= spread
    assert probability[positive].min(initial=1.0) >= 0.8


@pytest.mark.parametrize(("rounds", "most"), [(None, 0.140), (3, 0.152), (4, 0.145), (5, 0.142)])
def test_tests_per_sample_of_the_loop_itself(small, rounds, most):
    """One infected of a hundred, pools of ten, a perfect test, counted pool by pool.

    Exactly one in a hundred are infected, so that the number of infected does not blur the comparison: 2 % are what
    four standard errors of the rest are. Asked for were 0.140 without a limit and 0.168 within three rounds.
    """
    n = 400 if small else 20_000
    truth = np.zeros(n, np.bool_)
    truth[np.random.default_rng(17).choice(n, n // 100, replace=False)] = True
    max_pool = 4 if small else 10
    bench = Bench(truth, np.full(n, 0.01), poolkit.Assay(), rounds=rounds, max_pool=max_pool)
    end = bench.run()
    assert [each == "positive" for each in states(end).values()] == truth.tolist()
    assert rounds is None or bench.n_rounds <= rounds
    expected = poolkit.adaptive_tests(0.01, max_pool=max_pool, rounds=rounds)
    assert bench.n_tests / n == pytest.approx(expected, rel=0.25 if small else 0.02)
    assert small or bench.n_tests / n <= most


@settings(max_examples=40)
@given(st.data())
def test_truths_of_a_component_are_their_twin(data):
    n = data.draw(st.integers(1, 8))
    rate = st.floats(0.001, 0.999)
    yes = data.draw(st.lists(rate, min_size=n, max_size=n))
    pools = data.draw(st.lists(st.sets(st.integers(0, n - 1), min_size=1), min_size=1, max_size=5))
    likelihood = [data.draw(st.lists(st.one_of(st.just(0.0), rate), min_size=n + 1, max_size=n + 1)) for _ in pools]
    truths, weights = np.empty(1 << n, np.int64), np.empty(1 << n)
    found = kernels.enumerate_truths(
        np.array(yes),
        1.0 - np.array(yes),
        np.array([sum(1 << s for s in pool) for pool in pools], np.int64),
        np.array(likelihood),
        0.0,
        truths,
        weights,
    )
    expected = twin.truths(yes, [1.0 - each for each in yes], [sorted(pool) for pool in pools], likelihood)
    if not expected:
        assert found == 0
        return
    total = weights[:found].sum()
    for truth, weight in zip(truths[:found].tolist(), weights[:found], strict=True):
        key = tuple((truth >> s) & 1 for s in range(n))
        assert weight / total == pytest.approx(expected.pop(key), rel=1e-9, abs=1e-300)
    assert sum(expected.values()) == pytest.approx(0.0, abs=1e-12)


def test_the_same_question_has_the_same_answer(small):
    random, n = np.random.default_rng(3), 8 if small else 80
    truth = random.random(n) < 0.1
    ran = [Bench(truth, np.full(n, 0.1), poolkit.Assay(0.95, 0.99), seed=9, method=method) for method in METHODS * 2]
    ends = [bench.run() for bench in ran]
    for one, other in zip(ran[:3], ran[3:], strict=True):
        assert one.members == other.members
    assert ends[0].standing == ends[3].standing


def test_a_plate_takes_so_many_and_the_likeliest_first():
    people = people_of([0.001] * 20 + [0.2] * 4)
    nothing = MEMBERS.empty(), calls_of([], [])
    every = poolkit.next_pools(*nothing, prior=people, assay=poolkit.Assay())
    one = poolkit.next_pools(*nothing, prior=people, assay=poolkit.Assay(), n_pools=1)
    assert every.pools.num_rows > 1
    assert {"S20", "S21"} <= set(one.members["sample_id"].to_pylist()) < set(every.members["sample_id"].to_pylist())
    assert one.pools["pool_id"].to_pylist() == ["N000001"]
    assert repr(one) == f"NextPools(pools=1, members={one.members.num_rows}, standing=24)"


def test_an_invalid_pool_is_pooled_again_and_a_never_tested_sample_is_never_negative():
    people = people_of([1e-9] * 4)
    first = poolkit.next_pools(MEMBERS.empty(), calls_of([], []), prior=people, assay=poolkit.Assay())
    assert set(states(first).values()) == {"open"}
    invalid = calls_of(first.pools["pool_id"].to_pylist(), ["invalid"])
    again = poolkit.next_pools(first.members, invalid, prior=people, assay=poolkit.Assay(), pools=first.pools, start=2)
    assert again.members["sample_id"].to_pylist() == first.members["sample_id"].to_pylist()
    assert again.pools["stage"].to_pylist() == [2]


def test_what_is_impossible_is_said_at_once():
    with pytest.raises(poolkit.DesignError) as caught:
        poolkit.next_pools(
            MEMBERS.empty(),
            calls_of([], []),
            prior=0.1,
            assay=poolkit.Assay(),
            max_pool=0,
            n_pools=0,
            cost_missed=1.0,
            cost_false=0.5,
            method="best",
            rounds_left=0,
            start=-1,
        )
    assert [each.where for each in caught.value.problems] == [
        *("max_pool", "n_pools", "cost_missed", "cost_false", "method", "rounds_left", "start")
    ]
    members = pa.table({"pool_id": ["N000001"] * 2, "sample_id": ["S0", "S1"]})
    said = calls_of(["N000001"], ["positive"])
    with pytest.raises(poolkit.DesignError, match="N000001 would be a new pool and is known already"):
        poolkit.next_pools(members, said, prior=0.1, assay=poolkit.Assay())
    with pytest.raises(poolkit.SchemaError, match="must name every sample, 1 are missing, the first S1"):
        poolkit.next_pools(members, said, prior=people_of([0.1]), assay=poolkit.Assay())


def test_a_component_too_large_to_list_stands_as_decode_says(small):
    """One block of 93 pools, read with errors: nobody is taken out, and 961 samples hang together."""
    design = poolkit.design("kirkman-21x70" if small else "kirkman-93x961")
    members = design.members(design.block)
    holds = {row["pool_id"] for row in members.to_pylist() if row["sample_id"] in ("S3", "S40")}
    pools = members["pool_id"].unique().to_pylist()
    calls = pa.table({"specimen_id": pools, "call": ["positive" if each in holds else "negative" for each in pools]})
    assay = poolkit.Assay(0.98, 0.995)
    found = poolkit.next_pools(members, calls, prior=0.01, assay=assay)
    decoded = poolkit.decode(members, calls, prior=0.01, assay=assay).samples
    said = dict(zip(*(decoded[name].to_pylist() for name in ("sample_id", "probability")), strict=True))
    for row in found.standing.to_pylist():
        # Approximate: which sets are looked at depends a little on the order of the samples.
        assert row["probability"] == pytest.approx(said[row["sample_id"]], rel=0.01)
    # Both infected are tested alone, and a negative pool stands for everybody who is not.
    chosen = found.members["sample_id"].to_pylist()
    assert {"S3", "S40"} <= set(chosen)
    assert {row["sample_id"] for row in found.standing.to_pylist() if row["state"] == "open"} == set(chosen)
