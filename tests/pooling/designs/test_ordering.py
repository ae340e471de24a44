"""The order in which blocks and factors are taken: the kernels against their slow twins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from poolkit.kernels.ordering import apart_order, even_order
from poolkit.pooling.designs.hyper import factors
from tests.reference import constructions as reference


@given(st.data())
def test_blocks_are_taken_as_the_slow_twin_takes_them(data):
    n_points = data.draw(st.integers(3, 9))
    width = data.draw(st.integers(1, min(4, n_points)))
    block = st.lists(st.integers(0, n_points - 1), min_size=width, max_size=width, unique=True)
    blocks = np.array(data.draw(st.lists(block, min_size=1, max_size=15)), np.int64)
    order = np.empty(data.draw(st.integers(0, len(blocks))), np.int64)
    even_order(blocks, np.zeros(n_points, np.int64), np.zeros((n_points, n_points), np.int64), order)
    assert order.tolist() == reference.even_order(blocks.tolist(), order.size)


@given(st.sampled_from([(6, 2), (8, 2), (6, 3), (12, 3)]), st.data())
def test_factors_are_taken_as_the_slow_twin_takes_them(case, data):
    every = factors(*case)
    mixed = every[data.draw(st.permutations(range(len(every))))]
    order = np.empty(data.draw(st.integers(0, min(8, len(every)))), np.int64)
    apart_order(mixed, np.zeros((case[0], case[0]), np.int64), order)
    assert order.tolist() == reference.apart_order(mixed.tolist(), order.size)
