"""Tables that a planner hands over: sites, laboratories, places."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.errors import Problem


def frame_of(
    table: Any, name: str, columns: Mapping[str, bool], problems: list[Problem], *, key: str, many: bool = False
) -> pd.DataFrame:
    """Return a table as a frame with these columns, or add what is wrong with it to the problems.

    `columns` says of each needed column whether it holds numbers, which may not be missing, infinite or negative but
    for places (``x_km``, ``y_km``); the others are taken as they are. `key` names each row, once unless `many`.
    """
    if isinstance(table, pd.DataFrame):
        frame = table.reset_index(drop=True)
    elif isinstance(table, Mapping) or not hasattr(table, "__arrow_c_stream__"):
        frame = pd.DataFrame(table)
    else:
        frame = pa.table(table).to_pandas()
    n_before = len(problems)
    for column, is_number in columns.items():
        if column not in frame:
            problems.append(Problem(f"{name}.{column}", "missing"))
        elif is_number:
            _numbers(frame, name, column, problems)
    if key in frame:
        absent = np.flatnonzero(frame[key].isna().to_numpy())
        twice = np.flatnonzero(frame[key].duplicated().to_numpy()) if not many else absent[:0]
        for rows, what in ((absent, "must not be null"), (twice, "must stand once")):
            if rows.size:
                problems.append(Problem(f"{name}.{key}", what, tuple(int(row) for row in rows)))
    if len(problems) > n_before:
        return pd.DataFrame({column: [] for column in columns})
    return frame.copy()


def _numbers(frame: pd.DataFrame, name: str, column: str, problems: list[Problem]) -> None:
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values)
    what = "must be finite numbers"
    if column not in {"x_km", "y_km"}:
        wrong |= values < 0.0
        what += ", at least 0"
    if wrong.any():
        problems.append(Problem(f"{name}.{column}", what, tuple(int(row) for row in np.flatnonzero(wrong))))
    frame[column] = values


def whole(frame: pd.DataFrame, name: str, column: str, problems: list[Problem]) -> NDArray[np.int64]:
    """Return a column as whole numbers, or add what is wrong with it to the problems."""
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64)
    wrong = ~(np.isfinite(values) & (values >= 0.0) & (values == np.floor(values)))
    if wrong.any():
        rows = tuple(int(row) for row in np.flatnonzero(wrong))
        problems.append(Problem(f"{name}.{column}", "must be whole hours, at least 0", rows))
        return np.zeros(values.size, np.int64)
    return values.astype(np.int64)


def travel_minutes(sites: pd.DataFrame, labs: pd.DataFrame, km_per_hour: float) -> NDArray[np.float64]:
    """Return the minutes from each site (row) to each laboratory (column) along the straight line."""
    x = sites["x_km"].to_numpy(np.float64)[:, None] - labs["x_km"].to_numpy(np.float64)[None, :]
    y = sites["y_km"].to_numpy(np.float64)[:, None] - labs["y_km"].to_numpy(np.float64)[None, :]
    return np.asarray(np.hypot(x, y) * (60.0 / km_per_hour), np.float64)
