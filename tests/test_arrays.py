"""Arrow columns as views and codes: whatever pieces and encodings they come in."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.arrays import TextIndex, coded, codes_in, encode, first_seen, numbers, plain, whole

# Long and short, with shared beginnings, bytes beyond ASCII and lengths around the eight that are hashed at once.
TEXTS = st.one_of(
    st.sampled_from(["A", "B", "T0000001", "T0000002", "T00000011", "混采管一", "", "T000000000000001"]),
    st.text(max_size=20),
)


def pieces(draw: st.DataObject, values: list, kind: pa.DataType) -> pa.ChunkedArray:
    """Cut a column into chunks, each a slice of something longer."""
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    parts = [values[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(values)], strict=True)]
    chunks = [pa.array([*values[:1], *part, *values[:2]], kind).slice(len(values[:1]), len(part)) for part in parts]
    if draw.draw(st.booleans()) and pa.types.is_string(kind):
        chunks = [chunk.dictionary_encode() for chunk in chunks]
    return pa.chunked_array(chunks)


@given(st.lists(TEXTS, max_size=80), st.data())
def test_codes_number_texts_by_first_appearance(values, draw):
    column = pieces(draw, values, pa.string())
    codes, texts = first_seen(*encode(column))
    seen = {}
    for value in values:
        seen.setdefault(value, len(seen))
    assert codes.tolist() == [seen[value] for value in values]
    assert texts.to_pylist() == list(seen)


@given(st.lists(st.one_of(st.none(), TEXTS), max_size=40), st.data())
def test_codes_stand_for_their_texts_and_null_is_minus_one(values, draw):
    codes, texts = encode(pieces(draw, values, pa.string()))
    names = texts.to_pylist()
    assert [names[code] if code >= 0 else None for code in codes] == values
    assert len(set(names)) == len(names)


@given(st.lists(TEXTS, max_size=60), st.lists(TEXTS, max_size=60))
def test_an_index_finds_what_a_dict_finds(values, wanted):
    index = TextIndex.of(pa.array(values, pa.string()))
    seen = {}
    for row, value in enumerate(values):
        seen.setdefault(value, row)
    places = {value: code for code, value in enumerate(seen)}
    assert index.find(pa.array(wanted, pa.string())).tolist() == [places.get(value, -1) for value in wanted]
    assert index.firsts.tolist() == list(seen.values())


@given(st.lists(TEXTS, max_size=40), st.lists(TEXTS, unique=True, max_size=20), st.data())
def test_codes_in_names_are_their_places(values, names, draw):
    column, listed = pieces(draw, values, pa.string()), pa.array(names, pa.string())
    assert codes_in(column, listed).tolist() == [names.index(value) if value in names else -1 for value in values]


def test_a_dictionary_that_is_the_names_is_taken_at_its_word():
    names = pa.array(["T1", "T2", "T3"])
    column = pa.DictionaryArray.from_arrays(pa.array([2, None, 0], pa.int32()), names)
    assert codes_in(column, names).tolist() == [2, -1, 0]
    # A slice of the same memory has other names at the same places.
    assert codes_in(column, names.slice(1)).tolist() == [1, -1, -1]


def test_a_dictionary_with_a_text_twice_gives_it_one_code():
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["A", "B", "A"]))
    codes, texts = encode(column)
    assert codes.tolist() == [0, 1, 0]
    assert texts.to_pylist() == ["A", "B"]


@pytest.mark.parametrize("n", [0, 1, 2, 31, 32, 33, 5000])
def test_many_distinct_texts_keep_apart(n):
    texts = pa.array([f"S{k * 7919:012d}" for k in range(n)], pa.string())
    index = TextIndex.of(texts)
    assert index.codes.tolist() == list(range(n))
    assert index.find(texts).tolist() == list(range(n))
    assert index.find(pa.array(["S-"])).tolist() == [-1]


@given(st.lists(st.integers(-(2**15), 2**15 - 1), max_size=20), st.data())
def test_numbers_are_read_only_views(values, draw):
    view = numbers(pieces(draw, values, pa.int16()))
    assert view.tolist() == values
    assert not view.flags.writeable


def test_times_are_microseconds():
    column = pa.chunked_array([pa.array([1_650_000_000_000_000], pa.timestamp("us", "UTC"))])
    assert numbers(column).tolist() == [1_650_000_000_000_000]


def test_a_number_column_with_nulls_is_refused():
    with pytest.raises(pa.ArrowInvalid):
        numbers(pa.array([1, None], pa.int16()))


def test_coding_and_decoding_agree():
    texts = pa.array(["a", "b"])
    assert coded(np.array([1, -1, 0]), texts).to_pylist() == ["b", None, "a"]
    assert plain(coded(np.array([1, 0]), texts)).to_pylist() == ["b", "a"]
    assert whole(pa.chunked_array([], pa.string())).to_pylist() == []
