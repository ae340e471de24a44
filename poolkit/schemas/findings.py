"""Findings as stages note them, and the table they become."""

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from poolkit.schemas.tables import FINDINGS


class Finding(NamedTuple):
    """One thing that does not add up."""

    kind: str
    severity: str
    ids: tuple[str, ...]
    message: str


def findings_table(findings: Iterable[Finding]) -> pa.Table:
    """Return the findings as a table, each once, errors first, then by kind and ids.

    Examples
    --------
    >>> findings_table([Finding("slot_twice", "error", ("T1", "S1", "S2"), "two swabs in slot 3")]).num_rows
    1
    """
    rank = {"error": 0, "warning": 1, "info": 2}
    unique = {(each.kind, each.ids): each for each in findings}
    ordered = sorted(unique.values(), key=lambda each: (rank[each.severity], each.kind, each.ids))
    columns = list(zip(*ordered, strict=True)) if ordered else [(), (), (), ()]
    arrays = [
        pa.array([list(entry) for entry in values] if field.name == "ids" else list(values), field.type)
        for values, field in zip(columns, FINDINGS.schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=FINDINGS.schema)
