"""HYPER: factorisations of the complete graph and of all triples, and the balance that they give."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.errors import DesignError
from poolkit.pooling.designs.hyper import factors
from tests.pooling.designs.sights import pools_of, together, widest_spread
from tests.reference import constructions as reference

PAIRS, TRIPLES = list(range(4, 40, 2)), [6, 12, 18, 24, 30, 42, 48]


@pytest.mark.parametrize(("pools", "each"), [*((m, 2) for m in PAIRS), *((m, 3) for m in TRIPLES)])
def test_factors_hold_each_pool_once_and_every_edge_once(pools, each):
    found = factors(pools, each)
    assert found.shape == (comb(pools - 1, each - 1), pools // each, each)
    assert np.array_equal(
        np.sort(found.reshape(len(found), pools), axis=1), np.broadcast_to(np.arange(pools), (len(found), pools))
    )
    assert {tuple(sorted(edge)) for edge in found.reshape(-1, each).tolist()} == set(combinations(range(pools), each))


@pytest.mark.parametrize(("pools", "each"), [(10, 2), (12, 3), (18, 3)])
def test_a_few_factors_are_the_first_of_all(pools, each):
    every = factors(pools, each)
    for n in range(1, len(every) + 3):
        assert np.array_equal(factors(pools, each, n), every[:n])


def test_the_design_of_384_samples_in_48_pools():
    layout = poolkit.design("hyper-384-48-3").layout(384)
    assert np.diff(layout.offsets).tolist() == [24] * 48
    assert np.bincount(layout.members).tolist() == [3] * 384
    assert len({frozenset(each) for each in pools_of(layout)}) == 384
    assert together(poolkit.design("hyper-384-48-3").codes(), 48).max() == 2


def test_fewer_samples_share_two_pools_than_in_the_order_of_the_construction():
    shared = together(poolkit.design("hyper-384-48-3").codes(), 48)
    plain = together(factors(48, 3).reshape(-1, 3)[:384], 48)
    assert np.triu(shared == 2).sum() == 331
    assert np.triu(plain == 2).sum() == 519


def test_all_triples_are_there_whatever_the_order():
    every = poolkit.design("hyper-4060-30-3").codes()
    assert {tuple(sorted(edge)) for edge in every.tolist()} == set(combinations(range(30), 3))


@given(st.sampled_from([(m, 2) for m in PAIRS] + [(m, 3) for m in TRIPLES[:5]]), st.data())
def test_pools_are_even_for_every_number_of_samples(case, data):
    pools, each = case
    samples = data.draw(st.integers(max(5, pools + 1), 700))
    found = poolkit.design(f"hyper-{samples}-{pools}-{each}")
    assert widest_spread(found.codes(), pools) <= 1
    shared = together(found.codes(), pools)
    most = min(samples, comb(pools, each))
    assert shared[:most, :most].max() <= each - 1
    assert np.array_equal(found.codes()[most:], found.codes()[: samples - most]) or samples > 2 * most


@pytest.mark.parametrize("name", ["hyper-15-6-2", "hyper-28-8-2", "hyper-20-6-3", "hyper-40-12-3"])
def test_one_positive_is_decoded_for_certain_and_two_are_not(name):
    found = poolkit.design(name)
    assert found.certain == 1
    assert reference.is_disjunct(found.codes().tolist(), 1)
    assert not reference.is_disjunct(found.codes().tolist(), 2)


def test_pools_that_come_round_again_decode_nothing_for_certain():
    found = poolkit.design("hyper-16-6-2")
    assert found.certain == 0
    assert not reference.is_disjunct(found.codes().tolist(), 1)


@given(
    st.integers(0, 500) | st.integers(0, 10**9 - 1), st.integers(0, 80) | st.integers(0, 10**9 - 1), st.integers(0, 5)
)
def test_every_name_gives_a_design_or_names_that_do(samples, pools, each):
    name = f"hyper-{samples}-{pools}-{each}"
    try:
        found = poolkit.design(name)
    except DesignError as error:
        for nearest in str(error).rpartition("nearest: ")[2].split(", "):
            assert poolkit.design(nearest).name == nearest
    else:
        assert (found.name, found.pools, found.block) == (name, pools, samples)


ERRORS = {
    "hyper-384-47-3": """there is no design hyper-384-47-3, 2 problem(s):
  - pools: must be a multiple of 6 that is one more than a prime, and fewer than 384, found 47
  - nearest: hyper-384-48-3, hyper-384-42-3, hyper-384-54-3""",
    "hyper-384-15-2": """there is no design hyper-384-15-2, 2 problem(s):
  - pools: must be even, and fewer than 384, found 15
  - nearest: hyper-384-14-2, hyper-384-16-2, hyper-384-12-2""",
    "hyper-3-48-5": """there is no design hyper-3-48-5, 4 problem(s):
  - samples: must be from 5 to 32767, found 3
  - pools of a sample: must be from 2 to 3, found 5
  - pools: must be a multiple of 6 that is one more than a prime, and fewer than 7, found 48
  - nearest: hyper-7-6-3""",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_impossible_design_offers_the_nearest(name):
    with pytest.raises(DesignError) as caught:
        poolkit.design(name)
    assert str(caught.value) == ERRORS[name]


def test_a_name_that_is_not_written_right_is_told_the_form():
    with pytest.raises(DesignError, match="expected hyper-SAMPLES-POOLS-POOLS_OF_A_SAMPLE"):
        poolkit.design("hyper-384-48")
