"""Binary and Sperner designs: the fewest pools, and what they name."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.errors import DesignError
from tests.pooling.designs.sights import pools_of, widest_spread
from tests.reference import constructions as reference


@given(st.integers(5, 1000).filter(lambda n: n & (n - 1)))
def test_the_reactive_pools_spell_the_number_of_the_one_positive(samples):
    found = poolkit.design(f"binary-{samples}")
    layout = found.layout(samples)
    assert layout.stage.size == len(f"{samples:b}")
    assert [sum(2**pool for pool in pools) for pools in pools_of(layout)] == list(range(1, samples + 1))


def test_a_digit_of_one_sample_only_is_no_pool():
    layout = poolkit.design("binary-64").layout(64)
    assert layout.stage.size == 6
    assert pools_of(layout)[63] == set()


def test_binary_tells_at_most_one_positive_apart_with_the_fewest_pools():
    pools = [{k for k in each if k >= 0} for each in poolkit.design("binary-31").codes().tolist()]
    assert reference.is_separable(pools, 1)
    assert not reference.is_separable(pools, 2)
    assert not reference.is_disjunct(pools, 1)
    assert 2**4 < 31 + 1 == 2**5


def test_pool_counts_of_the_peer_for_96_samples():
    # PoolPy's mean tests at most one positive: binary 7.00.
    assert poolkit.design("binary-96").layout(96).stage.size == 7


@given(st.integers(5, 1000))
def test_sperner_takes_the_fewest_pools_and_no_sample_is_within_another(samples):
    found = poolkit.design(f"sperner-{samples}")
    assert comb(found.pools - 1, (found.pools - 1) // 2) < samples <= comb(found.pools, found.pools // 2)
    assert found.codes().shape == (samples, found.pools // 2)
    assert np.unique(found.codes(), axis=0).shape[0] == samples
    assert np.bincount(found.layout(samples).members).tolist() == [found.pools // 2] * samples


@pytest.mark.parametrize("samples", [5, 6, 10, 20, 35])
def test_sperner_decodes_one_positive_for_certain(samples):
    found = poolkit.design(f"sperner-{samples}")
    pools = found.codes().tolist()
    assert found.certain == 1
    assert reference.is_disjunct(pools, 1)
    assert not reference.is_disjunct(pools, 2)
    assert widest_spread(found.codes(), found.pools) <= found.pools // 2


@pytest.mark.parametrize(("family", "least"), [("binary", 4), ("sperner", 5)])
def test_an_impossible_design_offers_the_nearest(family, least):
    for number, near in ((0, least), (40000, 32767)):
        with pytest.raises(DesignError) as caught:
            poolkit.design(f"{family}-{number}")
        assert str(caught.value) == (
            f"there is no design {family}-{number}, 2 problem(s):\n"
            f"  - samples: must be from {least} to 32767, found {number}\n"
            f"  - nearest: {family}-{near}"
        )
        assert poolkit.design(f"{family}-{near}").block == near
    with pytest.raises(DesignError, match=f"expected {family}-SAMPLES"):
        poolkit.design(f"{family}-8x12")
