"""How few tests pooling takes: bounds, hierarchical and nested search against numbers computed elsewhere."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poolkit
from tests.reference import adaptive as twin

PREVALENCES = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05)
# Tests per sample, perfect assay, independent samples: the table of limits that the project was planned with, computed
# there by other code than this.
BOUND = {
    10: (0.1001, 0.1014, 0.1087, 0.1202, 0.1512, 0.2864),
    5: (0.200, 0.201, 0.206, 0.214, 0.231, 0.301),
    16: (0.063, 0.064, 0.074, 0.090, 0.141, 0.286),
    32: (0.031, 0.033, 0.048, 0.081, 0.141, 0.286),
}
NESTED_TEN = (0.1004, 0.1038, 0.1192, 0.1385, 0.1769, 0.2916)
# With the first pools named there; at 5 % one of 14 would take 0.28808.
NESTED_FREE = {0.005: (138, 0.0455), 0.01: (69, 0.0811), 0.02: (34, 0.1420), 0.05: (12, 0.2886)}
HIERARCHICAL_TEN = (0.1007, 0.1070, 0.1344, 0.1677, 0.2253, 0.3770)
DORFMAN_TEN = (0.1010, 0.1100, 0.1489, 0.1956, 0.2829, 0.5013)
DORFMAN_BEST = {0.0001: (101, 0.0200), 0.001: (32, 0.0628), 0.01: (11, 0.1956), 0.02: (8, 0.2742), 0.05: (5, 0.4262)}
THREE_STAGE = {0.001: (110, 10, 0.0295), 0.005: (36, 6, 0.0849), 0.01: (25, 5, 0.1334), 0.05: (9, 3, 0.3770)}


@pytest.mark.parametrize("max_pool", BOUND)
def test_the_bound_for_capped_pools(max_pool):
    for prevalence, expected in zip(PREVALENCES, BOUND[max_pool], strict=True):
        found = poolkit.pooling_bound(prevalence, max_pool=max_pool)
        # Three digits were printed for the other caps, rounded twice (0.07345 to 0.0735 to 0.074).
        assert found == pytest.approx(expected, abs=0.000051 if max_pool == 10 else 0.00056)


def test_the_best_nested_search():
    for prevalence, expected in zip(PREVALENCES, NESTED_TEN, strict=True):
        assert poolkit.adaptive_tests(prevalence, max_pool=10) == pytest.approx(expected, abs=0.000051)
    for prevalence, (size, expected) in NESTED_FREE.items():
        assert poolkit.adaptive_tests(prevalence, max_pool=size) == pytest.approx(expected, abs=0.000051)
    assert poolkit.adaptive_tests(0.05, max_pool=40) == pytest.approx(0.28808, abs=0.000006)


def test_the_best_hierarchy():
    for prevalence, expected in zip(PREVALENCES, HIERARCHICAL_TEN, strict=True):
        assert poolkit.hierarchical_tests(prevalence, max_pool=10)[1] == pytest.approx(expected, abs=0.000051)
    assert poolkit.hierarchical_tests(0.01, max_pool=10)[0] == (10, 2, 1)
    assert poolkit.hierarchical_tests(0.02, max_pool=10)[0] == (9, 3, 1)
    for prevalence, (size, expected) in DORFMAN_BEST.items():
        sizes, tests = poolkit.hierarchical_tests(prevalence, max_pool=120, rounds=2)
        assert sizes == (size, 1)
        assert tests == pytest.approx(expected, abs=0.000051)
    for prevalence, (first, second, expected) in THREE_STAGE.items():
        sizes, tests = poolkit.hierarchical_tests(prevalence, max_pool=120, rounds=3)
        assert sizes == (first, second, 1)
        assert tests == pytest.approx(expected, abs=0.000051)


def test_two_rounds_are_dorfman_with_pools_of_ten_or_fewer():
    for prevalence, expected in zip(PREVALENCES[:4], DORFMAN_TEN, strict=False):
        assert poolkit.adaptive_tests(prevalence, max_pool=10, rounds=2) == pytest.approx(expected, abs=0.000051)


def test_three_rounds_are_what_counting_all_truths_says(small):
    """Pools of ten, then five pools of four in which any two samples differ, then one by one: 0.1495 at 1 %."""
    exact = twin.three_rounds_by_pairs(0.01)
    assert exact == pytest.approx(0.1495, abs=0.00005)
    assert exact < 0.168
    if small:
        return  # a local search that is not compiled takes long
    expected = poolkit.adaptive_tests(0.01, max_pool=10, rounds=3)
    assert expected <= exact
    # Truths of three infected and more are left out, 1.2 of 1000 reactive pools, each of at most 10 tests.
    assert exact - expected < 0.00956 * 0.0012 * 10


@settings(max_examples=30)
@given(st.floats(1e-5, 0.6), st.integers(1, 12))
def test_nested_search_is_its_twin(prevalence, max_pool):
    found = poolkit.adaptive_tests(prevalence, max_pool=max_pool)
    assert found == pytest.approx(twin.nested_tests(prevalence, max_pool), rel=1e-9)


@given(st.floats(1e-6, 0.999), st.integers(1, 40))
def test_nothing_beats_the_bound(prevalence, max_pool):
    bound = poolkit.pooling_bound(prevalence, max_pool=max_pool)
    entropy = -prevalence * math.log2(prevalence) - (1 - prevalence) * math.log2(1 - prevalence)
    assert bound >= max(entropy, prevalence + (1 - prevalence) / max_pool) - 1e-9
    assert bound <= poolkit.adaptive_tests(prevalence, max_pool=max_pool) + 1e-9 or prevalence > 0.38
    assert poolkit.adaptive_tests(prevalence, max_pool=max_pool) <= (
        poolkit.hierarchical_tests(prevalence, max_pool=max_pool)[1] + 1e-9
    )


def test_more_rounds_never_take_more_tests(small):
    for prevalence in (0.01,) if small else (0.001, 0.01, 0.05, 0.2):
        size = 4 if small else 8
        tests = [poolkit.adaptive_tests(prevalence, max_pool=size, rounds=r) for r in range(1, 4 if small else 7)]
        assert tests == sorted(tests, reverse=True)
        assert tests[-1] >= poolkit.pooling_bound(prevalence, max_pool=size)


def test_what_is_impossible_is_said_at_once():
    with pytest.raises(poolkit.DesignError) as caught:
        poolkit.adaptive_tests(1.2, max_pool=0, rounds=0)
    assert str(caught.value) == (
        "nothing can be tested so, 3 problem(s):\n"
        "  - prevalence: must be from 0 to 1, found 1.2\n"
        "  - max_pool: must be at least 1, found 0\n"
        "  - rounds: must be at least 1, found 0"
    )
    assert poolkit.pooling_bound(0.0, max_pool=10) == 0.1
    assert poolkit.pooling_bound(1.0, max_pool=10) == 1.0
    assert poolkit.adaptive_tests(0.0, max_pool=10) == 0.1
