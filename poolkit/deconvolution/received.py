"""Specimens against wells: what never arrived, what stands twice, what nobody registered."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import encode
from poolkit.deconvolution.known import Grouped, Specimens
from poolkit.kernels import evidence as kernels
from poolkit.schemas import Finding


def check_wells(
    wells: pa.Table,
    pools: pa.Table,
    samples: pa.Table,
    grouped: Grouped,
    specimens: Specimens,
    looks: kernels.Looks,
    status: NDArray[np.int8],
) -> list[Finding]:
    """Hold the plate maps against the registrations; section 10 of the definitions."""
    content, names = encode(wells["content"])
    holds = content == names.index("specimen").as_py()
    owner = specimens.of_wells
    findings = []
    for row in wells.filter(pa.array(holds & (owner < 0))).to_pylist():
        where = f"{row['plate_id']}/{row['well']}"
        message = f"{row['specimen_id']} in {where} is registered neither as a tube nor as a pool nor as a sample"
        findings.append(Finding("unknown_specimen", "error", (row["specimen_id"], where), message))
    stands = holds & (owner >= 0)
    n_wells = np.bincount(owner[stands], minlength=specimens.n_specimens)
    findings += _not_received(n_wells, pools, grouped, specimens, status)
    findings += _on_two_plates(n_wells, np.where(stands, owner, -1), wells, pools, samples, specimens, looks)
    return findings


def _not_received(
    n_wells: NDArray[np.int64], pools: pa.Table, grouped: Grouped, specimens: Specimens, status: NDArray[np.int8]
) -> list[Finding]:
    n_pools = grouped.single.size
    formed, names = encode(pools["formed"])
    received = n_wells[:n_pools] > 0
    is_single = grouped.single >= 0
    received[is_single] = n_wells[specimens.alone[grouped.single[is_single]]] > 0
    ids = pools["pool_id"]
    findings = []
    for pool in np.flatnonzero(~received):
        if is_single[pool]:
            inside = grouped.single[pool : pool + 1]
        else:
            inside = grouped.samples[grouped.offsets[pool] : grouped.offsets[pool + 1]]
        settled = status[inside] < kernels.STATUS_SUSPECT
        mixed = formed[pool] != names.index("laboratory").as_py() and _in_laboratory_pool(
            inside, grouped, formed, names
        )
        if inside.size and not settled.all() and not mixed:
            name = ids[int(pool)].as_py()
            message = f"{name} with {inside.size} samples was registered, but stands in no well"
            findings.append(Finding("tube_not_received", "warning", (name,), message))
    return findings


def _in_laboratory_pool(
    inside: NDArray[np.int32], grouped: Grouped, formed: NDArray[np.int32], names: pa.Array
) -> bool:
    """Whether something was taken from a tube for a mixture: then it did arrive."""
    laboratory = names.index("laboratory").as_py()
    starts, pools = grouped.starts, grouped.pools
    return any((formed[pools[starts[sample] : starts[sample + 1]]] == laboratory).any() for sample in inside)


def _on_two_plates(
    n_wells: NDArray[np.int64],
    owner: NDArray[np.int32],
    wells: pa.Table,
    pools: pa.Table,
    samples: pa.Table,
    specimens: Specimens,
    looks: kernels.Looks,
) -> list[Finding]:
    several = n_wells > 1
    if not several.any():
        return []
    rows = np.flatnonzero(several[owner] & (owner >= 0))
    plates_of: dict[int, set[str]] = {}
    for row, plate in zip(rows, wells["plate_id"].take(pa.array(rows)).to_pylist(), strict=True):
        plates_of.setdefault(int(owner[row]), set()).add(plate)
    findings = []
    n_pools = pools.num_rows
    for specimen, plates in plates_of.items():
        alone = specimen >= n_pools
        asked = 1 + int(looks.n_invalid[specimen]) + (int(looks.n_suspect[specimen]) if alone else 0)
        if len(plates) > asked:
            sample = specimens.tested_alone[specimen - n_pools - 1] if alone else 0
            name = (samples["sample_id"][int(sample)] if alone else pools["pool_id"][specimen]).as_py()
            message = f"{name} stands on {len(plates)} plates; its readings asked for at most {asked}"
            findings.append(Finding("tube_on_two_plates", "warning", (name, *sorted(plates)), message))
    return findings
