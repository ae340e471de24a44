"""Barcodes to codes: equal texts get equal small integers, once, so that only integers travel after."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

# FNV-1a's 64-bit offset and an odd multiplier from MurmurHash3's finaliser; both only spread, nothing rests on them.
_OFFSET = np.uint64(0xCBF29CE484222325)
_SPREAD = np.uint64(0xFF51AFD7ED558CCD)
_WORD = np.int64(8)


@kernel
def _hash(data: NDArray[np.uint8], start: int, stop: int) -> np.uint64:
    """Mix the bytes of one text, eight at a time."""
    mixed = _OFFSET ^ np.uint64(stop - start)
    k = np.int64(start)
    while k + _WORD <= stop:
        word = np.uint64(0)
        for byte in range(_WORD):
            word |= np.uint64(data[k + byte]) << np.uint64(8 * byte)
        mixed = (mixed ^ word) * _SPREAD
        mixed ^= mixed >> np.uint64(32)
        k += _WORD
    word = np.uint64(0)
    for byte in range(stop - k):
        word |= np.uint64(data[k + byte]) << np.uint64(8 * byte)
    mixed = (mixed ^ word) * _SPREAD
    mixed ^= mixed >> np.uint64(32)
    mixed *= _SPREAD
    return mixed ^ (mixed >> np.uint64(29))


@kernel
def _equal(
    data: NDArray[np.uint8], start: int, stop: int, other: NDArray[np.uint8], other_start: int, other_stop: int
) -> bool:
    """Whether two texts have the same bytes."""
    if stop - start != other_stop - other_start:
        return False
    for k in range(stop - start):
        if data[start + k] != other[other_start + k]:
            return False
    return True


@kernel
def group(
    offsets: NDArray[np.int32],
    data: NDArray[np.uint8],
    table: NDArray[np.uint64],
    firsts: NDArray[np.int32],
    codes: NDArray[np.int32],
) -> int:
    """Give the distinct texts numbers in order of first appearance and return how many there are.

    offsets (texts + 1,) and data (bytes,) are read. table (a power of two above the number of texts, zeroed) holds the
    upper half of a text's hash over its code + 1; firsts (texts,) gets the row of each code's first text;
    codes (texts,) is written.
    """
    mask = np.uint64(table.size - 1)
    low = np.uint64(0xFFFFFFFF)
    n_codes = 0
    for row in range(codes.size):
        start, stop = offsets[row], offsets[row + 1]
        if row > 0 and _equal(data, start, stop, data, offsets[row - 1], start):
            codes[row] = codes[row - 1]
            continue
        mixed = _hash(data, start, stop)
        place = mixed & mask
        code = np.int64(-1)
        while table[place] != np.uint64(0):
            entry = table[place]
            if (entry ^ mixed) >> np.uint64(32) == np.uint64(0):
                known = np.int64(entry & low) - 1
                first = firsts[known]
                if _equal(data, start, stop, data, offsets[first], offsets[first + 1]):
                    code = known
                    break
            place = (place + np.uint64(1)) & mask
        if code < 0:
            code = np.int64(n_codes)
            n_codes += 1
            firsts[code] = row
            table[place] = (mixed & ~low) | np.uint64(n_codes)
        codes[row] = code
    return n_codes


@kernel
def find(
    offsets: NDArray[np.int32],
    data: NDArray[np.uint8],
    table: NDArray[np.uint64],
    firsts: NDArray[np.int32],
    wanted_offsets: NDArray[np.int32],
    wanted_data: NDArray[np.uint8],
    codes: NDArray[np.int32],
) -> None:
    """Set ``codes[i]`` to the code that `group` gave to the i-th wanted text, or -1.

    offsets, data, table and firsts are as `group` left them; wanted_offsets (wanted + 1,) and wanted_data are read;
    codes (wanted,) is written.
    """
    mask = np.uint64(table.size - 1)
    low = np.uint64(0xFFFFFFFF)
    for row in range(codes.size):
        start, stop = wanted_offsets[row], wanted_offsets[row + 1]
        mixed = _hash(wanted_data, start, stop)
        place = mixed & mask
        codes[row] = -1
        while table[place] != np.uint64(0):
            entry = table[place]
            if (entry ^ mixed) >> np.uint64(32) == np.uint64(0):
                known = np.int64(entry & low) - 1
                first = firsts[known]
                if _equal(wanted_data, start, stop, data, offsets[first], offsets[first + 1]):
                    codes[row] = known
                    break
            place = (place + np.uint64(1)) & mask
