"""Random near doubly regular designs: even, and the same for ever."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.errors import DesignError
from poolkit.pooling.designs.regular import Random, mixed
from tests.pooling.designs.sights import widest_spread

MASK = 2**64 - 1
FIRST = [[6, 2, 0], [5, 1, 4], [3, 5, 2], [1, 3, 0], [6, 4, 1], [6, 4, 3]]


def splitmix(n):
    """Return the first n outputs of SplitMix64 from 0, in whole numbers."""
    state, found = 0, []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(z ^ (z >> 31))
    return found


def test_numbers_are_mixed_as_published():
    assert mixed(np.arange(100).astype(np.uint64)).tolist() == splitmix(100)


@given(st.data())
def test_every_sample_is_in_as_many_pools_and_pools_are_even_for_every_number(data):
    samples = data.draw(st.integers(6, 300))
    pools = data.draw(st.integers(4, min(60, samples - 1)))
    each = data.draw(st.integers(2, min(8, pools // 2)))
    found = Random(samples, pools, each, seed=data.draw(st.integers(0, 10**6)))
    codes = found.codes()
    assert codes.shape == (samples, each)
    assert all(len(set(code)) == each for code in codes.tolist())
    assert 0 <= codes.min() <= codes.max() < pools
    assert widest_spread(codes, pools) <= 1


def test_a_seed_gives_the_same_design_for_ever_and_another_seed_another():
    codes = Random(20, 7, 3).codes()
    assert codes.tolist() == poolkit.design("random-20-7-3").codes().tolist()
    assert codes.tolist() != poolkit.design("random-20-7-3-seed1").codes().tolist()
    # Written down once: a lab's racks must not change with a release.
    assert codes[:6].tolist() == FIRST


def test_two_samples_share_pools_as_often_as_by_chance():
    codes = Random(2000, 40, 4, seed=5).codes()
    inside = np.zeros((2000, 40))
    inside[np.arange(2000)[:, None], codes] = 1
    shared = (inside @ inside.T)[np.triu_indices(2000, 1)]
    # Of 4 pools drawn from 40, 0.4 are those of another sample; two of one round share none, which is 1 pair in 200.
    assert abs(shared.mean() - 0.4) < 0.005
    assert abs((shared == 0).mean() - np.prod([(36 - k) / (40 - k) for k in range(4)])) < 0.01


ERRORS = {
    "random-4-1-0": """there is no design random-4-1-0, 4 problem(s):
  - samples: must be from 5 to 32767, found 4
  - pools: must be from 4 to 4, found 1
  - pools of a sample: must be from 2 to 2, found 0
  - nearest: random-5-4-2""",
    "random-500-300-100-seed7": """there is no design random-500-300-100-seed7, 2 problem(s):
  - pools of a sample: must be from 2 to 60, found 100
  - nearest: random-500-300-60-seed7""",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_impossible_design_offers_the_nearest(name):
    with pytest.raises(DesignError) as caught:
        poolkit.design(name)
    assert str(caught.value) == ERRORS[name]
    assert poolkit.design(ERRORS[name].rpartition("nearest: ")[2]).block >= 5


def test_a_negative_seed_and_a_name_that_is_not_written_right():
    with pytest.raises(DesignError, match="seed: must not be negative, found -1"):
        Random(96, 20, 3, seed=-1)
    with pytest.raises(DesignError, match="expected random-SAMPLES-POOLS-POOLS_OF_A_SAMPLE"):
        poolkit.design("random-96-20-3-7")
