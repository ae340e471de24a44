"""Dilution, the standard curve and the limit of detection."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.assays import (
    amplification_probability,
    dilution_cycles,
    expected_ct_cycles,
    pooled_log10_load,
    slope_cycles_per_log10,
)
from poolkit.assays.dilution import CQ_QUANTILES, CT_AT_ONE_COPY_A_SWAB
from poolkit.assays.viral_load import LOG10_LOAD_QUANTILES
from poolkit.errors import DesignError


def test_the_height_of_the_curve_is_the_mean_over_the_published_quantiles():
    pairs = zip(LOG10_LOAD_QUANTILES, reversed(CQ_QUANTILES), strict=True)
    mean = np.mean([cq + math.log2(10) * load for load, cq in pairs])
    assert abs(mean - CT_AT_ONE_COPY_A_SWAB) < 0.005


def test_the_curve_meets_the_published_cq_quantiles_as_stated():
    seen = expected_ct_cycles(LOG10_LOAD_QUANTILES)
    assert np.abs(seen - CQ_QUANTILES[::-1]).max() < 2.61


def test_a_pool_of_six_is_near_the_shift_measured_in_the_field():
    # Agoti et al. 2020: mean 2.20 cycles, sd 2.96 among 6-pools with one positive.
    assert dilution_cycles(6) == pytest.approx(2.585, abs=0.001)
    assert abs(dilution_cycles(6) - 2.20) < 0.5


@given(st.integers(1, 100), st.floats(0.5, 1.0), st.floats(0.0, 12.0))
def test_dilution_is_what_pooling_does_to_the_curve(n_members, efficiency, load):
    alone = expected_ct_cycles(load, efficiency=efficiency)
    pooled = expected_ct_cycles(pooled_log10_load([load], [0], n_members=[n_members]), efficiency=efficiency)
    assert pooled[0] - alone == pytest.approx(dilution_cycles(n_members, efficiency=efficiency), abs=1e-9)


@given(st.lists(st.tuples(st.floats(0.0, 12.0), st.integers(0, 4)), max_size=30))
def test_pooled_load_is_the_sum_over_n(infected):
    n_members = [1, 5, 10, 30, 2]
    loads, pools = [each[0] for each in infected], [each[1] for each in infected]
    seen = pooled_log10_load(loads, pools, n_members=n_members)
    for pool, size in enumerate(n_members):
        copies = math.fsum(10.0**load for load, of in infected if of == pool) / size
        assert seen[pool] == (pytest.approx(math.log10(copies)) if copies else -math.inf)


def test_slope_and_detection_by_hand():
    assert slope_cycles_per_log10() == pytest.approx(-3.3219, abs=1e-4)
    assert expected_ct_cycles(-np.inf) == np.inf
    assert amplification_probability(np.inf) == 0.0
    # Three molecules on average, log2(3) cycles before one: found 95 times in 100.
    assert amplification_probability(38.0 - math.log2(3)) == pytest.approx(1 - math.exp(-3))


def test_what_is_impossible_is_named():
    with pytest.raises(DesignError, match=r"efficiency: must be above 0 and at most 1, found 1\.2"):
        slope_cycles_per_log10(efficiency=1.2)
    with pytest.raises(DesignError, match=r"n_members: must be at least 1 \(rows 1\)"):
        dilution_cycles([2, 0])
    with pytest.raises(DesignError, match=r"pool: must be between 0 and 1"):
        pooled_log10_load([5.0], [2], n_members=[1, 1])
    with pytest.raises(DesignError, match="efficiency"):
        amplification_probability(30.0, efficiency=0.0)
