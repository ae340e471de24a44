"""Calls to results: where every sample stands, what follows from it, and how sure it is."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import coded, encode, frozen, numbers, plain
from poolkit.deconvolution.designed import Designed
from poolkit.deconvolution.known import Grouped, Specimens, group_members, know
from poolkit.deconvolution.orders import issue, latest_orders, past_due
from poolkit.deconvolution.priors import prior_of
from poolkit.deconvolution.received import check_wells
from poolkit.deconvolution.recollected import Links, answered_by, link
from poolkit.kernels import evidence as kernels
from poolkit.kernels.designed import clear
from poolkit.protocols import Protocol
from poolkit.schemas import ORDERS, RESULTS, STATUSES, Finding


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the calls mean for people.

    Attributes
    ----------
    results : pyarrow.Table
        One row a sample, in the order of the samples.
    orders : pyarrow.Table
        The orders issued now.
    findings : tuple of Finding
        What does not add up.
    """

    results: pa.Table
    orders: pa.Table
    findings: tuple[Finding, ...]


def resolve(
    samples: pa.Table,
    pools: pa.Table,
    members: pa.Table,
    wells: pa.Table,
    calls: pa.Table,
    runs: pa.Table,
    *,
    protocol: Protocol,
    at: int,
    orders: pa.Table | None = None,
    unusable: pa.Array | None = None,
    doubtful: pa.Array | None = None,
    prior: float | pa.Table | None = None,
) -> Resolved:
    """Say where every sample stands, and order what follows.

    Parameters
    ----------
    samples, pools, members : pyarrow.Table
        Registrations without repetition, all tubes and mixtures, and who is in them.
    wells, calls, runs : pyarrow.Table
        Where these specimens stand, every call ever made of them, and the runs they were made of.
    protocol
        The rules.
    at
        Moment of the computation, microseconds since 1970 UTC.
    orders : pyarrow.Table, optional
        Earlier orders of these samples, oldest first.
    unusable : pyarrow.BooleanArray, optional
        (pools,) pools whose negative clears nobody.
    doubtful : pyarrow.BooleanArray, optional
        (samples,) samples whose identity is in doubt.
    prior : float or pyarrow.Table, optional
        Probability that a sample is infected before anything was read, one for all or columns ``sample_id`` and
        ``probability``; the protocol's by default.

    Returns
    -------
    Resolved
        Results, new orders and findings.

    Raises
    ------
    AssertionError
        When the conservation law does not hold: a defect of poolkit, never of the input.

    Notes
    -----
    O(samples + members + calls). See sections 4 to 8 and 11 of the definitions.
    """
    n_samples = samples.num_rows
    grouped = group_members(samples, pools, members)
    specimens = Specimens(samples, pools, grouped, wells["specimen_id"], calls["specimen_id"])
    membership = kernels.Memberships(grouped.starts, grouped.pools, frozen(specimens.alone))
    known = know(samples, calls, runs, grouped=grouped, specimens=specimens, protocol=protocol)
    clears_nobody = _flags(unusable, pools.num_rows)
    in_doubt = _flags(doubtful, n_samples)
    standing = _standing(grouped, membership, known.looks, clears_nobody, in_doubt, pools, protocol, at)
    orders = ORDERS.empty() if orders is None else orders
    earlier = latest_orders(orders, samples)
    links = link(samples, standing.action, in_doubt, earlier.recollected)
    priors = prior_of(samples, protocol, prior)
    probability = _probability(pools, grouped, membership, known.looks, clears_nobody, protocol, priors, links)
    unsaid = (probability < 0) | in_doubt
    own = standing.status
    if links.child.size:
        stands = answered_by(samples, links, own, protocol)
        probability, unsaid = probability[stands], unsaid[stands]
        standing = standing._replace(
            status=own[stands], evidence=standing.evidence[stands], decided=standing.decided[stands]
        )
    results = _results_table(samples, calls, standing, probability, unsaid, protocol)
    new_orders, has_order = issue(samples, standing, earlier, protocol=protocol, at=at)
    _conserve(standing, has_order, membership, known.looks)
    findings = (
        *known.findings,
        *links.findings,
        *_discordant(pools, grouped, known.looks, standing.status),
        *check_wells(wells, pools, samples, grouped, specimens, known.looks, standing.status),
        *past_due(orders, new_orders, results, at),
    )
    return Resolved(results, new_orders, findings)


def _flags(flags: pa.Array | None, n: int) -> NDArray[np.bool_]:
    given = np.zeros(n, np.bool_) if flags is None else flags.to_numpy(zero_copy_only=False)
    flags_view: NDArray[np.bool_] = frozen(given)
    return flags_view


def _standing(
    grouped: Grouped,
    membership: kernels.Memberships,
    looks: kernels.Looks,
    unusable: NDArray[np.bool_],
    doubtful: NDArray[np.bool_],
    pools: pa.Table,
    protocol: Protocol,
    at: int,
) -> kernels.Standing:
    n = doubtful.size
    standing = kernels.Standing(
        np.empty(n, np.int8), np.empty(n, np.int8), np.empty(n, np.int8), np.empty(n, np.int32), np.empty(n, np.int64)
    )
    formed, names = encode(pools["formed"])
    at_collection = frozen(formed == names.index("collection").as_py())
    rules = kernels.Rules(
        int(protocol.invalid_reruns),
        protocol.positive_pool == "recollect",
        protocol.second_suspect == "positive",
        STATUSES.index(protocol.exhausted_pool),
    )
    designed = pc.is_valid(pools["design"]).to_numpy()
    facts = kernels.Pools(unusable, at_collection, frozen(np.where(designed, numbers(pools["stage"]), np.int8(0))))
    cleared = np.zeros(n, np.bool_)
    if designed.any():
        needed = int(protocol.negatives_to_clear)
        clear(grouped.offsets, grouped.samples, membership, looks, facts, needed, cleared)
    kernels.settle(membership, looks, facts, frozen(cleared), doubtful, rules, at, standing)
    return standing


def _probability(
    pools: pa.Table,
    grouped: Grouped,
    membership: kernels.Memberships,
    looks: kernels.Looks,
    unusable: NDArray[np.bool_],
    protocol: Protocol,
    priors: NDArray[np.float64],
    links: Links,
) -> NDArray[np.float64]:
    """Return each sample's posterior, below 0 where nothing can be said; section 8 of the definitions."""
    sizes = range(protocol.max_pool_size + 1)
    sensitivity = np.array([protocol.sensitivity_at(max(size, 1)) for size in sizes])
    assay = kernels.Assay(frozen(sensitivity), float(protocol.specificity))
    designed = None
    if pools["design"].null_count < pools.num_rows:
        designed = Designed(pools, grouped, looks, membership.alone, unusable, protocol)
    generations = links.generations()
    for generation in range(len(generations) + 1):
        probability = np.full(priors.size, -1.0)
        kernels.posterior(
            grouped.offsets,
            grouped.samples,
            membership,
            looks,
            unusable,
            frozen(priors),
            assay,
            probability,
        )
        if designed is not None:
            designed.write(frozen(priors.copy()), probability)
        if generation < len(generations):
            # What is known of a person before the next swab is what the last one said.
            child, parent = generations[generation]
            priors[child] = np.where(probability[parent] >= 0, probability[parent], priors[parent])
    return probability


def _results_table(
    samples: pa.Table,
    calls: pa.Table,
    standing: kernels.Standing,
    probability: NDArray[np.float64],
    unsaid: NDArray[np.bool_],
    protocol: Protocol,
) -> pa.Table:
    where = pc.binary_join_element_wise(*(plain(calls[name]) for name in ("specimen_id", "run_id", "well")), "/")
    columns = [
        samples["sample_id"],
        samples["subject_id"],
        coded(standing.status.astype(np.int32), pa.array(STATUSES)),
        pa.array(probability, mask=unsaid),
        coded(standing.evidence, where),
        coded(np.zeros(samples.num_rows, np.int32), pa.array([protocol.label])),
        pa.array(standing.decided).view(RESULTS["decided_at"].type),
    ]
    fields = [field.with_type(column.type) for field, column in zip(RESULTS.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _conserve(
    standing: kernels.Standing, has_order: NDArray[np.bool_], membership: kernels.Memberships, looks: kernels.Looks
) -> None:
    """Prove the conservation law, or stop with the counts."""
    status = standing.status
    counts = [int(np.count_nonzero(status == code)) for code in range(len(STATUSES))]
    settled = status < kernels.STATUS_SUSPECT
    idle = np.flatnonzero((status == kernels.STATUS_PENDING) & ~has_order)
    broken = {
        "samples outside the statuses": status.size - sum(counts),
        "suspect or invalid samples without an open order": int(
            (~settled & (status != kernels.STATUS_PENDING) & ~has_order).sum()
        ),
        "pending samples with neither order nor unread specimen": int((~_unread(idle, membership, looks)).sum()),
        "settled samples with an open order": int((has_order & settled).sum()),
        "settled samples without evidence": int((settled & (standing.evidence < 0)).sum()),
    }
    if any(broken.values()):
        found = ", ".join(f"{count} {what}" for what, count in broken.items() if count)
        totals = ", ".join(f"{name} {count}" for name, count in zip(STATUSES, counts, strict=True))
        raise AssertionError(f"samples are not conserved: {found} (samples {status.size}: {totals})")


def _unread(rows: NDArray[np.int64], membership: kernels.Memberships, looks: kernels.Looks) -> NDArray[np.bool_]:
    """Return which of these samples have a specimen, alone or a pool, that no call answers."""
    offsets, pools, alone = membership
    n_held = offsets[rows + 1] - offsets[rows]
    unread: NDArray[np.bool_] = (looks.outcome[alone[rows]] == kernels.IS_UNREAD) & (n_held == 0)
    holder = np.repeat(np.arange(rows.size), n_held)
    held = pools[np.repeat(offsets[rows] - np.cumsum(n_held) + n_held, n_held) + np.arange(holder.size)]
    unread[holder[looks.outcome[held] == kernels.IS_UNREAD]] = True
    return unread


def _discordant(pools: pa.Table, grouped: Grouped, looks: kernels.Looks, status: NDArray[np.int8]) -> list[Finding]:
    ids = pools["pool_id"]
    findings = []
    for pool in np.flatnonzero(looks.outcome[: pools.num_rows] == kernels.IS_POSITIVE):
        inside = grouped.samples[grouped.offsets[pool] : grouped.offsets[pool + 1]]
        if inside.size and (status[inside] == kernels.STATUS_NEGATIVE).all():
            name = ids[int(pool)].as_py()
            message = f"pool {name} is positive, but all its {inside.size} members came back negative"
            findings.append(Finding("discordant_pool", "warning", (name,), message))
    return findings
