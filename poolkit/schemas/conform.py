"""`conform`: a batch is held to its table and every broken rule is reported at once."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.errors import Problem, SchemaError, discreet
from poolkit.schemas.dictionaries import unified
from poolkit.schemas.model import Column, Table

# A table loaded twice would otherwise be an error of a million lines.
_NAMED_KEYS = 100

# A row's key is coded in one int64 while the product of the columns' counts of values stays below this.
_MAX_CODES = 2**62

# Microseconds since 1970 of the years that a laboratory's times can be in.
_EARLIEST, _LATEST = 0, 7_258_118_400_000_000
_BENCH_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}


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
        Text columns that came dictionary-encoded stay so (``dictionary<int32, string>``, one dictionary for all
        chunks and no null in it, though an entry may stand there twice); all other types are exact.

    Raises
    ------
    SchemaError
        With every column that is missing, there twice, of another kind, null, out of its vocabulary or range, and
        every duplicated key, each with its rows (counted from 0); beyond a hundred such keys the rest stand together.

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
        n_found = given.column_names.count(each.name)
        if n_found > 1:
            problems.append(Problem(each.name, f"must be one column, found {n_found} of this name"))
        elif n_found == 1:
            values = _typed(given[each.name], each, problems)
            if values is not None:
                _check(values, each, problems)
                columns[each.name] = values
        elif each.null:
            columns[each.name] = pa.chunked_array([pa.nulls(given.num_rows, each.type)])
        else:
            problems.append(Problem(each.name, f"missing, expected {_named(each.type)}"))
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
    found = f"found {type(batch).__name__}"
    if hasattr(batch, "__arrow_c_stream__"):
        try:
            return pa.table(batch)
        except pa.ArrowException as reason:
            found = f"{found} that is not: {'; '.join(str(part) for part in reason.args)}"
    raise SchemaError(f"not a '{table.name}' batch", [Problem("table", f"expected Arrow data, {found}")])


def _named(kind: pa.DataType) -> str:
    """Name a type as numpy, pandas and the schemas do; Arrow prints float64 as double."""
    return _BENCH_NAMES.get(str(kind), str(kind))


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
        why = "needs a time zone, found naive times" if naive else f"must be {_named(wanted)} (found {_named(found)})"
        problems.append(Problem(column.name, why))
        return None
    try:
        return _one_dictionary(values) if pa.types.is_dictionary(found) else values.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as reason:
        problems.append(Problem(column.name, f"must be {_named(wanted)} (found {_named(found)}: {discreet(reason)})"))
        return None


def _one_dictionary(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dictionary-encoded text over one dictionary without null, which would hide that a value is missing."""
    coded = unified(values.cast(pa.dictionary(pa.int32(), pa.string())))
    if coded.num_chunks == 0 or coded.chunk(0).dictionary.null_count == 0:
        return coded
    return coded.cast(pa.string()).dictionary_encode()


def _rows(mask: pa.ChunkedArray) -> tuple[int, ...]:
    """Return the rows, counted from 0, where the mask is true."""
    return tuple(np.flatnonzero(pc.fill_null(mask, False).to_numpy()).tolist())


def _check(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> None:
    if not column.null and values.null_count:
        problems.append(Problem(column.name, "must not be null", _rows(pc.is_null(values))))
    if column.vocabulary is not None:
        _check_vocabulary(values, column, problems)
    elif _is_text(column.type):
        _check_text(values, column, problems)
    if pa.types.is_timestamp(column.type):
        _check_times(values, column, problems)
    bounded = column.minimum is not None or column.maximum is not None
    if bounded and len(values) > values.null_count:
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
        problems.append(Problem(column.name, f"must be one of {expected}, found {discreet(repr(found))}", rows))


def _check_text(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> None:
    """Find empty texts, as missing is null, and texts of another form; each distinct text is looked at once."""
    if column.pattern is not None and not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    looked_at = [chunk.dictionary for chunk in values.chunks] if pa.types.is_dictionary(values.type) else values.chunks
    form = f"^{column.pattern}$" if column.pattern else ""
    for texts in looked_at:
        empty = pc.min(pc.binary_length(texts)).as_py() == 0
        if empty or (form and not pc.all(pc.match_substring_regex(texts, form)).as_py()):
            break
    else:
        return
    plain = values.cast(pa.string())
    for wrong, what in (
        (pc.equal(pc.binary_length(plain), 0), "must not be empty, as missing is null"),
        (pc.invert(pc.match_substring_regex(plain, form)), f"must look like {column.pattern}"),
    ):
        rows = _rows(wrong)
        if rows:
            problems.append(Problem(column.name, f"{what}, found {discreet(repr(plain[rows[0]].as_py()))}", rows))


def _check_times(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> None:
    """Find times that are another unit's, e.g. nanoseconds taken for microseconds."""
    moments = values.cast(pa.int64())
    ends = pc.min_max(moments)
    if len(values) == values.null_count or (ends["min"].as_py() >= _EARLIEST and ends["max"].as_py() < _LATEST):
        return
    rows = _rows(pc.or_(pc.less(moments, _EARLIEST), pc.greater_equal(moments, _LATEST)))
    found = f"found {moments[rows[0]].as_py()} microseconds since 1970"
    problems.append(Problem(column.name, f"must be between the years 1970 and 2199, {found}", rows))


def _check_range(values: pa.ChunkedArray, column: Column, problems: list[Problem]) -> None:
    low, high = column.minimum, column.maximum
    floating = pa.types.is_floating(values.type)
    ends = pc.min_max(values)
    inside = (low is None or ends["min"].as_py() >= low) and (high is None or ends["max"].as_py() <= high)
    # min_max passes over NaN, and an open end lets infinity through, so both are looked for by themselves.
    if inside and not (floating and pc.any(pc.invert(pc.is_finite(values))).as_py()):
        return
    outside = pc.invert(pc.is_finite(values))
    if low is not None:
        outside = pc.or_(outside, pc.less(values, low))
    if high is not None:
        outside = pc.or_(outside, pc.greater(values, high))
    rows = _rows(outside)
    if low is not None and high is not None:
        expected = f"must be between {low:g} and {high:g}"
    else:
        expected = f"must be at least {low:g}" if high is None else f"must be at most {high:g}"
        expected += " and finite" if floating else ""
    problems.append(Problem(column.name, f"{expected}, found {discreet(values[rows[0]].as_py())}", rows))


def _duplicate_keys(columns: list[pa.ChunkedArray], names: tuple[str, ...]) -> list[Problem]:
    """Name each key that stands in more than one row."""
    n_rows = len(columns[0])
    if n_rows < 2:
        return []
    codes = np.zeros(n_rows, np.int64)
    n_codes = 1
    for values in columns:
        column_codes, size = _codes(values)
        if n_codes * size > _MAX_CODES:
            codes, n_codes = _renumbered(codes)
        codes = codes * size + column_codes
        n_codes *= size
    order = np.argsort(codes, kind="stable")
    same = codes[order[1:]] == codes[order[:-1]]
    if not same.any():
        return []
    starts = np.flatnonzero(np.concatenate(([True], ~same)))
    sizes = np.diff(np.append(starts, n_rows))
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    # The sort is stable, so the first of a key's rows is its lowest; keys are named in order of that row.
    told = np.argsort(order[starts], kind="stable")
    label = names[0] if len(names) == 1 else f"({', '.join(names)})"
    problems = []
    for start, size in zip(starts[told[:_NAMED_KEYS]], sizes[told[:_NAMED_KEYS]], strict=True):
        rows = tuple(order[start : start + size].tolist())
        found = [discreet(values[rows[0]].as_py()) for values in columns]
        key = found[0] if len(found) == 1 else f"({', '.join(found)})"
        problems.append(Problem(label, f"duplicate key {key}", rows))
    if told.size > _NAMED_KEYS:
        untold = np.isin(codes, codes[order[starts[told[_NAMED_KEYS:]]]])
        rows = tuple(np.flatnonzero(untold).tolist())
        problems.append(Problem(label, f"{told.size - _NAMED_KEYS} more duplicate keys", rows))
    return problems


def _codes(values: pa.ChunkedArray) -> tuple[NDArray[np.int32], int]:
    """Return equal codes for equal values, null being one of them, and the end of their range."""
    coded = pa.types.is_dictionary(values.type)
    encoded = values if coded else pc.dictionary_encode(values, null_encoding="encode")
    whole = encoded.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    size = len(whole.dictionary) + 1
    codes = pc.fill_null(whole.indices, size - 1).to_numpy(zero_copy_only=False)
    if coded:
        # Arrow allows an entry to stand twice in a dictionary, which would hide a duplicate.
        entries = whole.dictionary.dictionary_encode()
        if len(entries.dictionary) < len(entries):
            codes = np.append(entries.indices.to_numpy(), np.int32(size - 1))[codes]
    return codes, size


def _renumbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return the codes numbered from 0 without gaps, and how many different ones there are."""
    order = np.argsort(codes, kind="stable")
    steps = np.concatenate(([False], codes[order[1:]] != codes[order[:-1]]))
    dense = np.empty_like(codes)
    dense[order] = np.cumsum(steps)
    return dense, int(steps.sum()) + 1
