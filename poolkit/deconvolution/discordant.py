"""`find_discordant`: pools whose reading and whose members' readings do not go together."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.assays import Dilution
from poolkit.assays.cycles import DETECTED, NOT_DETECTED, Beside, Looked, beside, look_up
from poolkit.errors import DesignError, Problem

KINDS = ("no_positive_member", "stronger_than_members", "weaker_than_members", "missed_by_pool")
REASONS = ("late_pool", "strong_pool", "no_ct", "pool_ct", "not_detected")

_DISCORDANT = pa.schema(
    [
        pa.field("pool_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("z", pa.float64()),
        pa.field("ct_cycles", pa.float64()),
        pa.field("expected_ct_cycles", pa.float64()),
        pa.field("n_members", pa.int32(), nullable=False),
        pa.field("n_detected", pa.int32(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
    ]
)


def find_discordant(
    members: Any,
    calls: Any,
    *,
    dilution: Dilution,
    target: str | None = None,
    ct_limit: float = 40.0,
    z_limit: float = 3.0,
) -> pa.Table:
    """Find pools that contradict their members tested alone: none positive, a pool too strong, too weak, or missed.

    Parameters
    ----------
    members
        Table `members`.
    calls
        What was read of pools and of samples alone: columns ``specimen_id`` and ``ct_cycles`` (null: no curve
        crossed), and where there are any ``call`` and ``target``.
    dilution
        By how many cycles pools read later than their members, and the sd of that, as `fit_dilution` gives it.
    target
        The one target to look at where several were read.
    ct_limit
        Later than this nothing is detected.
    z_limit
        A pool this many sd or more from what its members let expect is found; so is every pool stronger than all its
        members together, undiluted, by more than one sd of the dilution.

    Returns
    -------
    pyarrow.Table
        One row a finding, in order of the pools: pool_id, kind, reason, z, ct_cycles, expected_ct_cycles, n_members,
        n_detected, severity, message. Kinds:

        - ``no_positive_member``: reactive, every member was tested alone and none was detected. Reason ``late_pool``
          when a member too weak to be found alone explains it (z above ``-z_limit``), ``strong_pool`` when it does not:
          a swap, a contamination or a spoiled sample. A ``no_ct`` pool has a reactive call without a Ct.
        - ``stronger_than_members`` and ``weaker_than_members``: the Ct is too early or too late for the members' loads.
        - ``missed_by_pool``: not detected, though a member is that the pool should have shown. Its z is a bound.

        z is (Ct - expected) / sd, negative for a pool that is too strong. Without a detected member the expected Ct is
        that of one member at the limit, so that z is a bound as well.

    Raises
    ------
    SchemaError
        When a table is not what it should be.
    DesignError
        When the target is not clear or a limit is not above 0.

    Notes
    -----
    Members that were not tested alone could hold any load, so their pool is only compared on the side that they cannot
    explain: too weak, or missed. O(members + calls).

    Examples
    --------
    >>> members = pa.table({
    ...     "pool_id": ["P1", "P1", "P2", "P2", "P3", "P3"],
    ...     "sample_id": ["A", "B", "C", "D", "E", "F"],
    ...     "slot": [1, 2, 1, 2, 1, 2],
    ... })
    >>> calls = pa.table({
    ...     "specimen_id": ["P1", "A", "B", "P2", "C", "D", "P3", "E", "F"],
    ...     "ct_cycles": [26.2, 25.0, None, 21.0, None, None, 20.0, 31.0, None],
    ... })
    >>> found = find_discordant(members, calls, dilution=Dilution(shift_cycles=1.0, sd_cycles=1.5))
    >>> [(row["pool_id"], row["kind"], round(row["z"], 1)) for row in found.to_pylist()]
    [('P2', 'no_positive_member', -13.3), ('P3', 'stronger_than_members', -8.0)]
    """
    problems = [
        Problem(name, f"must be above 0, found {value}")
        for name, value in (("ct_limit", ct_limit), ("z_limit", z_limit))
        if not 0.0 < value < np.inf
    ]
    if problems:
        raise DesignError("discordant pools cannot be found so", problems)
    looked = look_up(members, calls, target)
    held = beside(looked, efficiency=dilution.efficiency)
    n_pools, sizes = len(looked.pool_ids), looked.sizes
    shift = dilution.shift_at(sizes)
    expected = np.where(np.isnan(held.effective), ct_limit, held.effective) + shift
    z = (looked.ct_cycles[:n_pools] - expected) / dilution.sd_cycles
    missed = looked.state[:n_pools] == NOT_DETECTED
    z[missed] = (ct_limit - expected[missed]) / dilution.sd_cycles
    kind = _kinds(looked, held, z, z_limit, dilution.sd_cycles)
    rows = [
        _row(looked, held, pool, KINDS[kind[pool]], float(expected[pool]), float(z[pool]), z_limit)
        for pool in np.flatnonzero(kind >= 0).tolist()
    ]
    return pa.Table.from_pylist(rows, schema=_DISCORDANT)


def _kinds(looked: Looked, held: Beside, z: NDArray[np.float64], z_limit: float, sd: float) -> NDArray[np.int8]:
    """Return the place of each pool's kind in `KINDS`, -1 where nothing is wrong."""
    n_pools = z.size
    state, ct = looked.state[:n_pools], looked.ct_cycles[:n_pools]
    all_read = (held.n_read == looked.sizes) & (looked.sizes > 0)
    has_load = ~np.isnan(held.effective)
    kind = np.full(n_pools, -1, np.int8)
    reactive = state == DETECTED
    too_strong = (z <= -z_limit) | (ct < held.effective - sd)
    kind[reactive & all_read & has_load & too_strong] = KINDS.index("stronger_than_members")
    kind[reactive & has_load & (z >= z_limit)] = KINDS.index("weaker_than_members")
    kind[(state == NOT_DETECTED) & has_load & (z >= z_limit)] = KINDS.index("missed_by_pool")
    kind[reactive & all_read & (held.n_detected == 0)] = KINDS.index("no_positive_member")
    return kind


def _row(
    looked: Looked, held: Beside, pool: int, kind: str, expected: float, z: float, z_limit: float
) -> dict[str, Any]:
    name = looked.pool_ids[pool].as_py()
    ct = float(looked.ct_cycles[pool])
    n_members, n_detected = int(looked.sizes[pool]), int(held.n_detected[pool])
    read = "no Ct" if np.isnan(ct) else f"Ct {ct:.1f}"
    if kind == "no_positive_member":
        reason = "no_ct" if np.isnan(ct) else "late_pool" if z > -z_limit else "strong_pool"
        why = {
            "no_ct": "",
            "late_pool": "; so late that a weak member may be missed alone",
            "strong_pool": f"; {-z:.1f} sd too strong for a member that is missed alone",
        }[reason]
        message = f"pool {name} is reactive ({read}), but none of its {n_members} members is{why}"
    elif kind == "missed_by_pool":
        reason = "not_detected"
        message = f"pool {name} was not detected, but {n_detected} of its members let expect Ct {expected:.1f}"
    else:
        reason = "pool_ct"
        side = "stronger" if kind == "stronger_than_members" else "weaker"
        message = (
            f"pool {name} reads {read}, {abs(z):.1f} sd {side} than the Ct {expected:.1f} that its members let expect"
        )
    no_load = kind == "no_positive_member" and np.isnan(ct)
    return {
        "pool_id": name,
        "kind": kind,
        "reason": reason,
        "z": None if no_load else z,
        "ct_cycles": None if np.isnan(ct) else ct,
        "expected_ct_cycles": expected,
        "n_members": n_members,
        "n_detected": n_detected,
        "severity": "warning",
        "message": message,
    }
