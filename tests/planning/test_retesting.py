"""Sterrett's procedure: against binGroup2, and against every true state and outcome."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit import DesignError
from poolkit.planning import sterrett
from tests.reference import retesting as twin

RISKS = [0.002, 0.003, 0.005, 0.008, 0.010, 0.015, 0.020, 0.035, 0.060, 0.120]


@pytest.mark.parametrize(
    ("row", "column", "repools"),
    [(0, "one.stage.IS.PMF", 1), (1, "two.stage.IS.PMF", 2), (2, "full.IS.PMF", None), (3, "Dorfman.PMF", 0)],
)
def test_bingroup2(shared, row, column, repools):
    read = json.loads((shared / "reference" / "bingroup2.json").read_text(encoding="utf-8"))
    expected = next(case for case in read["cases"] if case["id"] == "Sterrett_10")["result"]
    made = sterrett(RISKS, sensitivity=0.95, specificity=0.99, n_repools=repools)
    assert made.expected_tests == pytest.approx(expected["mean.sd"]["mean"][row], rel=1e-12)
    assert made.standard_deviation == pytest.approx(expected["mean.sd"]["sd"][row], rel=1e-10)
    table = {tests: p for tests, p in zip(expected["PMF"]["tests"], expected["PMF"][column], strict=True) if p}
    got = dict(made.distribution.itertuples(index=False))
    assert set(got) == set(table)
    for tests, probability in table.items():
        assert got[tests] == pytest.approx(probability, rel=1e-10, abs=1e-15)


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0]), min_size=2, max_size=6),
    st.sampled_from([0.7, 0.95, 1.0]),
    st.sampled_from([0.8, 0.99, 1.0]),
    st.integers(0, 4),
)
def test_against_every_state(risks, sensitivity, specificity, repools):
    expected = twin.sterrett(risks, sensitivity, specificity, repools)
    made = sterrett(risks, sensitivity=sensitivity, specificity=specificity, n_repools=repools)
    got = dict(made.distribution.itertuples(index=False))
    for tests in set(expected) | set(got):
        assert got.get(tests, 0.0) == pytest.approx(expected.get(tests, 0.0), abs=1e-12)


def test_large_pools_one_sample_and_certainty():
    large = sterrett(np.full(200, 0.001))
    assert large.distribution["probability"].sum() == pytest.approx(1.0, rel=1e-12)
    assert large.expected_tests < sterrett(np.full(200, 0.001), n_repools=0).expected_tests
    assert sterrett([0.3]).distribution.values.tolist() == [[1.0, 1.0]]
    assert sterrett([0.0, 0.0]).expected_tests == 1.0
    assert sterrett([1.0, 1.0], n_repools=0).expected_tests == 3.0


def test_bad_input_says_all():
    with pytest.raises(
        DesignError, match=r"(?s)sensitivity.*specificity.*risks: must be from 0 to 1 \(rows 1.*n_repools"
    ):
        sterrett([0.1, 1.2], sensitivity=-1.0, specificity=2.0, n_repools=-1)
    with pytest.raises(DesignError, match="must be 1 to 200, found 0"):
        sterrett([])


def test_missing_risks_and_half_pools():
    with pytest.raises(DesignError) as refused:
        sterrett([None, 0.1], n_repools=1.5)
    assert [(each.where, each.rows) for each in refused.value.problems] == [("risks", (0,)), ("n_repools", ())]
