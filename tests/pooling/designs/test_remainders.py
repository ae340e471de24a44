"""Chinese remainder designs: plain, with the cheapest moduli, and the special ones of digits."""

from math import gcd, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.errors import DesignError
from poolkit.pooling.designs.remainders import cheapest_moduli, first_primes
from tests.pooling.designs.sights import pools_of
from tests.reference import constructions as reference


def test_the_first_primes_whose_product_is_enough():
    assert first_primes(1) == []
    assert first_primes(30) == [2, 3, 5]
    assert first_primes(31) == [2, 3, 5, 7]


@given(st.integers(2, 4000))
def test_the_cheapest_moduli_are_coprime_enough_and_of_the_least_sum(product):
    found = cheapest_moduli(product)
    assert prod(found) >= product
    assert all(gcd(a, b) == 1 for k, a in enumerate(found) for b in found[:k])
    assert sum(found) <= sum(first_primes(product))
    assert sum(found) == reference.cheapest_coprime_powers(13, product)


@pytest.mark.parametrize(
    ("name", "pools"),
    [
        # PoolPy for 96 samples with at most 1 and 2 positives: plain 17 and 41, back-tracked 15 and 34, special 25.
        ("chinese-remainder-96-1", 17),
        ("chinese-remainder-96-2", 41),
        ("chinese-remainder-backtracked-96-1", 15),
        ("chinese-remainder-backtracked-96-2", 34),
        # One of the 25 is empty: no number below 96 begins with a 2 in base 3.
        ("chinese-remainder-special-96-2", 24),
    ],
)
def test_pool_counts_of_the_peer_for_96_samples(name, pools):
    assert poolkit.design(name).layout(96).stage.size == pools


@given(st.sampled_from(["chinese-remainder", "chinese-remainder-backtracked"]), st.integers(60, 500), st.integers(1, 3))
def test_pools_are_the_equal_remainders(family, samples, positives):
    found = poolkit.design(f"{family}-{samples}-{positives}")
    moduli = (first_primes if family == "chinese-remainder" else cheapest_moduli)(samples**positives)
    expected = {tuple(range(r, samples, m)) for m in moduli for r in range(m) if r + m < samples}
    layout = found.layout(samples)
    held = np.split(layout.members, layout.offsets[1:-1])
    assert {tuple(each.tolist()) for each in held} == expected
    assert found.pools == sum(moduli)


@pytest.mark.parametrize("family", ["chinese-remainder", "chinese-remainder-backtracked"])
@pytest.mark.parametrize(("samples", "positives"), [(20, 1), (30, 1), (32, 2), (40, 2)])
def test_as_many_positives_as_promised_are_decoded_for_certain(family, samples, positives):
    found = poolkit.design(f"{family}-{samples}-{positives}")
    assert found.certain == positives
    assert reference.is_disjunct(found.codes().tolist(), positives)


@pytest.mark.parametrize(("samples", "positives"), [(9, 2), (15, 2), (27, 2), (26, 3), (41, 2)])
def test_special_designs_tell_all_sets_of_the_promise_apart(samples, positives):
    name = f"chinese-remainder-special-{samples}-{positives}"
    base = 3 if positives == 2 else 2
    try:
        codes = poolkit.design(name).codes()
    except DesignError:
        # Too few samples to be worth it; what it says of them holds all the same.
        larger = poolkit.design(f"chinese-remainder-special-{256 if positives == 3 else 81}-{positives}")
        codes = larger.codes()[:samples]
        assert samples <= base ** (8 if positives == 3 else 4)
    pools = [{k for k in each if k >= 0} for each in codes.tolist()]
    assert reference.is_separable(pools, positives)


@pytest.mark.parametrize(("samples", "positives", "pools"), [(81, 2, 18), (243, 2, 25), (128, 3, 84), (256, 3, 112)])
def test_special_designs_of_all_numbers_have_the_pools_of_the_paper(samples, positives, pools):
    q = 0
    while (3 if positives == 2 else 2) ** q < samples:
        q += 1
    assert pools == (q * (q + 5) // 2 if positives == 2 else 2 * q * (q - 1))
    assert poolkit.design(f"chinese-remainder-special-{samples}-{positives}").layout(samples).stage.size == pools


def test_special_pools_are_digits_and_equal_digits():
    found = pools_of(poolkit.design("chinese-remainder-special-81-2").layout(81))
    for first in range(81):
        a = np.base_repr(first, 3).zfill(4)
        equal = sum(a[i] == a[j] for i in range(4) for j in range(i))
        assert len(found[first]) == 4 + equal


@given(
    st.sampled_from(["", "-backtracked", "-special"]),
    st.integers(0, 300) | st.integers(0, 10**9 - 1),
    st.integers(0, 6) | st.integers(0, 10**9 - 1),
)
def test_every_name_gives_a_design_or_names_that_do(kind, samples, positives):
    name = f"chinese-remainder{kind}-{samples}-{positives}"
    try:
        found = poolkit.design(name)
    except DesignError as error:
        for nearest in str(error).rpartition("nearest: ")[2].split(", "):
            assert poolkit.design(nearest).name == nearest
    else:
        assert (found.name, found.block) == (name, samples)
        assert found.pools < samples


ERRORS = {
    "chinese-remainder-20-3": """there is no design chinese-remainder-20-3, 2 problem(s):
  - samples: 20 would take 41 pools, no fewer than tests alone
  - nearest: chinese-remainder-60-3, chinese-remainder-29-2, chinese-remainder-20-1""",
    "chinese-remainder-backtracked-5-0": """there is no design chinese-remainder-backtracked-5-0, 3 problem(s):
  - samples: must be from 8 to 32767, found 5
  - positives: must be from 1 to 10, found 0
  - nearest: chinese-remainder-backtracked-8-1""",
    "chinese-remainder-special-96-4": """there is no design chinese-remainder-special-96-4, 2 problem(s):
  - positives: must be from 2 to 3, found 4
  - nearest: chinese-remainder-special-96-3, chinese-remainder-special-96-2""",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_impossible_design_offers_the_nearest(name):
    with pytest.raises(DesignError) as caught:
        poolkit.design(name)
    assert str(caught.value) == ERRORS[name]


def test_a_name_that_is_not_written_right_is_told_the_form():
    with pytest.raises(DesignError, match="expected chinese-remainder-special-SAMPLES-POSITIVES"):
        poolkit.design("chinese-remainder-special-96")
