"""Wells by name and by number, for plates of 96 and 384."""

from functools import cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit import arrays
from poolkit.errors import DesignError, Problem, SchemaError

Fill = Literal["column", "row"]

# Rows and columns of ANSI/SLAS 4-2004 (R2012), "Well Positions for Microplates".
_SHAPES = {96: (8, 12), 384: (16, 24)}


def plate_problems(wells: int, fill: str) -> list[Problem]:
    """Name what is wrong with a number of wells and an order of filling."""
    problems = []
    if wells not in _SHAPES:
        problems.append(Problem("wells", f"must be one of {', '.join(map(str, _SHAPES))}, found {wells}"))
    if fill not in ("column", "row"):
        problems.append(Problem("fill", f"must be 'column' or 'row', found {fill!r}"))
    return problems


def well_names(wells: int = 96, *, fill: Fill = "row") -> pa.StringArray:
    """Name the wells of a plate in order: row letter, then two-digit column.

    Parameters
    ----------
    wells
        96 or 384.
    fill
        ``row``: A01, A02, A03 and so on; ``column``: A01, B01, C01 and so on.

    Returns
    -------
    pyarrow.StringArray
        Shape (wells,).

    Raises
    ------
    DesignError
        When there is no such plate or order.

    References
    ----------
    .. [1] ANSI/SLAS 4-2004 (R2012), Well Positions for Microplates.

    Examples
    --------
    >>> well_names(96, fill="column")[8].as_py(), well_names(384)[-1].as_py()
    ('A02', 'P24')
    """
    problems = plate_problems(wells, fill)
    if problems:
        raise DesignError("there is no such plate", problems)
    return _names(wells, fill)


@cache
def _names(wells: int, fill: Fill) -> pa.StringArray:
    n_rows, n_columns = _SHAPES[wells]
    letters = [chr(ord("A") + row) for row in range(n_rows)]
    numbers = [f"{number:02d}" for number in range(1, n_columns + 1)]
    if fill == "row":
        return pa.array([letter + number for letter in letters for number in numbers])
    return pa.array([letter + number for number in numbers for letter in letters])


def well_numbers(names: Any, *, wells: int = 96, fill: Fill = "row") -> NDArray[np.int32]:
    """Give wells their numbers by name, from 0; the inverse of `well_names`.

    Parameters
    ----------
    names
        Well names: an Arrow string array, or anything that pyarrow turns into one.
    wells
        96 or 384.
    fill
        The order that the numbers count in, ``row`` or ``column``.

    Returns
    -------
    numpy.ndarray of int32
        Shape (names,).

    Raises
    ------
    SchemaError
        When a name is null or not a well of the plate.
    DesignError
        When there is no such plate or order.

    Examples
    --------
    >>> well_numbers(["A01", "B01", "H12"]).tolist()
    [0, 12, 95]
    >>> well_numbers(["A01", "A1", "P24"])
    Traceback (most recent call last):
    poolkit.errors.SchemaError: not wells of a plate of 96, 1 problem(s):
      - well: must be a name from A01 to H12, found 'A1' (rows 1, 2)
    """
    known = well_names(wells, fill=fill)
    given = texts(names, "well")
    found_at = pc.fill_null(pc.index_in(given, value_set=known), -1)
    numbers: NDArray[np.int32] = found_at.to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(numbers < 0)
    if rows.size:
        found = given[int(rows[0])].as_py()
        problem = Problem("well", f"must be a name from A01 to {known[-1]}, found {found!r}", tuple(rows.tolist()))
        raise SchemaError(f"not wells of a plate of {wells}", [problem])
    return numbers


def texts(given: Any, name: str) -> pa.StringArray:
    """Return a column of text, given in whatever shape pyarrow understands, as plain strings in one array."""
    title = f"not a column of {name}"
    if isinstance(given, str):
        raise SchemaError(title, [Problem(name, f"must be many texts, found one: {given!r}")])
    try:
        if isinstance(given, pa.Array | pa.ChunkedArray):
            values = arrays.plain(given)
        elif hasattr(given, "__arrow_c_stream__"):
            values = arrays.plain(pa.chunked_array(given))
        elif hasattr(given, "__arrow_c_array__"):
            values = arrays.plain(pa.array(given))
        else:
            values = arrays.plain(pa.array(given if isinstance(given, np.ndarray) else list(given)))
    except (TypeError, ValueError, pa.ArrowException) as reason:
        raise SchemaError(title, [Problem(name, f"must be string ({reason})")]) from None
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if not (text or pa.types.is_string_view(values.type) or pa.types.is_null(values.type)):
        raise SchemaError(title, [Problem(name, f"must be string (found {values.type})")])
    return values.cast(pa.string())
