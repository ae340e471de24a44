"""What a table is: columns with a type, a unit, a nullness and one sentence, and a key."""

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: pa.DataType
    doc: str
    unit: str | None = None
    null: bool = False
    vocabulary: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of the house: its name, one sentence, its columns and the key that identifies a row."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, units and sentences as field metadata."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    column.type,
                    nullable=column.null,
                    metadata={"doc": column.doc} | ({"unit": column.unit} if column.unit else {}),
                )
                for column in self.columns
            ]
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        """Return the column called `name`."""
        return next(column for column in self.columns if column.name == name)

    def empty(self) -> pa.Table:
        """Return a table of no rows.

        Examples
        --------
        >>> from poolkit.schemas import READINGS
        >>> READINGS.empty().num_rows
        0
        """
        return self.schema.empty_table()


def column(
    name: str,
    kind: pa.DataType,
    doc: str,
    *,
    unit: str | None = None,
    null: bool = False,
    vocabulary: tuple[str, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    pattern: str | None = None,
) -> Column:
    """Declare a column; `minimum` and `maximum` are inclusive and finite, `pattern` is the whole text's."""
    return Column(name, kind, doc, unit, null, vocabulary, minimum, maximum, pattern)


def table(name: str, doc: str, *columns: Column, key: tuple[str, ...] = ()) -> Table:
    """Declare a table; `key` names the columns that together identify a row."""
    unknown = set(key) - {each.name for each in columns}
    if unknown:
        raise AssertionError(f"{name}: the key names unknown columns {sorted(unknown)}")
    return Table(name, doc, columns, key)
