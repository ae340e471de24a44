"""An export as the file shows it, before any word of it is understood."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from poolkit.errors import FormatError, Problem

# The family writes the Ct column in three spellings; the 7500's т is Cyrillic (U+0442).
CT_NAMES = ("ct", "cт", "cq")
SYNONYMS = {
    "well": ("well",),
    "position": ("well position",),
    "omit": ("omit",),
    "sample": ("sample name", "sample"),
    "target": ("target name", "target"),
    "ct": CT_NAMES,
}
_FOOTER_CELLS = 2


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of the file: its column names, and its rows with the line that each stands on (from 1)."""

    where: str
    columns: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[Sequence[object], ...]
    # Whether every row must have as many fields as there are columns.
    exact: bool = False

    def place(self, line: int, column: str = "") -> str:
        """Say where in the file a cell stands."""
        parts = (self.where, f"line {line}", column)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Export:
    """One export: key and value lines, the results, and the other table that says which wells were in use."""

    header: dict[str, object]
    results: Grid
    planned: Grid | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns that matter stand in a grid; None where the file has none."""

    well: int | None = None
    position: int | None = None
    omit: int | None = None
    sample: int | None = None
    target: int | None = None
    ct: int | None = None
    twice: tuple[str, ...] = field(default=())


def refuse(where: str, what: str) -> FormatError:
    """Return the error for one fault; the public function adds the file to it."""
    return FormatError("not a QuantStudio export", [Problem(where, what)])


def is_blank(cell: object) -> bool:
    """Whether a cell holds nothing to see."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def as_text(cell: object) -> str:
    """Return a cell as a person reads it: Excel's 12.0 is 12, blanks around a word are dropped."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


def as_key(cell: object) -> str:
    """Return a name in the form that is compared: lower case, single blanks."""
    return " ".join(as_text(cell).casefold().split())


def locate(columns: Sequence[object]) -> Columns:
    """Find the columns that matter by any of their names."""
    keys = [as_key(column) for column in columns]
    found: dict[str, int | None] = {}
    twice: list[str] = []
    for meaning, names in SYNONYMS.items():
        places = [place for place, key in enumerate(keys) if key in names]
        found[meaning] = places[0] if places else None
        twice.extend(as_text(columns[place]) for place in places[1:])
    return Columns(**found, twice=tuple(twice))


def grid(where: str, rows: Iterable[tuple[int, Sequence[object]]], *, exact: bool = False) -> Grid | None:
    """Take the table from the top of the rows: column names, then rows up to a blank one.

    Rows after the blank one may only be the family's notes of one key and one value; anything wider would be
    readings that the table does not hold, so it is refused. None when there is not even a row of names.
    """
    columns: tuple[str, ...] | None = None
    lines: list[int] = []
    kept: list[Sequence[object]] = []
    ended = False
    for line, cells in rows:
        if all(map(is_blank, cells)):
            ended = columns is not None
        elif columns is None:
            columns = tuple(as_text(cell) for cell in cells)
        elif not ended:
            lines.append(line)
            kept.append(cells)
        elif sum(not is_blank(cell) for cell in cells) > _FOOTER_CELLS:
            place = ", ".join(part for part in (where, f"line {line}") if part)
            raise refuse(place, "a row of the table after a blank line, expected the table in one piece")
    if columns is None:
        return None
    return Grid(where, columns, tuple(lines), tuple(kept), exact)
