"""`fit_dilution`: by how many cycles a pool reads later than its members together, as a laboratory measured it."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from poolkit.assays.cycles import DETECTED, SPECIMEN_CYCLES, beside, look_up, target_names
from poolkit.errors import DesignError, Problem
from poolkit.schemas import conform

# Huber's constant: 95 % of the efficiency of the mean where errors are normal.
_HUBER = 1.345
# What makes the median of absolute deviations the sd of a normal distribution.
_MAD_TO_SD = 1.4826
OUTLIER_SD = 4.0
_LEAST_POOLS = 3

_FITTED = pa.schema(
    [
        pa.field("target", pa.string()),
        pa.field("n_members", pa.int32()),
        pa.field("n_pools", pa.int32(), nullable=False),
        pa.field("n_outliers", pa.int32(), nullable=False),
        pa.field("shift_cycles", pa.float64(), nullable=False),
        pa.field("sd_cycles", pa.float64()),
        pa.field("se_cycles", pa.float64()),
        pa.field("mean_cycles", pa.float64(), nullable=False),
        pa.field("sd_all_cycles", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Dilution:
    """By how many cycles a pool reads later than its infected members would together, undiluted.

    Attributes
    ----------
    shift_cycles : float
        The shift, over all pool sizes that were fitted.
    sd_cycles : float
        Standard deviation of one pool about it, outliers apart.
    se_cycles : float, optional
        Standard error of the shift; None where it was not fitted.
    n_pools, n_outliers : int
        Pools that it was fitted to, and those of them further off than 4 sd.
    efficiency : float
        Amplification efficiency by which loads are added; 1 doubles each cycle.
    table : pyarrow.Table
        One row a target and pool size (null: all sizes): n_pools, n_outliers, shift_cycles, sd_cycles, se_cycles,
        and for comparison the plain mean_cycles and sd_all_cycles with outliers.

    Raises
    ------
    DesignError
        When the sd is not above 0 or the efficiency is not above 0 and at most 1.

    Examples
    --------
    >>> print(Dilution(shift_cycles=2.2, sd_cycles=2.0))
    pools read 2.20 cycles later than their members together, sd 2.00 (assumed)
    """

    shift_cycles: float
    sd_cycles: float
    se_cycles: float | None = None
    n_pools: int = 0
    n_outliers: int = 0
    efficiency: float = 1.0
    table: pa.Table = field(default_factory=_FITTED.empty_table, repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no dilution."""
        problems = []
        if not math.isfinite(self.shift_cycles):
            problems.append(Problem("shift_cycles", f"must be finite, found {self.shift_cycles}"))
        if not 0.0 < self.sd_cycles < math.inf:
            problems.append(Problem("sd_cycles", f"must be above 0, found {self.sd_cycles}"))
        if not 0.0 < self.efficiency <= 1.0:
            problems.append(Problem("efficiency", f"must be above 0 and at most 1, found {self.efficiency}"))
        if problems:
            raise DesignError("not a dilution", problems)

    def shift_at(self, n_members: ArrayLike) -> NDArray[np.float64]:
        """Return the shift of pools of these sizes.

        A pool of one has none. Between fitted sizes the shift is linear in log2 of the size, above the largest it goes
        on in proportion to it; without fitted sizes it is `shift_cycles` for all pools of two and more.
        """
        sizes = np.asarray(n_members, np.float64)
        rows = [row for row in self.table.to_pylist() if row["n_members"] and row["n_pools"] >= _LEAST_POOLS]
        targets = {row["target"] for row in rows}
        if not rows or len(targets) > 1:
            return np.where(sizes > 1.0, self.shift_cycles, 0.0)
        known = sorted((math.log2(row["n_members"]), row["shift_cycles"]) for row in rows if row["n_members"] > 1)
        points, shifts = [0.0, *(x for x, _ in known)], [0.0, *(y for _, y in known)]
        asked = np.log2(np.maximum(sizes, 1.0))
        beyond = shifts[-1] * asked / max(points[-1], 1.0)
        found: NDArray[np.float64] = np.where(asked > points[-1], beyond, np.interp(asked, points, shifts))
        return found

    def for_target(self, target: str | None) -> "Dilution":
        """Return the dilution of one target of several."""
        rows = [row for row in self.table.to_pylist() if row["target"] == target]
        if not rows:
            fitted = ", ".join(sorted({str(row["target"]) for row in self.table.to_pylist()})) or "none"
            raise DesignError("no such dilution", [Problem("target", f"{target} was not fitted ({fitted})")])
        return _dilution(rows, self.efficiency)

    def __str__(self) -> str:
        """Say it in a sentence, and each target and size on a line."""
        text = f"pools read {self.shift_cycles:.2f} cycles later than their members together, sd {self.sd_cycles:.2f}"
        if not self.n_pools:
            return f"{text} (assumed)"
        lines = [f"{text} (standard error {self.se_cycles:.2f}, {self.n_pools} pools, {self.n_outliers} beyond 4 sd)"]
        for row in self.table.to_pylist():
            if row["n_members"]:
                sd = "" if row["sd_cycles"] is None else f", sd {row['sd_cycles']:.2f}"
                lines.append(
                    f"  {row['target'] + ', ' if row['target'] else ''}pools of {row['n_members']}: "
                    f"{row['shift_cycles']:.2f} cycles{sd}, {row['n_pools']} pools "
                    f"(log2 {row['n_members']} = {math.log2(row['n_members']):.2f})"
                )
        return "\n".join(lines)


def fit_dilution(members: Any, readings: Any, *, target: str | None = None, efficiency: float = 1.0) -> Dilution:
    """Fit by how many cycles pools read later than their members together, from pools whose members were all tested.

    Parameters
    ----------
    members
        Table `members`.
    readings
        What was read of pools and of samples alone: columns ``specimen_id`` and ``ct_cycles`` (null: no curve
        crossed), and where there are any ``target`` and ``call`` (``invalid`` says nothing).
    target
        The one target to fit; all that were read by default, each for itself in the table.
    efficiency
        Amplification efficiency by which the loads of members are added, above 0 up to 1.

    Returns
    -------
    Dilution
        Location by Huber's estimator, sd from the median of absolute deviations, so that a swapped tube among the
        pools moves neither.

    Raises
    ------
    SchemaError
        When a table is not what it should be.
    DesignError
        When fewer than three pools can be used, the target was not read or the efficiency is out of range.

    Notes
    -----
    A pool is used when it has a Ct, every member was tested alone and one of them has a Ct. Its shift is its Ct less
    the effective Ct of its members, ``-log(sum (1 + e) ** -Ct) / log(1 + e)``. Pools that were not detected are never
    compared, so that long shifts of weak pools are missing and the fit is a little low. A shift of a target counts once
    a pool. O(members + readings).

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).

    Examples
    --------
    >>> pools = [f"P{k}" for k in range(5) for _ in range(2)]
    >>> names = [f"S{k}" for k in range(10)]
    >>> members = pa.table({"pool_id": pools, "sample_id": names, "slot": [1, 2] * 5})
    >>> ct = [25.0, None, 30.0, None, 28.0, 28.0, None, 33.0, None, 20.0]
    >>> of_pools = [26.1, 30.8, 28.0, 34.3, 35.0]
    >>> readings = pa.table({"specimen_id": names + ["P0", "P1", "P2", "P3", "P4"], "ct_cycles": ct + of_pools})
    >>> print(fit_dilution(members, readings))
    pools read 1.15 cycles later than their members together, sd 0.30 (standard error 0.14, 5 pools, 1 beyond 4 sd)
      pools of 2: 1.15 cycles, sd 0.30, 5 pools (log2 2 = 1.00)
    """
    if not 0.0 < efficiency <= 1.0:
        raise DesignError("not an assay", [Problem("efficiency", f"must be above 0 and at most 1, found {efficiency}")])
    names = [target] if target is not None else target_names(conform(readings, SPECIMEN_CYCLES))
    rows: list[dict[str, Any]] = []
    for name in names:
        looked = look_up(members, readings, name)
        n_pools, sizes = len(looked.pool_ids), looked.sizes
        held = beside(looked, efficiency=efficiency)
        ct = looked.ct_cycles[:n_pools]
        usable = (looked.state[:n_pools] == DETECTED) & ~np.isnan(ct) & ~np.isnan(held.effective)
        usable &= held.n_read == sizes
        shift, of_size = (ct - held.effective)[usable], sizes[usable]
        rows += [_row(name, None, shift)] if shift.size else []
        rows += [_row(name, int(size), shift[of_size == size]) for size in np.unique(of_size)]
    n_usable = sum(row["n_pools"] for row in rows if row["n_members"] is None)
    if n_usable < _LEAST_POOLS:
        why = f"at least {_LEAST_POOLS} pools with a Ct are needed whose members were all tested alone and one found"
        raise DesignError("a dilution cannot be fitted", [Problem("readings", f"{why}; there are {n_usable}")])
    return _dilution(rows, efficiency)


def _dilution(rows: list[dict[str, Any]], efficiency: float) -> Dilution:
    """Return the dilution whose headline is that of the targets together, weighted by their pools."""
    table = pa.Table.from_pylist([{name: row[name] for name in _FITTED.names} for row in rows], schema=_FITTED)
    heads = [row for row in rows if row["n_members"] is None and row["sd_cycles"] is not None]
    if not heads:
        raise DesignError(
            "a dilution cannot be fitted", [Problem("readings", f"no target has {_LEAST_POOLS} usable pools")]
        )
    weights = np.array([row["n_pools"] for row in heads], np.float64)
    share = weights / weights.sum()
    shift = np.array([row["shift_cycles"] for row in heads])
    sd = np.array([row["sd_cycles"] for row in heads])
    se = np.array([row["se_cycles"] for row in heads])
    return Dilution(
        float(share @ shift),
        max(float(np.sqrt(share @ sd**2)), 1e-3),
        float(np.sqrt(share**2 @ se**2)),
        int(weights.sum()),
        sum(row["n_outliers"] for row in heads),
        efficiency,
        table,
    )


def _row(target: str | None, n_members: int | None, shift: NDArray[np.float64]) -> dict[str, Any]:
    enough = shift.size >= _LEAST_POOLS
    location, sd, se = _huber(shift)
    far = int(np.count_nonzero(np.abs(shift - location) > OUTLIER_SD * sd)) if enough else 0
    return {
        "target": target,
        "n_members": n_members,
        "n_pools": int(shift.size),
        "n_outliers": far,
        "shift_cycles": location,
        "sd_cycles": sd if enough else None,
        "se_cycles": se if enough else None,
        "mean_cycles": float(shift.mean()),
        "sd_all_cycles": float(shift.std(ddof=1)) if shift.size > 1 else None,
    }


def _huber(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return Huber's location, the sd that the median of absolute deviations gives, and the location's error."""
    location = float(np.median(values))
    sd = _MAD_TO_SD * float(np.median(np.abs(values - location)))
    if sd == 0.0:
        sd = float(values.std(ddof=1)) if values.size > 1 else 0.0
    if sd == 0.0:
        return location, 0.0, 0.0
    for _ in range(100):
        off = (values - location) / sd
        weight = np.minimum(1.0, _HUBER / np.maximum(np.abs(off), 1e-12))
        moved = float((weight * values).sum() / weight.sum())
        if abs(moved - location) < 1e-10 * sd:
            break
        location = moved
    off = (values - location) / sd
    influence = np.clip(off, -_HUBER, _HUBER)
    slope = max(float((np.abs(off) < _HUBER).mean()), 1.0 / values.size)
    return location, sd, float(sd * np.sqrt((influence**2).mean()) / slope / math.sqrt(values.size))
