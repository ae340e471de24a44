"""`conform`: a batch is held to its table and every broken rule is reported at once."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.errors import Problem, SchemaError
from poolkit.schemas.model import Column, Table

_SHOWN_ROWS = 1000


def conform(batch: Any, table: Table, *, keys: bool = True) -> pa.Table:
    """Return the batch as exactly the table's columns, or name every rule that it breaks.

    Parameters
    ----------
    batch
        A pyarrow Table or RecordBatch, or anything with ``__arrow_c_stream__`` (pandas, polars, DuckDB).
    table
        The table that it should be.
    keys
        Whether the key must be free of duplicates.

    Returns
    -------
    pyarrow.Table
        The table's columns in its order; further columns are dropped, absent nullable columns are null.
        Text columns that came dictionary-encoded stay so (``dictionary<int32, string>``), all other types are exact.

    Raises
    ------
    SchemaError
        With every column that is missing, of another kind, null, out of its vocabulary or range, and every
        duplicated key, each with its rows (counted from 0).

    Notes
    -----
    O(rows); text is touched only for vocabularies and keys. Types of the same kind are converted when nothing is lost.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from poolkit.schemas import READINGS, conform
    >>> twice = {"run_id": ["R1", "R1"], "well": ["A01", "A01"], "target": ["N", "N"]}
    >>> batch = pa.table(twice | {"ct_cycles": [-3.0, 21.0]})
    >>> conform(batch, READINGS)
    Traceback (most recent call last):
    poolkit.errors.SchemaError: not a 'readings' batch, 2 problem(s):
      - ct_cycles: must be between 0 and 60, found -3.0 (rows 0)
      - (run_id, well, target): duplicate key (R1, A01, N) (rows 0, 1)
    """
    given = _as_table(batch, table)
    problems: list[Problem] = []
    columns: dict[str, pa.ChunkedArray] = {}
    for each in table.columns:
        if each.name in given.column_names:
            values = _typed(given[each.name], each, problems)
            if values is not None:
                _check(values, each, problems)
                columns[each.name] = values
        elif each.null:
            columns[each.name] = pa.chunked_array([pa.nulls(given.num_rows, each.type)])
        else:
            problems.append(Problem(each.name, f"missing, expected {each.type}"))
    if keys and table.key and all(name in columns for name in table.key):
        problems.extend(_duplicate_keys([columns[name] for name in table.key], table.key))
    if problems:
        raise SchemaError(f"not a '{table.name}' batch", problems)
    fields = [table.schema.field(name).with_type(columns[name].type) for name in table.names]
    return pa.Table.from_arrays([columns[name] for name in table.names], schema=pa.schema(fields))


def _as_table(batch: Any, table: Table) -> pa.Table:
    if isinstance(batch, pa.Table):
        return batch
    if isinstance(batch, pa.RecordBatch):
        return pa.Table.from_batches([batch])
    if hasattr(batch, "__arrow_c_stream__"):
        return pa.table(batch)
    raise SchemaError(
        f"not a '{table.name}' batch", [Problem("table", f"expected Arrow data, found {type(batch).__name__}")]
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _same_kind(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether `found` is another size of the same kind of thing as `wanted`."""
    if pa.types.is_null(found):
        return True
    if _is_text(wanted):
        return _is_text(found) or (pa.types.is_dictionary(found) and _is_text(found.value_type))
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(found))
    if pa.types.is_floating(wanted):
        return bool(pa.types.is_floating(found) or pa.types.is_integer(found))
    if pa.types.is_timestamp(wanted):
        return bool(pa.types.is_timestamp(found) and found.tz is not None)
    if pa.types.is_list(wanted):
        listed = pa.types.is_list(found) or pa.types.is_large_list(found)
        return bool(listed and _same_kind(found.value_type, wanted.value_type))
    return bool(found == wanted)


def _typed(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> pa.ChunkedArray | None:
    """Return the values in the column's type, or None with the problem noted."""
    found, wanted = values.type, column.type
    if found == wanted:
        return values
    if not _same_kind(found, wanted):
        naive = pa.types.is_timestamp(found) and pa.types.is_timestamp(wanted)
        why = "needs a time zone, found naive times" if naive else f"must be {wanted} (found {found})"
        problems.append(Problem(column.name, why))
        return None
    if pa.types.is_dictionary(found):
        wanted = pa.dictionary(pa.int32(), pa.string())
        if found == wanted:
            return values
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid as reason:
        problems.append(Problem(column.name, f"must be {wanted} (found {found}: {reason})"))
        return None


def _rows(mask: pa.ChunkedArray) -> tuple[int, ...]:
    """Return the first rows, counted from 0, where the mask is true."""
    flags = pc.fill_null(mask, False).to_numpy()
    return tuple(int(row) for row in np.flatnonzero(flags)[:_SHOWN_ROWS])


def _check(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> None:
    if not column.null and values.null_count:
        problems.append(Problem(column.name, "must not be null", _rows(pc.is_null(values))))
    if column.vocabulary is not None:
        _check_vocabulary(values, column, problems)
    if column.minimum is not None and len(values) > values.null_count:
        _check_range(values, column, problems)


def _check_vocabulary(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> None:
    allowed = pa.array(column.vocabulary, pa.string())
    if pa.types.is_dictionary(values.type) and all(
        pc.all(pc.is_in(chunk.dictionary, allowed)).as_py() is not False for chunk in values.chunks
    ):
        return
    plain = values.cast(pa.string())
    outside = pc.and_(pc.is_valid(plain), pc.invert(pc.is_in(plain, allowed)))
    rows = _rows(outside)
    if rows:
        found = plain[rows[0]].as_py()
        expected = ", ".join(column.vocabulary or ())
        problems.append(Problem(column.name, f"must be one of {expected}, found {found!r}", rows))


def _check_range(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> None:
    low, high = column.minimum, column.maximum
    ends = pc.min_max(values)
    floating = pa.types.is_floating(values.type)
    inside = low is None or ends["min"].as_py() >= low
    inside = inside and (high is None or ends["max"].as_py() <= high)
    # min_max passes over NaN, so it is looked for by itself.
    if inside and not (floating and pc.any(pc.is_nan(values)).as_py()):
        return
    outside = pc.less(values, low)
    if high is not None:
        outside = pc.or_(outside, pc.greater(values, high))
    if floating:
        outside = pc.or_(outside, pc.is_nan(values))
    rows = _rows(outside)
    found = values[rows[0]].as_py()
    expected = f"must be at least {low:g}" if high is None else f"must be between {low:g} and {high:g}"
    problems.append(Problem(column.name, f"{expected}, found {found}", rows))


def _duplicate_keys(columns: list[pa.ChunkedArray], names: tuple[str, ...]) -> list[Problem]:
    """Name each key that stands in more than one row."""
    n_rows = len(columns[0])
    if n_rows < 2:
        return []
    codes = np.zeros(n_rows, np.int64)
    for values in columns:
        coded = pa.types.is_dictionary(values.type)
        encoded = values if coded else pc.dictionary_encode(values, null_encoding="encode")
        whole = encoded.unify_dictionaries().combine_chunks()
        whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
        size = len(whole.dictionary) + 1
        codes = codes * size + pc.fill_null(whole.indices, size - 1).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    same = codes[order[1:]] == codes[order[:-1]]
    if not same.any():
        return []
    starts = np.flatnonzero(np.concatenate(([True], ~same)))
    sizes = np.diff(np.append(starts, n_rows))
    label = names[0] if len(names) == 1 else f"({', '.join(names)})"
    problems = []
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        rows = np.sort(order[start : start + size])
        found = [str(values[int(rows[0])].as_py()) for values in columns]
        key = found[0] if len(found) == 1 else f"({', '.join(found)})"
        problems.append(Problem(label, f"duplicate key {key}", tuple(int(row) for row in rows)))
    return problems
