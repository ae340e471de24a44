"""Kirkman and Steiner triple systems and all triples: what they promise, size by size."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.errors import DesignError
from poolkit.pooling.designs.triples import has_kirkman, kirkman_classes, latin_classes, steiner_triples
from tests.pooling.designs.sights import pools_of, together, widest_spread
from tests.reference import constructions as reference

TAPESTRY = [(21, 70), (27, 117), (45, 105), (63, 399), (93, 961)]
KNOWN = [v for v in range(200) if has_kirkman(v)]


def pairs(triples):
    """Return how often each two points are in one triple."""
    found = {}
    for triple in triples.reshape(-1, 3).tolist():
        for pair in combinations(sorted(triple), 2):
            found[pair] = found.get(pair, 0) + 1
    return found


@pytest.mark.parametrize(("pools", "samples"), TAPESTRY)
def test_every_sample_is_in_three_pools_and_two_samples_share_at_most_one(pools, samples):
    layout = poolkit.design(f"kirkman-{pools}x{samples}").layout(samples)
    assert np.bincount(layout.members).tolist() == [3] * samples
    assert set(np.diff(layout.offsets).tolist()) == {3 * samples // pools}
    found = pools_of(layout)
    assert len({frozenset(each) for each in found}) == samples
    assert together(np.array([sorted(each) for each in found]), pools).max() == 1


@pytest.mark.parametrize("pools", KNOWN)
def test_a_kirkman_system_has_every_pair_of_pools_once_and_classes_with_every_pool_once(pools):
    classes = kirkman_classes(pools)
    assert classes.shape == ((pools - 1) // 2, pools // 3, 3)
    assert all(np.array_equal(np.sort(each.ravel()), np.arange(pools)) for each in classes)
    found = pairs(classes)
    assert len(found) == pools * (pools - 1) // 2
    assert set(found.values()) == {1}


def test_the_systems_with_one_construction_only_are_known():
    # 3 q, 2 q + 1, three times a smaller one, and inflated from a smaller one, in this order.
    assert {21, 39, 57, 75, 93} < set(KNOWN)
    assert {15, 27, 51, 63, 87} < set(KNOWN)
    assert {9, 45, 81, 117, 135} < set(KNOWN)
    assert {33, 105, 141, 177} < set(KNOWN)
    assert {v for v in range(3, 300, 6) if not has_kirkman(v)} == {69, 165, 213, 231, 273, 285}


@pytest.mark.parametrize("side", [3, 4, 5, 7, 8, 9, 12, 15, 20, 21])
def test_latin_classes_hold_each_pool_once_and_each_pair_of_groups_once(side):
    classes = latin_classes(side)
    assert all(np.array_equal(np.sort(each.ravel()), np.arange(3 * side)) for each in classes)
    assert np.array_equal(classes // side, np.broadcast_to(np.arange(3), classes.shape))
    assert len(pairs(classes)) == 3 * side**2


@pytest.mark.parametrize("pools", [v for v in range(7, 100) if v % 6 in (1, 3)])
def test_a_steiner_system_has_every_pair_of_pools_once(pools):
    found = pairs(steiner_triples(pools))
    assert len(found) == pools * (pools - 1) // 2
    assert set(found.values()) == {1}


@given(st.sampled_from([v for v in KNOWN if 8 < v < 70]), st.data())
def test_kirkman_pools_are_even_for_every_number_of_samples(pools, data):
    samples = data.draw(st.integers(pools + 1, pools * (pools - 1) // 6))
    found = poolkit.design(f"kirkman-{pools}x{samples}")
    assert widest_spread(found.codes(), pools) <= 1
    assert together(found.codes(), pools).max() == 1


@given(st.sampled_from([9, 13, 15, 19, 21, 25]), st.data())
def test_steiner_pools_are_even_within_two(pools, data):
    samples = data.draw(st.integers(pools + 1, pools * (pools - 1) // 6))
    found = poolkit.design(f"steiner-{pools}x{samples}")
    assert widest_spread(found.codes(), pools) <= 2
    assert together(found.codes(), pools).max() == 1


@given(st.integers(6, 14), st.data())
def test_triples_differ_and_their_pools_are_even_within_four(pools, data):
    samples = data.draw(st.integers(max(10, pools + 1), pools * (pools - 1) * (pools - 2) // 6))
    found = poolkit.design(f"triples-{pools}x{samples}")
    assert len({frozenset(each) for each in found.codes().tolist()}) == samples
    assert together(found.codes(), pools).max() <= 2
    assert widest_spread(found.codes(), pools) <= 4


def test_all_triples_of_all_pools(small):
    pools, samples = (10, 120) if small else (20, 1140)
    layout = poolkit.design(f"triples-{pools}x{samples}").layout(samples)
    assert {tuple(sorted(each)) for each in pools_of(layout)} == set(combinations(range(pools), 3))


def test_sixteen_pools_have_no_room_for_forty_triples_apart():
    # Each pool meets 15 others, two a triple: at most 7 triples a pool, 16 * 7 / 3 in all.
    assert 16 * (15 // 2) // 3 == 37 < 40
    with pytest.raises(DesignError, match="triples-16x40"):
        poolkit.design("kirkman-16x40")
    shared = together(poolkit.design("triples-16x40").codes(), 16)
    assert shared.max() == 2
    assert np.triu(shared == 2).sum() == 9


@pytest.mark.parametrize("name", ["kirkman-9x12", "kirkman-15x35", "kirkman-21x40", "steiner-13x26", "steiner-19x30"])
def test_two_positives_are_decoded_for_certain_and_three_are_not(name):
    found = poolkit.design(name)
    pools = found.codes().tolist()
    assert found.certain == 2
    assert reference.is_disjunct(pools, 2)
    assert not reference.is_disjunct(pools, 3)


def test_one_positive_of_all_triples_is_decoded_for_certain():
    pools = poolkit.design("triples-7x35").codes().tolist()
    assert reference.is_disjunct(pools, 1)
    assert not reference.is_disjunct(pools, 2)


@given(
    st.sampled_from(["kirkman", "steiner", "triples"]),
    st.integers(0, 60) | st.integers(0, 10**9 - 1),
    st.integers(0, 400) | st.integers(0, 10**9 - 1),
)
def test_every_name_gives_a_design_or_names_that_do(family, pools, samples):
    name = f"{family}-{pools}x{samples}"
    try:
        found = poolkit.design(name)
    except DesignError as error:
        for each in str(error).rpartition("nearest: ")[2].split(", "):
            assert poolkit.design(each).name == each
    else:
        assert (found.name, found.pools, found.block) == (name, pools, samples)


ERRORS = {
    "kirkman-16x40": """there is no design kirkman-16x40, 2 problem(s):
  - pools: must be 3 more than a multiple of 6, with a Kirkman system known here, at most 999, found 16
  - nearest: kirkman-21x40, kirkman-27x40, kirkman-33x40, triples-16x40""",
    "kirkman-45x1000": """there is no design kirkman-45x1000, 2 problem(s):
  - samples: must be from 46 to 330, found 1000
  - nearest: kirkman-81x1000, kirkman-87x1000, kirkman-93x1000""",
    "kirkman-0x0": """there is no design kirkman-0x0, 3 problem(s):
  - samples: must be from 10 to 32767, found 0
  - pools: must be 3 more than a multiple of 6, with a Kirkman system known here, at most 999, found 0
  - nearest: kirkman-9x10, kirkman-15x16, kirkman-21x22""",
    "steiner-20x57": """there is no design steiner-20x57, 2 problem(s):
  - pools: must be 1 or 3 more than a multiple of 6, at least 9, at most 199, found 20
  - nearest: steiner-19x57, steiner-21x57, steiner-25x57, triples-20x57""",
    "triples-6x30": """there is no design triples-6x30, 2 problem(s):
  - samples: must be from 7 to 20, found 30
  - nearest: triples-7x30, triples-8x30, triples-9x30""",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_impossible_design_offers_the_nearest(name):
    with pytest.raises(DesignError) as caught:
        poolkit.design(name)
    assert str(caught.value) == ERRORS[name]


@pytest.mark.parametrize("family", ["kirkman", "steiner", "triples"])
def test_names_that_are_not_written_right_are_told_the_form(family):
    with pytest.raises(DesignError, match=f"expected {family}-POOLSxSAMPLES"):
        poolkit.design(f"{family}-45-105")
