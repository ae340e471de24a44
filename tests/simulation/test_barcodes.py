"""Barcodes against text formatting, row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.simulation.barcodes import barcodes, coded, pseudonyms


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 10**8 - 1)), max_size=20))
def test_they_are_the_numbers_padded_with_zeros(rows):
    first = np.array([row[0] for row in rows], np.int64)
    second = np.array([row[1] for row in rows], np.int64)
    made = barcodes(len(rows), "T", (first, 3), "-", (second, 8)).to_pylist()
    assert made == [f"T{one:03d}-{two:08d}" for one, two in rows]


def test_a_number_too_long_is_a_defect():
    with pytest.raises(AssertionError):
        barcodes(1, (np.array([100]), 2))


def test_pseudonyms_are_distinct_unsorted_and_differ_by_seed():
    one, two = (pseudonyms(20_000, np.random.default_rng(seed), "H").to_pylist() for seed in (1, 2))
    assert len(set(one) | set(two)) == 40_000
    assert one != sorted(one)
    assert all(name[0] == "H" and len(name) == 17 and set(name[1:]) <= set("0123456789abcdef") for name in one)


def test_codes_with_and_without_null():
    assert coded(np.array([1, 0, 1]), ["a", "b"]).to_pylist() == ["b", "a", "b"]
    assert coded(np.array([-1, 0]), ["a"], null=True).to_pylist() == [None, "a"]
    assert coded(np.empty(0, np.int64), ["a"]).to_pylist() == []
