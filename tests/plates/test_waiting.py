"""What still needs a well, against the definition in plain Python."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from poolkit.plates import waiting_specimens
from poolkit.schemas import MEMBERS, POOLS, SAMPLES, WELLS

TUBES = [f"T{n}" for n in range(5)]
SWABS = [f"S{n}" for n in range(8)]
MIXES = ["L1", "L2", "L3"]


def defined(
    samples: list[tuple[str, str]], wells: list[str | None], pools: list[str], members: list[tuple[str, str]]
) -> list[str]:
    """Follow the definition tube by tube; rows of pools that no laboratory mixed are not used."""
    pools = [pool for pool in pools if pool in MIXES]
    waiting = [pool for pool in pools if pool not in wells]
    for tube in dict.fromkeys(tube for _, tube in samples):
        held = [sample for sample, each in samples if each == tube]
        alone = len(held) == 1 and held[0] in wells
        taken = any(sample in held and pool in pools for pool, sample in members)
        if tube not in wells and not alone and not taken:
            waiting.append(tube)
    return waiting


@given(
    samples=st.lists(st.tuples(st.sampled_from(SWABS), st.sampled_from(TUBES)), max_size=10),
    wells=st.lists(st.sampled_from([*TUBES, *SWABS, *MIXES, None]), max_size=6),
    pools=st.lists(st.sampled_from([*MIXES, *TUBES]), unique=True),
    members=st.lists(st.tuples(st.sampled_from([*MIXES, *TUBES]), st.sampled_from(SWABS)), max_size=6),
    encoded=st.booleans(),
    first=st.integers(0, 3),
)
def test_waiting_is_what_the_definition_says(
    samples: list[tuple[str, str]],
    wells: list[str | None],
    pools: list[str],
    members: list[tuple[str, str]],
    encoded: bool,
    first: int,
) -> None:
    plated = pa.array(wells, pa.string())
    formed = ["laboratory" if pool in MIXES else "collection" for pool in pools]
    tubes = pa.array([tube for _, tube in samples], pa.string())
    tables = (
        pa.table({"sample_id": pa.array([sample for sample, _ in samples], pa.string())}),
        pa.table({"specimen_id": plated.dictionary_encode() if encoded else plated}).slice(first),
        pa.table({"pool_id": pa.array(pools, pa.string()), "formed": pa.array(formed, pa.string())}),
        pa.table({name: pa.array([row[k] for row in members], pa.string()) for k, name in enumerate(MEMBERS.key)}),
    )
    tables = (tables[0].append_column("tube_id", tubes.dictionary_encode() if encoded else tubes), *tables[1:])
    assert waiting_specimens(*tables).to_pylist() == defined(samples, wells[first:], pools, members)


def test_nothing_waits_where_nothing_is() -> None:
    assert len(waiting_specimens(SAMPLES.empty(), WELLS.empty(), POOLS.empty(), MEMBERS.empty())) == 0
