"""HMAC-SHA-256 of many short texts at once.

References
----------
RFC 2104; FIPS 180-4, section 5.1.1, for the padding.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import coded_bytes
from poolkit.kernels.hashing import hash_messages

_BLOCK = 64
_DIGEST = 32
_AT_ONCE = 4096
_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint8).reshape(256, 2)


def keyed_texts(secret: bytes, texts: pa.Array, prefix: str, digits: int) -> pa.Array:
    """Return a prefix and the first hexadecimal digits of the HMAC-SHA-256 of each text.

    Parameters
    ----------
    secret
        At most 64 bytes.
    texts
        Text without null.
    prefix
        ASCII.
    digits
        An even number, at most 64.

    Returns
    -------
    pyarrow.StringArray
        Of as many rows.

    Notes
    -----
    O(bytes); the texts of one length are hashed together.
    """
    _, offsets, data = coded_bytes(texts)
    lengths = np.diff(offsets[: len(texts) + 1])
    inner, outer = (
        np.frombuffer(bytes(byte ^ by for byte in secret.ljust(_BLOCK, b"\0")), np.uint8) for by in (54, 92)
    )
    head = len(prefix)
    made = np.empty((len(texts), head + digits), np.uint8)
    made[:, :head] = np.frombuffer(prefix.encode(), np.uint8)
    for length in np.unique(lengths).tolist():
        alike = np.flatnonzero(lengths == length)
        # So few at a time that they stay in the processor's cache.
        for start in range(0, alike.size, _AT_ONCE):
            rows = alike[start : start + _AT_ONCE]
            bodies = data[offsets[rows][:, None].astype(np.int64) + np.arange(length)]
            found = _hashed(outer, _hashed(inner, bodies))[:, : digits // 2]
            made[rows, head:] = _HEX[found].reshape(rows.size, digits)
    ends = np.arange(len(texts) + 1, dtype=np.int32) * np.int32(head + digits)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(made))


def _hashed(pad: NDArray[np.uint8], bodies: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the digests (rows, 32) of a block and each of some bodies (rows, bytes) behind it."""
    n_rows, length = bodies.shape
    n_blocks = 1 + -(-(length + 9) // _BLOCK)
    messages = np.zeros((n_rows, n_blocks * _BLOCK), np.uint8)
    messages[:, :_BLOCK] = pad
    messages[:, _BLOCK : _BLOCK + length] = bodies
    messages[:, _BLOCK + length] = 128
    messages[:, -8:] = np.frombuffer((8 * (_BLOCK + length)).to_bytes(8, "big"), np.uint8)
    digests = np.empty((8, n_rows), np.uint32)
    hash_messages(messages.reshape(-1).view(np.uint32), np.arange(n_rows + 1, dtype=np.int64) * n_blocks, digests)
    return np.ascontiguousarray(digests.T.astype(">u4")).view(np.uint8).reshape(n_rows, _DIGEST)


def canonical_texts(texts: pa.Array, slowly: pa.Array) -> pa.Array:
    """Return plain ASCII texts without spaces around and in capitals, and what was given for every other one.

    Parameters
    ----------
    texts
        Text without null.
    slowly
        What stands for each text that `is_plain` does not hold for, in their order.
    """
    made = pc.ascii_upper(pc.ascii_trim(texts, " "))
    return pc.replace_with_mask(made, pc.invert(is_plain(texts)), slowly) if len(slowly) else made


def is_plain(texts: pa.Array) -> pa.Array:
    """Return which texts are printable ASCII."""
    return pc.invert(pc.match_substring_regex(texts, r"[^ -~]"))
