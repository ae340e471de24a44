"""What is recorded of a commit: its columns in the ledger, and its one line in the journal."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

_TIMES = ("committed_at", "computed_at")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a commit: part of one table, or the commit's index.

    Attributes
    ----------
    path : str
        Below the folder of the store's data, with ``/``.
    table : str
        Whose rows it holds.
    n_rows, n_bytes : int
        Of the file.
    sha256 : str
        Of the file.
    rows_root : str or None
        Of the tree over its rows; none for a file without rows.
    salt_key : str or None
        Of which the salt of each row is made.
    """

    path: str
    table: str
    n_rows: int
    n_bytes: int
    sha256: str
    rows_root: str | None = None
    salt_key: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One step, kept as a whole.

    Attributes
    ----------
    commit_id : int
        Counted from 1.
    content_key : str
        SHA-256 of the inputs and the protocol: the same folder gives the same key.
    committed_at, computed_at : datetime
        When it was written, later than every commit before; and the moment the computation speaks of.
    protocol, protocol_values, source : str
        The rules, all their values, and the folder.
    summary : dict
        Counts of the run.
    kind : str
        ``run``, ``amend``, ``approve`` or ``orders``.
    actor : str or None
        Who did it, where somebody has to say so.
    previous, root, head : str
        The head of the commit before, the root over the segments, and the head of this one.
    key_id, signature : str or None
        Of the key that signed the head.
    repeated : bool
        Whether the contents were known already, so that nothing was written.
    """

    commit_id: int
    content_key: str
    committed_at: datetime
    computed_at: datetime
    protocol: str
    source: str
    summary: dict[str, Any]
    kind: str = "run"
    actor: str | None = None
    protocol_values: str = ""
    previous: str = ""
    root: str = ""
    head: str = ""
    key_id: str | None = None
    signature: str | None = None
    repeated: bool = False


Record = tuple[Commit, tuple[Segment, ...]]

_COLUMNS = tuple(field.name for field in fields(Commit) if field.name != "repeated")


def columns_of(commit: Commit) -> dict[str, Any]:
    """Return a commit as the ledger's columns, times and counts as text."""
    values = {name: getattr(commit, name) for name in _COLUMNS}
    values |= {name: written_time(values[name]) for name in _TIMES}
    return values | {"summary": _compact(commit.summary)}


def commit_of(row: Mapping[Any, Any]) -> Commit:
    """Return the commit that a row of the ledger speaks of.

    Raises
    ------
    KeyError, TypeError, ValueError
        When the row is not one of a commit.
    """
    values = {name: row[name] for name in _COLUMNS}
    values |= {name: datetime.fromisoformat(values[name]) for name in _TIMES}
    return Commit(**(values | {"summary": json.loads(values["summary"])}))


def written_time(moment: datetime) -> str:
    """Return a time as text that sorts as time does.

    Examples
    --------
    >>> written_time(datetime(2022, 4, 1, 8, tzinfo=UTC))
    '2022-04-01T08:00:00.000000+00:00'
    """
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def line_of(commit: Commit, segments: Sequence[Segment]) -> bytes:
    """Return a commit and its segments as one line of JSON, the same for the same commit.

    Parameters
    ----------
    commit
        As the ledger keeps it.
    segments
        Its segments, in order.

    Returns
    -------
    bytes
        ASCII, with the newline.
    """
    document = columns_of(commit) | {"segments": [asdict(segment) for segment in segments]}
    return _compact(document).encode() + b"\n"


def record_of(line: bytes) -> Record:
    """Return the commit and the segments that a line speaks of.

    Parameters
    ----------
    line
        From `line_of`.

    Returns
    -------
    tuple of Commit and tuple of Segment
        As they were written.

    Raises
    ------
    KeyError, TypeError, ValueError
        When the line is not one of a commit.
    """
    document = json.loads(line)
    return commit_of(document), tuple(Segment(**segment) for segment in document["segments"])


def _compact(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
