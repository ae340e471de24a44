"""Calls to what is known of each specimen: which calls count, in which order, and what they come to."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, as_codes, codes_in, encode, frozen, numbers, plain
from poolkit.kernels import evidence as kernels
from poolkit.kernels import registration as grouping
from poolkit.protocols import Protocol
from poolkit.schemas import CALLS_MADE, Finding
from poolkit.schemas.dictionaries import same_memory


@dataclass(frozen=True, slots=True)
class Grouped:
    """Who is in which pool, both ways round; a tube of one sample is no pool here.

    Attributes
    ----------
    offsets, samples
        Members of pool p: ``samples[offsets[p]:offsets[p + 1]]``.
    starts, pools
        Pools of sample s: ``pools[starts[s]:starts[s + 1]]``.
    single : numpy.ndarray of int32
        (pools,) the sample of a tube of one, -1 for every other pool.
    """

    offsets: NDArray[np.int64]
    samples: Codes
    starts: NDArray[np.int64]
    pools: Codes
    single: Codes


def group_members(samples: pa.Table, pools: pa.Table, members: pa.Table) -> Grouped:
    """Group the members by pool and by sample."""
    pool = codes_in(members["pool_id"], plain(pools["pool_id"]))
    sample = codes_in(members["sample_id"], plain(samples["sample_id"]))
    formed, names = encode(pools["formed"])
    is_single = formed == names.index("single").as_py()
    single = np.full(pools.num_rows, -1, np.int32)
    alone = is_single[pool]
    single[pool[alone]] = sample[alone]
    if alone.any():
        pool, sample = frozen(pool[~alone]), frozen(sample[~alone])
    offsets, grouped = _bucketed(pool, sample, pools.num_rows)
    starts, of_sample = _bucketed(sample, pool, samples.num_rows)
    return Grouped(offsets, grouped, starts, of_sample, single)


def _bucketed(codes: Codes, values: Codes, n: int) -> tuple[NDArray[np.int64], Codes]:
    offsets = np.zeros(n + 1, np.int64)
    ordered = np.empty(codes.size, np.int32)
    grouping.bucket(frozen(codes), frozen(values), offsets, ordered)
    return offsets, ordered


class Specimens:
    """Which specimen each well and call is of: pools, one for all samples never tested alone, then those that were.

    A name is looked up as laboratory pool, then tube, then sample; a tube of one sample is that sample.

    Attributes
    ----------
    of_wells, of_calls : numpy.ndarray of int32
        The specimen of each row; -1 where null or not registered.
    alone : numpy.ndarray of int32
        (samples,) the specimen that each sample is by itself.
    tested_alone : numpy.ndarray of int64
        Samples of the specimens behind the pools and the one for all.
    n_specimens : int
        How many there are.
    """

    def __init__(
        self, samples: pa.Table, pools: pa.Table, grouped: Grouped, wells: pa.ChunkedArray, calls: pa.ChunkedArray
    ) -> None:
        self._samples = samples
        self._single = grouped.single
        self._pools = TextIndex.of(plain(pools["pool_id"]))
        n_pools = self._single.size
        of_wells, well_texts = as_codes(wells)
        of_calls, call_texts = as_codes(calls)
        well_places = self._places(well_texts)
        # Calls of a first day name specimens by the very dictionary of the wells.
        call_places = well_places if same_memory(call_texts, well_texts) else self._places(call_texts)
        owners = [np.append(well_places, np.int32(-1))[of_wells], np.append(call_places, np.int32(-1))[of_calls]]
        by_itself = np.zeros(samples.num_rows, np.bool_)
        for owner in owners:
            by_itself[owner[owner >= n_pools] - n_pools] = True
        self.tested_alone = np.flatnonzero(by_itself)
        self.n_specimens = n_pools + 1 + self.tested_alone.size
        self.alone = np.full(samples.num_rows, n_pools, np.int32)
        self.alone[self.tested_alone] = np.arange(n_pools + 1, self.n_specimens, dtype=np.int32)
        self.of_wells, self.of_calls = (
            np.where(owner >= n_pools, self.alone[np.maximum(owner - n_pools, 0)], owner)
            if self.tested_alone.size
            else owner
            for owner in owners
        )

    def _places(self, texts: pa.Array) -> Codes:
        """Return a pool, or the number of pools plus a sample, or -1."""
        places = self._pools.find(texts)
        n_pools = np.int32(self._single.size)
        found = np.flatnonzero(places >= 0)
        singles = self._single[places[found]]
        places[found] = np.where(singles >= 0, singles + n_pools, places[found])
        lacking = np.flatnonzero(places < 0)
        if lacking.size:
            of_sample = TextIndex.of(plain(self._samples["sample_id"])).find(texts.take(pa.array(lacking)))
            places[lacking] = np.where(of_sample >= 0, of_sample + n_pools, np.int32(-1))
        return places


@dataclass(frozen=True, slots=True)
class Known:
    """What the calls come to.

    Attributes
    ----------
    looks
        By specimen: each pool, then each sample tested alone.
    findings
        Calls that cannot be of the swabs they are said to be of.
    """

    looks: kernels.Looks
    findings: tuple[Finding, ...]


def know(
    samples: pa.Table,
    calls: pa.Table,
    runs: pa.Table,
    *,
    grouped: Grouped,
    specimens: Specimens,
    protocol: Protocol,
) -> Known:
    """Fold all calls into what is known of each specimen; section 4 of the definitions."""
    n_pools = grouped.single.size
    owner = frozen(specimens.of_calls)
    run_ids = plain(runs["run_id"])
    ended = frozen(numbers(runs["ended_at"])[codes_in(calls["run_id"], run_ids)])
    made = codes_in(calls["call"], pa.array(CALLS_MADE)).astype(np.int8)
    collected = numbers(samples["collected_at"])
    newest = np.empty(n_pools, np.int64)
    kernels.newest_of(grouped.offsets, grouped.samples, collected, newest)
    # What nobody registered has no swab: the -1 of such a specimen finds the earliest time there is, at the end.
    never = [np.iinfo(np.int64).min]
    withheld = ended < np.concatenate((newest, never, collected[specimens.tested_alone], never))[owner]
    findings = [
        Finding(
            "collected_after_run",
            "error",
            (row["specimen_id"], row["run_id"]),
            f"{row['specimen_id']} was read by run {row['run_id']}, which ended before the last swab in it was taken",
        )
        for row in calls.filter(pa.array(withheld)).select(["specimen_id", "run_id"]).to_pylist()
    ]
    counted = np.where(withheld, np.int32(-1), owner) if findings else owner
    offsets, rows = _bucketed(counted, np.arange(owner.size, dtype=np.int32), specimens.n_specimens)
    looks = _empty_looks(specimens.n_specimens)
    rank = _ranks(calls["run_id"]) * (1 << 32) + _ranks(calls["well"])
    kernels.look(offsets, rows, frozen(made), ended, frozen(rank), n_pools, protocol.invalid_reruns, looks)
    return Known(looks, tuple(findings))


def _ranks(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the alphabetical rank of each text."""
    codes, texts = encode(column)
    ranks = np.empty(len(texts), np.int64)
    ranks[pc.sort_indices(texts).to_numpy()] = np.arange(len(texts))
    return ranks[codes]


def _empty_looks(n: int) -> kernels.Looks:
    return kernels.Looks(
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int16),
        np.zeros(n, np.int16),
        np.zeros(n, np.int16),
        np.zeros(n, np.int16),
    )
