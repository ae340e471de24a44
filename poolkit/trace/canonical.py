"""Rows as bytes: the same row gives the same bytes whatever file, dictionary or machine it comes from.

A row is its values in the order of the schema: a text is its length plus one as a base-128 number, least digit first,
and its UTF-8; a number a byte 1 and eight bytes, least first, of a whole number, of microseconds since 1970 UTC or of
an IEEE 754 double; a list its length plus one and its texts; missing a byte 0. A leaf is a byte 0, sixteen bytes of
salt and the row (RFC 9162, section 2.1.1). The salt of row k is block k of AES-256 in counter mode under the segment's
own salt key, so that the salt of one row tells nothing of another's.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from poolkit.arrays import Codes, coded_bytes, frozen, whole
from poolkit.kernels import canonical
from poolkit.kernels.hashing import hash_messages
from poolkit.schemas import Table

SALT_BYTES = 16
SALT_KEY_BYTES = 32
_BLOCK = 64
_PADDING = 9  # at least: the end mark and the length
# So many rows stay in the cache while all their columns are written.
_ROWS = 8192
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def leaf_digests(rows: pa.Table, described: Table, salt_key: bytes) -> NDArray[np.uint32]:
    """Return the hash of each row's leaf.

    Parameters
    ----------
    rows
        One segment.
    described
        Its table.
    salt_key
        Thirty-two secret bytes of the segment.

    Returns
    -------
    numpy.ndarray of uint32
        (8, rows) the words of each SHA-256.

    Notes
    -----
    O(bytes); nothing that is kept grows with the rows but the digests.
    """
    digests = np.empty((8, rows.num_rows), np.uint32)
    for start, words, first in _messages(rows, described, salt_key):
        stop = start + first.size - 1
        if stop - start == rows.num_rows:
            hash_messages(words, first, digests)
        else:
            part = np.empty((8, stop - start), np.uint32)
            hash_messages(words, first, part)
            digests[:, start:stop] = part
    return digests


def _messages(
    rows: pa.Table, described: Table, salt_key: bytes
) -> Iterator[tuple[int, NDArray[np.uint32], NDArray[np.int64]]]:
    """Give padded leaves, some thousand rows at a time: the first row, their words, and the first block of each."""
    columns = [_column(rows[name], described[name].type) for name in described.names]
    salts = Cipher(algorithms.AES(salt_key), modes.CTR(bytes(SALT_BYTES))).encryptor()
    for start in range(0, rows.num_rows, _ROWS):
        stop = min(start + _ROWS, rows.num_rows)
        sizes = np.full(stop - start, 1 + SALT_BYTES, np.int64)
        for column in columns:
            column.measure(start, stop, sizes)
        first = np.zeros(stop - start + 1, np.int64)
        np.cumsum((sizes + (_PADDING + _BLOCK - 1)) // _BLOCK, out=first[1:])
        data = np.empty(_BLOCK * int(first[-1]), np.uint8)
        places = _BLOCK * first[:-1]
        salt = np.frombuffer(salts.update(bytes(SALT_BYTES * (stop - start))), np.uint8)
        canonical.begin(salt.reshape(-1, SALT_BYTES), data, places)
        for column in columns:
            column.put(start, stop, data, places)
        canonical.finish(first, data, places)
        yield start, data.view(np.uint32), first


class _Texts:
    """A column of text."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._codes, self._offsets, self._data = coded_bytes(column)

    def measure(self, start: int, stop: int, sizes: NDArray[np.int64]) -> None:
        canonical.measure_texts(self._codes[start:stop], self._offsets, sizes)

    def put(self, start: int, stop: int, data: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        canonical.put_texts(self._codes[start:stop], self._offsets, self._data, data, places)


class _Numbers:
    """A column of numbers or times."""

    def __init__(self, column: pa.ChunkedArray, kind: pa.DataType) -> None:
        values = whole(column.cast(kind))
        self._missing = frozen(pc.is_null(values).to_numpy(zero_copy_only=False).view(np.uint8))
        if pa.types.is_floating(kind):
            found = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
            self._values = frozen(found.view(np.int64))
        else:
            found = values.view(pa.int64()) if pa.types.is_timestamp(kind) else values.cast(pa.int64())
            self._values = frozen(pc.fill_null(found, 0).to_numpy(zero_copy_only=False))

    def measure(self, start: int, stop: int, sizes: NDArray[np.int64]) -> None:
        sizes += np.where(self._missing[start:stop], 1, 9)

    def put(self, start: int, stop: int, data: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        canonical.put_numbers(self._values[start:stop], self._missing[start:stop], data, places)


class _Lists:
    """A column of lists of text, without nulls."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        values = whole(column)
        self._lists: Codes = frozen(values.offsets.to_numpy(zero_copy_only=False))
        self._codes, self._offsets, self._data = coded_bytes(values.values)

    def measure(self, start: int, stop: int, sizes: NDArray[np.int64]) -> None:
        canonical.measure_lists(self._lists[start : stop + 1], self._codes, self._offsets, sizes)

    def put(self, start: int, stop: int, data: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        canonical.put_lists(self._lists[start : stop + 1], self._codes, self._offsets, self._data, data, places)


def _column(column: pa.ChunkedArray, kind: pa.DataType) -> _Texts | _Numbers | _Lists:
    if pa.types.is_list(kind):
        return _Lists(column)
    return _Texts(column) if pa.types.is_string(kind) else _Numbers(column, kind)


def salt_of(salt_key: bytes, row: int) -> bytes:
    """Return the salt of one row of a segment.

    Examples
    --------
    >>> salt_of(bytes(32), 0).hex()
    'dc95c078a2408989ad48a21492842087'
    """
    counter = Cipher(algorithms.AES(salt_key), modes.CTR(row.to_bytes(SALT_BYTES, "big"))).encryptor()
    return counter.update(bytes(SALT_BYTES))


def row_bytes(row: Mapping[str, Any], described: Table) -> bytes:
    """Return the bytes of one row, given as `pyarrow.Table.to_pylist` gives it.

    Examples
    --------
    >>> from poolkit.schemas import MEMBERS
    >>> row_bytes({"pool_id": "P1", "sample_id": "S1", "slot": 1, "volume_ul": None}, MEMBERS).hex()
    '03503103533101010000000000000000'
    """
    return b"".join(_writer(described[name].type)(row[name]) for name in described.names)


def _writer(kind: pa.DataType) -> Callable[[Any], bytes]:
    if pa.types.is_list(kind):
        return _list_bytes
    if pa.types.is_string(kind):
        return _text_bytes
    if pa.types.is_floating(kind):
        return _double_bytes
    return _time_bytes if pa.types.is_timestamp(kind) else _whole_bytes


def _length_bytes(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def _text_bytes(value: str | None) -> bytes:
    if value is None:
        return b"\0"
    data = value.encode()
    return _length_bytes(len(data) + 1) + data


def _list_bytes(values: list[str]) -> bytes:
    return _length_bytes(len(values) + 1) + b"".join(map(_text_bytes, values))


def _whole_bytes(value: int | None) -> bytes:
    return b"\0" if value is None else b"\1" + value.to_bytes(8, "little", signed=True)


def _double_bytes(value: float | None) -> bytes:
    return b"\0" if value is None else b"\1" + struct.pack("<d", value)


def _time_bytes(value: datetime | None) -> bytes:
    return _whole_bytes(None if value is None else (value - _EPOCH) // timedelta(microseconds=1))
