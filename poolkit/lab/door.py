"""The door: identity numbers become pseudonyms before anything else sees them, or are refused where there is no key."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import coded, encode, plain
from poolkit.errors import Problem, SchemaError, TraceError, some
from poolkit.trace.keys import KeyRing, canonical_id
from poolkit.trace.snapshot import Snapshot

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_PSEUDONYM = r"^[0-9a-f]{8}\.[0-9a-f]{32}$"
_PSEUDONYM_BYTES = 41
_SHORTENED = r"^\s*[0-9](\.[0-9]+)?[eE]\+?1[0-9]\s*$"
_UNSEEN = r"[\s\p{Z}\p{Cf}]*"
_DIGITS = rf"^{_UNSEEN}\p{{Nd}}{{17}}[\p{{Nd}}Xx\x{{FF38}}\x{{FF58}}]{_UNSEEN}$"
_SHORT_BYTES = 26
_LENGTHS = pa.array([*range(18, 32)])
_NAMES = ("sample_id", "subject_id", "site_id", "tube_id", "group_id", "recollect_of")


def pseudonymised(samples: pa.Table, ring: KeyRing | None, known: Snapshot | None = None) -> pa.Table:
    """Return samples whose subjects are pseudonyms.

    Parameters
    ----------
    samples : pyarrow.Table
        As they were read; a table without ``subject_id``, or with one of another type, is passed on to be refused.
    ring
        The laboratory's keys; without them identity numbers are refused.
    known
        The store: who stands in it under an older key keeps that pseudonym, so that one person stays one.

    Returns
    -------
    pyarrow.Table
        The samples; with keys ``subject_id`` is ``KEY.`` and 32 hexadecimal digits of HMAC-SHA-256 in every row.

    Raises
    ------
    SchemaError
        When there is no key and a subject looks like an identity number, or a subject is a pseudonym of a key that is
        not at hand; the rows are named, the numbers are not.
    """
    for name in _NAMES:
        if _has_text(samples, name):
            _refuse_identities(samples, name, clear=ring is None or name != "subject_id")
    if ring is None or not _has_text(samples, "subject_id"):
        return samples
    column = samples["subject_id"]
    codes, texts = encode(column if pa.types.is_dictionary(column.type) else column.cast(pa.string()))
    _refuse_foreign(codes, texts, ring)
    made = ring.pseudonyms(texts)
    for key in ring.keys[:-1]:
        if known is None:
            break
        older = ring.pseudonyms(texts, key.key_id)
        there = plain(known.rows("samples", columns=["subject_id"], subject_id=older)["subject_id"])
        made = pc.if_else(pc.is_in(older, there), older, made)
    return samples.set_column(samples.schema.get_field_index("subject_id"), "subject_id", coded(codes, made))


def _has_text(samples: pa.Table, name: str) -> bool:
    place = samples.schema.get_field_index(name)
    if place < 0:
        return False
    kind = samples.schema.field(place).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def _refuse_identities(samples: pa.Table, name: str, *, clear: bool) -> None:
    """Name the rows of identity numbers, or of what a spreadsheet left of them; what stands there is not shown."""
    texts = plain(samples[name])
    n_bytes = pc.binary_length(texts)
    # Nearly no barcode is as long as these are; full-width digits and unseen marks are not ASCII.
    long = pc.fill_null(pc.is_in(n_bytes, _LENGTHS.cast(n_bytes.type)), False)
    ascii_only = pc.string_is_ascii(texts)
    if pc.all(ascii_only).as_py() is False:
        long = pc.or_(long, pc.fill_null(pc.invert(ascii_only), False))
    candidates = pc.indices_nonzero(long) if clear else pa.array([], pa.uint64())
    candidates = candidates.filter(pc.match_substring_regex(texts.take(candidates), _DIGITS))
    looked_at = zip(candidates.to_pylist(), texts.take(candidates).to_pylist(), strict=True)
    rows = tuple(row for row, text in looked_at if is_identity(text))
    what = "identity numbers in clear stand here: give the laboratory's keys with --key"
    if name != "subject_id":
        what = "identity numbers in clear stand here, where none belongs: are the columns in order?"
    if not rows and name == "subject_id":
        short = pc.fill_null(pc.less(n_bytes, _SHORT_BYTES), False)
        marked = (
            pc.and_(short, pc.fill_null(pc.match_substring_regex(texts, _SHORTENED), False)) if pc.any(short) else short
        )
        rows = tuple(pc.indices_nonzero(marked).to_pylist())
        what = "a spreadsheet shortened these numbers: export the column as text"
    if rows:
        raise SchemaError("not a 'samples' batch", [Problem(name, what, rows)])


def _refuse_foreign(codes: NDArray[np.int32], texts: pa.Array, ring: KeyRing) -> None:
    """Refuse pseudonyms of other keys: a pseudonym of a pseudonym would be one more person."""
    long = pc.indices_nonzero(pc.equal(pc.binary_length(texts), _PSEUDONYM_BYTES))
    alike = long.filter(pc.match_substring_regex(texts.take(long), _PSEUDONYM)).to_pylist()
    foreign = {place: texts[place].as_py() for place in alike if not ring.is_pseudonym(texts[place].as_py())}
    if foreign:
        rows = tuple(np.flatnonzero(np.isin(codes, list(foreign))).tolist())
        named = some(sorted({text.partition(".")[0] for text in foreign.values()}))
        raise SchemaError(
            "not a 'samples' batch", [Problem("subject_id", f"pseudonyms of a key that is not at hand: {named}", rows)]
        )


def refuse_inside(ring: KeyRing, store: Path) -> None:
    """Refuse keys that lie inside the store, where whoever copies the one has the other.

    Raises
    ------
    TraceError
        When they do.
    """
    if store.resolve() in ring.path.resolve().parents:
        raise TraceError("no keys", [Problem(str(ring.path), "expected a place outside the store")])


def is_identity(text: str) -> bool:
    """Return whether a text is a resident identity number: eighteen digits, a date among them, and the check digit.

    Examples
    --------
    >>> is_identity("999999180001010016"), is_identity("999999180001010017"), is_identity("S00001220401000000001")
    (True, False, False)

    References
    ----------
    GB 11643-1999; ISO 7064, MOD 11-2.
    """
    number = canonical_id(text)
    if len(number) != len(_WEIGHTS) + 1 or not number[:-1].isascii() or not number[:-1].isdigit():
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    return number[-1] == _CHECKS[total % 11]


def names_of(ring: KeyRing | None, any_id: str) -> list[str]:
    """Return what somebody who asks for an id may mean: the id itself, then its pseudonym under each key.

    Examples
    --------
    >>> names_of(None, "S1")
    ['S1']
    """
    if ring is None or ring.is_pseudonym(any_id):
        return [any_id]
    asked = pa.array([any_id], pa.string())
    return [any_id, *(ring.pseudonyms(asked, key.key_id)[0].as_py() for key in reversed(ring.keys))]
