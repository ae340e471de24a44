"""Leaves and trees written from RFC 9162, section 2.1.1, and from the sentence on what the bytes of a row are."""

import hashlib
import struct
from typing import Any


def number(value: int) -> bytes:
    """A length as a base-128 number, least digit first; the highest bit says that more follow."""
    digits = []
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit + (128 if value else 0))
        if not value:
            return bytes(digits)


def value_bytes(value: Any) -> bytes:
    """A value's bytes by its kind: text, list of texts, whole number, double; times come as microseconds."""
    if value is None:
        return bytes(1)
    if isinstance(value, str):
        return number(len(value.encode()) + 1) + value.encode()
    if isinstance(value, list):
        return number(len(value) + 1) + b"".join(value_bytes(each) for each in value)
    return b"\1" + struct.pack("<d" if isinstance(value, float) else "<q", value)


def leaf(salt: bytes, values: list[Any]) -> bytes:
    return hashlib.sha256(b"\0" + salt + b"".join(value_bytes(value) for value in values)).digest()


def split(n: int) -> int:
    """The largest power of two below n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def tree_hash(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\1" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def inclusion_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*inclusion_path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*inclusion_path(m - k, leaves[k:]), tree_hash(leaves[:k])]
