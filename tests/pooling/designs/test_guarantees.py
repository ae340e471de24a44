"""What constructions guarantee and what `describe` finds by search agree, for every combinatorial design."""

import numpy as np
import pytest

import poolkit
from tests.pooling.designs.sights import pools_of
from tests.reference import constructions as reference

SMALL = [
    "reed-solomon-15x25",
    "reed-solomon-20x32",
    "reed-solomon-12x16",
    "std-25-5-3",
    "std-49-7-6",
    "kirkman-9x12",
    "kirkman-15x35",
    "steiner-13x26",
    "triples-8x30",
    "hyper-28-8-2",
    "hyper-40-12-3",
    "hyper-20-6-2",
    "binary-30",
    "sperner-20",
    "chinese-remainder-30-1",
    "chinese-remainder-backtracked-40-2",
    "random-30-12-4",
]


@pytest.mark.parametrize("name", SMALL)
def test_the_search_finds_what_brute_force_finds_and_no_less_than_is_guaranteed(name):
    found = poolkit.design(name)
    facts = found.describe()
    pools = pools_of(found.layout(found.block))
    assert all(pools)
    assert facts.disjunct == facts.disjunct_limit >= found.certain
    assert facts.largest_overlap == reference.largest_overlap(pools)
    if facts.disjunct:
        assert reference.is_disjunct(pools, min(facts.disjunct, 3))
    if facts.disjunct < 3:
        assert not reference.is_disjunct(pools, facts.disjunct + 1)


@pytest.mark.parametrize(
    ("name", "pools", "size", "each", "overlap", "disjunct"),
    [
        ("reed-solomon-48x384", 48, 48, 6, 2, 2),
        ("kirkman-45x105", 45, 7, 3, 1, 2),
        ("kirkman-93x961", 93, 31, 3, 1, 2),
        ("kirkman-63x399", 63, 19, 3, 1, 2),
        ("triples-20x1140", 20, 171, 3, 2, 1),
        ("hyper-384-48-3", 48, 24, 3, 2, 1),
    ],
)
def test_published_designs_are_described_as_published(name, pools, size, each, overlap, disjunct):
    facts = poolkit.design(name).describe()
    assert facts.n_pools == (pools,)
    assert (facts.smallest_pool, facts.largest_pool) == ((size,), (size,))
    assert (facts.fewest_pools, facts.most_pools) == (each, each)
    assert (facts.largest_overlap, facts.disjunct) == (overlap, disjunct)


@pytest.mark.parametrize("name", SMALL)
def test_a_rest_is_the_first_samples_of_a_block_or_is_tested_alone(name):
    found = poolkit.design(name)
    for n_left in range(1, found.block):
        layout = found.layout(found.block + n_left)
        rest = found.block_layout(n_left)
        assert rest.stage.size < n_left or n_left == 1
        assert rest.stage.size == 0 or np.diff(rest.offsets).min() >= 2
        pools = pools_of(layout)[found.block :]
        assert [len(each) for each in pools] == [len(each) for each in pools_of(rest)]
