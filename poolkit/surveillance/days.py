"""Columns of days, dates or whole numbers, as numbers that can be counted on."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.errors import Problem

_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")


def dated(column: "pd.Series[Any]") -> bool:
    """Return whether a column of days holds dates rather than numbers."""
    numbers = pd.api.types.is_numeric_dtype(column) or pd.api.types.infer_dtype(column, skipna=True) in _NUMBERS
    return not numbers


def numbered(column: "pd.Series[Any]", name: str) -> tuple[NDArray[np.float64], list[Problem]]:
    """Return days as numbers, NaN where there is none, and what is wrong with them.

    Dates are counted from the first of January 1970. A time with a zone belongs to the day that it is there, not in
    Greenwich; text has to be a date as ISO 8601 writes it, since 1/2 is read in two ways.
    """
    if not dated(column):
        days = np.asarray(column.astype("Float64").to_numpy(np.float64, na_value=np.nan), np.float64)
        wrong = ~np.isnan(days) & ~(np.isfinite(days) & (days == np.floor(days)))
        if pd.api.types.is_bool_dtype(column):
            wrong = np.ones(days.size, np.bool_)
        if wrong.any():
            problem = Problem(name, "must be dates or whole numbers", tuple(np.flatnonzero(wrong).tolist()))
            return np.where(wrong, np.nan, days), [problem]
        return days, []
    try:
        at = pd.to_datetime(column, format="ISO8601")
    except (ValueError, TypeError):
        return np.full(len(column), np.nan), [Problem(name, "must be dates, such as 2021-01-31, or whole numbers")]
    if isinstance(at.dtype, pd.DatetimeTZDtype):
        at = at.dt.tz_localize(None)
    dates = at.to_numpy("datetime64[D]")
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64).astype(np.float64)), []
