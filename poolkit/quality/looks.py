"""What was tested in pools and what alone: calls to pools, samples and the day on which each was first read."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, codes_in, encode, plain
from poolkit.schemas import CALLS_MADE, STATUSES

Flags = NDArray[np.bool_]
Times = NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
_NEGATIVE, _POSITIVE, _SUSPECT, _INVALID = (
    CALLS_MADE.index(name) for name in ("negative", "positive", "suspect", "invalid")
)


class Called(NamedTuple):
    """The calls of known runs as codes.

    run, call and specimen (calls,): row of the runs, place in CALLS_MADE, place among the specimens;
    on_failed_plate (calls,): whether the plate failed its controls.
    """

    run: Codes
    call: Codes
    specimen: Codes
    on_failed_plate: Flags
    specimens: pa.Array


class First(NamedTuple):
    """Of pools or samples: when the first valid look ended (NEVER without one), and whether any was reactive."""

    at: Times
    positive: Flags
    suspect: Flags


@dataclass(frozen=True, slots=True)
class Looks:
    """Pools and samples with what was read of them.

    Attributes
    ----------
    pools : First
        Of each pool of at least two samples, when it was read first and what it said.
    pool_at, alone_at : numpy.ndarray of int64
        (samples,) when the first pool that holds it, and when it alone was first read.
    again : numpy.ndarray of bool
        (samples,) whether it was taken again for another.
    status : numpy.ndarray of int32
        (samples,) place in STATUSES of its current result, -1 without one.
    n_positive, n_unsettled : numpy.ndarray of int64
        (pools,) members that are positive now, and that are not settled.
    """

    pools: First
    pool_at: Times
    alone_at: Times
    again: Flags
    status: Codes
    n_positive: NDArray[np.int64]
    n_unsettled: NDArray[np.int64]


def called(calls: pa.Table, runs: pa.Table) -> Called:
    """Return the calls of known runs as codes."""
    run = codes_in(calls["run_id"], plain(runs["run_id"]))
    known = run >= 0
    failed = pc.list_value_length(calls["reasons"]).to_numpy() > 0
    rows = np.flatnonzero(failed)
    reasons = calls["reasons"].take(pa.array(rows))
    parents = pc.list_parent_indices(reasons).to_numpy()
    failed = np.zeros(len(failed), np.bool_)
    failed[rows[parents[pc.equal(pc.list_flatten(reasons), "plate_controls").to_numpy()]]] = True
    specimen, specimens = encode(calls["specimen_id"])
    call = codes_in(calls["call"], pa.array(CALLS_MADE))
    return Called(run[known], call[known], specimen[known], failed[known], specimens)


def looks(
    made: Called, ended: Times, *, samples: pa.Table, pools: pa.Table, members: pa.Table, results: pa.Table
) -> Looks:
    """Return who was read in a pool and who alone.

    Parameters
    ----------
    made
        The calls.
    ended
        (runs,) end of each run.
    samples, pools, members, results : pyarrow.Table
        As the store has them; `results` one row a sample.

    Returns
    -------
    Looks
        Pools are those of the laboratory and then the tubes.

    Notes
    -----
    O(samples + calls).
    """
    code, ids = encode(samples["sample_id"])
    names = TextIndex.of(ids)
    tube, tubes = encode(samples["tube_id"])
    laboratory = pools.filter(pc.equal(pools["formed"].cast(pa.string()), "laboratory"))
    mixtures = TextIndex.of(plain(laboratory["pool_id"]))
    pool, sample = _memberships(members, mixtures, names, tube + len(mixtures.values), code)
    n_pools = len(mixtures.values) + len(tubes)
    # A specimen that is no pool finds the spare place at the end.
    size = np.bincount(pool, minlength=n_pools + 1)

    # A specimen is a mixture, else a tube, else a sample; a tube of one sample is that sample.
    place = mixtures.find(made.specimens)
    in_tube = TextIndex.of(tubes).find(made.specimens)
    place = np.where((place < 0) & (in_tube >= 0), in_tube + len(mixtures.values), place)
    only = np.full(n_pools + 1, -1, np.int64)
    only[pool] = sample
    single = np.where(place >= 0, np.where(size[place] == 1, only[place], -1), names.find(made.specimens))
    shared = np.where((place >= 0) & (size[place] > 1), place, -1)

    of_pools = _first(made, ended, shared, n_pools)
    alone = _first(made, ended, single, len(ids))
    pool_at = np.full(len(ids), NEVER)
    within = size[pool] > 1
    np.minimum.at(pool_at, sample[within], of_pools.at[pool[within]])
    again = np.zeros(len(ids), np.bool_)
    again[code[pc.is_valid(samples["recollect_of"]).to_numpy()]] = True
    status = np.full(len(ids), -1, np.int32)
    where = names.find(plain(results["sample_id"]))
    status[where[where >= 0]] = codes_in(results["status"], pa.array(STATUSES))[where >= 0]
    positive = status[sample] == STATUSES.index("positive")
    unsettled = ~positive & (status[sample] != STATUSES.index("negative"))
    return Looks(
        of_pools,
        pool_at,
        alone.at,
        again,
        status,
        np.bincount(pool[positive], minlength=n_pools),
        np.bincount(pool[unsettled], minlength=n_pools),
    )


def _memberships(
    members: pa.Table, mixtures: TextIndex, names: TextIndex, tube: Codes, code: Codes
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pool and sample of each membership, each once."""
    pool = mixtures.find(plain(members["pool_id"]))
    sample = names.find(plain(members["sample_id"]))
    known = (pool >= 0) & (sample >= 0)
    pool = np.concatenate((pool[known].astype(np.int64), tube))
    sample = np.concatenate((sample[known].astype(np.int64), code))
    n_samples = max(len(names.values), 1)
    pairs = pool * n_samples + sample
    if pairs.size and not (np.diff(pairs) > 0).all():
        pairs.sort()
        pairs = pairs[np.append(True, np.diff(pairs) > 0)]
    return pairs // n_samples, pairs % n_samples


def _first(made: Called, ended: Times, unit_of: NDArray[np.int64], n_units: int) -> First:
    """Return when each unit was first validly read, and what was ever read of it."""
    unit = unit_of[made.specimen]
    valid = (unit >= 0) & (made.call != _INVALID)
    at = np.full(n_units, NEVER)
    np.minimum.at(at, unit[valid], ended[made.run[valid]])
    positive, suspect = np.zeros(n_units, np.bool_), np.zeros(n_units, np.bool_)
    positive[unit[valid & (made.call == _POSITIVE)]] = True
    suspect[unit[valid & (made.call == _SUSPECT)]] = True
    return First(at, positive, suspect & ~positive)
