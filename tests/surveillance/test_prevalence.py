"""Prevalence from pools: against the definitions, the numbers of CDC and others, and what the table promises."""

import tomllib
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import poolkit
from poolkit import DesignError, plot_prevalence, prevalence
from poolkit.kernels.intervals import METHODS, ONE_SIZE
from tests.reference import prevalence as twin

GOLDEN = Path(__file__).parents[1] / "golden"
GENERAL = ("skew-score", "bc-skew-score", "score", "lrt")
Z = NormalDist().inv_cdf(0.975)

CDC = tomllib.loads((GOLDEN / "pooledinfrate" / "prevalence.toml").read_text(encoding="utf-8"))
EPITOOLS = tomllib.loads((GOLDEN / "epitools" / "pools.toml").read_text(encoding="utf-8"))
WUHAN = tomllib.loads((GOLDEN / "wuhan" / "prevalence.toml").read_text(encoding="utf-8"))


def table(pools):
    size, tested, positive = zip(*pools, strict=True)
    return {"pool_size": list(size), "tested": list(tested), "positive": list(positive)}


def one(pools, **options):
    """The only row of the answer."""
    (row,) = prevalence(table(pools), **options).to_dict("records")
    return row


def ends(pools, **options):
    row = one(pools, **options)
    return row["lower"], row["upper"]


@st.composite
def surveys(draw):
    """Pools of one to three sizes, of which about as many react as at some prevalence, and a test."""
    sizes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=3, unique=True))
    test = draw(st.sampled_from([twin.PERFECT, (0.97, 1.0, 0.0), (0.9, 0.995, 0.0), (1.0, 1.0, 0.2)]))
    p = draw(st.floats(0.005, 0.3))
    pools = []
    for size in sizes:
        tested = draw(st.integers(1, 30))
        share, quiet, _, _ = twin.reacts(p, size, test)
        around = tested * share + draw(st.floats(-2.0, 2.0)) * (tested * share * quiet) ** 0.5
        pools.append((size, tested, min(max(round(around), 0), tested)))
    assume(0 < sum(each[2] for each in pools) < sum(each[1] for each in pools))
    return pools, test


def inside(pools, test):
    """Whether the score falls through 0 well within what is possible."""
    return twin.moments(1e-6, pools, test)[0] > 0.0 > twin.moments(0.99, pools, test)[0]


def options(test):
    return {"sensitivity": test[0], "specificity": test[1], "correlation": test[2]}


@given(surveys())
def test_estimates_are_those_of_the_definition(survey):
    pools, test = survey
    assume(inside(pools, test))
    found = {name: one(pools, estimator=name, **options(test)) for name in ("mle", "firth", "gart")}
    assert found["mle"]["prevalence"] == pytest.approx(twin.mle(pools, test), rel=1e-9)
    assert found["gart"]["prevalence"] == pytest.approx(max(twin.gart(pools, test), 0.0), rel=1e-8, abs=1e-12)
    assert found["firth"]["prevalence"] == pytest.approx(twin.firth(pools, test), rel=1e-8, abs=1e-10)
    information = twin.moments(found["mle"]["prevalence"], pools, test)[1]
    assert found["mle"]["standard_error"] == pytest.approx(min(information**-0.5, 1.0), rel=1e-8)


@given(surveys(), st.sampled_from(GENERAL), st.sampled_from([0.8, 0.95]))
def test_limits_are_those_of_the_definition(survey, method, level):
    pools, test = survey
    assume(inside(pools, test))
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    expected = twin.limits(method, z, pools, test)
    found = ends(pools, method=method, level=level, **options(test))
    # Next to 1, where no pool can be negative any more, there are no digits to compare.
    near = [1e-8 * each + 1e-12 if each < 0.999 else 1e-3 for each in expected]
    assert [abs(a - b) <= gap for a, b, gap in zip(found, expected, near, strict=True)] == [True, True], (
        found,
        expected,
    )


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(1, 12))
def test_exact_limits_of_one_size_are_those_of_the_definition(counts, size):
    x, n = counts
    expected = [1.0 - (1.0 - share) ** (1.0 / size) for share in twin.clopper_pearson(x, n)]
    assert ends([(size, n, x)], method="clopper-pearson") == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_blaker_holds_just_what_its_acceptability_allows(counts, level):
    x, n = counts
    low, high = ends([(1, n, x)], method="blaker", level=level)
    outside = 1.0 - level
    exact = twin.clopper_pearson(x, n, outside)
    assert exact[0] - 1e-13 <= low <= high <= exact[1] + 1e-13
    for step in range(1, 20):
        if x > 0:
            assert twin.acceptability(x, n, low * (1.0 - 1e-10) * step / 20.0) <= outside + 1e-12
        if x < n:
            assert twin.acceptability(x, n, 1.0 - (1.0 - high) * (1.0 - 1e-10) * step / 20.0) <= outside + 1e-12
    # To ten digits: a little further in it is accepted.
    if x > 0:
        assert twin.acceptability(x, n, low * (1.0 - 1e-10)) <= outside < twin.acceptability(x, n, low * (1.0 + 1e-10))
    if x < n:
        assert twin.acceptability(x, n, 1.0 - (1.0 - high) * (1.0 + 1e-10)) > outside


@given(surveys())
@settings(max_examples=20)
def test_exact_limits_of_several_sizes_leave_half_on_either_side(survey):
    pools, test = survey
    plan = [(size, min(tested, 3), min(positive, tested, 3)) for size, tested, positive in pools[:2]]
    plan.append((21, 2, 1))
    low, high = ends(plan, method="clopper-pearson", **options(test))
    every = twin.outcomes([each[:2] for each in plan])
    columns = zip(*(row for each in every for row in each), strict=True)
    rows = dict(zip(table(plan), columns, strict=True))
    of = np.repeat(np.arange(len(every)), len(plan))
    estimates = prevalence(dict(rows, of=of), group="of", estimator="mle", **options(test))["prevalence"].to_numpy()
    here = one(plan, estimator="mle", **options(test))["prevalence"]

    def tail(p, sign):
        far = [pools for pools, each in zip(every, estimates, strict=True) if sign * (each - here) >= -1e-9 * here]
        return sum(twin.chance(pools, p, test) for pools in far)

    if low > 0.0:
        assert tail(low, 1) == pytest.approx(0.025, rel=1e-8)
    else:
        assert tail(1e-12, 1) >= 0.025
    if high < 1.0:
        assert tail(high, -1) == pytest.approx(0.025, rel=1e-8)
    else:
        assert tail(1.0 - 1e-9, -1) >= 0.025


@pytest.mark.parametrize("test", [twin.PERFECT, (0.9, 0.99, 0.0), (1.0, 1.0, 0.1)])
@pytest.mark.parametrize("pools", [[(10, 30, 4)], [(5, 10, 2), (10, 8, 3)]], ids=str)
def test_jeffreys_leaves_half_of_the_posterior_on_either_side(pools, test, small):
    n = 300 if small else 1500
    low, high = ends(pools, method="jeffreys", **options(test))
    if low > 1e-5:
        assert twin.posterior_below(low, pools, test, n) == pytest.approx(0.025, rel=1e-4 if small else 1e-6)
    assert twin.posterior_below(high, pools, test, n) == pytest.approx(0.975, rel=1e-4 if small else 1e-6)


@pytest.mark.parametrize("case", CDC)
def test_pooledinfrate(case):
    given_ = CDC[case]
    test = {name: given_[name] for name in ("sensitivity", "specificity") if name in given_}
    for name in ("mle", "firth", "gart", "mir"):
        if name in given_:
            found = one(given_["pools"], estimator=name, **test)["prevalence"]
            assert found == pytest.approx(given_[name], rel=2e-10 if name != "mir" else 1e-5, abs=1e-12), name
    for method in (*GENERAL, "clopper-pearson"):
        if method in given_:
            assert ends(given_["pools"], method=method) == pytest.approx(given_[method], rel=2e-9), method


def test_epitools():
    case = EPITOOLS["two_sizes"]
    found = one(case["pools"], estimator="mle")["prevalence"]
    assert found == pytest.approx(case["mle"], abs=5e-9)
    assert round(found, 4) == case["printed"]
    case = EPITOOLS["estimated_sensitivity"]
    found = one(case["pools"], estimator="mle", method="wald", sensitivity=tuple(case["sensitivity"]))
    assert found["prevalence"] == pytest.approx(case["mle"], abs=5e-9)
    assert round(found["standard_error"], 4) == case["standard_error"]
    assert [round(found["lower"], 4), round(found["upper"], 4)] == case["interval"]


def test_wuhan():
    found = one([(1, WUHAN["tested"], WUHAN["positive"])], estimator="mle", method="clopper-pearson")
    numbers = [1e4 * found[name] for name in ("prevalence", "lower", "upper")]
    assert [round(each, 6) for each in numbers] == pytest.approx([WUHAN["per_10000"], *WUHAN["limits"]], abs=1e-9)
    assert [round(each, 3) for each in numbers] == WUHAN["printed"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pools", [[(10, 100, 3)], [(1, 20, 7)], [(4, 30, 30)], [(4, 30, 0)]], ids=str)
def test_one_end_is_that_of_two_at_twice_the_tail(pools, method):
    both = ends(pools, method=method, level=0.9)
    low, high = ends(pools, method=method, level=0.95, alternative="greater")
    assert high == 1.0
    assert low == pytest.approx(both[0], rel=1e-9, abs=1e-12) or method == "blaker"
    low, high = ends(pools, method=method, level=0.95, alternative="less")
    assert low == 0.0
    assert high == pytest.approx(both[1], rel=1e-9, abs=1e-12) or method == "blaker"


def test_blaker_with_one_end_is_clopper_and_pearson():
    for alternative in ("less", "greater"):
        found = [ends([(5, 30, 7)], method=name, alternative=alternative) for name in ("blaker", "clopper-pearson")]
        assert found[0] == found[1]


@given(surveys(), st.integers(2, 3))
def test_groups_are_estimated_as_if_alone(survey, n_groups):
    pools, _ = survey
    rng = np.random.default_rng(len(pools))
    frames = []
    for group in range(n_groups):
        each = pd.DataFrame(table(pools))
        each["positive"] = rng.integers(0, each["tested"] + 1)
        frames.append(each.assign(site=f"S{group}", week=group // 2))
    every = pd.concat(frames).sample(frac=1.0, random_state=1)
    found = prevalence(pa.Table.from_pandas(every, preserve_index=False), group=["week", "site"])
    assert list(found["site"]) == list(dict.fromkeys(every["site"]))
    for row in found.to_dict("records"):
        alone = prevalence(every[every["site"] == row["site"]]).to_dict("records")[0]
        assert {name: row[name] for name in alone} == alone


def test_a_row_a_pool_says_what_counts_say():
    by_pool = {"pool_size": [5] * 8 + [3] * 4, "positive": [True] + [False] * 9 + [True] * 2}
    counts = [(5, 8, 1), (3, 4, 2)]
    assert prevalence(by_pool).to_dict("records")[0] == one(counts)


def test_correlation_of_members_raises_the_prevalence():
    independent, together = (one([(10, 200, 30)], correlation=each) for each in (0.0, 0.3))
    assert together["prevalence"] > 1.5 * independent["prevalence"]
    # The beta-binomial probability that a pool holds nobody is the share that is negative.
    p = one([(10, 200, 30)], correlation=0.3, estimator="mle")["prevalence"]
    assert twin.absent(p, 10, 0.3)[0] == pytest.approx(170 / 200, rel=1e-12)


def test_sites_that_differ_widen_the_interval():
    # Two villages with all and two without any: the scores differ by as much as can be.
    pools = {"pool_size": [5] * 4, "tested": [10] * 4, "positive": [5, 5, 0, 0], "village": list("ABCD")}
    found = prevalence(pools, site="village").to_dict("records")[0]
    # Equal sizes: C/(C-1) sum (x - n P)^2 / (N P (1-P)), with P = 1/4.
    assert found["design_effect"] == pytest.approx(4 / 3 * 25 / (40 * 0.25 * 0.75), rel=1e-9)
    alone = prevalence(pools).to_dict("records")[0]
    assert found["lower"] < alone["lower"] < alone["upper"] < found["upper"]
    assert found["standard_error"] == pytest.approx(alone["standard_error"] * found["design_effect"] ** 0.5)
    # As many pools fewer say the same.
    told = prevalence({"pool_size": [5], "tested": [40], "positive": [10]}, design_effect=2.0, method="score")
    fewer = prevalence({"pool_size": [5], "tested": [20], "positive": [5]}, method="score")
    assert told[["lower", "upper"]].values == pytest.approx(fewer[["lower", "upper"]].values, rel=1e-12)
    alike = dict(pools, positive=[3, 3, 2, 2])
    assert prevalence(alike, site="village")["design_effect"].tolist() == [1.0]


def test_an_estimated_error_widens_the_interval():
    widths = []
    for sensitivity in (0.9, (900, 1000), (45, 50)):
        low, high = ends([(5, 60, 29)], method="score", sensitivity=sensitivity)
        widths.append(high - low)
    assert widths[0] < widths[1] < widths[2]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 20, 1_000_000])
@pytest.mark.parametrize("size", [1, 2, 10, 1000])
def test_the_limits_of_what_is_possible(method, n, size):
    for x in {0, 1, n - 1, n}:
        for test in ({}, {"sensitivity": 0.95, "specificity": 0.99}):
            row = one([(size, n, x)], method=method, estimator="mle", **test)
            assert not any(np.isnan(value) for value in row.values())
            assert 0.0 <= row["lower"] <= row["upper"] <= 1.0
            assert 0.0 <= row["standard_error"] <= 1.0
            if not test:
                assert row["prevalence"] == pytest.approx(1.0 - (1.0 - x / n) ** (1.0 / size), rel=1e-6)
                if x == 0:
                    assert row["lower"] == 0.0
                if x == n and method != "wald":
                    assert row["upper"] == 1.0
                if method not in ("agresti-coull", "second-order"):
                    assert row["lower"] <= row["prevalence"] * (1 + 1e-12)
                    assert row["upper"] >= row["prevalence"] * (1 - 1e-12)


def test_nothing_positive_and_everything_positive():
    samples = 20 * 7
    for method in GENERAL:
        assert ends([(7, 20, 0)], method=method) == pytest.approx((0.0, Z**2 / (samples + Z**2)), rel=1e-12)
    assert ends([(7, 20, 0)], method="wald") == (0.0, 0.0)
    assert ends([(7, 20, 20)], method="wald") == (0.0, 1.0)
    assert ends([(1, 20, 20)], method="wald") == pytest.approx((1.0, 1.0))
    assert one([(7, 20, 20)], estimator="mle")["prevalence"] == 1.0
    assert one([(7, 20, 20)], estimator="gart")["prevalence"] == 1.0
    assert 0.3 < one([(7, 20, 20)], estimator="firth")["prevalence"] < 1.0
    assert one([(1, 20, 20)], estimator="firth")["prevalence"] == 1.0
    # Fewer pools react than would by false positives alone.
    assert one([(7, 1000, 1)], specificity=0.9, estimator="mle")["prevalence"] == 0.0
    assert ends([(7, 1000, 1)], specificity=0.9, method="score") == (0.0, 0.0)


def test_a_rare_infection_keeps_its_digits():
    # One in 10^9: the pools are as good as samples.
    row = one([(10, 100_000_000, 1)], estimator="mle", method="clopper-pearson")
    assert row["prevalence"] == pytest.approx(1e-9, rel=1e-7)
    assert row["lower"] == pytest.approx(-np.log(0.975) * 1e-9, rel=1e-6)
    # The upper limit of a Poisson count of one, 5.5716.
    assert row["upper"] == pytest.approx(5.571643390938 * 1e-9, rel=1e-6)


def test_no_pools_say_nothing():
    pools = {"pool_size": [5, 5], "tested": [0, 10], "positive": [0, 1], "week": [1, 2]}
    for method in METHODS:
        found = prevalence(pools, group="week", method=method)
        assert found["prevalence"].isna().tolist() == [True, False]
        assert found.loc[0, ["lower", "upper", "standard_error"]].tolist() == [0.0, 1.0, 1.0]
    assert len(prevalence({"pool_size": [], "positive": [], "week": []}, group="week")) == 0


def test_every_broken_rule_is_named_at_once():
    with pytest.raises(DesignError, match="7 problem") as caught:
        prevalence(
            {"pool_size": [5, 0], "tested": [10, 2.5], "positive": [11, 0]},
            method="exact",
            level=1.0,
            estimator="best",
            correlation=1.0,
        )
    assert [problem.where for problem in caught.value.problems] == [
        "tested",
        "pool_size",
        "positive",
        "correlation",
        "method",
        "level",
        "estimator",
    ]
    assert caught.value.problems[1].rows == (1,)


@pytest.mark.parametrize(
    ("pools", "options", "where"),
    [
        ([1, 2], {}, ["pools"]),
        ({"pool_size": [1], "tested": [3]}, {}, ["positive"]),
        ({"pool_size": [1], "positive": [1]}, {"group": "week"}, ["week"]),
        ({"pool_size": [1], "positive": [1], "pools": ["a"]}, {"group": "pools"}, ["pools"]),
        ({"pool_size": [1], "positive": [1], "week": [None]}, {"group": "week"}, ["week"]),
        ({"pool_size": ["a"], "positive": [1]}, {}, ["pool_size"]),
        ({"pool_size": [None, 1.0], "positive": [1, 1]}, {}, ["pool_size"]),
        ({"pool_size": [1], "positive": [1]}, {"sensitivity": 0.4, "specificity": 0.6}, ["sensitivity"]),
        ({"pool_size": [1], "positive": [1]}, {"sensitivity": (3, 2)}, ["sensitivity"]),
        ({"pool_size": [1], "positive": [1]}, {"alternative": "both"}, ["alternative"]),
        ({"pool_size": [1], "positive": [1]}, {"alternative": "less", "level": 0.3}, ["level"]),
        ({"pool_size": [1], "positive": [1]}, {"design_effect": 0.5}, ["design_effect"]),
        ({"pool_size": [1], "positive": [1], "s": ["a"]}, {"design_effect": 2.0, "site": "s"}, ["design_effect"]),
        ({"pool_size": [1], "positive": [1]}, {"design_effect": 2.0, "method": "blaker"}, ["method"]),
        ({"pool_size": [1, 2], "tested": [9, 9], "positive": [1, 1]}, {"method": "blaker"}, ["method"]),
        ({"pool_size": [1, 2], "tested": [999, 999], "positive": [1, 1]}, {"method": "clopper-pearson"}, ["method"]),
    ],
)
def test_what_is_refused(pools, options, where):
    with pytest.raises(DesignError) as caught:
        prevalence(pools, **options)
    assert [problem.where for problem in caught.value.problems] == where


def test_many_groups_at_once(small):
    n = 200 if small else 20_000
    rng = np.random.default_rng(3)
    tested = rng.integers(5, 80, n)
    pools = {
        "site": np.arange(n),
        "pool_size": rng.integers(1, 40, n),
        "tested": tested,
        "positive": rng.binomial(tested, rng.random(n) ** 3),
    }
    for method in METHODS:
        found = prevalence(pools, group="site", method=method)
        assert (found["lower"] <= found["upper"]).all()
        place = n // 2
        alone = ends([(pools["pool_size"][place], tested[place], pools["positive"][place])], method=method)
        assert tuple(found.loc[place, ["lower", "upper"]]) == pytest.approx(alone, rel=1e-12)


def test_methods_of_one_size_are_said():
    assert set(ONE_SIZE) < set(METHODS)
    assert {method for method in METHODS if f"*{method}*" in poolkit.prevalence.__doc__} == set(METHODS)


@pytest.mark.parametrize("positive", [0, 2, 20, 38, 40])
@pytest.mark.parametrize(
    ("method", "sizes"),
    [*((method, (10,)) for method in METHODS), *((method, (10, 4)) for method in METHODS if method not in ONE_SIZE)],
)
def test_an_interval_holds_its_estimate_where_the_test_errs(method, sizes, positive):
    pools = [(size, 40 // len(sizes), positive // len(sizes)) for size in sizes]
    found = one(pools, method=method, estimator="mle", sensitivity=0.9, specificity=0.95)
    assert found["lower"] <= found["prevalence"] <= found["upper"]


def test_a_group_is_named_once():
    pools = {"week": [1], **table([(10, 100, 3)])}
    with pytest.raises(DesignError, match="week: is named twice"):
        prevalence(pools, group=["week", "week"])


def test_plot_of_no_group():
    empty = pd.DataFrame({"week": [], "pool_size": [], "tested": [], "positive": []}).astype(int)
    assert plot_prevalence(prevalence(empty, group="week")).get_yticks().size == 0


def test_plot():
    pools = {"pool_size": [10, 10], "tested": [100, 50], "positive": [3, 4], "week": ["W1", "W2"]}
    found = prevalence(pools, group="week")
    ax = plot_prevalence(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["W1", "W2"]
    (line,) = ax.lines
    assert line.get_xdata() == pytest.approx(100.0 * found["prevalence"].to_numpy())
    assert plot_prevalence(prevalence(table([(10, 100, 3)])), ax=ax) is ax
