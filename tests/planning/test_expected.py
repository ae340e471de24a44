"""Expected tests: the exact sums against all states, the formulas against the exact sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit import DesignError
from poolkit.planning import expected, staged
from tests.planning import layouts
from tests.planning.layouts import as_pools
from tests.reference import stages as twin

PREVALENCES = (0.0, 1e-9, 0.01, 0.2, 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.sampled_from([0.0, 0.03, 0.3, 1.0]))
def test_one_stage_against_all_states(seed, n, prevalence):
    layout = layouts.random_layout(np.random.default_rng(seed), n, 1)
    got = expected.expected_tests(layout, prevalence)
    tests, alone = twin.expected(n, as_pools(layout), prevalence)
    np.testing.assert_allclose(got.stages, tests, rtol=1e-12)
    np.testing.assert_allclose(got.alone, alone, rtol=1e-12, atol=1e-14)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.sampled_from([0.0, 0.03, 0.3, 1.0]))
def test_stages_against_all_states_or_none(seed, n, prevalence):
    layout = layouts.random_layout(np.random.default_rng(seed), n, 2)
    got = expected.expected_tests(layout, prevalence)
    if got is not None:
        tests, alone = twin.expected(n, as_pools(layout), prevalence)
        np.testing.assert_allclose(got.stages, tests, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(got.alone, alone, rtol=1e-12, atol=1e-14)


def test_none_where_later_pools_cross_earlier_ones():
    crossing = layouts.staged(4, [[0, 1], [2, 3]], [[0, 2], [1, 3]])
    assert expected.expected_tests(crossing, 0.1) is None


@pytest.mark.parametrize(
    "layout",
    [layouts.hierarchical(12, 12, 4, 2), layouts.hierarchical(11, 6, 3), layouts.array(3, 4, master=True)],
    ids=["12-4-2", "11 in 6-3", "array with master"],
)
def test_stages_against_all_states(layout, small):
    for prevalence in (0.07,) if small else (0.02, 0.3):
        got = expected.expected_tests(layout, prevalence)
        tests, alone = twin.expected(layout.n_samples, as_pools(layout), prevalence)
        np.testing.assert_allclose(got.stages, tests, rtol=1e-12)
        np.testing.assert_allclose(got.alone, alone, rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(0, 3))
def test_at_most_against_every_set(seed, n, most):
    layout = layouts.random_layout(np.random.default_rng(seed), n, 1)
    tests = staged.run(layout, staged.every_set(n, most)).tests.mean(axis=0)
    got = expected.staged_tests(layout, expected.at_most(n, most))
    np.testing.assert_allclose([*got.stages, got.alone], tests, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("prevalence", PREVALENCES)
@pytest.mark.parametrize(
    ("layout", "formula"),
    [
        (layouts.staged(7, [list(range(7))]), lambda p: expected.two_stage(7, p)),
        (layouts.hierarchical(27, 27, 9, 3), lambda p: expected.hierarchical((27, 9, 3), p)),
        (layouts.hierarchical(10, 10, 2), lambda p: expected.hierarchical((10, 2, 1), p)),
        (layouts.array(8, 12), lambda p: expected.array(8, 12, p)),
        (layouts.array(5, 5), lambda p: expected.partitions(2, 5, p)),
        (layouts.transversal(25, 5, 4), lambda p: expected.partitions(4, 5, p)),
        (layouts.hypercube(3, 4), lambda p: expected.hypercube(3, 4, p)),
        (layouts.hypercube(3, 3, master=True), lambda p: expected.hypercube(3, 3, p, master=True)),
    ],
    ids=["two-stage", "27-9-3", "10-2", "array", "square", "partitions", "cube", "cube with master"],
)
def test_formulas(layout, formula, prevalence):
    got = expected.expected_tests(layout, prevalence).total / layout.n_samples
    assert got == pytest.approx(formula(prevalence), rel=1e-12)


def test_unique_crossings_are_skipped(small):
    """A crossing of an array is definite just when one row or one column reacts."""
    n_drawn = 200 if small else 20_000
    layout = layouts.array(4, 6)
    ran = staged.run(layout, staged.independent_sets(24, 0.08, n_drawn, seed=2))
    tests = (ran.tests.sum(axis=1) - ran.n_definite) / 24
    meant = expected.array(4, 6, 0.08, skip_unique=True)
    assert abs(tests.mean() - meant) < 4 * tests.std() / np.sqrt(n_drawn)
    unique = np.array([len({k % 6 for k in pair}) == 1 or len({k // 6 for k in pair}) == 1 for pair in PAIRS])
    both = staged.run(layout, staged.every_set(24, 2)).n_definite[25:]
    np.testing.assert_array_equal(both, np.where(unique, 2, 0))


PAIRS = [(a, b) for a in range(24) for b in range(a + 1, 24)]


def test_a_prevalence_is_a_probability():
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(DesignError, match="prevalence: must be from 0 to 1, found"):
            expected.expected_tests(layouts.array(2, 2), wrong)
