"""Two infections in one tube: against binGroup2, against every state, and the best sizes against all of them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit import DesignError
from poolkit.planning import choose_multiplex, multiplex
from tests.reference import retesting as twin

RATES = [0.0, 0.01, 0.2, 0.7]
COMMON = {"sensitivity": 0.95, "specificity": 0.99}


@pytest.fixture(scope="module")
def cases(shared):
    read = json.loads((shared / "reference" / "bingroup2.json").read_text(encoding="utf-8"))
    return {case["id"]: case for case in read["cases"]}


@pytest.mark.parametrize(
    ("name", "probabilities"),
    [("op2_D2_10_lo", [0.985, 0.008, 0.005, 0.002]), ("op2_D2_10", [0.90, 0.04, 0.04, 0.02])],
)
def test_bingroup2_two_stage(cases, name, probabilities):
    expected = cases[name]["result"]
    made = multiplex([[10]], probabilities, **COMMON)
    assert made.expected_tests == pytest.approx(expected["ET"], rel=1e-12)
    columns = ["sensitivity", "specificity", "ppv", "npv"]
    np.testing.assert_allclose(made.accuracy[columns].to_numpy(), expected["overall"]["m"], rtol=1e-10)


def test_bingroup2_best_three_stages(cases):
    expected = cases["OTC2_D3"]["result"]["opt.ET"]
    best = choose_multiplex([0.985, 0.008, 0.005, 0.002], max_pool=15, **COMMON)
    assert best.groups == ((15,), (4, 4, 4, 3))
    assert best.expected_tests == pytest.approx(expected["ET"], rel=1e-12)
    made = multiplex(best.groups, [0.985, 0.008, 0.005, 0.002], **COMMON)
    assert made.expected_tests == pytest.approx(expected["ET"], rel=1e-12)
    np.testing.assert_allclose(made.accuracy.to_numpy(), expected["accuracy"], rtol=1e-10)


@st.composite
def nested(draw):
    n = draw(st.integers(1, 5))
    stages = [[list(range(n))]]
    for _ in range(draw(st.integers(0, 2))):
        parts = []
        for pool in stages[-1]:
            cut = draw(st.integers(1, len(pool)))
            parts += [part for part in (pool[:cut], pool[cut:]) if part]
        stages.append(parts)
    weights = [[draw(st.sampled_from(RATES)) for _ in range(3)] for _ in range(n)]
    rows = [[1.0, *each] for each in weights]
    return stages, [[value / sum(row) for value in row] for row in rows]


@settings(max_examples=30)
@given(nested(), st.integers(0, 2**32 - 1))
def test_against_every_state(drawn, seed):
    stages, probabilities = drawn
    errors = np.random.default_rng(seed).uniform(0.6, 1.0, (2, 2, len(stages) + 1))
    made = multiplex(
        [[len(pool) for pool in stage] for stage in stages],
        probabilities,
        sensitivity=errors[0],
        specificity=errors[1],
    )
    tests, hit, false = twin.multiplex(stages, probabilities, errors[0], errors[1])
    assert made.expected_tests == pytest.approx(tests, rel=1e-12)
    assert made.by_stage.sum() == pytest.approx(tests, rel=1e-12)
    has = np.array(probabilities) @ np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    with np.errstate(invalid="ignore"):
        expected = np.stack([np.array(hit) / has, 1 - np.array(false) / (1 - has)])
    got = made.individuals[["sensitivity", "specificity"]].to_numpy().reshape(-1, 2, 2).transpose(2, 0, 1)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def _partitions(n, most):
    if n == 0:
        yield ()
    for first in range(min(n, most), 0, -1):
        for rest in _partitions(n - first, first):
            yield (first, *rest)


def test_best_of_all_divisions():
    probabilities = [0.85, 0.08, 0.05, 0.02]
    best = choose_multiplex(probabilities, max_pool=9, **COMMON)
    tried = [
        multiplex(groups, probabilities, **COMMON).tests_per_sample
        for n in range(2, 10)
        for groups in [[[n]], *([[n], list(parts)] for parts in _partitions(n, n - 1))]
    ]
    assert best.tests_per_sample == pytest.approx(min(tried), rel=1e-12)
    assert choose_multiplex(probabilities, max_pool=9, max_stages=2, **COMMON).groups[1:] == ()


def test_nobody_and_everybody():
    nobody = multiplex([[4]], [1.0, 0.0, 0.0, 0.0])
    assert nobody.expected_tests == 1.0
    assert nobody.accuracy["sensitivity"].isna().all()
    everybody = multiplex([[4]], [0.0, 0.0, 0.0, 1.0])
    assert everybody.expected_tests == 5.0
    assert (everybody.accuracy["sensitivity"] == 1.0).all()
    assert choose_multiplex([0.0, 0.0, 0.0, 1.0]).groups == ((1,),)


def test_bad_input_says_all():
    with pytest.raises(DesignError, match=r"(?s)first stage must be one pool.*stage 2: sizes must be at least 1"):
        multiplex([[2, 2], [0, 4]], [1.0, 0.0, 0.0, 0.0])
    with pytest.raises(DesignError, match="does not divide"):
        multiplex([[4], [3, 1], [2, 2]], [1.0, 0.0, 0.0, 0.0])
    with pytest.raises(DesignError, match=r"add up to 1 \(rows 0"):
        multiplex([[2]], [0.5, 0.0, 0.0, 0.0])
    with pytest.raises(DesignError, match="4, or 2 rows of 4"):
        multiplex([[2]], [0.5, 0.5])
    with pytest.raises(DesignError, match=r"(?s)sensitivity: must be one.*specificity: must be from 0 to 1"):
        multiplex([[2]], [1.0, 0.0, 0.0, 0.0], sensitivity=[0.9, 0.9, 0.9], specificity=1.2)
    with pytest.raises(DesignError, match=r"(?s)max_pool.*max_stages"):
        choose_multiplex([1.0, 0.0, 0.0, 0.0], max_pool=0, max_stages=4)
