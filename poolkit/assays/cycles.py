"""Threshold cycles of pools beside those of their members."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, codes_in, encode, filled, plain
from poolkit.errors import DesignError, Problem
from poolkit.schemas import CALLS, CALLS_MADE, MEMBERS, READINGS, column, conform, table

SPECIMEN_CYCLES = table(
    "specimen cycles",
    "What was read of a specimen: a pool, or a sample tested alone; several rows of one are replicates.",
    column("specimen_id", pa.string(), CALLS["specimen_id"].doc),
    column("target", pa.string(), READINGS["target"].doc, null=True),
    column("call", pa.string(), CALLS["call"].doc, null=True, vocabulary=CALLS_MADE),
    column(
        "ct_cycles",
        pa.float64(),
        READINGS["ct_cycles"].doc,
        unit="cycle",
        null=True,
        minimum=0.0,
        maximum=READINGS["ct_cycles"].maximum,
    ),
)
NOT_READ, NOT_DETECTED, DETECTED = 0, 1, 2


class Looked(NamedTuple):
    """Pools and samples as codes, and what one target read of them.

    Attributes
    ----------
    pool, sample : numpy.ndarray of int32
        (memberships,) codes of the rows of table `members`.
    pool_ids, sample_ids : pyarrow.Array
        The ids that the codes name.
    state : numpy.ndarray of int8
        (pools + samples,) `NOT_READ`, `NOT_DETECTED` or `DETECTED`; samples after pools.
    ct_cycles : numpy.ndarray of float64
        (pools + samples,) mean of the replicates that have a Ct, NaN where none has.
    """

    pool: NDArray[np.int32]
    sample: NDArray[np.int32]
    pool_ids: pa.Array
    sample_ids: pa.Array
    state: NDArray[np.int8]
    ct_cycles: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Samples in each pool."""
        return np.bincount(self.pool, minlength=len(self.pool_ids))


def target_names(readings: pa.Table) -> list[str | None]:
    """Return the targets that were read, in order of first appearance; None alone where no target is named.

    Examples
    --------
    >>> target_names(pa.table({"target": ["N", "ORF1ab", "N"]}))
    ['N', 'ORF1ab']
    """
    return list(pc.unique(plain(readings["target"])).to_pylist()) or [None]


def look_up(members: Any, readings: Any, target: str | None = None) -> Looked:
    """Return what was read of each pool and each sample alone.

    Parameters
    ----------
    members
        Table `members`.
    readings
        Columns ``specimen_id`` and ``ct_cycles`` (null: no curve crossed), and where there are any ``target`` and
        ``call``. A row that is called ``invalid`` says nothing; without a Ct, a positive or suspect call still says
        that something was detected.
    target
        The one target to look at; needed when several are named.

    Returns
    -------
    Looked
        A specimen with several rows is detected when one of them is, at the mean of those that have a Ct.

    Raises
    ------
    SchemaError
        When a table is not what it should be.
    DesignError
        When several targets are named and none is chosen, or the chosen one was not read.

    Examples
    --------
    >>> members = pa.table({"pool_id": ["P", "P"], "sample_id": ["A", "B"], "slot": [1, 2]})
    >>> look_up(members, pa.table({"specimen_id": ["P", "A"], "ct_cycles": [30.0, 28.0]})).state.tolist()
    [2, 2, 0]
    """
    held = conform(members, MEMBERS)
    read = conform(readings, SPECIMEN_CYCLES)
    named = [name for name in target_names(read) if name is not None]
    if target is None and len(named) > 1:
        raise DesignError("which target is meant?", [Problem("target", f"choose one of {', '.join(named)}")])
    if target is not None:
        if target not in named:
            found = ", ".join(named) or "none named"
            raise DesignError("which target is meant?", [Problem("target", f"{target} was not read ({found})")])
        read = read.filter(pc.equal(plain(read["target"]), target))
    pool, pool_ids = encode(held["pool_id"])
    sample, sample_ids = encode(held["sample_id"])
    places = _places(read["specimen_id"], pool_ids, sample_ids)
    n_specimens = len(pool_ids) + len(sample_ids)
    ct, missing = filled(read["ct_cycles"], 0.0)
    call = codes_in(read["call"], pa.array(CALLS_MADE))
    counts = (places >= 0) & (call != CALLS_MADE.index("invalid"))
    said_negative = (call == CALLS_MADE.index("negative")) | ((call < 0) & missing)
    state = np.zeros(n_specimens, np.int8)
    np.maximum.at(state, places[counts], np.where(said_negative[counts], NOT_DETECTED, DETECTED).astype(np.int8))
    # A Ct counts where the call does not deny it.
    has_ct = counts & ~missing & ~said_negative
    n_ct = np.bincount(places[has_ct], minlength=n_specimens)
    total = np.bincount(places[has_ct], weights=ct[has_ct], minlength=n_specimens)
    mean = np.full(n_specimens, np.nan)
    np.divide(total, n_ct, out=mean, where=n_ct > 0)
    return Looked(pool, sample, pool_ids, sample_ids, state, mean)


def _places(specimens: pa.ChunkedArray, pool_ids: pa.Array, sample_ids: pa.Array) -> NDArray[np.int32]:
    """Return where each specimen stands: pools first, then samples; -1 for one that is neither."""
    codes, texts = encode(specimens)
    as_pool = TextIndex.of(pool_ids).find(texts)
    as_sample = TextIndex.of(sample_ids).find(texts)
    place = np.where(as_pool >= 0, as_pool, np.where(as_sample >= 0, as_sample + len(pool_ids), -1)).astype(np.int32)
    return np.where(codes >= 0, place[codes], np.int32(-1)) if len(texts) else codes


class Beside(NamedTuple):
    """Each pool beside its members tested alone.

    Attributes
    ----------
    n_read, n_detected : numpy.ndarray of int64
        (pools,) members that were tested alone, and those of them that were detected.
    effective : numpy.ndarray of float64
        (pools,) the Ct that the detected members would give together, undiluted; NaN without one.
    strongest : numpy.ndarray of float64
        (pools,) the earliest Ct of a member, infinity without one.
    """

    n_read: NDArray[np.int64]
    n_detected: NDArray[np.int64]
    effective: NDArray[np.float64]
    strongest: NDArray[np.float64]


def beside(looked: Looked, *, efficiency: float = 1.0) -> Beside:
    """Return what the members of each pool read alone, and the effective Ct of their summed load.

    Examples
    --------
    >>> members = pa.table({"pool_id": ["P", "P"], "sample_id": ["A", "B"], "slot": [1, 2]})
    >>> looked = look_up(members, pa.table({"specimen_id": ["A", "B"], "ct_cycles": [28.0, 28.0]}))
    >>> beside(looked).effective.tolist()
    [27.0]
    """
    n_pools = len(looked.pool_ids)
    alone = looked.sample + n_pools
    state = looked.state[alone]
    ct = looked.ct_cycles[alone]
    has_ct = ~np.isnan(ct)
    n_read = np.bincount(looked.pool[state != NOT_READ], minlength=n_pools)
    n_detected = np.bincount(looked.pool[state == DETECTED], minlength=n_pools)
    strongest = np.full(n_pools, np.inf)
    np.minimum.at(strongest, looked.pool[has_ct], ct[has_ct])
    # Relative to the strongest, so that no power under- or overflows.
    later = ct[has_ct] - strongest[looked.pool[has_ct]]
    total = np.bincount(looked.pool[has_ct], weights=(1.0 + efficiency) ** -later, minlength=n_pools)
    effective = np.full(n_pools, np.nan)
    some = total > 0.0
    effective[some] = strongest[some] - np.log(total[some]) / np.log1p(efficiency)
    return Beside(n_read, n_detected, effective, strongest)
