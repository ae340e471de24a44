"""The fitted dilution shift: on a real campaign, against the definition, and what it refuses."""

import math
from statistics import mean, median, stdev

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit import Dilution, fit_dilution
from tests.cycles import kemri, members_of, readings_of


def test_the_single_positive_pools_of_a_real_campaign(shared):
    """Golden: pools of six with one positive member read 2.20 cycles later, sd 2.96 (Agoti et al. 2020)."""
    held, cycles = kemri(shared)
    positive = {}
    for pool, sample in held:
        positive.setdefault(pool, []).append(cycles.get(sample) is not None)
    one = [row for row in held if sum(positive[row[0]]) == 1]
    dilution = fit_dilution(members_of(one), readings_of(cycles))
    (found,) = [row for row in dilution.table.to_pylist() if row["n_members"] == 6]
    assert dilution.n_pools == 27
    assert found["mean_cycles"] == pytest.approx(2.20, abs=0.005)
    assert found["sd_all_cycles"] == pytest.approx(2.96, abs=0.005)
    # One pool reads 13.5 cycles later than its member; it moves the mean, not the fit.
    assert dilution.shift_cycles < found["mean_cycles"]
    assert dilution.sd_cycles < found["sd_all_cycles"] / 1.5
    assert dilution.n_outliers >= 1


def test_every_pool_of_a_real_campaign(shared):
    """Golden: computed from the data set by the definition, with Python's own statistics."""
    held, cycles = kemri(shared)
    dilution = fit_dilution(members_of(held), readings_of(cycles))
    shifts = []
    for pool in dict.fromkeys(pool for pool, _ in held):
        ct = [cycles[sample] for of, sample in held if of == pool and cycles.get(sample) is not None]
        if cycles[pool] is not None and ct:
            shifts.append(cycles[pool] + math.log2(sum(2.0**-each for each in ct)))
    assert len(shifts) == dilution.n_pools == 65
    (found,) = [row for row in dilution.table.to_pylist() if row["n_members"] == 6]
    assert found["mean_cycles"] == pytest.approx(mean(shifts), rel=1e-12)
    assert found["sd_all_cycles"] == pytest.approx(stdev(shifts), rel=1e-12)
    middle = median(shifts)
    assert dilution.sd_cycles == pytest.approx(1.4826 * median(abs(each - middle) for each in shifts), rel=1e-12)
    # Huber's location solves: the clipped residuals add to nothing.
    clipped = [max(-1.345, min(1.345, (each - dilution.shift_cycles) / dilution.sd_cycles)) for each in shifts]
    assert sum(clipped) == pytest.approx(0.0, abs=1e-6)
    assert dilution.shift_cycles == pytest.approx(1.750, abs=0.001)
    assert dilution.sd_cycles == pytest.approx(1.581, abs=0.001)
    # Less than log2 6, and by more than the error of the fit.
    assert dilution.shift_cycles + 2.0 * dilution.se_cycles < math.log2(6)
    assert str(dilution).startswith("pools read 1.75 cycles later than their members together, sd 1.58")


def drawn(
    sizes: list[int], shift: float, sd: float, seed: int
) -> tuple[list[tuple[str, str]], dict[str, float | None]]:
    chance = np.random.default_rng(seed)
    held, cycles = [], {}
    for number, size in enumerate(sizes):
        n_positive = int(chance.integers(1, size + 1))
        ct = chance.uniform(18.0, 33.0, n_positive)
        for k in range(size):
            held.append((f"P{number}", f"S{number}.{k}"))
            cycles[f"S{number}.{k}"] = float(ct[k]) if k < n_positive else None
        cycles[f"P{number}"] = float(-np.log2((2.0**-ct).sum()) + shift + chance.normal(0.0, sd))
    return held, cycles


@given(
    sizes=st.lists(st.integers(2, 6), min_size=5, max_size=20),
    shift=st.floats(-1.0, 4.0),
    later=st.floats(0.0, 3.0),
    seed=st.integers(0, 10**6),
)
def test_pools_that_read_later_move_the_shift_by_as_much(sizes, shift, later, seed):
    held, cycles = drawn(sizes, shift, 1.0, seed)
    moved = {name: ct + later if name[0] == "P" else ct for name, ct in cycles.items()}
    one, other = (fit_dilution(members_of(held), readings_of(each)) for each in (cycles, moved))
    assert other.shift_cycles - one.shift_cycles == pytest.approx(later, abs=1e-6)
    assert other.sd_cycles == pytest.approx(one.sd_cycles, rel=1e-6)
    assert other.n_pools == one.n_pools == len(sizes)


def test_the_error_of_the_fit_is_what_it_says():
    """Over many campaigns the fitted shift is off by its standard error."""
    off, said, sds = [], [], []
    for seed in range(60):
        dilution = fit_dilution(
            *(made(part) for made, part in zip((members_of, readings_of), drawn([5] * 40, 2.0, 2.5, seed), strict=True))
        )
        off.append(dilution.shift_cycles - 2.0)
        said.append(dilution.se_cycles)
        sds.append(dilution.sd_cycles)
    assert np.std(off) == pytest.approx(np.mean(said), rel=0.35)
    assert np.mean(sds) == pytest.approx(2.5, rel=0.12)


def test_each_size_and_target_has_a_row_and_its_own_shift():
    held, cycles = drawn([2] * 8 + [8] * 8, 1.0, 0.2, 3)
    later = {f"P{k}" for k in range(8, 16)}
    cycles = {name: ct + 2.0 if name in later else ct for name, ct in cycles.items()}
    two = {"N": cycles}
    two["E"] = {name: ct + 0.5 if name[0] == "P" else ct for name, ct in cycles.items()}
    readings = pa.concat_tables([readings_of(each, target=[target] * len(each)) for target, each in two.items()])
    dilution = fit_dilution(members_of(held), readings)
    assert [(row["target"], row["n_members"]) for row in dilution.table.to_pylist()] == [
        *(("N", None), ("N", 2), ("N", 8)),
        *(("E", None), ("E", 2), ("E", 8)),
    ]
    n = dilution.for_target("N")
    assert n.table.equals(fit_dilution(members_of(held), readings, target="N").table)
    assert dilution.for_target("E").shift_cycles == pytest.approx(n.shift_cycles + 0.5)
    assert n.shift_at([1, 2, 8]) == pytest.approx([0.0, 1.0, 3.0], abs=0.2)
    # Linear in log2 of the size between, in proportion beyond.
    at_two, at_eight = n.shift_at([2, 8])
    assert n.shift_at(4) == pytest.approx((at_two + at_eight) / 2)
    assert n.shift_at(64) == pytest.approx(2 * at_eight)


def test_pools_that_say_nothing_are_left_out():
    held, cycles = drawn([3] * 6, 1.0, 0.2, 5)
    whole = fit_dilution(members_of(held), readings_of(cycles))
    held += [("Q1", "X1"), ("Q1", "X2"), ("Q2", "X3"), ("Q3", "X4")]
    # A member that was not tested, no positive member, a pool that was not detected.
    cycles |= {"Q1": 30.0, "X1": 20.0, "Q2": 30.0, "X3": None, "Q3": None, "X4": 35.0}
    assert fit_dilution(members_of(held), readings_of(cycles)) == whole
    # An invalid row and a repeat of the same Ct change nothing either.
    call = [None] * len(cycles) + ["invalid", "positive"]
    twice = pa.table(
        {
            "specimen_id": [*cycles, "P0", "P1"],
            "ct_cycles": pa.array([*cycles.values(), 5.0, cycles["P1"]], pa.float64()),
            "call": pa.array(call, pa.string()),
        }
    )
    assert fit_dilution(members_of(held), twice).shift_cycles == pytest.approx(whole.shift_cycles)


def test_what_cannot_be_fitted_is_named():
    held, cycles = drawn([3] * 2, 1.0, 0.2, 5)
    with pytest.raises(poolkit.DesignError, match="all tested alone and one found; there are 2"):
        fit_dilution(members_of(held), readings_of(cycles))
    with pytest.raises(poolkit.DesignError, match=r"target: E was not read \(none named\)"):
        fit_dilution(members_of(held), readings_of(cycles), target="E")
    with pytest.raises(poolkit.DesignError, match="efficiency: must be above 0 and at most 1, found 2"):
        fit_dilution(members_of(held), readings_of(cycles), efficiency=2.0)
    with pytest.raises(poolkit.DesignError, match="target: E was not fitted"):
        Dilution(1.0, 1.0).for_target("E")
    with pytest.raises(poolkit.DesignError) as error:
        Dilution(math.inf, 0.0, efficiency=0.0)
    assert [problem.where for problem in error.value.problems] == ["shift_cycles", "sd_cycles", "efficiency"]
    with pytest.raises(poolkit.SchemaError, match="ct_cycles: must be between 0 and 60, found 99"):
        fit_dilution(members_of(held), readings_of(cycles | {"P0": 99.0}))


def test_an_assumed_shift_holds_for_every_pool():
    assert Dilution(1.5, 1.0).shift_at([1, 2, 30]).tolist() == [0.0, 1.5, 1.5]
