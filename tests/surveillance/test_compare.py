"""Two prevalences against each other, and one against what was supposed: by their definitions."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from poolkit import DesignError, compare_prevalence, prevalence, prevalence_test
from tests.reference import prevalence as twin

METHODS = ("skew-score", "bc-skew-score", "score", "lrt")
Z = NormalDist().inv_cdf(0.975)


def table(pools):
    size, tested, positive = zip(*pools, strict=True)
    return {"pool_size": list(size), "tested": list(tested), "positive": list(positive)}


@st.composite
def pairs(draw):
    """Two surveys with the same sizes, some pools of each positive and some not."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=2, unique=True))
    both = []
    for _ in range(2):
        pools = []
        for size in sizes:
            tested = draw(st.integers(4, 40))
            pools.append((size, tested, draw(st.integers(1, max(tested // 2, 1)))))
        both.append(pools)
    return both


@given(pairs(), st.sampled_from(METHODS))
def test_limits_solve_what_they_should(both, method):
    found = compare_prevalence(table(both[0]), table(both[1]), method=method).set_index("measure")
    best = [twin.mle(pools) for pools in both]
    assert found.loc["difference", "value"] == pytest.approx(best[0] - best[1], rel=1e-8, abs=1e-12)
    assert found.loc["ratio", "value"] == pytest.approx(best[0] / best[1], rel=1e-9)
    for measure, row in found.iterrows():
        assert row["lower"] < row["value"] < row["upper"]
        for end, sign in (("lower", 1.0), ("upper", -1.0)):
            inside = abs(row[end]) < 0.9 if measure == "difference" else 1e-3 < row[end] < 1e3
            if inside:
                at = twin.contrast_statistic(method, measure, row[end], Z, *both)
                assert at == pytest.approx(Z if method == "lrt" else sign * Z, abs=1e-4)


@given(pairs(), st.sampled_from((*METHODS, "wald")))
def test_the_other_way_round(both, method):
    one, other = (compare_prevalence(*map(table, each), method=method) for each in (both, both[::-1]))
    assert [-other.loc[0, "upper"], -other.loc[0, "lower"]] == pytest.approx(
        list(one.loc[0, ["lower", "upper"]]), rel=1e-7, abs=1e-9
    )
    assert [1 / other.loc[1, "upper"], 1 / other.loc[1, "lower"]] == pytest.approx(
        list(one.loc[1, ["lower", "upper"]]), rel=1e-7
    )


@pytest.mark.parametrize("method", [*METHODS, "wald"])
def test_one_end_is_that_of_two_at_twice_the_tail(method):
    june, july = table([(5, 40, 9), (10, 20, 8)]), table([(5, 60, 4)])
    both = compare_prevalence(june, july, method=method, level=0.9)
    less, greater = (compare_prevalence(june, july, method=method, alternative=each) for each in ("less", "greater"))
    assert less["upper"].to_numpy() == pytest.approx(both["upper"].to_numpy(), rel=1e-9)
    assert less["lower"].tolist() == [-1.0, 0.0]
    assert greater["lower"].to_numpy() == pytest.approx(both["lower"].to_numpy(), rel=1e-9)
    assert greater["upper"].tolist() == [1.0, np.inf]


def test_wald_adds_variances():
    pools = [(10, 100, 7)], [(10, 200, 5)]
    found = compare_prevalence(*map(table, pools), method="wald")
    best = [twin.mle(each) for each in pools]
    variances = [1.0 / twin.moments(p, each)[1] for p, each in zip(best, pools, strict=True)]
    width = Z * sum(variances) ** 0.5
    assert found.loc[0, "lower"] == pytest.approx(best[0] - best[1] - width, rel=1e-9)
    width = Z * sum(v / p**2 for v, p in zip(variances, best, strict=True)) ** 0.5
    assert found.loc[1, "upper"] == pytest.approx(best[0] / best[1] * np.exp(width), rel=1e-9)


@pytest.mark.parametrize("method", [*METHODS, "wald"])
@pytest.mark.parametrize("first", [0, 3, 20])
@pytest.mark.parametrize("second", [0, 3, 20])
@pytest.mark.parametrize("size", [1, 10])
def test_the_limits_of_what_is_possible(method, first, second, size):
    found = compare_prevalence(table([(size, 20, first)]), table([(size, 20, second)]), method=method)
    difference, ratio = found.to_dict("records")
    assert -1.0 <= difference["lower"] <= difference["value"] + 1e-12
    assert difference["value"] - 1e-12 <= difference["upper"] <= 1.0
    assert 0.0 <= ratio["lower"] <= ratio["upper"]
    assert np.isnan(ratio["value"]) == (first == second == 0)
    assert ratio["value"] == np.inf or second > 0 or first == 0
    if first == 0:
        assert ratio["lower"] == 0.0
    if second == 0:
        assert ratio["upper"] == np.inf


def test_no_difference_is_inside():
    pools = table([(5, 200, 20)])
    for method in METHODS:
        found = compare_prevalence(pools, pools, method=method)
        assert found["lower"].tolist() == pytest.approx([-found.loc[0, "upper"], 1.0 / found.loc[1, "upper"]])


@given(st.integers(1, 25).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.6))
def test_exact_test_is_the_binomial_tail(counts, hypothesis):
    x, n = counts
    share = 1.0 - (1.0 - hypothesis) ** 4
    less, greater = twin.at_most(x, n, share), twin.at_least(x, n, share)
    for alternative, expected in (
        ("less", less),
        ("greater", greater),
        ("two-sided", min(1.0, 2.0 * min(less, greater))),
    ):
        found = prevalence_test(table([(4, n, x)]), hypothesis=hypothesis, alternative=alternative)
        assert found["p_value"].tolist() == pytest.approx([expected], rel=1e-9)


@given(pairs(), st.sampled_from(["exact", "score", "wald"]))
def test_a_test_says_what_its_interval_says(both, method):
    pools = [(size, min(tested, 5), min(positive, 4)) for size, tested, positive in both[0]]
    interval = prevalence(table(pools), method="clopper-pearson" if method == "exact" else method)
    low, high = interval.loc[0, ["lower", "upper"]]
    assume(0.0 < low < high < 0.999)
    for at, refuted in (
        (low * 0.999, True),
        (low * 1.001, False),
        (high * 0.999, False),
        (min(high * 1.001, 0.9999), True),
    ):
        p_value = prevalence_test(table(pools), hypothesis=at, method=method)["p_value"][0]
        assert (p_value < 0.05) == refuted


def test_by_group():
    pools = {"pool_size": [5, 5], "tested": [50, 50], "positive": [2, 20], "site": ["A", "B"]}
    found = prevalence_test(pools, hypothesis=0.02, group="site")
    assert found["site"].tolist() == ["A", "B"]
    assert (found["p_value"] < 0.05).tolist() == [False, True]


def test_what_is_refused():
    good = table([(5, 10, 1)])
    with pytest.raises(DesignError) as caught:
        compare_prevalence({"pool_size": [5]}, table([(5, 10, 11)]), method="blaker", level=0.0)
    assert [problem.where for problem in caught.value.problems] == [
        "first: positive",
        "second: positive",
        "level",
        "method",
    ]
    with pytest.raises(DesignError, match="second: holds no pools"):
        compare_prevalence(good, table([(5, 0, 0)]))
    with pytest.raises(DesignError) as caught:
        prevalence_test(good, hypothesis=0.0, method="lrt", alternative="more")
    assert [problem.where for problem in caught.value.problems] == ["method", "alternative", "hypothesis"]
    with pytest.raises(DesignError, match="every group must have pools"):
        prevalence_test(table([(5, 0, 0)]), hypothesis=0.1)
