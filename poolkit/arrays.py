"""Arrow columns as read-only numpy views, and text columns as codes; the coat between tables and kernels."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.kernels import text
from poolkit.schemas.dictionaries import same_memory, unified

Codes = NDArray[np.int32]

# A dictionary of so many texts is not worth the look at which of them a part of a table uses.
_SMALL_DICTIONARY = 4096


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return the column as one array (one dictionary too); copied only when it came in several pieces."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = unified(column)
        indices = pa.chunked_array([chunk.indices for chunk in column.chunks]).combine_chunks()
        indices = indices if isinstance(indices, pa.Array) else indices.chunk(0)
        return pa.DictionaryArray.from_arrays(indices, column.chunk(0).dictionary)
    return pa.concat_arrays(column.chunks)


def frozen(values: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view, the one kind of input that kernels are compiled for."""
    view = values.view()
    view.flags.writeable = False
    return view


def numbers(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    """Return a null-free number or time column as a read-only view; times are int64 microseconds since 1970.

    Examples
    --------
    >>> import pyarrow as pa
    >>> numbers(pa.chunked_array([pa.array([1, 2], pa.int16()), pa.array([3], pa.int16())]))
    array([1, 2, 3], dtype=int16)
    """
    values = whole(column)
    if pa.types.is_timestamp(values.type):
        values = values.view(pa.int64())
    return frozen(values.to_numpy(zero_copy_only=True))


def filled(column: pa.ChunkedArray | pa.Array, value: float) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a number column with nulls replaced, and where they were."""
    values = whole(column)
    missing = pc.is_null(values).to_numpy(zero_copy_only=False)
    return frozen(pc.fill_null(values, value).to_numpy(zero_copy_only=False)), missing


def _bytes_of(values: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return the offsets and bytes of a string array, whatever slice of a buffer it is."""
    _, offsets, data = values.buffers()
    if len(values) == 0 or offsets is None:
        return frozen(np.zeros(1, np.int32)), frozen(np.zeros(1, np.uint8))
    view = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return frozen(view), frozen(held)


def coded_bytes(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, NDArray[np.int32], NDArray[np.uint8]]:
    """Return a text column as codes (-1 where null), and the offsets and bytes of the texts that they name.

    A plain column is not looked at: each row names its own text.

    Examples
    --------
    >>> import pyarrow as pa
    >>> codes, offsets, data = coded_bytes(pa.array(["T1", None, "T22"]))
    >>> codes.tolist(), bytes(data[offsets[2] : offsets[3]])
    ([0, -1, 2], b'T22')
    """
    values = whole(column)
    if pa.types.is_dictionary(values.type):
        return _indices(values.indices), *_bytes_of(values.dictionary)
    codes = np.arange(len(values), dtype=np.int32)
    if values.null_count:
        codes[pc.is_null(values).to_numpy(zero_copy_only=False)] = -1
    return frozen(codes), *_bytes_of(values)


@dataclass(frozen=True, slots=True)
class TextIndex:
    """Distinct texts and the code of each, in order of first appearance.

    Attributes
    ----------
    values : pyarrow.StringArray
        The distinct texts; the code of a text is its place here.
    codes : numpy.ndarray of int32
        The code of each text that the index was made from.
    """

    values: pa.Array
    codes: Codes
    _firsts: Codes = field(repr=False)
    _source: pa.Array = field(repr=False)
    _table: NDArray[np.uint64] = field(repr=False)

    @classmethod
    def of(cls, texts: pa.Array) -> "TextIndex":
        """Index a null-free string array.

        Examples
        --------
        >>> import pyarrow as pa
        >>> index = TextIndex.of(pa.array(["T2", "T1", "T2"]))
        >>> index.values.to_pylist(), index.codes.tolist(), index.find(pa.array(["T1", "T9"])).tolist()
        (['T2', 'T1'], [0, 1, 0], [1, -1])
        """
        offsets, data = _bytes_of(texts)
        n = len(texts)
        table = np.zeros(1 << max(4, (2 * n).bit_length()), np.uint64)
        firsts = np.empty(n, np.int32)
        codes = np.empty(n, np.int32)
        n_codes = text.group(offsets, data, table, firsts, codes)
        firsts = firsts[:n_codes]
        values = texts if n_codes == n else texts.take(pa.array(firsts))
        return cls(values, frozen(codes), frozen(firsts), texts, frozen(table))

    @classmethod
    def known(cls, texts: pa.Array) -> "TextIndex":
        """Take texts that are known to be distinct at their word; such an index numbers them, but finds nothing."""
        codes = frozen(np.arange(len(texts), dtype=np.int32))
        return cls(texts, codes, codes, texts.slice(0, 0), frozen(np.zeros(16, np.uint64)))

    @property
    def firsts(self) -> Codes:
        """The row of the first text of each code."""
        return self._firsts

    def find(self, wanted: pa.Array) -> Codes:
        """Return the code of each wanted text, -1 where the index does not have it."""
        offsets, data = _bytes_of(self._source)
        wanted_offsets, wanted_data = _bytes_of(wanted)
        codes = np.empty(len(wanted), np.int32)
        text.find(offsets, data, self._table, self._firsts, wanted_offsets, wanted_data, codes)
        return codes


def digests(column: pa.ChunkedArray | pa.Array) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each text: a repeated text is sure to repeat it, another one next to never does.

    Examples
    --------
    >>> import pyarrow as pa
    >>> one, two, again = digests(pa.array(["S1", "S2", "S1"])).tolist()
    >>> one == again, one == two
    (True, False)
    """
    texts = plain(column)
    hashes = np.empty(len(texts), np.uint64)
    text.digest(*_bytes_of(texts), hashes)
    return hashes


def encode(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, pa.Array]:
    """Return a text column's codes (-1 where null) and its distinct texts.

    A dictionary-encoded column gives its own codes; they are only checked to be distinct.

    Examples
    --------
    >>> import pyarrow as pa
    >>> codes, texts = encode(pa.array(["N", None, "ORF1ab", "N"]))
    >>> codes.tolist(), texts.to_pylist()
    ([0, -1, 1, 0], ['N', 'ORF1ab'])
    """
    values = whole(column)
    if pa.types.is_dictionary(values.type):
        codes = _indices(values.indices)
        index = TextIndex.of(values.dictionary)
        if len(index.values) < len(values.dictionary):
            codes = frozen(np.where(codes >= 0, index.codes[codes], np.int32(-1)))
        return codes, index.values
    if values.null_count == 0:
        index = TextIndex.of(values)
        return index.codes, index.values
    present = pc.is_valid(values).to_numpy(zero_copy_only=False)
    index = TextIndex.of(values.drop_null())
    codes = np.full(len(values), -1, np.int32)
    codes[present] = index.codes
    return frozen(codes), index.values


def first_seen(codes: Codes, texts: pa.Array) -> tuple[Codes, pa.Array]:
    """Renumber codes by first appearance and leave out texts that no code names; -1 stays.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> codes, texts = first_seen(np.array([2, 0, 2], np.int32), pa.array(["T1", "T2", "T3"]))
    >>> codes.tolist(), texts.to_pylist()
    ([0, 1, 0], ['T3', 'T1'])
    """
    order = np.empty(len(texts), np.int32)
    new = np.empty_like(codes)
    n_used = text.renumber(frozen(codes), np.full(len(texts), -1, np.int32), order, new)
    return frozen(new), texts.take(pa.array(order[:n_used]))


def codes_in(column: pa.ChunkedArray | pa.Array, names: pa.Array, index: TextIndex | None = None) -> Codes:
    """Return the place of each text among `names`, -1 where it is null or not there.

    A column whose dictionary is `names` itself gives its own codes without a look at any text; otherwise `names` is
    indexed, unless its `index` is given.

    Examples
    --------
    >>> import pyarrow as pa
    >>> codes_in(pa.array(["T2", "T9"]), pa.array(["T1", "T2"])).tolist()
    [1, -1]
    """
    values = whole(column)
    if pa.types.is_dictionary(values.type) and same_memory(values.dictionary, names):
        return _indices(values.indices)
    codes, texts = encode(values)
    places = (index or TextIndex.of(names)).find(texts)
    if len(texts) == 0:
        return codes
    return frozen(np.where(codes >= 0, places[codes], np.int32(-1)))


def _indices(indices: pa.Array) -> Codes:
    """Return dictionary indices as int32, -1 where null."""
    if indices.null_count:
        return frozen(pc.fill_null(indices, -1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False))
    return frozen(indices.to_numpy(zero_copy_only=True).astype(np.int32, copy=False))


def as_codes(column: pa.ChunkedArray | pa.Array) -> tuple[Codes, pa.Array]:
    """Return a text column's codes and texts as `encode` does, but take a dictionary's texts as they are.

    For where it does not matter that a dictionary may hold a text twice.

    Examples
    --------
    >>> import pyarrow as pa
    >>> codes, texts = as_codes(pa.array(["N", "N"]).dictionary_encode())
    >>> codes.tolist(), texts.to_pylist()
    ([0, 0], ['N'])
    """
    values = whole(column)
    if pa.types.is_dictionary(values.type):
        return _indices(values.indices), values.dictionary
    return encode(values)


def coded(codes: NDArray[Any], texts: pa.Array) -> pa.DictionaryArray:
    """Return codes and their texts as a dictionary-encoded column; a code of -1 is null."""
    missing = codes < 0
    indices = pa.array(codes, pa.int32(), mask=missing) if missing.any() else pa.array(codes, pa.int32())
    return pa.DictionaryArray.from_arrays(indices, texts)


def plain(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a text column as plain strings in one array."""
    values = whole(column)
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def compacted(table: pa.Table) -> pa.Table:
    """Leave out of large dictionaries what a part of a table does not use.

    Examples
    --------
    >>> import pyarrow as pa
    >>> part = pa.table({"tube_id": pa.array([f"T{k}" for k in range(9000)]).dictionary_encode()}).slice(7, 2)
    >>> len(compacted(part)["tube_id"].chunk(0).dictionary)
    2
    """
    for place, described in enumerate(table.schema):
        if pa.types.is_dictionary(described.type):
            values = whole(table.column(place))
            if len(values.dictionary) > max(_SMALL_DICTIONARY, len(values) // 4):
                table = table.set_column(
                    place, described, coded(*first_seen(_indices(values.indices), values.dictionary))
                )
    return table
