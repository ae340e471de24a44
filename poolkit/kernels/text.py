"""Barcodes to codes: equal texts get equal small integers, once, so that only integers travel after."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

# FNV-1a's 64-bit offset and an odd multiplier from MurmurHash3's finaliser; both only spread, nothing rests on them.
_OFFSET = np.uint64(0xCBF29CE484222325)
_SPREAD = np.uint64(0xFF51AFD7ED558CCD)
_WORD = np.int64(8)
_LOW = np.uint64(0xFFFFFFFF)
_BLOCK = 32


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
def digest(offsets: NDArray[np.int32], data: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> None:
    """Write the hash of each text; equal texts have equal hashes, and different ones nearly always different.

    offsets (texts + 1,) and data (bytes,) are read; hashes (texts,) is written.
    """
    for row in range(hashes.size):
        hashes[row] = _hash(data, offsets[row], offsets[row + 1])


@kernel
def _probe(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    mixed: np.uint64,
    known_offsets: NDArray[np.int32],
    known_data: NDArray[np.uint8],
    table: NDArray[np.uint64],
    firsts: NDArray[np.int32],
) -> tuple[np.int64, np.uint64]:
    """Give the code of one text, or -1, and the place in the table where the search ended."""
    mask = np.uint64(table.size - 1)
    place = mixed & mask
    while table[place] != np.uint64(0):
        entry = table[place]
        if (entry ^ mixed) >> np.uint64(32) == np.uint64(0):
            code = np.int64(entry & _LOW) - 1
            first = firsts[code]
            if _equal(data, start, stop, known_data, known_offsets[first], known_offsets[first + 1]):
                return code, place
        place = (place + np.uint64(1)) & mask
    return np.int64(-1), place


@kernel
def group(
    offsets: NDArray[np.int32],
    data: NDArray[np.uint8],
    table: NDArray[np.uint64],
    firsts: NDArray[np.int32],
    codes: NDArray[np.int32],
) -> np.int64:
    """Give the distinct texts numbers in order of first appearance and return how many there are.

    offsets (texts + 1,) and data (bytes,) are read. table (a power of two above the number of texts, zeroed) holds the
    upper half of a text's hash over its code + 1; firsts (texts,) gets the row of each code's first text;
    codes (texts,) is written. Hashes are taken a block at a time: apart from the search that waits for memory, both run
    faster.
    """
    hashes = np.empty(_BLOCK, np.uint64)
    n_codes = np.int64(0)
    for block in range(0, codes.size, _BLOCK):
        end = min(block + _BLOCK, codes.size)
        for row in range(block, end):
            hashes[row - block] = _hash(data, offsets[row], offsets[row + 1])
        for row in range(block, end):
            mixed = hashes[row - block]
            start, stop = offsets[row], offsets[row + 1]
            if (
                row > block
                and mixed == hashes[row - block - 1]
                and _equal(data, start, stop, data, offsets[row - 1], start)
            ):
                codes[row] = codes[row - 1]
                continue
            code, place = _probe(data, start, stop, mixed, offsets, data, table, firsts)
            if code < 0:
                code = n_codes
                n_codes += 1
                firsts[code] = row
                table[place] = (mixed & ~_LOW) | np.uint64(n_codes)
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
) -> np.int64:
    """Set ``codes[i]`` to the code that `group` gave to the i-th wanted text, or -1; return how many were found.

    offsets, data, table and firsts are as `group` left them; wanted_offsets (wanted + 1,) and wanted_data are read;
    codes (wanted,) is written.
    """
    hashes = np.empty(_BLOCK, np.uint64)
    n_found = np.int64(0)
    for block in range(0, codes.size, _BLOCK):
        end = min(block + _BLOCK, codes.size)
        for row in range(block, end):
            hashes[row - block] = _hash(wanted_data, wanted_offsets[row], wanted_offsets[row + 1])
        for row in range(block, end):
            start, stop = wanted_offsets[row], wanted_offsets[row + 1]
            code, _ = _probe(wanted_data, start, stop, hashes[row - block], offsets, data, table, firsts)
            codes[row] = code
            n_found += code >= 0
    return n_found


@kernel
def renumber(
    codes: NDArray[np.int32], places: NDArray[np.int32], order: NDArray[np.int32], new: NDArray[np.int32]
) -> int:
    """Renumber codes in order of first appearance and return how many are in use.

    codes (rows,) is read, -1 stays -1; places (texts,) starts at -1 and gets each old code's new one; order (texts,)
    gets each new code's old one; new (rows,) is written.
    """
    n_used = 0
    for row in range(codes.size):
        old = codes[row]
        if old < 0:
            new[row] = -1
            continue
        if places[old] < 0:
            places[old] = n_used
            order[n_used] = old
            n_used += 1
        new[row] = places[old]
    return n_used
