"""Layouts run against sets of infected samples, held to the definition and to each other."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit import Assay, DesignError
from poolkit.planning import staged
from tests.planning import layouts
from tests.planning.layouts import as_pools, as_sets
from tests.reference import stages as twin

random_layouts = st.builds(
    lambda seed, n, n_stages: layouts.random_layout(np.random.default_rng(seed), n, n_stages),
    st.integers(0, 2**32 - 1),
    st.integers(2, 9),
    st.integers(1, 3),
)


@given(random_layouts, st.integers(0, 3))
def test_every_set_runs_as_defined(layout, most):
    n, pools = layout.n_samples, as_pools(layout)
    infected = staged.every_set(n, most)
    assert as_sets(infected) == twin.sets_of_at_most(n, most)
    ran = staged.run(layout, infected)
    for row, each in enumerate(as_sets(infected)):
        outcome, left = twin.run(n, pools, each)
        assert {k: code == 2 for k, code in enumerate(ran.outcome[row]) if code} == outcome
        tests = [sum(pools[k][0] == stage for k in outcome) for stage in range(1, int(layout.stage.max()) + 1)]
        assert ran.tests[row].tolist() == [*tests, len(left)]
        assert as_sets(ran.open[row : row + 1]) == [left]
        assert as_sets(ran.definite[row : row + 1]) == [twin.definite(pools, outcome, left)]
        assert twin.definite(pools, outcome, left) <= each <= left


@given(random_layouts, st.integers(1, 2))
def test_retests_tell_apart_whatever_explains_the_pools(layout, most):
    n, pools = layout.n_samples, as_pools(layout)
    infected = staged.every_set(n, most)
    ran = staged.run(layout, infected)
    counted = staged.retests(layout, ran, max_positives=most)
    known = {}
    for row, each in enumerate(as_sets(infected)):
        outcome, left = twin.run(n, pools, each)
        key = tuple(sorted(outcome.items()))
        if key not in known:
            sets = twin.explanations(n, pools, outcome, most)
            known[key] = (sets, twin.fewest_to_tell(n, sets))
        sets, fewest = known[key]
        undecided = len(left) - len(twin.definite(pools, outcome, left))
        assert fewest <= counted[row] <= min(len(sets) - 1, undecided)
        assert (counted[row] <= 1) == (fewest <= 1)


@given(random_layouts, st.integers(0, 2**16))
def test_an_assay_that_errs_runs_as_defined(layout, seed):
    n, pools = layout.n_samples, as_pools(layout)
    infected = staged.random_sets(n, 2, 6, seed=seed)
    assay = Assay(((1, 0.9), (9, 0.5)), 0.8, "independent")
    ran = staged.run(layout, infected, assay=assay, seed=seed)
    uniform = np.random.Generator(np.random.PCG64(seed)).random((6, len(pools)))
    reactive = assay.reactive(n)
    for row, each in enumerate(as_sets(infected)):

        def reacts(k, n_infected, row=row):
            return uniform[row, k] < reactive[len(pools[k][1]), n_infected]

        outcome, left = twin.run(n, pools, each, reacts)
        assert {k: code == 2 for k, code in enumerate(ran.outcome[row]) if code} == outcome
        assert as_sets(ran.open[row : row + 1]) == [left]
        assert ran.tests[row].sum() == len(outcome) + len(left)


def test_samples_beyond_one_word():
    layout = layouts.array(12, 12)
    infected = staged.every_set(144, 1)
    assert as_sets(infected) == [set(), *({k} for k in range(144))]
    ran = staged.run(layout, infected)
    assert as_sets(ran.open) == as_sets(infected)
    assert ran.n_definite.tolist() == [0] + [1] * 144


def test_a_perfect_assay_that_is_said_to_be_one_is_the_same_as_none():
    layout = layouts.hypercube(3, 3, master=True)
    infected = staged.independent_sets(27, 0.05, 300, seed=3)
    almost = Assay(1.0, 1.0 - 1e-300)
    for assay in (Assay(), almost, Assay(((1, 1.0), (30, 1.0)))):
        for got, meant in zip(staged.run(layout, infected, assay=assay), staged.run(layout, infected), strict=True):
            np.testing.assert_array_equal(got, meant)


def test_errors_come_as_often_as_the_assay_says(small):
    n_drawn = 300 if small else 20_000
    assay = Assay(((1, 1.0), (10, 0.8)), 0.9, "independent")
    layout = layouts.staged(10, [list(range(10))])
    for infected, probability in ((set(), 0.1), ({0}, 0.8), ({3, 9}, 0.96)):
        bits = np.zeros((n_drawn, 1), np.uint64)
        bits[:] = sum(1 << k for k in infected)
        reacted = (staged.run(layout, bits, assay=assay, seed=5).outcome == 2).mean()
        assert abs(reacted - probability) < 5 * np.sqrt(probability * (1 - probability) / n_drawn)


def test_drawn_sets_are_of_the_right_kind(small):
    n_drawn = 500 if small else 40_000
    drawn = as_sets(staged.random_sets(70, 2, n_drawn, seed=1))
    assert {len(each) for each in drawn} <= {0, 1, 2}
    pairs = sum(len(each) == 2 for each in drawn) / n_drawn
    meant = comb(70, 2) / staged.n_sets(70, 2)
    assert abs(pairs - meant) < 5 * np.sqrt(meant * (1 - meant) / n_drawn)
    counts = np.bincount([sample for each in drawn for sample in each], minlength=70)
    assert (abs(counts - counts.mean()) < 6 * np.sqrt(counts.mean())).all()
    alone = as_sets(staged.independent_sets(70, 0.1, n_drawn, seed=1))
    counts = np.bincount([sample for each in alone for sample in each], minlength=70)
    assert (abs(counts - 0.1 * n_drawn) < 6 * np.sqrt(0.09 * n_drawn)).all()


def test_a_seed_is_repeatable_and_not_negative():
    for draw in (staged.random_sets, staged.independent_sets):
        most = 3 if draw is staged.random_sets else 0.1
        np.testing.assert_array_equal(draw(40, most, 50, seed=4), draw(40, most, 50, seed=4))
        assert (draw(40, most, 50, seed=4) != draw(40, most, 50, seed=5)).any()
        with pytest.raises(DesignError, match="seed: must not be negative, found -1"):
            draw(40, most, 50, seed=-1)
