"""Tables that a planner hands over, as frames."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from poolkit.errors import DesignError, Problem


def frame_of(table: Any, title: str) -> pd.DataFrame:
    """Return a table, or a mapping of columns, as a frame with rows from 0; the title is that of the refusal."""
    try:
        if isinstance(table, pd.DataFrame):
            return table.reset_index(drop=True)
        if isinstance(table, Mapping):
            return pd.DataFrame(dict(table)).reset_index(drop=True)
        if hasattr(table, "__arrow_c_stream__"):
            found: pd.DataFrame = pa.table(table).to_pandas()
            return found
    except ValueError as reason:
        raise DesignError(title, [Problem("table", f"is none: {reason}")]) from reason
    problem = Problem("table", f"must be a table or a mapping of columns, found {type(table).__name__}")
    raise DesignError(title, [problem])
