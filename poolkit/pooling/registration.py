"""Registrations to pools and members: who shares a tube, and what is wrong with a tube."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, coded, encode, first_seen, frozen, numbers, plain
from poolkit.errors import Problem, SchemaError
from poolkit.kernels import registration as kernels
from poolkit.protocols import Protocol
from poolkit.schemas import FORMED, MEMBERS, POOLS, Finding

_LABORATORY, _COLLECTION, _SINGLE = FORMED.index("laboratory"), FORMED.index("collection"), FORMED.index("single")


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registrations come to.

    Attributes
    ----------
    samples : pyarrow.Table
        One row a sample, in order of first appearance.
    pools, members : pyarrow.Table
        Every tube (in order of first appearance), then every laboratory pool, and the samples in them; the members'
        dictionaries are ``pools.pool_id`` and ``samples.sample_id`` themselves, so their codes are row numbers.
    unusable : pyarrow.BooleanArray
        For each pool, whether a negative of it clears nobody (oversized, mixed kinds, made of shared tubes).
    doubtful : pyarrow.BooleanArray
        For each sample, whether it was registered for two different subjects.
    findings : tuple of Finding
        What does not add up.
    """

    samples: pa.Table
    pools: pa.Table
    members: pa.Table
    unusable: pa.Array
    doubtful: pa.Array
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Memberships:
    """Rows of samples and of laboratory members as codes; `row` is the samples row a tube membership came from."""

    pool: NDArray[np.int32]
    sample: NDArray[np.int32]
    slot: NDArray[np.int16]
    volume: pa.Array


def register(
    samples: pa.Table, pools: pa.Table, members: pa.Table, *, protocol: Protocol, distinct: bool = False
) -> Registered:
    """Work out from the registrations which pools there are and who is in them.

    Parameters
    ----------
    samples : pyarrow.Table
        `samples` of the history and then of the day; a ``sample_id`` may repeat.
    pools, members : pyarrow.Table
        The pools made in the laboratory and their members.
    protocol
        The rules: how large a pool may be.
    distinct
        Whether it is known that no ``sample_id`` repeats, so that nobody has to look.

    Returns
    -------
    Registered
        Samples, pools and members without repetition, and the findings.

    Raises
    ------
    SchemaError
        When a laboratory pool has the barcode of a registered tube.
    AssertionError
        When the members are not those registered: a defect of poolkit, never of the input.

    Notes
    -----
    O(samples + members). See sections 1, 4 and 9 of the definitions.
    """
    texts = plain(samples["sample_id"])
    # One piece of memory from here on: members name it as their dictionary, and nobody has to look at a text again.
    samples = samples.set_column(0, samples.schema.field("sample_id").with_type(texts.type), texts)
    ids = TextIndex.known(texts) if distinct and members.num_rows == 0 else TextIndex.of(texts)
    codes, texts = encode(samples["tube_id"])
    tube, tubes = first_seen(codes, texts)
    mixtures = pools.filter(pc.equal(pools["formed"].cast(pa.string()), "laboratory"))
    of_tubes = plain(pools.filter(pc.not_equal(pools["formed"].cast(pa.string()), "laboratory"))["pool_id"])
    members = members.filter(pc.invert(pc.is_in(members["pool_id"].cast(pa.string()), of_tubes)))
    laboratory = plain(mixtures["pool_id"])
    _refuse_shared_barcodes(tubes, laboratory)
    names = pa.concat_arrays([tubes, laboratory]) if len(laboratory) else tubes
    unique, doubtful, kept, findings = _unique_samples(samples, ids, tube)
    rows = _tube_memberships(samples, ids, tube, kept)
    lab_rows, lab_findings = _laboratory_memberships(members, ids, TextIndex.of(laboratory), len(tubes))
    together = _joined(rows, lab_rows)
    facts = _Facts(len(tubes), len(names), together, unique)
    _conserve(facts.n_members, together, int(kept.sum()) + members.num_rows - len(lab_findings))
    formed = np.full(len(names), _LABORATORY, np.int32)
    formed[: len(tubes)] = np.where(facts.n_members[: len(tubes)] > 1, _COLLECTION, _SINGLE)
    said = np.concatenate((np.zeros(len(tubes), np.int16), numbers(mixtures["n_members"])))
    unusable, wrong = _unusable(facts, together, names, said, unique, protocol)
    stage = np.concatenate((np.ones(len(tubes), np.int8), numbers(mixtures["stage"])))
    pools_table = pa.Table.from_arrays(
        [
            names,
            coded(formed, pa.array(FORMED)),
            pa.array(np.minimum(facts.n_members, np.iinfo(np.int16).max).astype(np.int16)),
            pa.array(stage),
            *(_behind_nulls(len(tubes), mixtures[name]) for name in ("design", "block_id")),
        ],
        schema=_with_types(POOLS.schema, formed=_CODED),
    )
    members_table = pa.Table.from_arrays(
        [
            pa.DictionaryArray.from_arrays(pa.array(together.pool), names),
            pa.DictionaryArray.from_arrays(pa.array(together.sample), plain(unique["sample_id"])),
            pa.array(together.slot),
            together.volume,
        ],
        schema=_with_types(MEMBERS.schema, pool_id=_CODED, sample_id=_CODED),
    )
    return Registered(
        unique, pools_table, members_table, pa.array(unusable), pa.array(doubtful), (*findings, *lab_findings, *wrong)
    )


_CODED = pa.dictionary(pa.int32(), pa.string())


def _behind_nulls(n: int, texts: pa.ChunkedArray) -> pa.Array:
    """Return n nulls for the tubes, and behind them what the laboratory's pools say."""
    return pa.concat_arrays([pa.nulls(n, pa.string()), plain(texts)])


def _with_types(schema: pa.Schema, **types: pa.DataType) -> pa.Schema:
    return pa.schema([field.with_type(types.get(field.name, field.type)) for field in schema])


def _conserve(n_members: NDArray[np.int32], together: _Memberships, n_registered: int) -> None:
    """Prove that the members of the tubes are those that were registered, or stop with the counts."""
    miscounted = int((np.bincount(together.pool, minlength=n_members.size) != n_members).sum())
    if miscounted or together.pool.size != n_registered:
        raise AssertionError(
            f"members are not conserved: {n_registered} registered, {together.pool.size} in pools, "
            f"{miscounted} pools miscounted"
        )


def _refuse_shared_barcodes(tubes: pa.Array, laboratory: pa.Array) -> None:
    if len(laboratory) == 0:
        return
    both = np.flatnonzero(TextIndex.of(tubes).find(laboratory) >= 0)
    if both.size:
        names = [laboratory[int(row)].as_py() for row in both]
        raise SchemaError(
            "not a 'pools' batch",
            [Problem("pool_id", f"is also a registered tube: {', '.join(names)}", tuple(map(int, both)))],
        )


def _unique_samples(
    samples: pa.Table, ids: TextIndex, tube: NDArray[np.int32]
) -> tuple[pa.Table, NDArray[np.bool_], NDArray[np.bool_], list[Finding]]:
    """Return one row a sample, which of them are in doubt, which rows are memberships, and what repeats."""
    n_samples = len(ids.values)
    doubtful = np.zeros(n_samples, np.bool_)
    kept = np.ones(samples.num_rows, np.bool_)
    if n_samples == samples.num_rows:
        return samples, doubtful, kept, []
    firsts = ids.firsts
    repeats = np.setdiff1d(np.arange(samples.num_rows), firsts)
    rows_of: dict[int, list[int]] = {}
    for row in repeats:
        rows_of.setdefault(int(ids.codes[row]), []).append(int(row))
    findings = []
    for code, rows in rows_of.items():
        every = [int(firsts[code]), *rows]
        table = samples.take(every)
        subjects = sorted(set(table["subject_id"].to_pylist()))
        in_tubes = sorted(set(table["tube_id"].to_pylist()))
        seen: set[int] = set()
        for row in every:
            kept[row] = tube[row] not in seen
            seen.add(int(tube[row]))
        sample = ids.values[code].as_py()
        if len(subjects) > 1:
            doubtful[code] = True
            message = f"sample {sample} is registered for {len(subjects)} subjects and is swabbed again; expected one"
            findings.append(Finding("duplicate_sample", "error", (sample, *subjects), message))
            continue
        if len(in_tubes) > 1:
            message = (
                f"sample {sample} is registered in {len(in_tubes)} tubes and counts as a member of each; expected one"
            )
            findings.append(Finding("sample_in_two_tubes", "error", (sample, *in_tubes), message))
        if len(every) > len(in_tubes):
            message = f"sample {sample} is registered {len(every)} times; the first row counts"
            findings.append(Finding("duplicate_sample", "warning", (sample, *subjects), message))
    return samples.take(pa.array(firsts)), doubtful, kept, findings


def _tube_memberships(
    samples: pa.Table, ids: TextIndex, tube: NDArray[np.int32], kept: NDArray[np.bool_]
) -> _Memberships:
    slot = numbers(samples["slot"])
    if kept.all():
        return _Memberships(tube, ids.codes, slot, pa.nulls(samples.num_rows, pa.float64()))
    n_kept = int(kept.sum())
    return _Memberships(tube[kept], ids.codes[kept], slot[kept], pa.nulls(n_kept, pa.float64()))


def _laboratory_memberships(
    members: pa.Table, ids: TextIndex, laboratory: TextIndex, n_tubes: int
) -> tuple[_Memberships, list[Finding]]:
    in_pool = laboratory.find(plain(members["pool_id"]))
    of_sample = ids.find(plain(members["sample_id"]))
    usable = (in_pool >= 0) & (of_sample >= 0)
    findings = []
    for row in np.flatnonzero(~usable):
        pool, sample = members["pool_id"][int(row)].as_py(), members["sample_id"][int(row)].as_py()
        lacking = f"no pool {pool}" if in_pool[row] < 0 else f"no sample {sample}"
        message = f"sample {sample} is said to be in pool {pool}, but {lacking} is registered"
        findings.append(Finding("unknown_member", "error", (pool, sample), message))
    mask = pa.array(usable)
    return (
        _Memberships(
            (in_pool[usable] + np.int32(n_tubes)).astype(np.int32),
            of_sample[usable],
            numbers(members["slot"])[usable],
            members["volume_ul"].combine_chunks().filter(mask),
        ),
        findings,
    )


def _joined(first: _Memberships, second: _Memberships) -> _Memberships:
    if second.pool.size == 0:
        return first
    return _Memberships(
        frozen(np.concatenate((first.pool, second.pool))),
        frozen(np.concatenate((first.sample, second.sample))),
        frozen(np.concatenate((first.slot, second.slot))),
        pa.concat_arrays([first.volume, pa.chunked_array([second.volume]).combine_chunks()]),
    )


class _Facts:
    """The counts and flags of each pool."""

    def __init__(self, n_tubes: int, n_pools: int, together: _Memberships, samples: pa.Table) -> None:
        self.n_tubes = n_tubes
        kinds, self.kinds = encode(samples["kind"])
        self.kind = kinds
        self.n_members = np.zeros(n_pools, np.int32)
        self.flags = np.zeros(n_pools, np.uint8)
        kernels.tally(
            frozen(together.pool),
            frozen(together.sample),
            frozen(together.slot),
            kinds,
            self.n_members,
            np.full(n_pools, -1, np.int32),
            np.zeros(n_pools, np.uint64),
            self.flags,
        )


def _unusable(
    facts: _Facts,
    together: _Memberships,
    names: pa.Array,
    said: NDArray[np.int16],
    samples: pa.Table,
    protocol: Protocol,
) -> tuple[NDArray[np.bool_], list[Finding]]:
    """Return which pools clear nobody, and what is wrong with each pool."""
    largest = np.maximum(facts.n_members, said)
    oversized = largest > protocol.max_pool_size
    mixed = (facts.flags & kernels.MIXED_KINDS) != 0
    repooled, of_shared_tube = _repooled(facts, together)
    findings = []
    for row in np.flatnonzero(oversized):
        name, found = names[int(row)].as_py(), int(largest[row])
        message = f"{name} holds {found} samples; the protocol validated {protocol.max_pool_size}"
        findings.append(Finding("tube_over_size", "error", (name,), message))
    ids = plain(samples["sample_id"])
    for pool, places in _places_of(np.flatnonzero((facts.flags != 0) | repooled), together.pool).items():
        name = names[pool].as_py()
        inside = {k: ids[int(together.sample[k])].as_py() for k in places}
        findings.extend(_slots_twice(name, inside, together.slot))
        if mixed[pool]:
            kinds = sorted({facts.kinds[int(facts.kind[together.sample[k]])].as_py() for k in places})
            message = f"{name} holds {' and '.join(kinds)}; expected one kind"
            findings.append(Finding("mixed_kinds", "error", (name,), message))
        if repooled[pool]:
            who = sorted(sample for k, sample in inside.items() if of_shared_tube[k])
            message = f"{name} was mixed from {len(who)} samples whose tubes are pools already; expected single tubes"
            findings.append(Finding("repooled", "error", (name, *who), message))
    return oversized | mixed | repooled, findings


def _repooled(facts: _Facts, together: _Memberships) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which laboratory pools were made of shared tubes, and which memberships those are."""
    in_tube = together.pool < facts.n_tubes
    of_shared_tube = np.zeros(together.pool.size, np.bool_)
    repooled = np.zeros(facts.n_members.size, np.bool_)
    if not in_tube.all():
        shared = np.zeros(facts.kind.size, np.bool_)
        shared[together.sample[in_tube & (facts.n_members[together.pool] > 1)]] = True
        of_shared_tube = ~in_tube & shared[together.sample]
        repooled[together.pool[of_shared_tube]] = True
    return repooled, of_shared_tube


def _places_of(pools: NDArray[np.int64], pool: NDArray[np.int32]) -> dict[int, list[int]]:
    """Return for each of a few pools the memberships in it."""
    places: dict[int, list[int]] = {}
    if pools.size:
        for k in np.flatnonzero(np.isin(pool, pools)):
            places.setdefault(int(pool[k]), []).append(int(k))
    return places


def _slots_twice(name: str, inside: dict[int, str], slot: NDArray[np.int16]) -> list[Finding]:
    by_slot: dict[int, set[str]] = {}
    for k, sample in inside.items():
        by_slot.setdefault(int(slot[k]), set()).add(sample)
    return [
        Finding("slot_twice", "error", (name, *sorted(who)), f"slot {place} of {name} is registered {len(who)} times")
        for place, who in sorted(by_slot.items())
        if len(who) > 1
    ]
