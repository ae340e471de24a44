"""Rows to bytes: each column appends its value to every row of a batch, and a row ends with SHA-256's padding.

The code of a value: a text is its length plus one as a base-128 number, least digit first, then its bytes; a number is
a byte 1 and eight bytes, least first; a list is its length plus one, then its texts; missing is a byte 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

Whole = int | np.signedinteger[Any]


@kernel
def _n_digits(value: Whole) -> Whole:
    """Give the bytes that a length takes."""
    n = 1
    while value > 127:
        value >>= 7
        n += 1
    return n


@kernel
def _put_length(value: Whole, data: NDArray[np.uint8], at: Whole) -> Whole:
    """Write a length, and give the place behind it."""
    while value > 127:
        data[at] = np.uint8((value & 127) | 128)
        value >>= 7
        at += 1
    data[at] = np.uint8(value)
    return at + 1


@kernel
def _put_text(texts: NDArray[np.uint8], start: Whole, stop: Whole, data: NDArray[np.uint8], at: Whole) -> Whole:
    """Write a text behind its length, and give the place behind it."""
    at = _put_length(stop - start + 1, data, at)
    for k in range(start, stop):
        data[at] = texts[k]
        at += 1
    return at


@kernel
def measure_texts(codes: NDArray[np.int32], offsets: NDArray[np.int32], sizes: NDArray[np.int64]) -> None:
    """Add to each row the bytes that its text takes; codes (rows,), -1 for none, name texts of offsets (texts + 1,)."""
    for row in range(codes.size):
        code = codes[row]
        if code < 0:
            sizes[row] += 1
        else:
            n = np.int64(offsets[code + 1] - offsets[code])
            sizes[row] += n + _n_digits(n + 1)


@kernel
def put_texts(
    codes: NDArray[np.int32],
    offsets: NDArray[np.int32],
    texts: NDArray[np.uint8],
    data: NDArray[np.uint8],
    places: NDArray[np.int64],
) -> None:
    """Write each row's text at its place in data, and move the place behind it; as `measure_texts`."""
    for row in range(codes.size):
        code = codes[row]
        if code < 0:
            data[places[row]] = np.uint8(0)
            places[row] += 1
        else:
            places[row] = _put_text(texts, np.int64(offsets[code]), np.int64(offsets[code + 1]), data, places[row])


@kernel
def put_numbers(
    values: NDArray[np.int64], missing: NDArray[np.uint8], data: NDArray[np.uint8], places: NDArray[np.int64]
) -> None:
    """Write each row's number, eight bytes behind a 1, or a 0 where it is missing (rows,), and move its place."""
    for row in range(values.size):
        at = places[row]
        if missing[row]:
            data[at] = np.uint8(0)
            places[row] = at + 1
        else:
            data[at] = np.uint8(1)
            value = np.uint64(values[row])
            for k in range(8):
                data[at + 1 + k] = np.uint8((value >> np.uint64(8 * k)) & np.uint64(255))
            places[row] = at + 9


@kernel
def measure_lists(
    lists: NDArray[np.int32], codes: NDArray[np.int32], offsets: NDArray[np.int32], sizes: NDArray[np.int64]
) -> None:
    """Add to each row the bytes of its list: texts lists[row] to lists[row + 1] of codes, as `measure_texts`."""
    for row in range(sizes.size):
        sizes[row] += _n_digits(lists[row + 1] - lists[row] + 1)
        for k in range(lists[row], lists[row + 1]):
            n = np.int64(offsets[codes[k] + 1] - offsets[codes[k]])
            sizes[row] += n + _n_digits(n + 1)


@kernel
def put_lists(
    lists: NDArray[np.int32],
    codes: NDArray[np.int32],
    offsets: NDArray[np.int32],
    texts: NDArray[np.uint8],
    data: NDArray[np.uint8],
    places: NDArray[np.int64],
) -> None:
    """Write each row's list at its place in data, and move the place behind it; as `measure_lists`."""
    for row in range(places.size):
        at = _put_length(np.int64(lists[row + 1] - lists[row] + 1), data, places[row])
        for k in range(lists[row], lists[row + 1]):
            at = _put_text(texts, np.int64(offsets[codes[k]]), np.int64(offsets[codes[k] + 1]), data, at)
        places[row] = at


@kernel
def begin(salts: NDArray[np.uint8], data: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
    """Write a leaf's byte 0 and the salt (rows, 16) of each row at its place, and move the place behind them."""
    for row in range(places.size):
        at = places[row]
        data[at] = np.uint8(0)
        for k in range(salts.shape[1]):
            data[at + 1 + k] = salts[row, k]
        places[row] = at + 1 + salts.shape[1]


@kernel
def finish(first: NDArray[np.int64], data: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
    """Pad each message, which begins at block first[row] and ends at its place, to whole blocks of 64 bytes."""
    for row in range(places.size):
        at = places[row]
        n_bits = np.uint64(8 * (at - 64 * first[row]))
        data[at] = np.uint8(128)
        end = 64 * first[row + 1]
        for k in range(at + 1, end - 8):
            data[k] = np.uint8(0)
        for k in range(8):
            data[end - 1 - k] = np.uint8((n_bits >> np.uint64(8 * k)) & np.uint64(255))
