"""The head of a commit: one hash over its rows, its circumstances and the head before it, signed by a key elsewhere.

A segment's leaf is its descriptor: path, table, counts, SHA-256 of the file, root of its rows, SHA-256 of its salt key.
The root of a commit is the RFC 9162 tree hash over its segments' leaves, and the head is SHA-256 over the store's id,
the commit's number and time, the head before, the root, and the SHA-256 of everything else that the ledger says of it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from poolkit.trace.merkle import leaf_hash, path_of, root_of, words_of
from poolkit.trace.record import Commit, Segment, written_time

FIRST = hashlib.sha256(b"poolkit: no commit before").hexdigest()
_HEAD = b"poolkit commit head v1\n"
_SIGNED = b"poolkit signed head v1\n"

Sign = Callable[[bytes], tuple[str, bytes]]


class Seal(NamedTuple):
    """What makes a commit evident; all in hexadecimal.

    Attributes
    ----------
    root : str
        Over the commit's segments.
    head : str
        Over the root, the commit's circumstances and the head before.
    key_id, signature : str or None
        Of the key that signed the head; none where no key was at hand.
    """

    root: str
    head: str
    key_id: str | None
    signature: str | None


def seal(store_id: str, commit: Commit, segments: Sequence[Segment], sign: Sign | None) -> Seal:
    """Return root, head and signature of a commit.

    Parameters
    ----------
    store_id
        Of the store, so that a commit of one store is none of another.
    commit
        With its number, time and `previous`; its own root, head and signature are not looked at.
    segments
        In the ledger's order.
    sign
        Returns the id of its key and the signature of some bytes.

    Returns
    -------
    Seal
        To be kept with the commit.
    """
    root = root_of(words_of(segment_leaves(segments))).hex()
    head = head_of(circumstances(store_id, commit, root))
    key_id, signature = sign(signed_bytes(head)) if sign else (None, None)
    return Seal(root, head, key_id, None if signature is None else signature.hex())


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as the one line of JSON that stands for it.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": None})
    b'{"a":null,"b":1}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def descriptor(segment: Segment) -> dict[str, Any]:
    """Return what a segment's leaf says of it."""
    salt = None if segment.salt_key is None else hashlib.sha256(bytes.fromhex(segment.salt_key)).hexdigest()
    return {
        "n_bytes": segment.n_bytes,
        "n_rows": segment.n_rows,
        "path": segment.path,
        "rows_root": segment.rows_root,
        "salt": salt,
        "sha256": segment.sha256,
        "table": segment.table,
    }


def segment_leaves(segments: Sequence[Segment]) -> list[bytes]:
    """Return the leaf hash of each segment."""
    return [leaf_hash(canonical_json(descriptor(segment))) for segment in segments]


def segment_path(segments: Sequence[Segment], place: int) -> list[bytes]:
    """Return the hashes that prove one segment in its commit."""
    return path_of(words_of(segment_leaves(segments)), place)


def circumstances(store_id: str, commit: Commit, root: str) -> dict[str, Any]:
    """Return what a head is made of; counts, rules and actors stand in it only as a hash."""
    told = {
        "actor": commit.actor,
        "computed_at": written_time(commit.computed_at),
        "content_key": commit.content_key,
        "kind": commit.kind,
        "protocol": commit.protocol,
        "protocol_values": commit.protocol_values,
        "source": commit.source,
        "summary": commit.summary,
    }
    return {
        "commit_id": commit.commit_id,
        "committed_at": written_time(commit.committed_at),
        "metadata": hashlib.sha256(canonical_json(told)).hexdigest(),
        "previous": commit.previous,
        "root": root,
        "store_id": store_id,
    }


def head_of(parts: Mapping[str, Any]) -> str:
    """Return the head that these circumstances make.

    Examples
    --------
    >>> len(head_of({"commit_id": 1}))
    64
    """
    return hashlib.sha256(_HEAD + canonical_json(parts)).hexdigest()


def signed_bytes(head: str) -> bytes:
    """Return the bytes that are signed for a head."""
    return _SIGNED + bytes.fromhex(head)
