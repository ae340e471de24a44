"""Tables of pools as the groups that estimates are made of, and the errors of the test."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem, some
from poolkit.kernels.prevalence import Groups

Floats = NDArray[np.float64]
_SHOWN = 10
# Columns of the tables that are asked for or given back, which no group may be called like.
_ANSWER = {
    *("pool_size", "tested", "positive", "pools", "samples", "prevalence", "lower", "upper", "standard_error"),
    *("design_effect", "hypothesis", "statistic", "p_value"),
}


class Surveyed(NamedTuple):
    """Pools by group.

    keys holds the columns that name the groups, a row each; groups the pools of each, those of one size together; sites
    those of each site of each group, site_of (sites,) says which group; both are None where no sites are named.
    """

    keys: pd.DataFrame
    groups: Groups
    sites: Groups | None
    site_of: NDArray[np.int64] | None

    @property
    def owner(self) -> NDArray[np.int64]:
        """The group of each row."""
        return np.repeat(np.arange(len(self.keys)), np.diff(self.groups.offsets))

    def total(self, values: Floats) -> Floats:
        """Return the sum of the rows of each group."""
        return np.bincount(self.owner, values, len(self.keys)).astype(np.float64)


def survey(pools: Any, by: Sequence[str], site: str | None, *, counted: bool = True) -> tuple[Surveyed, list[Problem]]:
    """Return a table of pools by group, and what is wrong with it."""
    table = _frame(pools)
    if isinstance(table, list):
        return _nothing(by), table
    needed = ["pool_size", *(["positive"] if counted else []), *by, *([site] if site is not None else [])]
    problems = [Problem(name, f"missing, found {', '.join(map(str, table))}") for name in needed if name not in table]
    problems += [Problem(name, "is a column of the answer and cannot name a group") for name in by if name in _ANSWER]
    problems += [Problem(name, "is named twice") for name in dict.fromkeys(by) if by.count(name) > 1]
    if problems:
        return _nothing(by), problems
    n = len(table)
    size = _whole(table["pool_size"], "pool_size", problems)
    tested = _whole(table["tested"], "tested", problems) if "tested" in table else np.ones(n)
    positive = _whole(table["positive"], "positive", problems) if counted else np.zeros(n)
    _within(problems, "pool_size", "must be at least 1", size < 1.0)
    _within(problems, "tested", "must not be negative", tested < 0.0)
    _within(problems, "positive", "must be from 0 to the pools tested", (positive < 0.0) | (positive > tested))
    problems += [
        Problem(name, "must not be missing", _rows(table[name].isna().to_numpy()))
        for name in [*by, *([site] if site is not None else [])]
        if table[name].isna().any()
    ]
    if problems:
        return _nothing(by), problems
    if by:
        grouped = table.groupby(list(by), sort=False, observed=True)
        code = grouped.ngroup().to_numpy().astype(np.int64)
        keys = table[list(by)].drop_duplicates(ignore_index=True)
    else:
        code, keys = np.zeros(n, np.int64), pd.DataFrame(index=range(1))
    groups = _groups(code, size, tested, positive, len(keys))
    if site is None:
        return Surveyed(keys, groups, None, None), []
    place = table.groupby([*by, site], sort=False, observed=True).ngroup().to_numpy().astype(np.int64)
    n_sites = int(place.max(initial=-1)) + 1
    site_of = np.zeros(n_sites, np.int64)
    site_of[place] = code
    return Surveyed(keys, groups, _groups(place, size, tested, positive, n_sites), site_of), []


def _frame(pools: Any) -> pd.DataFrame | list[Problem]:
    try:
        if isinstance(pools, pd.DataFrame):
            return pools
        if isinstance(pools, Mapping):
            return pd.DataFrame({name: np.atleast_1d(np.asarray(values)) for name, values in pools.items()})
        if hasattr(pools, "__arrow_c_stream__"):
            found: pd.DataFrame = pa.table(pools).to_pandas()
            return found
    except ValueError as reason:
        return [Problem("pools", f"is no table: {reason}")]
    return [Problem("pools", f"must be a table or a mapping of columns, found {type(pools).__name__}")]


def _nothing(by: Sequence[str]) -> Surveyed:
    empty = np.zeros(0)
    return Surveyed(pd.DataFrame(columns=list(by)), Groups(np.zeros(1, np.int64), empty, empty, empty), None, None)


def _whole(column: "pd.Series[Any]", name: str, problems: list[Problem]) -> Floats:
    truth = pd.api.types.is_bool_dtype(column)
    if not pd.api.types.is_numeric_dtype(column) or (truth and name != "positive"):
        problems.append(Problem(name, f"must be whole numbers, found {column.dtype}"))
        return np.ones(len(column))
    values = column.to_numpy(np.float64, na_value=np.nan)
    wrong = ~(np.floor(values) == values)
    _within(problems, name, "must be whole numbers", wrong)
    return np.where(wrong, 1.0, values)


def _within(problems: list[Problem], name: str, rule: str, broken: NDArray[np.bool_]) -> None:
    if broken.any():
        problems.append(Problem(name, rule, _rows(broken)))


def _rows(broken: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(broken).tolist())


def _groups(code: NDArray[np.int64], size: Floats, tested: Floats, positive: Floats, n_groups: int) -> Groups:
    """Return the pools of each group, those of one size in one row."""
    order = np.lexsort((size, code))
    code, size, tested, positive = code[order], size[order], tested[order], positive[order]
    new = np.ones(code.size, np.bool_)
    new[1:] = (code[1:] != code[:-1]) | (size[1:] != size[:-1])
    starts = np.flatnonzero(new)
    offsets = np.searchsorted(code[starts], np.arange(n_groups + 1)).astype(np.int64)
    if code.size == 0:
        return Groups(offsets, size, tested, positive)
    return Groups(offsets, size[starts], np.add.reduceat(tested, starts), np.add.reduceat(positive, starts))


def refuse(title: str, problems: Sequence[Problem]) -> None:
    """Raise every problem at once."""
    if problems:
        raise DesignError(title, problems)


def named(groups: Sequence[int]) -> str:
    """Name groups by their places."""
    return some(groups, _SHOWN)
