"""The published distribution is met, and continues as stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.assays import log10_load_quantile
from poolkit.assays.viral_load import LOG10_LOAD_QUANTILES, PROBABILITIES
from poolkit.errors import DesignError


def test_the_published_quantiles_are_met_exactly():
    assert log10_load_quantile(PROBABILITIES).tolist() == pytest.approx(LOG10_LOAD_QUANTILES, abs=1e-12)


def test_mean_and_deviation_are_those_published():
    # Jones et al. 2021: mean 6.57, sd 1.70; neither is used to make the curve.
    loads = log10_load_quantile((np.arange(200_000) + 0.5) / 200_000)
    assert loads.mean() == pytest.approx(6.57, abs=0.02)
    assert loads.std() == pytest.approx(1.70, abs=0.03)


@given(st.lists(st.floats(1e-12, 1 - 1e-12), min_size=2, max_size=20, unique=True))
def test_it_never_falls(shares):
    assert (np.diff(log10_load_quantile(sorted(shares))) >= 0).all()


def test_tails_have_the_slope_of_the_outermost_interval():
    step = (3.96 - 3.49) / (2.3263478740408408 - 1.6448536269514722)
    assert log10_load_quantile(1.3498980316300933e-3) == pytest.approx(3.49 - (3 - 2.3263478740408408) * step)


def test_shape_is_kept():
    assert log10_load_quantile(np.full((2, 3), 0.5)).shape == (2, 3)
    assert log10_load_quantile([]).shape == (0,)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_outside_is_named(wrong):
    with pytest.raises(DesignError) as failure:
        log10_load_quantile([0.5, wrong])
    assert str(failure.value) == (
        "not a share, 1 problem(s):\n  - probability: must be strictly between 0 and 1 (rows 1)"
    )
