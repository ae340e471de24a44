"""Pools that contradict their members: those of a real campaign, and each kind made up."""

from collections import Counter

import pyarrow as pa
import pytest

import poolkit
from poolkit import Dilution, find_discordant, fit_dilution
from tests.cycles import kemri, members_of, readings_of

DILUTION = Dilution(shift_cycles=1.0, sd_cycles=1.5)


def found(cycles: dict[str, float | None], **options: float) -> list[dict]:
    members = members_of([("P", "A"), ("P", "B"), ("P", "C")])
    return find_discordant(members, readings_of(cycles), dilution=DILUTION, **options).to_pylist()


def test_the_ten_discordant_pools_of_a_real_campaign(shared):
    """Golden: 75 of 250 pools reactive, 450 members tested again, 128 positive, 10 pools without one.

    Agoti et al. 2020, pool_data.csv; the Ct of the ten are 19.7 to 37.8.
    """
    held, cycles = kemri(shared)
    assert sum(ct is not None for name, ct in cycles.items() if name[0] == "P") == 75
    assert sum(name[0] == "S" for name in cycles) == 450
    assert sum(ct is not None for name, ct in cycles.items() if name[0] == "S") == 128
    members, readings = members_of(held), readings_of(cycles)
    dilution = fit_dilution(members, readings)
    table = find_discordant(members, readings, dilution=dilution)
    rows = {row["pool_id"]: row for row in table.to_pylist()}
    assert Counter(row["kind"] for row in rows.values()) == {
        "no_positive_member": 10,
        "stronger_than_members": 1,
        "weaker_than_members": 1,
    }
    without = {name for name, row in rows.items() if row["kind"] == "no_positive_member"}
    by_hand = {pool for pool, _ in held if cycles[pool] is not None}
    by_hand -= {pool for pool, sample in held if cycles.get(sample) is not None}
    assert without == by_hand
    ct = sorted(rows[name]["ct_cycles"] for name in without)
    assert (round(ct[0], 1), round(ct[-1], 1)) == (19.7, 37.8)
    # Only the latest can be a member too weak to be found alone.
    late = [row["ct_cycles"] for row in rows.values() if row["reason"] == "late_pool"]
    assert late == [ct[-1]]
    assert min(rows[name]["z"] for name in without) < -10
    # The pool that reads 13.5 cycles later than its members allow, and the one that reads 4.6 before them.
    weak, strong = (
        next(row for row in rows.values() if row["kind"] == f"{side}_than_members") for side in ("weaker", "stronger")
    )
    assert weak["ct_cycles"] - weak["expected_ct_cycles"] + dilution.shift_cycles == pytest.approx(15.2, abs=0.1)
    assert strong["ct_cycles"] - strong["expected_ct_cycles"] + dilution.shift_cycles == pytest.approx(-4.6, abs=0.1)


def test_a_pool_that_agrees_with_its_members_is_not_found():
    assert found({"P": 26.3, "A": 25.0, "B": None, "C": None}) == []
    assert found({"P": None, "A": None, "B": None, "C": None}) == []
    assert found({"P": 26.3}) == []


@pytest.mark.parametrize(
    ("cycles", "kind", "reason", "z"),
    [
        ({"P": 20.0, "A": None, "B": None, "C": None}, "no_positive_member", "strong_pool", -14.0),
        ({"P": 39.5, "A": None, "B": None, "C": None}, "no_positive_member", "late_pool", -1.0),
        ({"P": 20.0, "A": 31.0, "B": None, "C": None}, "stronger_than_members", "pool_ct", -8.0),
        ({"P": 32.0, "A": 25.0, "B": None, "C": None}, "weaker_than_members", "pool_ct", 4.0),
        ({"P": None, "A": 25.0, "B": None, "C": None}, "missed_by_pool", "not_detected", 28.0 / 3.0),
        # Two of equal load add up to one cycle.
        ({"P": 32.0, "A": 26.0, "B": 26.0, "C": None}, "weaker_than_members", "pool_ct", 4.0),
        # Members that were not tested could only add load.
        ({"P": 32.0, "A": 25.0}, "weaker_than_members", "pool_ct", 4.0),
    ],
)
def test_each_kind(cycles, kind, reason, z):
    (row,) = found(cycles)
    assert (row["kind"], row["reason"]) == (kind, reason)
    assert row["z"] == pytest.approx(z)
    assert row["pool_id"] in row["message"]


def test_members_not_tested_explain_a_strong_pool():
    assert found({"P": 20.0, "A": 31.0, "B": None}) == []
    assert found({"P": 20.0, "A": None, "B": None}) == []


def test_a_pool_before_all_its_members_is_found_whatever_the_limit():
    (row,) = found({"P": 23.0, "A": 25.0, "B": None, "C": None}, z_limit=50.0)
    assert row["kind"] == "stronger_than_members"


def test_a_reactive_pool_without_a_ct_has_no_z():
    members = members_of([("P", "A")])
    calls = pa.table(
        {
            "specimen_id": ["P", "A", "A"],
            "call": ["suspect", "negative", "invalid"],
            "ct_cycles": pa.array([None, None, 20.0], pa.float64()),
        }
    )
    (row,) = find_discordant(members, calls, dilution=DILUTION).to_pylist()
    assert (row["kind"], row["reason"], row["z"], row["ct_cycles"]) == ("no_positive_member", "no_ct", None, None)


def test_no_pools_no_findings():
    empty = members_of([]).cast(pa.schema([("pool_id", pa.string()), ("sample_id", pa.string()), ("slot", pa.int16())]))
    readings = pa.table({"specimen_id": pa.array([], pa.string()), "ct_cycles": pa.array([], pa.float64())})
    assert find_discordant(empty, readings, dilution=DILUTION).num_rows == 0


def test_limits_that_are_none_are_named():
    with pytest.raises(poolkit.DesignError) as error:
        found({"P": 20.0}, ct_limit=0.0, z_limit=-1.0)
    assert [problem.where for problem in error.value.problems] == ["ct_limit", "z_limit"]
