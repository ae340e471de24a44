"""`Upcoming`: what has to stand on the next plates, from the open orders and the designs of the pools so far."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import plain
from poolkit.pooling import next_stage_pools
from poolkit.pooling.designs import Design
from poolkit.schemas import History


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What has to stand on the next plates.

    Attributes
    ----------
    pools, members : pyarrow.Table
        Pools to be mixed, and the samples in them.
    alone : pyarrow.StringArray
        Tubes to be tested alone, of samples that no later pool holds.
    again : pyarrow.StringArray
        Pools and tubes whose runs were invalid, to be run again.
    waiting : pyarrow.StringArray
        Samples with an open order that are in a pool or well which nobody has read yet.
    """

    pools: pa.Table
    members: pa.Table
    alone: pa.Array
    again: pa.Array
    waiting: pa.Array

    @property
    def specimens(self) -> pa.Array:
        """The specimens in the order in which they are to be laid out: pools, tubes alone, then what runs again."""
        return pa.concat_arrays([plain(self.pools["pool_id"]), self.alone, self.again])


def upcoming(history: History, orders: pa.Table, *, designs: tuple[Design, ...] = ()) -> Upcoming:
    """Say what the next plates have to hold, so that every open retest and rerun is answered.

    Parameters
    ----------
    history
        Everything known of the samples that are not settled.
    orders : pyarrow.Table
        The open orders; recollections are no work for the bench.
    designs
        Designs that are not found by their name.

    Returns
    -------
    Upcoming
        Pools of the next stage of each block, tubes alone, and specimens to be run again.

    Notes
    -----
    A sample whose retest was ordered goes into the next stage of its block where the design has one, else alone. One
    that is in a specimen which was mixed or plated and not read yet waits, so that asking twice orders nothing twice.
    """
    known = _Known(history)
    action = orders["action"].cast(pa.string())
    retest = plain(orders["sample_id"].filter(pc.equal(action, "retest"))).to_pylist()
    rerun = orders.filter(pc.equal(action, "rerun"))
    waiting = {sample for sample in retest if known.on_its_way(sample)}
    open_ids = [sample for sample in retest if sample not in waiting]
    following = next_stage_pools(known.pools, known.members, open_ids, designs=designs)
    alone = [*following.alone.to_pylist(), *(sample for sample in open_ids if sample not in known.designed)]
    again = []
    for sample, reason in zip(rerun["sample_id"].to_pylist(), rerun["reason"].to_pylist(), strict=True):
        specimens = known.invalid_specimens(sample, alone=reason == "invalid_single")
        again += specimens
        if not specimens:
            waiting.add(sample)
    return Upcoming(
        following.pools,
        following.members,
        _texts(known.tube_of(sample) for sample in alone),
        _texts(again),
        _texts(sorted(waiting)),
    )


def _texts(texts: Iterable[str]) -> pa.Array:
    return pa.array(list(dict.fromkeys(texts)), pa.string())


class _Known:
    """The specimens of the samples that are not settled, and which of them were read."""

    def __init__(self, history: History) -> None:
        is_designed = pc.and_(pc.is_valid(history.pools["design"]), pc.is_valid(history.pools["block_id"]))
        self.pools = history.pools.filter(is_designed)
        mixed = history.members.filter(pc.is_in(plain(history.members["pool_id"]), plain(history.pools["pool_id"])))
        self.members = mixed.filter(pc.is_in(plain(mixed["pool_id"]), plain(self.pools["pool_id"])))
        self.designed = set(plain(self.members["sample_id"]).to_pylist())
        samples = history.samples
        self._tube = dict(zip(samples["sample_id"].to_pylist(), samples["tube_id"].to_pylist(), strict=True))
        tubes, counts = np.unique(np.array(samples["tube_id"].to_pylist(), object), return_counts=True)
        self._n_held = dict(zip(tubes.tolist(), counts.tolist(), strict=True))
        self._pools: dict[str, list[str]] = {}
        for pool, sample in zip(mixed["pool_id"].to_pylist(), mixed["sample_id"].to_pylist(), strict=True):
            self._pools.setdefault(sample, []).append(pool)
        self._mixed = set(plain(self.pools["pool_id"]).to_pylist())
        calls = history.calls
        self._words: dict[str, set[str]] = {}
        for specimen, call in zip(calls["specimen_id"].to_pylist(), calls["call"].to_pylist(), strict=True):
            self._words.setdefault(specimen, set()).add(call)
        read = set(zip(calls["plate_id"].to_pylist(), calls["well"].to_pylist(), strict=True))
        self._plated = {
            row["specimen_id"]
            for row in history.wells.select(["plate_id", "well", "specimen_id"]).to_pylist()
            if (row["plate_id"], row["well"]) not in read
        }

    def tube_of(self, sample: str) -> str:
        """Return what stands on the tube to take a sample from: its tube where that holds it alone, else itself."""
        tube = self._tube[sample]
        return tube if self._n_held[tube] == 1 else sample

    def on_its_way(self, sample: str) -> bool:
        """Return whether a pool of a sample's design, or its own tube, was mixed or plated and is not read yet."""
        pools = self._pools.get(sample, [])
        unread = [pool for pool in pools if pool in self._mixed and pool not in self._words]
        return bool(unread) or bool({sample, self._tube[sample], *pools} & self._plated)

    def invalid_specimens(self, sample: str, *, alone: bool) -> list[str]:
        """Return the specimens of a sample that have only invalid calls and do not stand on a plate to be read."""
        tube = self._tube[sample]
        specimens = [sample, tube] if alone else [tube, *self._pools.get(sample, [])]
        return [each for each in specimens if self._words.get(each) == {"invalid"} and each not in self._plated]
