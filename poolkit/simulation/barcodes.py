"""Barcodes and pseudonyms by the million: digits written into one byte matrix, without a loop over rows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Number = tuple[NDArray[np.int64], int]

_HEX = np.frombuffer("".join(f"{value:02x}" for value in range(256)).encode(), np.uint8).reshape(256, 2)


def barcodes(n_rows: int, *parts: str | Number) -> pa.Array:
    """Return one text a row, all of one length, put together from constants and numbers.

    Parameters
    ----------
    n_rows
        Rows.
    *parts
        From left to right: an ASCII constant, or (numbers, digits), padded with zeros on the left.

    Returns
    -------
    pyarrow.Array
        string, shape (n_rows,).

    Notes
    -----
    O(rows x length). A number that does not fit its digits is a defect of the caller.

    Examples
    --------
    >>> import numpy as np
    >>> barcodes(2, "T", (np.array([7, 12]), 3)).to_pylist()
    ['T007', 'T012']
    """
    width = sum(len(part) if isinstance(part, str) else part[1] for part in parts)
    text = np.empty((n_rows, width), np.uint8)
    at = 0
    for part in parts:
        if isinstance(part, str):
            text[:, at : at + len(part)] = np.frombuffer(part.encode("ascii"), np.uint8)
            at += len(part)
        else:
            rest, digits = part
            assert not n_rows or 0 <= int(rest.min()) <= int(rest.max()) < 10**digits, (part, digits)
            for place in range(at + digits - 1, at - 1, -1):
                rest, digit = np.divmod(rest, 10)
                text[:, place] = digit + ord("0")
            at += digits
    return _strings(text)


def pseudonyms(n_rows: int, rng: np.random.Generator, prefix: str = "") -> pa.Array:
    """Return distinct texts of 16 hexadecimal characters that look like hashes.

    Parameters
    ----------
    n_rows
        Rows.
    rng
        Where the first of them comes from.
    prefix
        ASCII text in front of each.

    Returns
    -------
    pyarrow.Array
        string, shape (n_rows,), no two equal.

    Notes
    -----
    O(rows). Consecutive numbers from a random start go through the finaliser of SplitMix64, which is one to one.

    References
    ----------
    Steele, Lea, Flood 2014, *Fast splittable pseudorandom number generators*, OOPSLA, figure 16.

    Examples
    --------
    >>> import numpy as np
    >>> names = pseudonyms(1000, np.random.default_rng(1)).to_pylist()
    >>> len(set(names)), {len(name) for name in names}
    (1000, {16})
    """
    start = rng.integers(0, 2**64, dtype=np.uint64)
    bits = start + np.arange(n_rows, dtype=np.uint64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    digits = _HEX[bits.astype(">u8").view(np.uint8)].reshape(n_rows, 16)
    head = np.broadcast_to(np.frombuffer(prefix.encode("ascii"), np.uint8), (n_rows, len(prefix)))
    return _strings(np.ascontiguousarray(np.hstack([head, digits])) if prefix else digits)


def coded(codes: NDArray[np.integer], values: pa.Array | Sequence[str], *, null: bool = False) -> pa.DictionaryArray:
    """Return a column of repeated texts as codes into its distinct values.

    Parameters
    ----------
    codes
        Which value stands in each row, shape (rows,); with `null`, -1 for none.
    values
        The distinct texts.
    null
        Whether -1 may occur.

    Returns
    -------
    pyarrow.DictionaryArray
        dictionary<int32, string>, shape (rows,).

    Examples
    --------
    >>> import numpy as np
    >>> coded(np.array([1, -1, 0]), ["N", "ORF1ab"], null=True).to_pylist()
    ['ORF1ab', None, 'N']
    """
    texts = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    mask = np.asarray(codes) < 0 if null else None
    return pa.DictionaryArray.from_arrays(pa.array(np.asarray(codes, np.int32), mask=mask), texts)


def _strings(text: NDArray[np.uint8]) -> pa.Array:
    n_rows, width = text.shape
    assert n_rows * width < 2**31, "one Arrow string array holds 2 GiB"
    offsets = np.arange(n_rows + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(n_rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))
