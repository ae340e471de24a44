"""Households in pools: against every truth, against the peers' numbers, against simulated decoding."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit import Assay, DesignError
from poolkit.planning import correlated_array, correlated_hierarchical, staged
from tests.reference import households as twin

MODELS = ["beta-binomial", "madsen", "morel-neerchal"]
BY_SIZE = Assay(((1, 0.97), (6, 0.8)), 0.9)


def by_stage(assay, sizes):
    return [float(assay.reactive(size)[size, 1]) for size in sizes]


def test_agrees_with_gtcorr(shared):
    cases = json.loads((shared / "reference/bingroup2.json").read_text())["cases"]
    wanted = {case["id"]: case["result"] for case in cases}
    for correlation in (0.1, 0.3):
        found = correlated_hierarchical(
            (10,), household=5, prevalence=0.01, correlation=correlation, assay=Assay(0.95, 0.99)
        )
        assert found.tests_per_sample == pytest.approx(
            wanted[f"gtcorr_h10_m5_s{correlation:g}"]["efficiency"], rel=1e-12
        )


@pytest.mark.parametrize("model", MODELS)
def test_without_correlation_is_independent(model):
    """The anchors of two stages, three stages and arrays of binGroup2."""
    given = {"household": 5, "prevalence": 0.01, "correlation": 0.0, "assay": Assay(0.95, 0.99), "model": model}
    two = correlated_hierarchical((10,), **given)
    assert two.expected_tests == pytest.approx(1.99880849491724, rel=1e-12)
    assert two.sensitivity == pytest.approx(0.9025, rel=1e-12)
    assert two.specificity == pytest.approx(0.999087062126346, rel=1e-12)
    assert two.positive_predictive_value == pytest.approx(0.908971102083406, rel=1e-10)
    assert two.negative_predictive_value == pytest.approx(0.999015222331116, rel=1e-12)
    three = correlated_hierarchical((12, 4), **given)
    assert three.expected_tests == pytest.approx(1.78666360507094, rel=1e-12)
    assert three.specificity == pytest.approx(0.9997239318659, rel=1e-12)
    for arrangement in ("rectangular", "diagonal", "random"):
        array = correlated_array(10, 10, **given, arrangement=arrangement)
        assert array.expected_tests == pytest.approx(22.7896010149813, rel=1e-12)
        assert array.sensitivity == pytest.approx(0.892381381817505, rel=1e-12)
        assert array.specificity == pytest.approx(0.99981310583919, rel=1e-12)


@given(
    sizes=st.sampled_from([(2,), (6,), (4, 2, 1), (6, 3), (8, 4, 2), (6, 2)]),
    household=st.integers(1, 5),
    prevalence=st.floats(0.001, 0.95),
    correlation=st.floats(0.0, 1.0),
    model=st.sampled_from(MODELS),
    data=st.data(),
)
def test_stages_equal_every_truth(sizes, household, prevalence, correlation, model, data):
    n = sizes[0]
    labels = data.draw(st.none() | st.lists(st.integers(0, 3), min_size=n, max_size=n))
    found = correlated_hierarchical(
        sizes,
        household=household,
        prevalence=prevalence,
        correlation=correlation,
        assay=BY_SIZE,
        model=model,
        arrangement=labels or "nested",
    )
    all_sizes = sizes if sizes[-1] == 1 else (*sizes, 1)
    labels = labels or [i // household for i in range(n)]
    tests, right, healthy = twin.hierarchical(
        all_sizes, labels, model, prevalence, correlation, by_stage(BY_SIZE, all_sizes), 0.9
    )
    assert found.stages == pytest.approx(tests, rel=1e-9)
    assert found.sensitivity == pytest.approx(right, rel=1e-9)
    assert found.specificity == pytest.approx(healthy, rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("sizes", "household", "n_pools"), [((4, 2), 2, 1), ((3,), 2, 2), ((2,), 3, 3)])
def test_stages_at_random_equal_every_placement(model, sizes, household, n_pools):
    n = sizes[0] * n_pools
    found = correlated_hierarchical(
        sizes,
        household=household,
        prevalence=0.2,
        correlation=0.4,
        assay=BY_SIZE,
        model=model,
        arrangement="random",
        n_pools=n_pools,
    )
    ways = twin.placements(n, household)
    se = by_stage(BY_SIZE, (*sizes, 1))
    each = [twin.hierarchical((*sizes, 1), labels, model, 0.2, 0.4, se, 0.9) for labels in ways]
    assert found.stages == pytest.approx(np.mean([tests for tests, _, _ in each], axis=0), rel=1e-9)
    assert found.sensitivity == pytest.approx(np.mean([right for _, right, _ in each]), rel=1e-9)
    assert found.specificity == pytest.approx(np.mean([healthy for _, _, healthy in each]), rel=1e-9)


def test_split_is_independent_in_a_pool():
    given = {"prevalence": 0.03, "assay": BY_SIZE}
    split = correlated_hierarchical((6, 3), household=3, correlation=0.7, arrangement="split", **given)
    assert split == correlated_hierarchical((6, 3), household=1, correlation=0.0, **given)


@given(
    shape=st.sampled_from([(2, 2), (2, 3), (3, 3), (2, 4)]),
    household=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    prevalence=st.floats(0.001, 0.95),
    correlation=st.floats(0.0, 1.0),
    model=st.sampled_from(MODELS),
    unmatched=st.booleans(),
)
def test_arrays_equal_every_truth(shape, household, prevalence, correlation, model, unmatched):
    n_rows, n_columns = shape
    found = correlated_array(
        n_rows,
        n_columns,
        household=household,
        prevalence=prevalence,
        correlation=correlation,
        assay=BY_SIZE,
        model=model,
        unmatched=unmatched,
    )
    labels = [(i // household[0]) * 9 + j // household[1] for i in range(n_rows) for j in range(n_columns)]
    se = by_stage(BY_SIZE, (n_columns, n_rows, 1))
    alone, right, healthy = twin.array(n_rows, n_columns, labels, model, prevalence, correlation, se, 0.9, unmatched)
    assert found.stages == pytest.approx((n_rows + n_columns, alone), rel=1e-9)
    assert found.sensitivity == pytest.approx(right, rel=1e-9)
    assert found.specificity == pytest.approx(healthy, rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("n_rows", "n_columns", "household"), [(2, 2, 2), (3, 3, 3), (2, 4, 2)])
def test_diagonals_equal_every_truth(model, n_rows, n_columns, household):
    found = correlated_array(
        n_rows,
        n_columns,
        household=household,
        prevalence=0.1,
        correlation=0.5,
        assay=BY_SIZE,
        model=model,
        arrangement="diagonal",
    )
    labels = [(j // household, (j - i) % household, i // household) for i in range(n_rows) for j in range(n_columns)]
    se = by_stage(BY_SIZE, (n_columns, n_rows, 1))
    alone, right, healthy = twin.array(n_rows, n_columns, labels, model, 0.1, 0.5, se, 0.9, True)
    assert found.stages[1] == pytest.approx(alone, rel=1e-9)
    assert found.sensitivity == pytest.approx(right, rel=1e-9)
    assert found.specificity == pytest.approx(healthy, rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_arrays_at_random_equal_every_placement(model):
    found = correlated_array(
        2, 3, household=3, prevalence=0.1, correlation=0.5, assay=BY_SIZE, model=model, arrangement="random"
    )
    se = by_stage(BY_SIZE, (3, 2, 1))
    each = [twin.array(2, 3, labels, model, 0.1, 0.5, se, 0.9, True) for labels in twin.placements(6, 3)]
    assert found.stages[1] == pytest.approx(np.mean([alone for alone, _, _ in each]), rel=1e-9)
    assert found.sensitivity == pytest.approx(np.mean([right for _, right, _ in each]), rel=1e-9)
    assert found.specificity == pytest.approx(np.mean([healthy for _, _, healthy in each]), rel=1e-9)


def test_agrees_with_simulated_households(small):
    """Beta-binomial households drawn by numpy, pools read with errors: within 4 standard errors."""
    n_blocks, p, r, se, sp = 2_000 if small else 40_000, 0.05, 0.3, 0.9, 0.97
    draw = np.random.default_rng(7)
    ill = draw.random((n_blocks, 3, 4)) < draw.beta(p * (1 - r) / r, (1 - p) * (1 - r) / r, (n_blocks, 3, 1))
    pools = ill.any(axis=2)
    whole = pools.any(axis=1)
    first = draw.random(n_blocks) < np.where(whole, se, 1 - sp)
    second = first[:, None] & (draw.random((n_blocks, 3)) < np.where(pools, se, 1 - sp))
    tests = 1 + 3 * first + 4 * second.sum(axis=1)
    found = correlated_hierarchical((12, 4), household=4, prevalence=p, correlation=r, assay=Assay(se, sp))
    assert abs(tests.mean() - found.expected_tests) < 4 * tests.std() / np.sqrt(n_blocks)


@pytest.mark.parametrize(
    ("name", "block", "household"),
    [("two-stage-8", 24, 4), ("hierarchical-12-4-1", 24, 4), ("array-4x6", 24, 4), ("array-6x4", 24, 2)],
)
def test_what_is_planned_is_what_is_run(name, block, household, small):
    """The layout of the design, run stage by stage against beta-binomial households side by side."""
    n_sets, p, r = 3_000 if small else 30_000, 0.06, 0.4
    draw = np.random.default_rng(5)
    own = draw.beta(p * (1 - r) / r, (1 - p) * (1 - r) / r, (n_sets, block // household))
    ill = draw.random((n_sets, block)) < np.repeat(own, household, axis=1)
    bits = (ill * (np.uint64(1) << np.arange(block, dtype=np.uint64))).sum(axis=1, dtype=np.uint64)[:, None]
    tests = staged.run(poolkit.design(name).layout(block), bits, assay=Assay(0.9, 0.97), seed=1).tests.sum(axis=1)
    given = {"prevalence": p, "correlation": r, "assay": Assay(0.9, 0.97)}
    family, _, sizes = name.partition("-")
    if family == "array":
        # Arrays are filled column by column.
        rows, columns = (int(each) for each in sizes.split("x"))
        planned = correlated_array(rows, columns, household=(household, 1), unmatched=False, **given).expected_tests
    else:
        chain = [int(each) for each in name.split("-") if each.isdigit()]
        planned = block / chain[0] * correlated_hierarchical(chain, household=household, **given).expected_tests
    assert abs(tests.mean() - planned) < 4 * tests.std() / n_sets**0.5


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("prevalence", [0.0, 1e-9, 1.0])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_limits(model, prevalence, correlation):
    given = {"prevalence": prevalence, "correlation": correlation, "assay": Assay(0.95, 0.99), "model": model}
    found = [correlated_hierarchical((10, 5), household=3, **given)]
    found += [correlated_hierarchical((10, 5), household=5, arrangement="random", n_pools=4, **given)]
    found += [correlated_array(5, 7, household=(2, 3), **given)]
    for each in found:
        values = [*each.stages, each.sensitivity, each.specificity]
        values += [each.positive_predictive_value, each.negative_predictive_value]
        assert np.isfinite(values).all()
        assert all(0.0 <= value <= 1.0 + 1e-12 for value in values[-4:])
    if prevalence == 1.0:
        assert found[0].expected_tests == pytest.approx(1 + 2 * 0.95 + 10 * 0.95**2)
        assert found[0].negative_predictive_value == 0.0


def test_households_together_save_tests():
    given = {"prevalence": 0.02, "correlation": 0.3}
    tests = [
        correlated_hierarchical((12, 4), household=4, arrangement=each, **given).expected_tests
        for each in ("nested", "random", "split")
    ]
    assert tests == sorted(tests)
    assert poolkit.correlated_array is correlated_array


def test_names_all_that_is_wrong():
    with pytest.raises(DesignError) as refused:
        correlated_hierarchical(
            (10, 3),
            household=0,
            prevalence=2.0,
            correlation=-1.0,
            model="other",
            arrangement="best",
            n_pools=0,
            assay=Assay(further="independent"),
        )
    fields = {problem.where for problem in refused.value.problems}
    assert fields == {"sizes", "household", "prevalence", "correlation", "model", "arrangement", "n_pools", "assay"}
    with pytest.raises(DesignError, match="household: must divide 10 samples at random, found 3"):
        correlated_hierarchical((10,), household=3, prevalence=0.1, correlation=0.1, arrangement="random")
    with pytest.raises(DesignError, match="arrangement: must name 4 households, found 2"):
        correlated_hierarchical((4,), household=3, prevalence=0.1, correlation=0.1, arrangement=[1, 2])
    with pytest.raises(DesignError) as refused:
        correlated_array(1, 1, household=(0, 2), prevalence=0.1, correlation=0.1, arrangement="best")
    assert {problem.where for problem in refused.value.problems} == {"n_rows", "n_columns", "household", "arrangement"}
    with pytest.raises(DesignError, match="household: must divide rows and columns on the diagonal, found 4"):
        correlated_array(6, 6, household=(2, 2), prevalence=0.1, correlation=0.1, arrangement="diagonal")
    with pytest.raises(DesignError, match="household: must divide the array's samples at random, found 5"):
        correlated_array(6, 6, household=5, prevalence=0.1, correlation=0.1, arrangement="random")
