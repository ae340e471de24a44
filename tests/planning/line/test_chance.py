"""The hashed random numbers: as the twin makes them, uniform, and no stream knows of another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.kernels import line_chance
from poolkit.kernels.line_heap import pop, push
from tests.reference import line as twin


def stream(seed, kind, number):
    # Handed to Python, a key is a plain integer; kernels keep it as what it is.
    return np.uint64(line_chance.stream(seed, kind, number))


@given(st.integers(0, 2**62), st.integers(0, 7), st.integers(0, 10**6), st.integers(0, 2**40))
def test_numbers_are_the_twins(seed, kind, number, index):
    key = stream(seed, kind, number)
    assert int(key) == twin.stream(seed, kind, number)
    assert line_chance.chance(key, index) == twin.chance(twin.stream(seed, kind, number), index)
    assert 0.0 < line_chance.chance(key, index) < 1.0


def test_streams_are_uniform_and_apart(small):
    n = 2_000 if small else 50_000
    keys = [stream(seed, kind, number) for seed in (0, 1) for kind in (0, 1) for number in (0, 1, 2)]
    drawn = np.array([[line_chance.chance(key, k) for k in range(n)] for key in keys])
    far = 5.0 / np.sqrt(n)
    assert np.abs(drawn.mean(axis=1) - 0.5).max() < far * np.sqrt(1 / 12)
    together = np.corrcoef(drawn) - np.eye(len(keys))
    assert np.abs(together).max() < far
    following = [np.corrcoef(row[1:], row[:-1])[0, 1] for row in drawn]
    assert np.abs(following).max() < far
    counts = np.apply_along_axis(lambda row: np.bincount((row * 16).astype(int), minlength=16), 1, drawn)
    # Chi-squared with 15 degrees of freedom is above 50 once in 100,000 times.
    assert (((counts - n / 16) ** 2).sum(axis=1) / (n / 16)).max() < 50.0


@pytest.mark.parametrize("variation", [0.2, 1.0])
def test_noise_has_mean_one_and_its_variation(variation, small):
    n = 3_000 if small else 200_000
    key = stream(5, 4, 3)
    sigma = float(np.sqrt(np.log1p(variation**2)))
    for spread, expected in ((1, 1.0), (2, variation)):
        drawn = np.array([line_chance.noise(spread, sigma, key, k) for k in range(n)])
        assert drawn.mean() == pytest.approx(1.0, abs=6 * expected / np.sqrt(n))
        assert drawn.std() == pytest.approx(expected, rel=0.15 if small else 0.03)
    assert line_chance.noise(0, 0.0, key, 9) == 1.0


@given(st.lists(st.integers(0, 5), max_size=30), st.randoms())
def test_a_heap_gives_the_first_by_time_and_order(times, shuffled):
    order = list(range(len(times)))
    shuffled.shuffle(order)
    heap, slots = np.empty(len(times)), np.empty(len(times), np.int64)
    for n, time in enumerate(times):
        push(heap, slots, np.array(order, np.int64), n, float(time), n)
    out = []
    for n in range(len(times), 0, -1):
        out.append((heap[0], order[slots[0]]))
        pop(heap, slots, np.array(order, np.int64), n)
    assert out == sorted(zip(times, order, strict=True))
