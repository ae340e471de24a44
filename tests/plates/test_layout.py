"""Specimens on plates: against the slow twin, the promises of the docstring, and each error."""

from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit.errors import DesignError, SchemaError
from poolkit.plates import layout_plates, plates_needed
from poolkit.protocols import ControlRule, load_protocol, protocol_names
from poolkit.schemas import WELLS, conform
from tests.reference import plates as reference

BASE = load_protocol("cn-10in1-2020")
CONTROLS = ["negative_control"] * 2 + ["weak_positive_control", "blank"]


def named(n):
    return pa.array([f"T{k:06d}" for k in range(n)], pa.string())


def rows(wells):
    return list(zip(*(wells[name].to_pylist() for name in wells.column_names), strict=True))


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(0, 400),
    wells=st.sampled_from([96, 384]),
    fill=st.sampled_from(["column", "row"]),
    seed=st.integers(0, 2**40),
    counts=st.tuples(*[st.integers(0, 3)] * 4),
)
def test_the_layout_is_that_of_the_slow_twin(n, wells, fill, seed, counts):
    contents = ("negative_control", "positive_control", "weak_positive_control", "blank")
    rules = {content: ControlRule(minimum=count) for content, count in zip(contents, counts, strict=True)}
    protocol = BASE.revised("t", source="test", controls=dict(reversed(rules.items())))
    controls = [content for content, count in zip(contents, counts, strict=True) for _ in range(count)]
    found = layout_plates(named(n), seed=seed, protocol=protocol, wells=wells, fill=fill, start=7)
    expected = reference.laid_out(named(n).to_pylist(), controls, wells, fill, seed)
    assert rows(found) == [(f"PL{plate + 7:06d}", *rest) for plate, *rest in expected]


@settings(deadline=None, max_examples=50)
@given(n=st.integers(0, 1000), wells=st.sampled_from([96, 384]), name=st.sampled_from(protocol_names()))
def test_every_specimen_stands_once_and_every_plate_has_its_controls(n, wells, name):
    protocol = load_protocol(name)
    found = conform(layout_plates(named(n), seed=n, protocol=protocol, wells=wells), WELLS)
    assert found.schema == WELLS.schema
    assert found["specimen_id"].drop_null().to_pylist() == named(n).to_pylist()
    assert found.num_rows == wells * plates_needed(n, protocol=protocol, wells=wells)
    for k in range(0, found.num_rows, wells):
        plate = found.slice(k, wells)
        assert len(set(plate["plate_id"].to_pylist())) == 1
        counts = Counter(plate["content"].to_pylist())
        for content in ("negative_control", "positive_control", "weak_positive_control", "blank"):
            assert counts[content] == protocol.minimum(content)
        assert counts["specimen"] > 0
        if k + wells < found.num_rows:
            assert counts["empty"] == 0
    filled = [content != "empty" for content in found["content"].to_pylist()]
    assert filled == sorted(filled, reverse=True)


def test_the_same_seed_gives_the_same_layout_and_another_seed_another():
    first = layout_plates(named(300), seed=5)
    assert layout_plates(named(300), seed=5).equals(first)
    assert not layout_plates(named(300), seed=6).equals(first)


def test_a_full_plate_does_not_depend_on_what_comes_after():
    few, many = layout_plates(named(92), seed=5), layout_plates(named(500), seed=5)
    assert many.slice(0, 96).equals(few)


def test_every_place_is_as_likely_for_a_control():
    # 92 x 500 specimens: each of 96 wells takes the blank of 500 plates 5.2 times on average.
    found = layout_plates(named(92 * 500), seed=1)
    at = found.filter(pa.compute.equal(found["content"], "blank"))["well"].to_pylist()
    counts = np.array([Counter(at)[well] for well in reference.well_order(96, "row")])
    chi_squared = ((counts - 500 / 96) ** 2 / (500 / 96)).sum()
    assert 50 < chi_squared < 150  # 95 degrees of freedom, p about 0.0003 either way


def test_a_million_people_in_tubes_of_ten():
    assert plates_needed(100_000) == 1087
    assert plates_needed(100_000, wells=384) == 264
    assert [plates_needed(n) for n in (0, 1, 92, 93)] == [0, 1, 1, 2]
    assert layout_plates(named(100_000), seed=1).num_rows == 1087 * 96


@pytest.mark.parametrize(
    "given_as",
    [
        lambda ids: ids,
        lambda ids: ids.to_pylist(),
        lambda ids: pa.chunked_array([ids.slice(0, 60), ids.slice(60)]),
        lambda ids: ids.dictionary_encode(),
        lambda ids: ids.cast(pa.large_string()),
        lambda ids: ids.cast(pa.string_view()),
        lambda ids: pd.Series(ids.to_pylist()),
        lambda ids: np.array(ids.to_pylist()),
        lambda ids: pa.concat_arrays([pa.array(["X", "Y"]), ids, pa.array(["Z"])]).slice(2, len(ids)),
        lambda ids: iter(ids.to_pylist()),
    ],
    ids=["array", "list", "chunked", "dictionary", "large", "view", "pandas", "numpy", "sliced", "iterator"],
)
def test_specimens_come_in_many_coats(given_as):
    assert layout_plates(given_as(named(100)), seed=3).equals(layout_plates(named(100), seed=3))


def test_a_pooled_column_lays_out_as_it_is():
    pools = pa.table({"pool_id": named(10)})
    assert layout_plates(pools["pool_id"], seed=3).equals(layout_plates(named(10), seed=3))


@pytest.mark.parametrize("empty", [[], pa.array([], pa.string()), pa.chunked_array([], pa.string())])
def test_no_specimens_no_plates(empty):
    found = layout_plates(empty, seed=1)
    assert (found.num_rows, found.schema) == (0, WELLS.schema)


def test_duplicates_are_named():
    with pytest.raises(DesignError) as error:
        layout_plates(["A", "B", "A", "C", "B", "A"], seed=1)
    assert str(error.value) == (
        "a specimen can stand in one well only, 2 problem(s):\n"
        "  - specimen_id: A is named 3 times (rows 0, 2, 5)\n"
        "  - specimen_id: B is named 2 times (rows 1, 4)"
    )


@pytest.mark.parametrize(
    ("specimens", "expected"),
    [
        (["A", None, ""], "specimen_id: must not be null or empty (rows 1, 2)"),
        ([None], "specimen_id: must not be null or empty (rows 0)"),
        ([1, 2], "specimen_id: must be string (found int64)"),
        ("T1", "specimen_id: must be many texts, found one: 'T1'"),
        (3, "specimen_id: must be string ('int' object is not iterable)"),
    ],
)
def test_what_is_no_column_of_specimens(specimens, expected):
    with pytest.raises(SchemaError, match="not a column of specimen_id") as error:
        layout_plates(specimens, seed=1)
    assert [str(problem) for problem in error.value.problems] == [expected]


def test_a_whole_table_is_no_column_of_specimens():
    with pytest.raises(SchemaError, match="must be string"):
        layout_plates(pa.table({"pool_id": named(3)}), seed=1)


def test_impossible_plates_come_all_at_once():
    with pytest.raises(DesignError) as error:
        layout_plates(["A"], seed=-1, wells=48, fill="diagonal", start=-2)
    assert str(error.value) == (
        "the plates cannot be laid out so, 4 problem(s):\n"
        "  - wells: must be one of 96, 384, found 48\n"
        "  - fill: must be 'column' or 'row', found 'diagonal'\n"
        "  - seed: must be at least 0, found -1\n"
        "  - start: must be at least 0, found -2"
    )
    with pytest.raises(DesignError) as error:
        plates_needed(-1, wells=12)
    assert str(error.value) == (
        "the plates cannot be counted, 2 problem(s):\n"
        "  - wells: must be one of 96, 384, found 12\n"
        "  - n: must be at least 0, found -1"
    )


def test_controls_must_leave_room():
    full = BASE.revised("t", source="test", controls={"blank": ControlRule(minimum=96)})
    for ask in (lambda: layout_plates(["A"], seed=1, protocol=full), lambda: plates_needed(1, protocol=full)):
        with pytest.raises(DesignError) as error:
            ask()
        assert str(error.value) == (
            "the controls leave no well for a specimen, 1 problem(s):\n"
            "  - controls: cn-10in1-2020@t asks for 96 wells of a plate of 96"
        )
    assert plates_needed(1, protocol=full, wells=384) == 1
