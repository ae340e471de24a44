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
    n_drawn = 20_000 if small else 200_000
    # So rare that no pool holds two.
    found = pk.characteristics("two-stage-10", prevalence=1e-3, assay=assay, n_drawn=n_drawn, seed=4)
    assert not found.exact
    assert abs(found.sensitivity - together) <= 4.0 * found.standard_errors["sensitivity"] + 1e-3
    alone = pk.characteristics("two-stage-10", prevalence=1e-3, assay=Assay(0.9), alone=assay, n_drawn=n_drawn, seed=4)
    error = alone.standard_errors["sensitivity"]
    assert abs(alone.sensitivity - 0.9 * twin.mean_detected(0.0, limit, 0.6)) <= 4.0 * error


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
