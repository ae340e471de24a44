"""Wells by name and number."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit.errors import DesignError, SchemaError
from poolkit.plates import well_names, well_numbers
from tests.reference import plates as reference


@pytest.mark.parametrize("wells", [96, 384])
@pytest.mark.parametrize("fill", ["row", "column"])
def test_names_in_order(wells, fill):
    assert well_names(wells, fill=fill).to_pylist() == reference.well_order(wells, fill)


@settings(deadline=None)
@given(wells=st.sampled_from([96, 384]), fill=st.sampled_from(["row", "column"]), data=st.data())
def test_numbers_are_the_inverse_of_names(wells, fill, data):
    numbers = data.draw(st.lists(st.integers(0, wells - 1)))
    names = [reference.well_order(wells, fill)[number] for number in numbers]
    assert well_numbers(names, wells=wells, fill=fill).tolist() == numbers


def test_numbers_of_a_slice_and_of_nothing():
    assert well_numbers(well_names(96).slice(10, 3)).tolist() == [10, 11, 12]
    assert well_numbers([]).tolist() == []
    assert well_numbers(pa.array(["A01", "A01"]).dictionary_encode()).tolist() == [0, 0]


def test_names_that_are_no_wells():
    with pytest.raises(SchemaError) as error:
        well_numbers(["A01", "P24", None, "a02"])
    assert str(error.value) == (
        "not wells of a plate of 96, 1 problem(s):\n"
        "  - well: must be a name from A01 to H12, found 'P24' (rows 1, 2, 3)"
    )
    assert well_numbers(["P24"], wells=384).tolist() == [383]


def test_no_such_plate():
    with pytest.raises(DesignError) as error:
        well_names(1536)
    assert str(error.value) == "there is no such plate, 1 problem(s):\n  - wells: must be one of 96, 384, found 1536"
    with pytest.raises(DesignError, match="fill: must be 'column' or 'row', found 'up'"):
        well_numbers(["A01"], fill="up")
