"""Assays by viral load: against sums over the published distribution, and what must hold of any."""

import math

import numpy as np
import pytest

import poolkit as pk
from poolkit import Assay, DesignError, Dilution
from tests.reference import loads as twin


@pytest.mark.parametrize(("limit", "sd"), [(40.0, 0.6), (36.0, 1.0), (33.0, 0.3)])
def test_pools_with_one_infected(limit, sd):
    assay = Assay.of_loads(limit_cycles=limit, sd_cycles=sd)
    table = assay.reactive(32)
    for size in (1, 2, 5, 10, 32):
        told = twin.mean_detected(math.log2(size), limit, sd)
        assert table[size, 1] == pytest.approx(told, abs=3e-4)
        assert dict(assay.sensitivity)[size] == table[size, 1]


def test_pools_with_two_infected():
    table = Assay.of_loads(limit_cycles=35.0).reactive(10)
    for size in (2, 10):
        assert table[size, 2] == pytest.approx(twin.two_detected(math.log2(size), 35.0, 0.6), abs=2e-3)


def test_a_fitted_shift_takes_the_place_of_the_logarithm():
    fitted = Dilution(shift_cycles=2.2, sd_cycles=2.0)
    table = Assay.of_loads(dilution=fitted, limit_cycles=36.0).reactive(10)
    assert table[10, 1] == pytest.approx(twin.mean_detected(2.2, 36.0, 0.6), abs=3e-4)
    assert table[1, 1] == pytest.approx(twin.mean_detected(0.0, 36.0, 0.6), abs=3e-4)


def test_more_samples_dilute_and_more_infected_help():
    assay = Assay.of_loads(specificity=0.99)
    table = assay.reactive(64)
    assert (np.diff(table[1:, 1]) < 0.0).all()
    assert (np.diff(table[64, 1:]) >= -1e-12).all()
    assert (table[:, 0] == 1.0 - 0.99).all()
    assert hash(assay) == hash(Assay.of_loads(specificity=0.99))
    assert assay == Assay.of_loads(specificity=0.99)


def test_ten_in_one_honestly(small):
    """Who is missed in the pool would often be missed alone: less is lost than the product says."""
    limit = 36.0
    assay = Assay.of_loads(limit_cycles=limit)
    together = twin.both_detected(math.log2(10), limit, 0.6)
    product = assay.reactive(10)[10, 1] * assay.reactive(1)[1, 1]
    assert together > product + 0.01
    # So rare that no pool holds two.
    found = pk.characteristics("two-stage-10", prevalence=1e-9, assay=assay)
    assert found.exact
    assert found.sensitivity == pytest.approx(together, abs=3e-4)
    alone = pk.characteristics("two-stage-10", prevalence=1e-3, assay=Assay(0.9), alone=assay)
    assert alone.sensitivity == pytest.approx(0.9 * twin.mean_detected(0.0, limit, 0.6), abs=3e-4)
    n_drawn = 20_000 if small else 200_000
    # Of different risks it is drawn.
    risks = np.linspace(0.9e-3, 1.1e-3, 10)
    drawn = pk.characteristics("two-stage-10", risks=risks, assay=assay, n_drawn=n_drawn, seed=4)
    assert not drawn.exact
    assert abs(drawn.sensitivity - together) <= 4.0 * drawn.standard_errors["sensitivity"] + 1e-3


def test_a_second_infected_sample_helps_the_first():
    """All that one and two infected samples of a pool do, by sums over both loads; three are rare."""
    limit, size, prevalence = 36.0, 10, 0.01
    found = pk.characteristics("two-stage-10", prevalence=prevalence, assay=Assay.of_loads(limit_cycles=limit))
    shift = math.log2(size)
    by_others = twin.both_detected(shift, limit, 0.6), twin.helped_detected(shift, limit, 0.6)
    likely = [math.comb(9, k) * prevalence**k * (1 - prevalence) ** (9 - k) for k in range(2)]
    low = sum(one * other for one, other in zip(likely, by_others, strict=True))
    # With more infected it is detected at least as often as with two, and at most as often as alone.
    rest = 1.0 - sum(likely)
    least, most = low + rest * by_others[1], low + rest * twin.mean_detected(0.0, limit, 0.6)
    assert least - 1e-3 <= found.sensitivity <= most + 1e-3


def test_three_tests_of_one_load():
    limit = 35.0
    found = pk.characteristics("hierarchical-12-4-1", prevalence=1e-9, assay=Assay.of_loads(limit_cycles=limit))
    together = twin.all_detected([math.log2(12), math.log2(4), 0.0], limit, 0.6)
    assert found.sensitivity == pytest.approx(together, abs=3e-4)
    assert found.exact


@pytest.mark.parametrize("prevalence", [0.05, 0.4])
@pytest.mark.parametrize("sizes", [([6, 1, 3],), ([9], [4, 3, 2]), ([12], [6, 6], [3] * 4)])
def test_sums_over_loads_are_what_is_drawn(sizes, prevalence, small):
    """Against sets of infected samples that are drawn, tested stage by stage; they are told to have risks apart."""
    layout = pk.nested_pools(*sizes)
    n_stages = len(sizes) + 1
    assays = [Assay.of_loads(limit_cycles=35.0, specificity=0.95)] * n_stages
    assays[-1] = Assay.of_loads(limit_cycles=37.0, specificity=0.97)
    summed = pk.characteristics(layout, prevalence=prevalence, assay=assays)
    risks = np.full(layout.n_samples, prevalence)
    risks[0] += 1e-9
    n_drawn = 5_000 if small else 40_000
    drawn = pk.characteristics(layout, risks=risks, assay=assays, n_drawn=n_drawn, seed=6)
    assert summed.exact
    assert not drawn.exact
    for name, error in drawn.standard_errors.items():
        assert abs(getattr(summed, name) - getattr(drawn, name)) <= 4.0 * error + 3e-4
    assert sum(summed.stages) == pytest.approx(summed.expected_tests)
    assert summed.variance == pytest.approx(drawn.variance, rel=0.15)


@pytest.mark.parametrize("prevalence", [0.0, 1e-9, 1.0])
def test_limits_of_prevalence_by_load(prevalence):
    assay = Assay.of_loads(specificity=0.99)
    for name in ("two-stage-10", "hierarchical-12-4-1"):
        found = pk.characteristics(name, prevalence=prevalence, assay=assay)
        figures = [found.sensitivity, found.specificity, found.ppv, found.npv]
        assert all(0.0 <= each <= 1.0 for each in figures)
        assert np.isfinite(found.individuals.to_numpy(float)).all()
        assert 1.0 <= found.expected_tests < 20.0


def test_choices_hold_the_sensitivity_of_the_loads(small):
    assay = Assay.of_loads(limit_cycles=36.0)
    least, largest = 0.9 * float(assay.reactive(1)[1, 1]), 6 if small else 16
    chosen = pk.choose(0.01, assay=assay, max_pool=largest, min_sensitivity=least, seed=2)
    rows = chosen.table.set_index("family")
    for table in (rows, pk.frontier(0.01, assay=assay, max_pool=4, min_sensitivity=least)):
        assert (table["sensitivity"] + 2.0 * table["sensitivity_error"] >= least).all()
        assert (table["exact"] == (table["sensitivity_error"] == 0.0)).all()
    assert rows["exact"].to_dict()["two-stage"]
    assert not rows["exact"].filter(like="array").any()
    # All pools of two stages: none that holds takes fewer tests, also those that the product of two tests refuses.
    every = [pk.characteristics(f"two-stage-{n}", prevalence=0.01, assay=assay) for n in range(2, largest + 1)]
    best = min(found.expected_tests / found.n_samples for found in every if found.sensitivity >= least)
    assert rows.loc["two-stage", "value"] == pytest.approx(best, rel=1e-12)
    name = rows.loc["two-stage", "design"]
    size = int(name.rsplit("-", 1)[1])
    assert float(assay.reactive(size)[size, 1] * assay.reactive(1)[1, 1]) < least
    with pytest.raises(DesignError, match="no design finds every infected sample with"):
        pk.frontier(0.01, assay=assay, max_pool=4, min_sensitivity=0.999)


def test_choices_by_load_pool_fewer():
    strict, plain = Assay.of_loads(limit_cycles=33.0), Assay()
    least = 0.9 * float(strict.reactive(1)[1, 1])
    bounded = pk.choose(0.01, assay=strict, max_pool=20, max_stages=2, min_sensitivity=least)
    free = pk.choose(0.01, assay=plain, max_pool=20, max_stages=2)
    assert bounded.table["largest_pool"].max() < free.table["largest_pool"].max()
    table = pk.frontier(0.01, assay=strict, max_pool=6)
    assert table["sensitivity"].max() == pytest.approx(float(strict.reactive(1)[1, 1]), rel=1e-12)


def test_what_is_no_assay():
    with pytest.raises(DesignError) as error:
        Assay.of_loads(limit_cycles=0.0, sd_cycles=-1.0, efficiency=2.0)
    assert str(error.value) == (
        "not an assay, 3 problem(s):\n"
        "  - limit_cycles: must be above 0, found 0\n"
        "  - sd_cycles: must be above 0, found -1\n"
        "  - efficiency: must be above 0 and at most 1, found 2"
    )
    with pytest.raises(DesignError, match="go with further loads"):
        Assay(0.9, 0.9, "loads")
