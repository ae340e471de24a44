"""`design`: a pool design by its name, from a table or a file; `design_names` lists what there is."""

import difflib
import os
from pathlib import Path
from typing import Any, NamedTuple

from poolkit.errors import DesignError, Problem
from poolkit.pooling.designs.array import Array
from poolkit.pooling.designs.binary import Binary, Sperner
from poolkit.pooling.designs.custom import SUFFIXES, Custom
from poolkit.pooling.designs.hierarchical import Hierarchical
from poolkit.pooling.designs.hyper import Hyper
from poolkit.pooling.designs.hypercube import Hypercube
from poolkit.pooling.designs.kirkman import AllTriples, Kirkman, Steiner
from poolkit.pooling.designs.model import Design
from poolkit.pooling.designs.partitions import Partitions
from poolkit.pooling.designs.reed_solomon import ReedSolomon, ShiftedTransversal
from poolkit.pooling.designs.regular import Random
from poolkit.pooling.designs.remainders import BacktrackedRemainder, ChineseRemainder, SpecialRemainder
from poolkit.pooling.designs.two_stage import TwoStage

# A new family is a file beside this one and a line here.
FAMILIES: tuple[type[Design], ...] = (
    TwoStage,
    Hierarchical,
    Array,
    Hypercube,
    Partitions,
    ReedSolomon,
    ShiftedTransversal,
    Kirkman,
    Steiner,
    AllTriples,
    Hyper,
    Binary,
    Sperner,
    ChineseRemainder,
    BacktrackedRemainder,
    SpecialRemainder,
    Random,
)


class Family(NamedTuple):
    """A family of designs.

    Attributes
    ----------
    family : str
        How the names begin.
    form : str
        How they are written, numbers as capitals, what may be left out in brackets.
    about : str
        One sentence.
    """

    family: str
    form: str
    about: str


def design_names() -> tuple[Family, ...]:
    """Name the families of designs and say how their names are written.

    Returns
    -------
    tuple of Family
        ``family``, ``form`` and ``about``, the classical ones first, a table of one's own last.

    Examples
    --------
    >>> design_names()[0]
    Family(family='two-stage', form='two-stage-SIZE',
           about='Pools of SIZE, then every sample of a reactive pool alone (Dorfman).')
    """
    every: tuple[type[Design], ...] = (*FAMILIES, Custom)
    return tuple(Family(each.family, each.form, each.about) for each in every)


def design(what: Any) -> Design:
    """Return the pool design of that name, or the one that a table or a file says.

    Parameters
    ----------
    what
        A name such as ``two-stage-10`` or ``array-8x12``, see `design_names`; or a table with the columns ``pool_id``,
        ``sample_id`` and perhaps ``stage``; or the path of such a table, ``.csv``, ``.parquet`` or ``.arrow``; or a
        design, which is returned as it is.

    Returns
    -------
    Design
        Its ``layout(n)`` and ``members(n)`` give the pools of n samples, ``describe()`` what it can do.

    Raises
    ------
    DesignError
        When no design has the name, or its numbers are impossible; then the nearest that are possible are offered.
    SchemaError
        When the table is not such a table.
    FormatError
        When the file cannot be read.

    Examples
    --------
    >>> import pyarrow as pa
    >>> design("array-8x12").block
    96
    >>> design(pa.table({"pool_id": ["A", "A", "B", "B"], "sample_id": ["S1", "S2", "S2", "S3"]})).block
    3
    >>> design("array-1x12")
    Traceback (most recent call last):
    poolkit.errors.DesignError: there is no design array-1x12, 2 problem(s):
      - rows: must be from 2 to 8192, found 1
      - nearest: array-2x12
    """
    if isinstance(what, Design):
        return what
    if isinstance(what, os.PathLike) or (isinstance(what, str) and Path(what).suffix.lower() in SUFFIXES):
        return Custom.read(Path(what))
    if not isinstance(what, str):
        return Custom(what)
    family = max(
        (each for each in FAMILIES if what == each.family or what.startswith(f"{each.family}-")),
        key=lambda each: len(each.family),
        default=None,
    )
    if family is None:
        raise _unknown(what)
    found = family.parse(what[len(family.family) + 1 :])
    if found is None:
        raise DesignError(f"no design is called {what!r}", [Problem("name", f"expected {family.form}")])
    return found


def _unknown(name: str) -> DesignError:
    meant = difflib.get_close_matches(name.partition("-")[0] or name, [each.family for each in FAMILIES], 1)
    problems = [Problem("name", f"did you mean {each.form}?") for each in FAMILIES if each.family in meant]
    expected = ", ".join(each.form for each in FAMILIES)
    files = f"a file ({', '.join(SUFFIXES)}) of pool_id and sample_id"
    return DesignError(f"no design is called {name!r}", [*problems, Problem("name", f"expected {expected} or {files}")])
