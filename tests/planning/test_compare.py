"""Designs side by side: every figure against the definition, the promises of the table, and the errors."""

import numpy as np
import pyarrow as pa
import pytest

import poolkit
from poolkit import Assay, DesignError, compare_designs
from poolkit.planning import staged
from tests.planning.layouts import as_pools
from tests.reference import stages as twin

# PoolPy's mean tests of 96 samples with at most 1 and 2 positives, and its families by ours.
POOLPY = {
    "binary": (7.00, 103.0),
    "hierarchical": (12.53, 20.34),
    "hypercube": (14.0, 15.72),
    "std": (15.0, 25.0),
    "array": (20.0, 20.75),
    "chinese-remainder": (17.0, 41.0),
    "chinese-remainder-backtracked": (15.0, 34.0),
    "chinese-remainder-special": (None, 25.0),
}


@pytest.mark.parametrize("most", [1, 2])
def test_no_row_is_worse_than_poolpy(most, small):
    designs = ["array-10x10", "hypercube-5-3"] if small else None
    mean = compare_designs(96, max_positives=most, designs=designs).set_index("family")["expected_tests"]
    told = {family: means[most - 1] for family, means in POOLPY.items() if means[most - 1] is not None}
    assert set(told) <= set(mean.index) or small
    worse = {family for family in set(told) & set(mean.index) if round(mean[family], 2) > told[family]}
    assert not worse


@pytest.mark.parametrize("name", ["array-3x3", "hierarchical-8-3-1", "binary-8", "two-stage-3", "hypercube-2-3-master"])
@pytest.mark.parametrize("most", [0, 1, 2])
def test_a_promise_against_every_set(name, most):
    n = 8
    layout = poolkit.design(name).layout(n)
    pools = as_pools(layout)
    tests, rounds = [], set()
    for infected in twin.sets_of_at_most(n, most):
        outcome, left = twin.run(n, pools, infected)
        sets = twin.explanations(n, pools, outcome, most)
        fewest = twin.fewest_to_tell(n, sets)
        tests.append((len(outcome) + fewest, len(outcome) + min(len(sets) - 1, len(left))))
        rounds.add(max((stage for stage, _ in pools), default=0) + (len(sets) > 1))
    row = compare_designs(n, max_positives=most, designs=[name]).iloc[0]
    low, high = np.mean(tests, axis=0)
    assert low - 1e-12 <= row["expected_tests"] <= high + 1e-12
    assert max(each for each, _ in tests) <= row["worst_tests"] <= max(each for _, each in tests)
    assert row["rounds"] == max(rounds)
    assert row["exact"]
    assert np.isnan(row["standard_error"])


@pytest.mark.parametrize("name", ["array-3x3-master", "hierarchical-4-2-1", "kirkman-9x12", "partitions-2x3"])
def test_a_prevalence_against_every_state(name, small):
    n = 7 if small else 11
    layout = poolkit.design(name).layout(n)
    for prevalence in (0.02, 0.4):
        stages, alone = twin.expected(n, as_pools(layout), prevalence)
        row = compare_designs(n, prevalence=prevalence, designs=[name]).iloc[0]
        assert row["exact"]
        assert row["expected_tests"] == pytest.approx(sum(stages) + alone, rel=1e-12)
        outcome, left = twin.run(n, as_pools(layout), set(range(n)))
        assert row["worst_tests"] == len(outcome) + len(left)


def test_many_blocks_are_as_many_times_one():
    tests = [compare_designs(n, prevalence=0.03, designs=["array-3x4"]) for n in (12, 1200)]
    assert tests[1]["expected_tests"][0] == pytest.approx(100 * tests[0]["expected_tests"][0], rel=1e-12)


def test_what_is_simulated_is_within_its_error(small, monkeypatch):
    """Errors of the assay are beyond the formula."""
    if small:
        monkeypatch.setattr("poolkit.planning.compare._DRAWN", (200, 500))
    n_sets = 200 if small else 4000
    layout = poolkit.design("array-4x4").layout(16)
    assay = Assay(0.9, 0.98)
    row = compare_designs(16, prevalence=0.1, designs=["array-4x4"], assay=assay, seed=3).iloc[0]
    assert not row["exact"]
    other = staged.run(layout, staged.independent_sets(16, 0.1, n_sets, seed=77), assay=assay, seed=78)
    tests = other.tests.sum(axis=1)
    error = np.hypot(row["standard_error"], tests.std() / np.sqrt(n_sets))
    assert abs(row["expected_tests"] - tests.mean()) < 5 * error
    assert row["sensitivity"] == pytest.approx(0.9**3)


def test_crossing_pools_of_a_second_stage_are_simulated(small, monkeypatch):
    if small:
        monkeypatch.setattr("poolkit.planning.compare._DRAWN", (200, 500))
    ids = [("A", 1, "abc"), ("B", 1, "def"), ("C", 2, "ad"), ("D", 2, "be"), ("E", 2, "cf")]
    rows = [{"pool_id": pool, "stage": stage, "sample_id": each} for pool, stage, held in ids for each in held]
    crossing = poolkit.design(pa.Table.from_pylist(rows))
    row = compare_designs(6, prevalence=0.2, designs=[crossing]).iloc[0]
    stages, alone = twin.expected(6, as_pools(crossing.layout(6)), 0.2)
    assert not row["exact"]
    assert abs(row["expected_tests"] - sum(stages) - alone) < 5 * row["standard_error"]


def test_what_is_drawn_is_within_its_error_of_what_is_counted(small, monkeypatch):
    if small:
        monkeypatch.setattr("poolkit.planning.compare._DRAWN", (200, 500))
    names = ["array-5x5", "hierarchical-9-3-1"]
    counted = compare_designs(25, max_positives=2, designs=names).set_index("design")
    monkeypatch.setattr("poolkit.planning.compare._COUNTED", (10, 10))
    drawn = compare_designs(25, max_positives=2, designs=names, seed=1).set_index("design")
    assert counted["exact"].all()
    assert not drawn["exact"].any()
    gap = (counted["expected_tests"] - drawn["expected_tests"]).abs()
    assert (gap < 5 * drawn["standard_error"]).all()
    again = compare_designs(25, max_positives=2, designs=names, seed=1).set_index("design")
    assert again.equals(drawn)


def test_what_decodes_for_certain_needs_no_counting(monkeypatch):
    monkeypatch.setattr("poolkit.planning.compare._COUNTED", (10, 10))
    row = compare_designs(25, max_positives=2, designs=["std-25-5-3"]).iloc[0]
    assert (row["expected_tests"], row["worst_tests"], row["rounds"], row["exact"]) == (15.0, 15, 1, True)
    layout = poolkit.design("std-25-5-3").layout(25)
    ran = staged.run(layout, staged.every_set(25, 2))
    assert not staged.retests(layout, ran, max_positives=2).any()
    layout = poolkit.design("chinese-remainder-special-27-2").layout(27)
    ran = staged.run(layout, staged.every_set(27, 2))
    assert not staged.retests(layout, ran, max_positives=2).any()
    row = compare_designs(27, max_positives=2, designs=["chinese-remainder-special-27-2"]).iloc[0]
    assert (row["expected_tests"], row["rounds"], row["exact"]) == (layout.stage.size, 1, True)


def test_the_best_of_a_family_is_looked_at_closely(small, monkeypatch):
    """A family is chosen from on few sets, and told on many."""
    monkeypatch.setattr("poolkit.planning.compare._COUNTED", (10, 1000))
    n = 10 if small else 20
    table = compare_designs(n, max_positives=2).set_index("design")
    assert table["exact"].all()
    again = compare_designs(n, max_positives=2, designs=list(set(table.index) - {"individual"})).set_index("design")
    assert again["expected_tests"].to_dict() == table["expected_tests"].drop("individual").to_dict()


def test_limits_of_pool_and_rounds_hold(small):
    n = 24 if small else 96
    for max_pool, max_rounds in ((10, None), (8, 2), (None, 1), (None, 3), (1, None)):
        for asked in ({"max_positives": 1}, {"prevalence": 0.02}):
            table = compare_designs(n, max_pool=max_pool, max_rounds=max_rounds, **asked)
            assert (table["largest_pool"] <= (max_pool or n)).all()
            assert (table["rounds"] <= (max_rounds or n)).all()
            assert "individual" in set(table["family"])
            assert table["expected_tests"].is_monotonic_increasing
            assert (table["expected_tests"] <= table["worst_tests"] + 1e-9).all()
            assert table["family"].is_unique
            for name in set(table["design"]) - {"individual"}:
                assert poolkit.design(name).name == name


def test_nobody_infected_takes_the_first_pools_only():
    table = compare_designs(96, prevalence=0.0, designs=["array-8x12", "hierarchical-24-6-1"]).set_index("design")
    assert table["expected_tests"].to_dict() == {"array-8x12": 20.0, "hierarchical-24-6-1": 4.0}


def test_what_cannot_be_compared_is_said_at_once():
    with pytest.raises(DesignError) as error:
        compare_designs(1, max_pool=0, max_rounds=0)
    assert str(error.value) == (
        "nothing to compare, 4 problem(s):\n"
        "  - n: must be at least 2, found 1\n"
        "  - prevalence: give either max_positives or a prevalence\n"
        "  - max_pool: must be at least 1, found 0\n"
        "  - max_rounds: must be at least 1, found 0"
    )
    with pytest.raises(DesignError, match="prevalence: must be from 0 to 1, found 2"):
        compare_designs(10, prevalence=2.0)
    with pytest.raises(DesignError, match="max_positives: must be from 0 to 10, found 11"):
        compare_designs(10, max_positives=11)
    with pytest.raises(DesignError, match="no design is called 'arry-3x3'"):
        compare_designs(9, max_positives=1, designs=["arry-3x3"])
