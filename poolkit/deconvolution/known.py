"""Calls to what is known of each specimen: which calls count, in which order, and what they come to."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, codes_in, encode, frozen, numbers, plain
from poolkit.kernels import evidence as kernels
from poolkit.kernels import registration as grouping
from poolkit.protocols import Protocol
from poolkit.schemas import CALLS_MADE, Finding


@dataclass(frozen=True, slots=True)
class Grouped:
    """Who is in which pool, both ways round; a tube of one sample is no pool here.

    Attributes
    ----------
    offsets, samples
        Members of pool p: ``samples[offsets[p]:offsets[p + 1]]``.
    of_sample
        Pools of each sample.
    single : numpy.ndarray of int32
        (pools,) the sample of a tube of one, -1 for every other pool.
    """

    offsets: NDArray[np.int64]
    samples: Codes
    of_sample: kernels.Memberships
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
    return Grouped(offsets, grouped, kernels.Memberships(starts, of_sample), single)


def _bucketed(codes: Codes, values: Codes, n: int) -> tuple[NDArray[np.int64], Codes]:
    offsets = np.zeros(n + 1, np.int64)
    ordered = np.empty(codes.size, np.int32)
    grouping.bucket(frozen(codes), frozen(values), offsets, ordered)
    return offsets, ordered


class Specimens:
    """Looks up what a well says it holds: laboratory pool, then tube, then sample."""

    def __init__(self, samples: pa.Table, pools: pa.Table, grouped: Grouped) -> None:
        self._samples = samples
        self._single = grouped.single
        self._pools = TextIndex.of(plain(pools["pool_id"]))
        self._sample_index: TextIndex | None = None

    def owners(self, specimen_ids: pa.ChunkedArray) -> Codes:
        """Return a pool, or the number of pools plus a sample; -1 where null or not registered.

        A tube of one sample is that sample.
        """
        codes, texts = encode(specimen_ids)
        places = self._pools.find(texts)
        n_pools = self._single.size
        found = np.flatnonzero(places >= 0)
        singles = self._single[places[found]]
        places[found] = np.where(singles >= 0, singles + np.int32(n_pools), places[found])
        lacking = np.flatnonzero(places < 0)
        if lacking.size:
            self._sample_index = self._sample_index or TextIndex.of(plain(self._samples["sample_id"]))
            of_sample = self._sample_index.find(texts.take(pa.array(lacking)))
            places[lacking] = np.where(of_sample >= 0, of_sample + np.int32(n_pools), np.int32(-1))
        return frozen(np.append(places, np.int32(-1))[codes])


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
    owner = specimens.owners(calls["specimen_id"])
    run_ids = plain(runs["run_id"])
    ended = frozen(numbers(runs["ended_at"])[codes_in(calls["run_id"], run_ids)])
    made = codes_in(calls["call"], pa.array(CALLS_MADE)).astype(np.int8)
    collected = numbers(samples["collected_at"])
    newest = np.empty(n_pools, np.int64)
    kernels.newest_of(grouped.offsets, grouped.samples, collected, newest)
    # A specimen that nobody registered has no swab: its -1 finds the earliest time there is.
    withheld = ended < np.concatenate((newest, collected, [np.iinfo(np.int64).min]))[owner]
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
    offsets, rows = _bucketed(counted, np.arange(owner.size, dtype=np.int32), n_pools + samples.num_rows)
    looks = _empty_looks(n_pools + samples.num_rows)
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
