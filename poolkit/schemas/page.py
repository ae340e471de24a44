"""The page of the tables, printed from the schemas: ``python -m poolkit.schemas.page > docs/tables.md``."""

import sys

import pyarrow as pa

from poolkit.schemas.model import Column, Table
from poolkit.schemas.tables import SCHEMA_VERSION, TABLES

_HEAD = f"""# The tables

Schema version {SCHEMA_VERSION}. This page is printed from `poolkit.schemas` by `python -m poolkit.schemas.page`;
change the schemas, not the page. How one table follows from the others stands in [definitions](definitions.md).

Times are `timestamp[us, UTC]`. Missing is null: never NaN, -1 or an empty text. Text may be dictionary-encoded.
A type with `?` may be null.
"""


def markdown() -> str:
    """Return the page of all tables as Markdown.

    Returns
    -------
    str
        One section a table: its sentence, its key, and a row a column; ends with a newline.

    Examples
    --------
    >>> print(markdown()[:12])
    # The tables
    """
    return "\n".join([_HEAD, *(_section(table) for table in TABLES.values())])


def _section(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    lines = [
        f"## {table.name}",
        "",
        table.doc + (f" Key: {key}." if key else " No key."),
        "",
        "| column | type | unit | meaning |",
        "|---|---|---|---|",
        *(_row(column) for column in table.columns),
        "",
    ]
    return "\n".join(lines)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list<{_kind(kind.value_type)}>"
    if pa.types.is_timestamp(kind):
        return f"timestamp[{kind.unit}, {kind.tz}]"
    return str(kind)


def _row(column: Column) -> str:
    meaning = column.doc
    if column.vocabulary is not None:
        meaning += " One of " + ", ".join(f"`{word}`" for word in column.vocabulary) + "."
    if column.minimum is not None:
        high = "" if column.maximum is None else f" to {column.maximum:g}"
        meaning += f" {column.minimum:g}{high}." if high else f" At least {column.minimum:g}."
    return f"| {column.name} | `{_kind(column.type)}{'?' if column.null else ''}` | {column.unit or ''} | {meaning} |"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(markdown())
