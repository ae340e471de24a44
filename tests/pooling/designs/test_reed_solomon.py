"""Reed-Solomon and shifted transversal designs: against the slow twins, and what they promise."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import poolkit
from poolkit.errors import DesignError
from poolkit.pooling.designs.fields import is_prime
from poolkit.pooling.designs.reed_solomon import degree, layered, most_layers
from tests.pooling.designs.sights import together, widest_spread
from tests.reference import constructions as reference

STD = ["std-25-5-3", "std-20-3-4", "std-32-5-6", "std-26-5-5"]


def test_p_best_has_the_parameters_of_the_paper():
    p_best = poolkit.design("reed-solomon-48x384")
    layout = p_best.layout(384)
    assert layout.stage.tolist() == [1] * 48
    assert np.diff(layout.offsets).tolist() == [48] * 48
    assert np.bincount(layout.members).tolist() == [6] * 384
    assert together(p_best.codes(), 48).max() == 2
    assert p_best.codes().tolist() == reference.p_best()


def test_p_best_stands_block_after_block():
    p_best = poolkit.design("reed-solomon-48x384")
    layout = p_best.layout(2 * 384 + 20)
    assert layout.stage.size == 96
    assert layout.n_samples == 788
    # The twenty that are left would take 48 pools, and are tested alone.
    assert layout.members.max() == 767
    assert np.bincount(layout.members).tolist() == [6] * 768


@given(st.data())
def test_std_is_the_formula_of_the_paper(data):
    q = data.draw(st.sampled_from([2, 3, 5, 7, 11, 13]))
    n = data.draw(st.integers(q + 1, 150))
    k = data.draw(st.integers(1, q + 1))
    assert layered(n, q, k).tolist() == reference.shifted_transversal(n, q, k)


@given(st.data())
def test_two_samples_share_at_most_as_many_pools_as_the_degree(data):
    size = data.draw(st.integers(2, 36))
    n = data.draw(st.integers(size + 1, 200))
    layers = data.draw(st.integers(1, most_layers(size)))
    codes = layered(n, size, layers)
    assert together(codes, size * layers).max() <= degree(n, size)
    assert np.array_equal(codes // size, np.broadcast_to(np.arange(layers), codes.shape))
    finite = codes[:, : most_layers(size) - 1]
    assert widest_spread(finite, size * finite.shape[1]) <= 1


@pytest.mark.parametrize(
    "name",
    [
        "reed-solomon-12x16",
        "reed-solomon-15x25",
        "reed-solomon-16x20",
        "reed-solomon-20x32",
        "reed-solomon-24x36",
        *STD,
    ],
)
def test_as_many_positives_as_promised_are_decoded_for_certain(name, small):
    found = poolkit.design(name)
    pools = [set(each) for each in found.codes().tolist()]
    assert found.certain >= 1
    for d in range(1, min(found.certain, 2 if small else 3) + 1):
        assert reference.is_disjunct(pools, d)


def test_the_designs_of_tapestry_s_size_are_latin_squares():
    for name, side in (("reed-solomon-45x105", 15), ("reed-solomon-93x961", 31)):
        found = poolkit.design(name)
        assert (found.size, found.layers) == (side, 3)
        assert together(found.codes(), 3 * side).max() == 1
        assert set(np.diff(found.layout(found.block).offsets).tolist()) == {found.block // side}


@given(st.integers(4, 120) | st.integers(0, 10**9 - 1), st.integers(4, 400))
def test_every_reed_solomon_name_gives_a_design_or_names_that_do(pools, samples):
    name = f"reed-solomon-{pools}x{samples}"
    try:
        found = poolkit.design(name)
    except DesignError as error:
        nearest = str(error).rpartition("nearest: ")[2]
        assume(nearest)
        for each in nearest.split(", "):
            assert poolkit.design(each).name == each
    else:
        assert found.name == name
        assert found.pools == pools
        assert np.unique(found.codes(), axis=0).shape[0] == samples


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 20))
def test_every_std_name_gives_a_design_or_names_that_do(samples, size, layers):
    name = f"std-{samples}-{size}-{layers}"
    try:
        found = poolkit.design(name)
    except DesignError as error:
        for each in str(error).rpartition("nearest: ")[2].split(", "):
            assert poolkit.design(each).name == each
    else:
        assert is_prime(size)
        assert found.pools == size * layers < samples
        assert np.unique(found.codes(), axis=0).shape[0] == samples


ERRORS = {
    "reed-solomon-47x384": """there is no design reed-solomon-47x384, 2 problem(s):
  - pools: 47 pools make no layers that tell 384 samples apart
  - nearest: reed-solomon-46x384, reed-solomon-48x384, reed-solomon-45x384""",
    "reed-solomon-0x0": """there is no design reed-solomon-0x0, 2 problem(s):
  - samples: must be from 4 to 32767, found 0
  - nearest: reed-solomon-8x10, reed-solomon-9x10""",
    "std-96-10-3": """there is no design std-96-10-3, 2 problem(s):
  - pools of a layer: must be a prime with which 96 samples take fewer pools and are told apart, found 10
  - nearest: std-96-11-3, std-96-7-3, std-96-13-3""",
    "std-96-11-30": """there is no design std-96-11-30, 2 problem(s):
  - layers: must be from 2 to 8, found 30
  - nearest: std-96-11-8, std-96-13-7, std-96-7-8""",
    "std-2-0-0": """there is no design std-2-0-0, 3 problem(s):
  - samples: must be from 7 to 32767, found 2
  - pools of a layer: must be a prime with which 7 samples take fewer pools and are told apart, found 0
  - nearest: std-7-2-3, std-7-3-2""",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_impossible_design_offers_the_nearest(name):
    with pytest.raises(DesignError) as caught:
        poolkit.design(name)
    assert str(caught.value) == ERRORS[name]


def test_names_that_are_not_written_right_are_told_the_form():
    for name, form in (("reed-solomon-48", "POOLSxSAMPLES"), ("std-96-11", "SAMPLES-POOLS_OF_A_LAYER-LAYERS")):
        with pytest.raises(DesignError, match=form):
            poolkit.design(name)
