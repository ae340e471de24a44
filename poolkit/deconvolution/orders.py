"""Orders: what has to be done for a sample that is not settled, one open order a sample."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, coded, codes_in, numbers, plain
from poolkit.kernels import evidence as kernels
from poolkit.protocols import Protocol
from poolkit.schemas import ACTIONS, ORDERS, Finding

REASONS = (
    "none",
    "positive_pool",
    "suspect_pool",
    "invalid_pool",
    "unusable_pool",
    "suspect_single",
    "invalid_single",
    "identity",
)
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest earlier order of each sample.

    Attributes
    ----------
    action : numpy.ndarray of int8
        (samples,) its action, counted from 1; 0 where there is none.
    n_orders : numpy.ndarray of int32
        (samples,) how many there are.
    recollected : frozenset of str
        Samples that were ever ordered to be recollected.
    """

    action: NDArray[np.int8]
    n_orders: NDArray[np.int32]
    recollected: frozenset[str]


def latest_orders(orders: pa.Table, samples: pa.Table) -> Latest:
    """Find each sample's latest order; `orders` is oldest first."""
    action = np.zeros(samples.num_rows, np.int8)
    n_orders = np.zeros(samples.num_rows, np.int32)
    if orders.num_rows == 0:
        return Latest(action, n_orders, frozenset())
    sample = codes_in(orders["sample_id"], plain(samples["sample_id"]))
    asked = codes_in(orders["action"], pa.array(ACTIONS)).astype(np.int8) + np.int8(1)
    known = sample >= 0
    # Of several orders of one sample the last assignment stays, as orders come oldest first.
    action[sample[known]] = asked[known]
    np.add.at(n_orders, sample[known], 1)
    recollected = orders.filter(pc.equal(orders["action"].cast(pa.string()), "recollect"))["sample_id"]
    return Latest(action, n_orders, frozenset(recollected.to_pylist()))


def issue(
    samples: pa.Table,
    standing: kernels.Standing,
    earlier: Latest,
    *,
    protocol: Protocol,
    at: int,
) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Issue the orders that are missing; section 7 of the definitions.

    Parameters
    ----------
    samples : pyarrow.Table
        One row a sample.
    standing
        Final statuses, and what each sample's own evidence asks for.
    earlier
        What was ordered before.
    protocol
        Hours until an order is past due.
    at
        Moment of the computation, microseconds since 1970 UTC.

    Returns
    -------
    orders : pyarrow.Table
        The new orders in the order of the samples.
    has_order : numpy.ndarray of bool
        (samples,) whether the sample has an open order now.
    """
    open_ = standing.status >= kernels.STATUS_SUSPECT
    rows = np.flatnonzero(open_ & (standing.action != kernels.NO_ACTION) & (standing.action != earlier.action))
    has_order = open_ & ((standing.action != kernels.NO_ACTION) | (earlier.action != 0))
    ids = plain(samples["sample_id"]).take(pa.array(rows))
    action = standing.action[rows].astype(np.int32) - 1
    names = pa.array(ACTIONS)
    number = pa.array(earlier.n_orders[rows] + 1).cast(pa.string())
    issued = np.full(rows.size, at, np.int64)
    due_hours = {str(name): hours for name, hours in protocol.due_hours.items()}
    hours = np.array([due_hours[name] for name in ACTIONS])
    due = issued + np.rint(hours * _HOUR_US).astype(np.int64)[action]
    columns = [
        pc.binary_join_element_wise(ids, names.take(pa.array(action)), number, "/"),
        ids,
        coded(action, names),
        coded(standing.reason[rows].astype(np.int32), pa.array(REASONS)),
        pa.array(issued).view(ORDERS["issued_at"].type),
        pa.array(due).view(ORDERS["due_at"].type),
    ]
    fields = [field.with_type(column.type) for field, column in zip(ORDERS.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields)), has_order


def open_orders(orders: pa.Table, results: pa.Table) -> pa.Table:
    """Return the orders that still stand: each unsettled sample's latest.

    Parameters
    ----------
    orders : pyarrow.Table
        All orders ever issued, oldest first.
    results : pyarrow.Table
        The current result of every sample.

    Returns
    -------
    pyarrow.Table
        At most one order a sample.

    Examples
    --------
    >>> from poolkit.schemas import ORDERS, RESULTS
    >>> open_orders(ORDERS.empty(), RESULTS.empty()).num_rows
    0
    """
    if orders.num_rows == 0:
        return orders
    index = TextIndex.of(plain(orders["sample_id"]))
    last = np.zeros(len(index.values), np.int64)
    last[index.codes] = np.arange(orders.num_rows)
    unsettled = results.filter(
        pc.is_in(results["status"].cast(pa.string()), pa.array(["suspect", "invalid", "pending"]))
    )
    waiting = np.zeros(len(index.values), np.bool_)
    found = index.find(plain(unsettled["sample_id"]))
    waiting[found[found >= 0]] = True
    return orders.take(pa.array(np.sort(last[waiting])))


def past_due(orders: pa.Table, new_orders: pa.Table, results: pa.Table, at: int) -> list[Finding]:
    """Name the orders that still stand although they were due before now."""
    if orders.num_rows == 0:
        return []
    every = pa.concat_tables([table.cast(ORDERS.schema) for table in (orders, new_orders)])
    still = open_orders(every, results)
    late = still.filter(pa.array(numbers(still["due_at"]) < at))
    return [
        Finding(
            "order_past_due",
            "warning",
            (row["order_id"], row["sample_id"]),
            f"order {row['order_id']} was due at {row['due_at']:%Y-%m-%d %H:%M} UTC and is not answered",
        )
        for row in late.to_pylist()
    ]
