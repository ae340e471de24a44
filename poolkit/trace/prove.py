"""Proofs: one row, and the hashes that show it was in a signed commit; they can be checked without the store."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from poolkit.errors import Problem, TraceError
from poolkit.schemas import SCHEMA_VERSION, TABLES, Table
from poolkit.trace.canonical import leaf_digests, row_bytes, salt_of
from poolkit.trace.files import Files
from poolkit.trace.heads import canonical_json, circumstances, descriptor, head_of, segment_path, signed_bytes
from poolkit.trace.keys import verified
from poolkit.trace.merkle import leaf_hash, path_of, root_from_path
from poolkit.trace.record import Commit, Segment
from poolkit.trace.segments import read_segment

FORMAT = "poolkit proof v1"
_PARTS = {"format", "schema_version", "table", "row", "salt", "place", "path", "segment", "segment_place"} | {
    "n_segments",
    "segment_path",
    "commit",
    "head",
    "key_id",
    "signature",
}


def prove(
    store_id: str, commit: Commit, segments: Sequence[Segment], files: Files, *, place: int, row: int
) -> dict[str, Any]:
    """Return the proof that a row is in a commit.

    Parameters
    ----------
    store_id
        Of the store.
    commit, segments
        The commit with all of its segments.
    files
        Where they are.
    place
        Which of the segments holds the row.
    row
        Its place there.

    Returns
    -------
    dict
        To be written as JSON: the row, its salt, the hashes up to the commit's head, and the head's signature. Of other
        rows it holds salted hashes only.
    """
    segment = segments[place]
    described = TABLES[segment.table]
    assert segment.salt_key is not None
    salt_key = bytes.fromhex(segment.salt_key)
    table = read_segment(files, segment)
    (values,) = table.slice(row, 1).to_pylist()
    return {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "table": segment.table,
        "row": _told(values),
        "salt": salt_of(salt_key, row).hex(),
        "place": row,
        "path": _hex(path_of(leaf_digests(table, described, salt_key), row)),
        "segment": descriptor(segment),
        "segment_place": place,
        "n_segments": len(segments),
        "segment_path": _hex(segment_path(segments, place)),
        "commit": circumstances(store_id, commit, commit.root),
        "head": commit.head,
        "key_id": commit.key_id,
        "signature": commit.signature,
    }


def _hex(hashes: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def check_proof(proof: Mapping[str, Any], *, public: bytes | None = None, kept: Sequence[str] = ()) -> dict[str, Any]:
    """Check a proof by itself: no store is needed, only a public key or a head that was kept.

    Parameters
    ----------
    proof
        As `poolkit prove` writes it.
    public
        Public keys in PEM, from somebody who is trusted.
    kept
        Heads that were kept elsewhere; the proof's head has to be among them when there is no key.

    Returns
    -------
    dict
        The row that is proven, as Python values.

    Raises
    ------
    TraceError
        When the proof does not hold, with everything that is wrong with it; or when neither key nor head is given.

    Notes
    -----
    It shows what was committed then. Whether something newer was said of the sample since, only the store knows.

    Examples
    --------
    >>> from poolkit.trace.prove import check_proof
    >>> check_proof({}, kept=["00"])
    Traceback (most recent call last):
        ...
    poolkit.errors.TraceError: not a proof of poolkit, 1 problem(s):
      - format: expected 'poolkit proof v1', found None
    """
    if public is None and not kept:
        raise TraceError("nothing to check against", [Problem("key", "expected public keys, or a head that was kept")])
    found = proof.get("format") if isinstance(proof, Mapping) else None
    if found != FORMAT:
        raise TraceError("not a proof of poolkit", [Problem("format", f"expected {FORMAT!r}, found {found!r}")])
    try:
        row, problems = _checked(proof)
        problems += _trusted(proof, public, kept)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as reason:
        raise TraceError("not a proof of poolkit", [Problem("document", f"damaged: {reason!r}")]) from None
    if problems:
        raise TraceError("the proof does not hold", problems)
    return row


def _checked(proof: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Climb from the row to the head."""
    if set(proof) != _PARTS:
        raise ValueError(f"expected {', '.join(sorted(_PARTS))}, found {', '.join(sorted(map(str, proof)))}")
    if not _is_whole(proof["schema_version"]) or proof["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"expected schema version {SCHEMA_VERSION}, found {proof['schema_version']!r}")
    if not all(map(_is_whole, (proof["place"], proof["segment_place"], proof["n_segments"]))):
        raise ValueError("expected whole numbers as places")
    described = TABLES[proof["table"]]
    row = _parsed(proof["row"], described)
    segment, commit = proof["segment"], proof["commit"]
    leaf = leaf_hash(_bytes(proof["salt"]) + row_bytes(row, described))
    problems = []
    if segment["table"] != proof["table"]:
        problems.append(Problem("table", f"the segment is one of {segment['table']!r}, not of {proof['table']!r}"))
    rows_root = root_from_path(leaf, proof["place"], segment["n_rows"], _unhex(proof["path"]))
    if rows_root is None or rows_root.hex() != segment["rows_root"]:
        problems.append(Problem("row", "the row, its salt or its place is not what was committed"))
    root = root_from_path(
        leaf_hash(canonical_json(segment)),
        proof["segment_place"],
        proof["n_segments"],
        _unhex(proof["segment_path"]),
    )
    if root is None or root.hex() != commit["root"]:
        problems.append(Problem("segment", "the segment is not in the commit"))
    if head_of(commit) != proof["head"]:
        problems.append(Problem("commit", "the head is not that of the commit"))
    return row, problems


def _unhex(hashes: Sequence[str]) -> list[bytes]:
    if not isinstance(hashes, list):
        raise TypeError("expected a list of hashes")
    return [_bytes(each) for each in hashes]


def _bytes(text: str) -> bytes:
    """Return bytes as `prove` writes them; Python would take spaces and large letters too."""
    data = bytes.fromhex(text)
    if data.hex() != text:
        raise ValueError(f"expected hexadecimal digits, found {text!r}")
    return data


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _trusted(proof: Mapping[str, Any], public: bytes | None, kept: Sequence[str]) -> list[Problem]:
    problems = []
    if kept and proof["head"] not in kept:
        problems.append(Problem("head", "not among the heads that were kept"))
    if public is not None:
        if proof["signature"] is None:
            problems.append(Problem("signature", "expected one, found none: no key signed this commit"))
        elif not verified(public, proof["key_id"], signed_bytes(proof["head"]), _bytes(proof["signature"])):
            problems.append(Problem("signature", f"of key {proof['key_id']}: not by the key given"))
    return problems


def _parsed(row: Mapping[str, Any], described: Table) -> dict[str, Any]:
    """Return the row's values; what is no column or is not there is an error of its own."""
    if set(row) != set(described.names):
        raise ValueError(f"expected the columns {', '.join(described.names)}, found {', '.join(row)}")
    return {name: _value(row[name], described[name].type) for name in described.names}


def _value(value: Any, kind: pa.DataType) -> Any:
    """Return a value that is written as `prove` writes it; there is no other way to write it."""
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None or moment.astimezone(UTC).isoformat() != value:
            raise ValueError(f"expected a time in UTC, found {value!r}")
        return moment.astimezone(UTC)
    if pa.types.is_floating(kind):
        right = isinstance(value, float) or (_is_whole(value) and float(value) == value)
    elif pa.types.is_list(kind):
        right = isinstance(value, list) and all(isinstance(each, str) for each in value)
    else:
        right = isinstance(value, str) if pa.types.is_string(kind) else _is_whole(value)
    if not right:
        raise TypeError(f"expected {kind}, found {value!r}")
    return float(value) if pa.types.is_floating(kind) else value
