"""The table of results: well names, targets and Ct, each cell either understood or named as a problem."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from poolkit.errors import Problem, some
from poolkit.formats.instruments.export import Columns, Export, Grid, as_key, as_text, is_blank, locate
from poolkit.schemas.tables import CT_MAX_CYCLES

# Rows and columns of the two blocks whose wells have numbers; wells are numbered row by row.
BLOCKS = {96: (8, 12), 384: (16, 24)}
NO_CT = frozenset({"", "undetermined", "nan", "n/a", "-"})
_OMITTED = {"": False, "false": False, "true": True}
_POSITION = re.compile(r"([A-Pa-p])0?([1-9]|1\d|2[0-4])")
_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


@dataclass(slots=True)
class Results:
    """The readings in the file's order, and the sample names of the wells that it shows."""

    wells: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    ct_cycles: list[float | None] = field(default_factory=list)
    names: dict[tuple[str, str | None], None] = field(default_factory=dict)


def read_results(export: Export, problems: list[Problem]) -> Results:
    """Read every row in use; what cannot be understood is added to the problems."""
    grid, columns = export.results, locate(export.results.columns)
    results = Results()
    if not _complete(grid, columns, problems):
        return results
    block = _block(export.header)
    n_before = len(problems)
    seen: set[tuple[str, str]] = set()
    for line, cells in zip(grid.lines, grid.rows, strict=True):
        if _broken_row(grid, columns, line, cells, problems):
            continue
        well = _well(grid, columns, line, cells, block, problems)
        if well is None:
            continue
        sample = as_text(_cell(cells, columns.sample))
        results.names[well, sample or None] = None
        reading = _reading(grid, columns, line, cells, problems)
        if reading is None:
            continue
        target, ct, omitted = reading
        seen.add((well, target))
        if not omitted:
            results.wells.append(well)
            results.targets.append(target)
            results.ct_cycles.append(ct)
    if len(problems) == n_before:
        _check_planned(export.planned, seen, block, problems)
    if len(problems) == n_before and not results.wells:
        problems.append(
            Problem(grid.where or "file", "has no reading: every row is unused or omitted, or the file is cut")
        )
    return results


def parse_ct(cell: object) -> float | None:
    """Return a Ct in cycles, None for Undetermined and its like, or a ValueError that says what was expected."""
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        ct = float(cell)
    else:
        text = as_text(cell)
        if text.casefold() in NO_CT:
            return None
        if _NUMBER.fullmatch(text) is None:
            raise ValueError(f"expected a number, Undetermined or a blank, found {cell!r}")
        ct = float(text.replace(",", ""))
    if not 0 <= ct <= CT_MAX_CYCLES:
        raise ValueError(f"must be between 0 and {CT_MAX_CYCLES:g} cycles, found {cell!r}")
    return ct


def parse_well(cell: object, block: int | None) -> str | None:
    """Return a well as letter and two digits, from A1, A01 or its number in the block; None when it is neither."""
    text = as_text(cell)
    match = _POSITION.fullmatch(text)
    if match:
        row, column = ord(match[1].upper()) - ord("A"), int(match[2])
        n_rows, n_columns = BLOCKS[block or 384]
        return f"{match[1].upper()}{column:02}" if row < n_rows and column <= n_columns else None
    number = re.fullmatch(r"(\d{1,3})(?:\.0)?", text, re.ASCII)
    if number is None or block is None or not 1 <= int(number[1]) <= block:
        return None
    row, column = divmod(int(number[1]) - 1, BLOCKS[block][1])
    return f"{chr(ord('A') + row)}{column + 1:02}"


def _complete(grid: Grid, columns: Columns, problems: list[Problem]) -> bool:
    wanted = {
        "Well or Well Position": columns.well if columns.position is None else columns.position,
        "Target or Target Name": columns.target,
        "CT, Cт or Cq": columns.ct,
    }
    missing = [name for name, place in wanted.items() if place is None]
    where = grid.where or "table"
    if missing:
        problems.append(Problem(where, f"has no column {'; '.join(missing)} (found {some(grid.columns, 30)})"))
    if columns.twice:
        problems.append(Problem(where, f"has more than one column of the same meaning: {some(columns.twice)}"))
    return not missing and not columns.twice


def _block(header: dict[str, object]) -> int | None:
    """Return how many wells the block has, from 'Block Type' such as '96-Well Block (0.2mL)' or '96alum'."""
    match = re.match(r"\d+", as_text(header.get("block type")))
    size = int(match[0]) if match else 0
    return size if size in BLOCKS else None


def _cell(cells: Sequence[object], place: int | None) -> object:
    return cells[place] if place is not None and place < len(cells) else None


def _broken_row(grid: Grid, columns: Columns, line: int, cells: Sequence[object], problems: list[Problem]) -> bool:
    """Whether the row has fields too few or too many, which is noted.

    Design & Analysis writes every field. A tab export may drop the empty ends of its rows, but the delimiter that
    closes the last cell that matters must be there: a Ct without it may be half a number.
    """
    n_columns = len(grid.columns)
    needed = n_columns
    if not grid.exact:
        places = (columns.well, columns.position, columns.omit, columns.sample, columns.target, columns.ct)
        needed = min(max(place for place in places if place is not None) + 2, n_columns)
        first_cells = {columns.well, columns.position}
        if all(is_blank(cell) for place, cell in enumerate(cells) if place not in first_cells):
            needed = 0
    if needed <= len(cells) and all(map(is_blank, cells[n_columns:])):
        return False
    what = f"has {len(cells)} fields, expected {n_columns}: the file is cut or was edited"
    problems.append(Problem(grid.place(line), what))
    return True


def _well(
    grid: Grid, columns: Columns, line: int, cells: Sequence[object], block: int | None, problems: list[Problem]
) -> str | None:
    place = columns.well if columns.position is None else columns.position
    shown = _cell(cells, place)
    well = parse_well(shown, block)
    if well is None:
        last = "P24" if block != 96 else "H12"
        what = f"expected a well A1 to {last}" + (f" or 1 to {block}" if block else "") + f", found {shown!r}"
        problems.append(Problem(grid.place(line, grid.columns[place or 0]), what))
        return None
    if columns.position is not None and columns.well is not None and block:
        number = _cell(cells, columns.well)
        other = parse_well(number, block)
        if not is_blank(number) and other != well:
            what = f"well {as_text(number)} of a block of {block} is not {as_text(shown)}"
            problems.append(Problem(grid.place(line, grid.columns[columns.well]), what))
            return None
    return well


def _reading(
    grid: Grid, columns: Columns, line: int, cells: Sequence[object], problems: list[Problem]
) -> tuple[str, float | None, bool] | None:
    """Return the target, Ct and whether the row is omitted; None for an unused well or a noted problem."""
    n_before = len(problems)
    shown = _cell(cells, columns.omit)
    omitted = _OMITTED.get(as_key(shown))
    if omitted is None:
        problems.append(
            Problem(grid.place(line, grid.columns[columns.omit or 0]), f"expected true or false, found {shown!r}")
        )
    target = as_text(_cell(cells, columns.target))
    ct = None
    try:
        ct = parse_ct(_cell(cells, columns.ct))
    except ValueError as reason:
        problems.append(Problem(grid.place(line, grid.columns[columns.ct or 0]), str(reason)))
    if ct is not None and not target:
        problems.append(Problem(grid.place(line, grid.columns[columns.target or 0]), f"is blank beside a Ct of {ct:g}"))
    if len(problems) > n_before or not target:
        return None
    return target, ct, bool(omitted)


def _check_planned(
    planned: Grid | None, seen: set[tuple[str, str]], block: int | None, problems: list[Problem]
) -> None:
    """Note each well and target that the file's other table has and its results lack."""
    if planned is None:
        return
    columns = locate(planned.columns)
    place = columns.well if columns.position is None else columns.position
    if place is None or columns.target is None:
        return
    missing: dict[str, None] = {}
    # A table of curves repeats each pair once a cycle.
    pairs = dict.fromkeys((_cell(cells, place), _cell(cells, columns.target)) for cells in planned.rows)
    for shown, named in pairs:
        target, well = as_text(named), parse_well(shown, block)
        if target and well is not None and (well, target) not in seen:
            missing[f"{well} {target}"] = None
    if missing:
        what = f"has {len(missing)} wells and targets that the results lack ({some(missing)})"
        problems.append(Problem(planned.where, f"{what}: the file is cut or was edited"))
