"""The passages of a run as an Arrow table."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.planning.line.run import Floats, LineRun

_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.dictionary(pa.int32(), pa.string())),
        pa.field("specimen", pa.int64()),
        pa.field("lab", pa.int64()),
        pa.field("stage", pa.dictionary(pa.int32(), pa.string())),
        pa.field("batch", pa.int64()),
        pa.field("enter", pa.float64()),
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
    ]
)
_KINDS = pa.array(["person", "tube", "single"])


def events_of(run: LineRun) -> pa.Table:
    """Return every passage that began: people through sampling, tubes by courier, specimens through stages.

    Parameters
    ----------
    run
        A run that was asked to keep its events.

    Returns
    -------
    pyarrow.Table
        See `LineRun.events`.

    Raises
    ------
    DesignError
        When the run kept none.
    """
    if run.people.began.size != run.n_people:
        raise DesignError("no events", [Problem("events", "simulate the line with events=True")])
    horizon = run.line.horizon_hours * 60.0
    seen = np.flatnonzero(run.people.began < np.inf)
    parts = [_part(0, seen, "sampling", (run.people.arrived, run.people.began, run.people.sampled))]
    left = np.flatnonzero(run.tubes.left <= horizon)
    parts.append(_part(1, left, "courier", (run.tubes.closed, run.tubes.left, run.tubes.arrives)))
    n_used = run.tubes.members.size
    for number, lab in enumerate(run.labs):
        own = lab.tubes.size
        which, when = lab.ledger.which, lab.ledger.when
        is_tube = which[:, 0] < own
        # A laboratory without tubes still needs something to look up.
        tubes = lab.tubes if own else np.zeros(1, np.int64)
        specimen = np.where(is_tube, tubes[np.minimum(which[:, 0], tubes.size - 1)], which[:, 0] - own + n_used)
        names = [stage.name for stage in run.line.labs[number].stages]
        table = pa.table(
            {
                "kind": pa.DictionaryArray.from_arrays(pa.array(np.where(is_tube, 1, 2).astype(np.int32)), _KINDS),
                "specimen": specimen,
                "lab": np.full(specimen.size, number),
                "stage": pa.DictionaryArray.from_arrays(pa.array(which[:, 1].astype(np.int32)), pa.array(names)),
                "batch": which[:, 2],
                "enter": when[:, 0],
                "start": when[:, 1],
                "end": when[:, 2],
            },
            schema=_SCHEMA,
        )
        parts.append(table)
        n_used += lab.reported.size - own
    return pa.concat_tables(parts).unify_dictionaries()


def _part(kind: int, specimen: NDArray[np.int64], stage: str, when: tuple[Floats, Floats, Floats]) -> pa.Table:
    n = specimen.size
    zeros = pa.array(np.zeros(n, np.int32))
    return pa.table(
        {
            "kind": pa.DictionaryArray.from_arrays(pa.array(np.full(n, kind, np.int32)), _KINDS),
            "specimen": specimen,
            "lab": pa.nulls(n, pa.int64()),
            "stage": pa.DictionaryArray.from_arrays(zeros, pa.array([stage])),
            "batch": pa.nulls(n, pa.int64()),
            "enter": when[0][specimen],
            "start": when[1][specimen],
            "end": when[2][specimen],
        },
        schema=_SCHEMA,
    )
