"""Merkle trees of RFC 9162: one hash that stands for many, and the few hashes that prove one of them in it.

References
----------
RFC 9162, Certificate Transparency Version 2.0, sections 2.1.1 (tree hash), 2.1.3.1 and 2.1.3.2 (inclusion proofs).
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels.hashing import hash_pairs

_LEAF, _NODE = b"\0", b"\1"


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf.

    Examples
    --------
    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return hashlib.sha256(_NODE + left + right).digest()


def words_of(hashes: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return hashes as the columns of words that kernels work on."""
    words = np.array([np.frombuffer(each, ">u4") for each in hashes], np.uint32).reshape(-1, 8)
    return np.ascontiguousarray(words.T, np.uint32)


def _levels(digests: NDArray[np.uint32]) -> Iterator[NDArray[np.uint32]]:
    """Give the leaves' hashes, then each level above them up to the root; who has no neighbour moves up as it is."""
    yield digests
    while digests.shape[1] > 1:
        above = np.empty((8, digests.shape[1] // 2), np.uint32)
        hash_pairs(digests, above)
        digests = above if digests.shape[1] % 2 == 0 else np.concatenate([above, digests[:, -1:]], axis=1)
        yield digests


def _bytes_at(digests: NDArray[np.uint32], place: int) -> bytes:
    return digests[:, place].astype(">u4").tobytes()


def root_of(digests: NDArray[np.uint32]) -> bytes:
    """Return the tree hash of leaves.

    Parameters
    ----------
    digests : numpy.ndarray of uint32
        (8, leaves) the words of each leaf's hash.

    Returns
    -------
    bytes
        Thirty-two; of no leaf at all the hash of nothing.

    Examples
    --------
    >>> root_of(words_of([leaf_hash(b"one"), leaf_hash(b"two")])) == node_hash(leaf_hash(b"one"), leaf_hash(b"two"))
    True
    """
    if digests.shape[1] == 0:
        return hashlib.sha256().digest()
    *_, top = _levels(digests)
    return _bytes_at(top, 0)


def path_of(digests: NDArray[np.uint32], place: int) -> list[bytes]:
    """Return the hashes that prove the leaf at a place in its tree, from its neighbour up."""
    path = []
    for level in _levels(digests):
        beside = place ^ 1
        if beside < level.shape[1]:
            path.append(_bytes_at(level, beside))
        place >>= 1
    return path


def root_from_path(leaf: bytes, place: int, n_leaves: int, path: Sequence[bytes]) -> bytes | None:
    """Return the tree hash that a proof of inclusion leads to, or None when it can be no proof of this place.

    Parameters
    ----------
    leaf
        Hash of the leaf.
    place, n_leaves
        Which of how many leaves.
    path
        As `path_of` returns it.

    Returns
    -------
    bytes or None
        To be compared with the root.

    Examples
    --------
    >>> leaves = [leaf_hash(bytes([k])) for k in range(5)]
    >>> path = path_of(words_of(leaves), 3)
    >>> root_from_path(leaves[3], 3, 5, path) == root_of(words_of(leaves))
    True
    >>> root_from_path(leaves[3], 5, 5, path) is None
    True
    """
    if not 0 <= place < n_leaves:
        return None
    last, node = n_leaves - 1, leaf
    for beside in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            node = node_hash(beside, node)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            node = node_hash(node, beside)
        place >>= 1
        last >>= 1
    return node if last == 0 else None
