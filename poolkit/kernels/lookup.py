"""Where a text may stand: hashes sorted into buckets, and results that stand in the order of their samples."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

_WORD_BITS = np.uint64(32)
_HASH_BITS = np.uint64(64)
_AHEAD = 8192
_LOOKS_A_ROW = 16


@kernel
def shelve(
    packed: NDArray[np.uint64], low_bits: int, bucket_bits: int, code_bits: int, words: NDArray[np.uint32]
) -> np.int64:
    """Write sorted entries as a directory of buckets and 32-bit words, each once; return how many words there are.

    packed (entries,) is read: the upper bits of a hash over a block's code in the lowest low_bits. words gets the start
    of each bucket and the end of the last one, counted from the first entry, then the entries: the hash's bits below
    the bucket's over code_bits of code.
    """
    n_buckets = np.int64(1) << bucket_bits
    first = n_buckets + 1
    low = np.uint64(low_bits)
    bucket_shift = _HASH_BITS - np.uint64(bucket_bits)
    rest_shift = np.uint64(bucket_bits)
    # What is left of the hash once the bucket is known, brought to the upper end of a word.
    keep_shift = np.uint64(32 + code_bits)
    code_mask = (np.uint64(1) << low) - np.uint64(1)
    n_words = np.int64(0)
    filled = np.int64(0)
    words[0] = 0
    last = np.uint64(0)
    for row in range(packed.size):
        entry = packed[row]
        bucket = np.int64(0)
        if bucket_bits > 0:
            bucket = np.int64(entry >> bucket_shift)
        rest = ((entry & ~code_mask) << rest_shift) >> keep_shift
        word = (rest << np.uint64(code_bits)) | (entry & code_mask)
        if bucket > filled:
            while filled < bucket:
                filled += 1
                words[filled] = n_words
        elif n_words > 0 and word == last:
            continue
        words[first + n_words] = np.uint32(word)
        last = word
        n_words += 1
    while filled < n_buckets:
        filled += 1
        words[filled] = n_words
    return n_words


@kernel
def seek(
    words: NDArray[np.uint32],
    bucket_bits: int,
    code_bits: int,
    hashes: NDArray[np.uint64],
    owners: NDArray[np.int32],
    codes: NDArray[np.int32],
) -> np.int64:
    """Find the blocks that may hold each hash; return how many there are, also where there was no room for all.

    words is as `shelve` left it, cut after the last entry; hashes (wanted,) is read. owners and codes, of one length,
    get the place of the hash and the code of the block for each block found.
    """
    n_buckets = np.int64(1) << bucket_bits
    first = n_buckets + 1
    n_entries = words.size - first
    code_mask = np.uint32((np.int64(1) << code_bits) - 1)
    n_found = np.int64(0)
    for wanted in range(hashes.size):
        mixed = hashes[wanted]
        bucket = np.int64(0)
        if bucket_bits > 0:
            bucket = np.int64(mixed >> (_HASH_BITS - np.uint64(bucket_bits)))
        rest = np.uint32((mixed << np.uint64(bucket_bits)) >> np.uint64(32 + code_bits))
        # A damaged directory must not lead out of the file.
        stop = min(np.int64(words[bucket + 1]), n_entries)
        for place in range(np.int64(words[bucket]), stop):
            word = words[first + place]
            if word >> np.uint32(code_bits) == rest:
                if n_found < codes.size:
                    owners[n_found] = wanted
                    codes[n_found] = np.int32(word & code_mask)
                n_found += 1
    return n_found


@kernel
def pair(hashes: NDArray[np.uint64], others: NDArray[np.uint64], rows: NDArray[np.int32]) -> None:
    """Set ``rows[i]`` to the row of `others` that has the hash of row i, where both stand in about one order; else -1.

    hashes (rows,) and others are read; rows (rows,) is written. A row is looked for a little ahead of the one that was
    found last, and the looks are counted: where the orders differ nothing is found, but no time is lost either.
    """
    looks = _LOOKS_A_ROW * hashes.size + _AHEAD
    place = 0
    for row in range(hashes.size):
        rows[row] = -1
        stop = min(others.size, place + min(_AHEAD, looks))
        for ahead in range(place, stop):
            if others[ahead] == hashes[row]:
                rows[row] = ahead
                looks -= ahead - place
                place = ahead + 1
                break
        if rows[row] < 0 and stop > place:
            looks -= stop - place
