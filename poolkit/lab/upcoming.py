"""`Upcoming`: what has to stand on the next plates, from the open orders and the designs of the pools so far."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import plain
from poolkit.assays import Assay
from poolkit.deconvolution import next_pools
from poolkit.deconvolution.looks import named_by_sample
from poolkit.pooling import NextStage, next_stage_pools
from poolkit.pooling.designs import Design
from poolkit.protocols import Protocol
from poolkit.schemas import MEMBERS, POOLS, History

# What stands as the design of a pool that was chosen by what was known.
ADAPTIVE = "adaptive"


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


def upcoming(
    history: History,
    orders: pa.Table,
    *,
    protocol: Protocol,
    designs: tuple[Design, ...] = (),
    adaptive: bool = False,
    prior: float | None = None,
) -> Upcoming:
    """Say what the next plates have to hold, so that every open retest and rerun is answered.

    Parameters
    ----------
    history
        Everything known of the samples that are not settled.
    orders : pyarrow.Table
        The open orders; recollections are no work for the bench.
    protocol
        The rules: the largest pool, sensitivity and specificity, the prior prevalence.
    designs
        Designs that are not found by their name.
    adaptive
        Whether the next pools are chosen by what is known of each sample (`poolkit.next_pools`), not by the design.
    prior
        Probability that a sample is infected before anything was read; the protocol's by default.

    Returns
    -------
    Upcoming
        Pools of the next stage of each block, or those that tell most, tubes alone, and specimens to be run again.

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
    if adaptive:
        following = _adaptive(known, history, open_ids, protocol, protocol.prior_prevalence if prior is None else prior)
    else:
        following = next_stage_pools(known.laid_out, known.members, open_ids, designs=designs)
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


def _adaptive(known: "_Known", history: History, open_ids: list[str], protocol: Protocol, prior: float) -> NextStage:
    """Choose the next pools of the open samples of designed pools by what is known of them, sites and kinds apart."""
    wanted = set(open_ids) & known.designed
    strata: dict[tuple[str, str], list[str]] = {}
    about = history.samples.select(["sample_id", "site_id", "kind"]).to_pylist()
    for row in {row["sample_id"]: row for row in about}.values():
        if row["sample_id"] in known.designed:
            strata.setdefault((row["site_id"], row["kind"]), []).append(row["sample_id"])
    named = named_by_sample(history.calls, history.samples)
    mark = hashlib.sha256("\0".join([*sorted(wanted), *sorted(known.mixed)]).encode()).hexdigest()[:8]
    pools: list[dict[str, Any]] = []
    members: list[pa.Table] = []
    alone: list[str] = []
    number = 1
    for samples in strata.values():
        if not wanted & set(samples):
            continue
        held = known.members.filter(pc.is_in(plain(known.members["sample_id"]), pa.array(samples)))
        specimens = pa.array([*plain(pc.unique(held["pool_id"])).to_pylist(), *samples])
        found = next_pools(
            held,
            named.filter(pc.is_in(named["specimen_id"], specimens)),
            prior=prior,
            assay=Assay(protocol.sensitivity, protocol.specificity),
            pools=known.pools.filter(pc.is_in(plain(known.pools["pool_id"]), specimens)),
            max_pool=protocol.max_pool_size,
            prefix=f"N{mark}-",
            start=number,
        )
        number += found.pools.num_rows
        kept = found.members.filter(pc.is_in(plain(found.members["sample_id"]), pa.array(sorted(wanted))))
        held_by = Counter(kept["pool_id"].to_pylist())
        in_pool = pa.array([held_by[pool] > 1 for pool in kept["pool_id"].to_pylist()], pa.bool_())
        members.append(kept.filter(in_pool))
        alone += kept.filter(pc.invert(in_pool))["sample_id"].to_pylist()
        pools += [
            row | {"n_members": held_by[row["pool_id"]], "design": ADAPTIVE}
            for row in found.pools.to_pylist()
            if held_by[row["pool_id"]] > 1
        ]
        # Whom the posterior calls settled is tested alone all the same: it is the rules that settle.
        settled = found.standing.filter(pc.not_equal(found.standing["state"].cast(pa.string()), "open"))
        untold = settled["sample_id"].to_pylist() if kept.num_rows else samples
        alone += [each for each in untold if each in wanted]
    return NextStage(
        pa.Table.from_pylist(pools, schema=POOLS.schema),
        pa.concat_tables([MEMBERS.empty(), *(each.cast(MEMBERS.schema) for each in members)]),
        pa.array(alone, pa.string()),
    )


def _texts(texts: Iterable[str]) -> pa.Array:
    return pa.array(list(dict.fromkeys(texts)), pa.string())


class _Known:
    """The specimens of the samples that are not settled, and which of them were read."""

    def __init__(self, history: History) -> None:
        self.pools = history.pools.filter(pc.is_valid(history.pools["design"]))
        self.laid_out = self.pools.filter(pc.is_valid(self.pools["block_id"]))
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
        self.mixed = set(plain(self.pools["pool_id"]).to_pylist())
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
        unread = [pool for pool in pools if pool in self.mixed and pool not in self._words]
        return bool(unread) or bool({sample, self._tube[sample], *pools} & self._plated)

    def invalid_specimens(self, sample: str, *, alone: bool) -> list[str]:
        """Return the specimens of a sample that have only invalid calls and do not stand on a plate to be read."""
        tube = self._tube[sample]
        specimens = [sample, tube] if alone else [tube, *self._pools.get(sample, [])]
        return [each for each in specimens if self._words.get(each) == {"invalid"} and each not in self._plated]
