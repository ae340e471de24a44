"""What is said of a design, against brute force on small ones and published figures."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
import poolkit.pooling.designs.description as description_of
from poolkit import arrays
from poolkit.kernels import designs
from poolkit.pooling.designs.description import Description, _samples_to_pools, description
from poolkit.pooling.designs.layout import of_pools
from tests.reference import designs as reference


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[tuple[int, list[int]]], int]:
    """Draw pools of a few samples, as (stage, samples), and the number of samples."""
    n = draw(st.integers(1, 7))
    samples = st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True)
    given_pools = draw(st.lists(samples, max_size=8))
    return reference.kept([(1, pool) for pool in given_pools]), n


def described(pools: list[tuple[int, list[int]]], n: int) -> Description:
    layout = of_pools(n, [pool for _, pool in pools])
    return description("drawn", n, layout, 1, of_pools(0))


@given(layouts())
def test_the_facts_are_those_of_brute_force(drawn: tuple[list[tuple[int, list[int]]], int]) -> None:
    pools, n = drawn
    facts = described(pools, n)
    inside = reference.pools_of(pools, n)
    counts = [len(each) for each in inside if each]
    assert sum(facts.n_pools) == len(pools)
    assert facts.n_alone == n - len(counts)
    assert facts.tests_per_sample == pytest.approx((len(pools) + facts.n_alone) / n, abs=1e-15)
    assert (facts.fewest_pools, facts.most_pools) == (min(counts, default=0), max(counts, default=0))
    shared = [len(one & two) for k, one in enumerate(inside) for two in inside[:k]]
    assert facts.largest_overlap == max(shared, default=0)
    assert facts.disjunct == facts.disjunct_limit == reference.disjunct(pools, n)
    assert facts.rated_load == reference.rated_load(pools, n)


@given(layouts(), st.integers(0, 40))
def test_a_search_that_is_given_up_still_says_what_is_so(
    drawn: tuple[list[tuple[int, list[int]]], int], n_steps: int
) -> None:
    pools, n = drawn
    layout = of_pools(n, [pool for _, pool in pools])
    graph = _samples_to_pools(layout)
    found = np.empty(3, np.int64)
    views = [arrays.frozen(each) for each in (layout.offsets, layout.members, *graph)]
    designs.disjunctness(*views, 1, n_steps, found)
    proved, limit, overlap = found.tolist()
    assert proved <= reference.disjunct(pools, n) <= limit
    if overlap:
        # w pools a sample of which two share at most l.
        counts = [len(each) for each in reference.pools_of(pools, n) if each]
        assert proved >= (min(counts) - 1) // overlap


@pytest.mark.parametrize(
    ("name", "disjunct", "rated"),
    [
        *(("two-stage-10", 0, 0), ("hierarchical-9-3-1", 0, 0), ("array-8x12", 1, 2), ("array-10x10-master", 1, 2)),
        *(("hypercube-3-4", 1, 1), ("partitions-2x10", 1, 2), ("partitions-4x10", 3, 10)),
    ],
)
def test_what_known_designs_decode_for_certain(name: str, disjunct: int, rated: int) -> None:
    facts = poolkit.design(name).describe()
    assert (facts.disjunct, facts.disjunct_limit, facts.rated_load) == (disjunct, disjunct, rated)


def product_of_gf8(a: int, b: int) -> int:
    """Multiply modulo x^3 + x + 1."""
    product = 0
    for bit in range(3):
        if b >> bit & 1:
            product ^= a << bit
    for bit in (4, 3):
        if product >> bit & 1:
            product ^= 0b1011 << (bit - 3)
    return product


def test_the_rated_load_of_p_best_is_its_authors(small: bool) -> None:
    # Shental et al. 2020: Reed-Solomon over 8 symbols, 384 samples, 6 of 48 pools each, "up to five" carriers.
    pools: dict[tuple[int, int], list[int]] = {}
    for sample in range(384):
        low, middle, high = sample % 8, sample // 8 % 8, sample // 64
        for at in range(6):
            symbol = low ^ product_of_gf8(middle, at) ^ product_of_gf8(high, product_of_gf8(at, at))
            pools.setdefault((at, symbol), []).append(sample)
    facts = description("p-best", 384, of_pools(384, list(pools.values())), 1, of_pools(0))
    assert (facts.n_pools, facts.largest_pool, facts.most_pools, facts.largest_overlap) == ((48,), (48,), 6, 2)
    assert (facts.disjunct, facts.rated_load) == (2, 5)


def test_several_blocks_and_a_rest() -> None:
    facts = poolkit.design("array-8x12").describe(1000)
    layout = poolkit.design("array-8x12").layout(1000)
    assert facts.n_pools == (layout.stage.size,)
    sizes = np.diff(layout.offsets)
    assert (facts.smallest_pool, facts.largest_pool) == ((sizes.min(),), (sizes.max(),))
    # One sample is left of 31 in the last column, whose row still holds it; of 1 over full blocks it is alone.
    assert poolkit.design("two-stage-10").describe(31).n_alone == 1
    assert poolkit.design("two-stage-10").describe(31).tests_per_sample == pytest.approx(4 / 31)


def test_what_a_person_reads() -> None:
    assert str(poolkit.design("hierarchical-27-9-3-1").describe(1001)) == (
        "hierarchical-27-9-3-1, 1,001 samples\n"
        "  pools                  482: 38, then 111, then 333\n"
        "  tests a sample         0.0380 in the first stage\n"
        "  samples in a pool      2 to 27, then 9, then 3\n"
        "  pools of a sample      1 to 3\n"
        "  shared by two samples  at most 3 pools\n"
        "  decoded for certain    0 infected of 27\n"
        "  rated load             0 infected of 27\n"
        "  dilution               4.8, then 3.2, then 1.6 cycles"
    )
    nothing = dict(poolkit.design("array-8x12").describe(0).facts())
    assert (nothing["pools"], nothing["tests a sample"]) == ("0", "none")
    many = dict(poolkit.design("partitions-30x31").describe().facts())
    assert many["rated load"] == "not counted"
    given_up = description("x", 2, of_pools(2, [[0, 1]]), 1, of_pools(0))
    assert dict(given_up.facts())["decoded for certain"] == "0 infected of 2"


def test_of_a_very_large_block_some_samples_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    # The pools of the block have 15,309 pairs of samples.
    monkeypatch.setattr(description_of, "_PAIRS", 5000)
    facts = poolkit.design("hypercube-3-4-master").describe()
    assert (facts.disjunct, facts.disjunct_limit, facts.rated_load, facts.searched) == (0, 1, None, 21)
    told = dict(facts.facts())
    assert told["shared by two samples"] == "4 pools seen, 21 samples of 81 looked at"
    assert told["decoded for certain"] == "0 proved, at most 1, infected of 81"


def test_a_limit_that_is_not_reached_is_told_apart() -> None:
    facts = poolkit.design("partitions-2x3").describe()
    assert dict(replace(facts, disjunct_limit=3).facts())["decoded for certain"] == (
        "1 proved, at most 3, infected of 9"
    )
