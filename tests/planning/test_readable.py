"""What an answer says of itself at the prompt: short, its figures those of its tables."""

import pytest

from poolkit import Assay, characteristics
from poolkit.planning import Arrivals, Line, Sites, plan_campaign, simulate_line
from poolkit.planning.answers import (
    allocate,
    place,
    pool_size_tradeoff,
    required,
    staff,
    supplies,
    surge,
    verify_required,
)

SITES = {"site": ["a", "b", "c"], "tubes": [100, 200, 50], "x_km": [0, 1, 5], "y_km": [0, 2, 5]}
LABS = {"lab": ["A", "B"], "tubes_per_hour": [200, 100], "x_km": [0, 4], "y_km": [1, 4]}
SMALL = {"people": 2_000, "sites": 2, "tables": 16, "sampling_days": 0.5, "labs": 1}


def test_required_and_verified():
    answer = required(2_000, within="12h")
    assert repr(answer).startswith("Required(2,000 people in 12 h, 10 a tube, prevalence 0.001; ")
    found = verify_required(answer, seed=1, whom="first pass")
    first, second = repr(found).splitlines()
    assert f"last result at {found.last_hour:.1f} h, with the least {found.least_last_hour:.1f} h; sampling" in first
    assert f"cyclers {found.needed['cyclers']} (+{found.needed['cyclers'] - answer.least['cyclers']})" in second
    assert "readers 1" in second


def test_required_with_what_there_is():
    assert repr(required(have={"cyclers": 64})).splitlines() == [
        "Required(1,000,000 people in 24 h, 10 a tube, prevalence 0.001; what there is serves 608,671; "
        "cyclers bind first, then readers)",
        "  sites 400, tables 1,429, vehicles 172, transfer machines 19, ovens 8, extractors 44, cyclers 64 of 106, "
        "readers 90",
        "  samplers 2,778, table staff 5,716, couriers 344, laboratory staff 741",
    ]
    assert "what there is" not in repr(required())


def test_staff_supplies_and_surge():
    assert repr(staff(1_000_000)) == (
        "Staff(samplers 2,778, table staff 5,716, couriers 344, laboratory staff 741; "
        "sites 400, tables 1,429, vehicles 172)"
    )
    plan = supplies([10_000] * 24, stock={"swabs": 50_000, "tubes": 100_000})
    assert repr(plan) == "Supplies(items 8, none left of 6 at hour 0; run out: swabs at hour 4.9)"
    assert repr(supplies(0, hours=3)).endswith("run out: none)")
    found = surge()
    sizes = found.changes["pool_size"].tolist()
    assert repr(found).startswith(f"Surge(pool size 10; fewest wells by prevalence: {sizes[0]} up to 0.0")
    assert repr(found).endswith(", 1 up to 1)")


def test_allocation_placement_and_tradeoff():
    plan = allocate(SITES, LABS)
    assert repr(plan) == (
        f"Allocation(routes 4, laboratories 2, tubes 300, {plan.minutes / 300:.1f} minutes a tube; left 50; gap 0)"
    )
    nothing = allocate(SITES, {**LABS, "tubes_per_hour": [0, 0]})
    assert repr(nothing) == "Allocation(routes 0, laboratories 0, tubes 0; left 350; gap 0)"
    assert repr(place(SITES, LABS, n_mobile=1)).startswith("Placement(1 of 2 places: A; gap 0)\n  Allocation(routes 2")
    assert repr(place(SITES, LABS, n_mobile=0)).startswith("Placement(0 of 2 places; gap 0)\n")
    compared = pool_size_tradeoff(0.01)
    best = compared.table[compared.table["best"]]
    assert repr(compared).count("wells a person") == len(best) > 0


def test_plans_and_runs():
    plan = plan_campaign("dalian-like", **SMALL)
    assert repr(plan) == (
        f"CampaignPlan('dalian-like', 2,000 people, last result at hour {plan.last_hour:.1f}, asked for 72 h; "
        f"{plan.binding} binds)"
    )
    short = plan_campaign("dalian-like", **SMALL, stock="50 PCR tests")
    out = short.facts().set_index("name").loc["out_PCR_tests", "value"]
    assert f"; PCR tests run out at hour {out:.1f})" in repr(short)
    unfinished = f"2,000 people, {short.run.n_unfinished:,} without a result at hour {short.line.horizon_hours:g}"
    assert repr(short.run) == f"LineRun(1 laboratory, seed 0: {unfinished})"
    assert repr(simulate_line(Line(Arrivals(0), Sites(2)), seed=1)) == "LineRun(1 laboratory, seed 1: 0 people)"


@pytest.mark.parametrize(("design", "n_samples"), [("two-stage-10", 10), ("array-4x4", 16)])
def test_characteristics(design, n_samples):
    found = characteristics(design, prevalence=0.01, assay=Assay(0.95, 0.99))
    said = repr(found)
    assert said.startswith(f"Characteristics('{design}', {n_samples} samples, exact: tests_per_sample=")
    assert f"sensitivity={found.sensitivity:.6g}, " in said
