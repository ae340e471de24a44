"""How many pools, and how large: against enumeration and the numbers of others."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from poolkit import (
    Assay,
    DesignError,
    plot_pool_sizes,
    plot_power_of_pools,
    pool_sizes,
    pools_for_freedom,
    pools_for_precision,
    pools_for_test,
    power_of_pools,
)
from tests.reference import prevalence as twin

GOLDEN = Path(__file__).parents[1] / "golden"
FREEDOM = tomllib.loads((GOLDEN / "rsurveillance" / "freedom.toml").read_text(encoding="utf-8"))["cases"]


def width(p, n, size, test=twin.PERFECT):
    """The expected half-width of Clopper and Pearson's interval, by enumeration."""
    total = 0.0
    for x in range(n + 1):
        ends = [prevalence_of(share, size, test) for share in twin.clopper_pearson(x, n)]
        total += twin.chance([(size, n, x)], p, test) * (ends[1] - ends[0])
    return total / 2.0


def prevalence_of(share, size, test=twin.PERFECT):
    held = (share - 1.0 + test[1]) / (test[0] + test[1] - 1.0)
    return 1.0 - (1.0 - min(max(held, 0.0), 1.0)) ** (1.0 / size)


@pytest.mark.parametrize(("p", "size", "half"), [(0.05, 1, 0.06), (0.02, 5, 0.02), (0.1, 3, 0.08)])
@pytest.mark.parametrize("assay", [None, Assay(0.95, 0.99)])
def test_the_least_number_for_a_precision(p, size, half, assay):
    (row,) = pools_for_precision(p, half_width=half, pool_size=size, assay=assay).to_dict("records")
    test = twin.PERFECT if assay is None else (0.95, 0.99, 0.0)
    assert row["half_width"] == pytest.approx(width(p, row["pools"], size, test), rel=1e-9)
    assert row["half_width"] <= half < width(p, row["pools"] - 1, size, test)
    assert row["samples"] == row["pools"] * size


def test_many_pools_for_a_precision():
    """A hundred thousand pools go by the normal distribution, half-width z times the standard error."""
    (row,) = pools_for_precision(1e-4, half_width=2e-5, pool_size=10, method="score").to_dict("records")
    p, m = 1e-4, 10
    information = m * m * (1 - p) ** (m - 2) / (1 - (1 - p) ** m)
    assert row["pools"] == pytest.approx((1.959964 / 2e-5) ** 2 / information, rel=0.02)


@pytest.mark.parametrize("case", FREEDOM, ids=str)
def test_freedom(case):
    assay = Assay(case["sensitivity"])
    (row,) = pools_for_freedom(
        case["prevalence"], pool_size=case["pool_size"], confidence=case["confidence"], assay=assay
    ).to_dict("records")
    assert row["pools"] == case["pools"]
    quiet = 1.0 - twin.reacts(case["prevalence"], case["pool_size"], (case["sensitivity"], 1.0, 0.0))[0]
    assert row["confidence"] == pytest.approx(1.0 - quiet ** row["pools"], rel=1e-9)
    assert row["confidence"] >= case["confidence"] > 1.0 - quiet ** (row["pools"] - 1)


def test_freedom_by_size_with_a_sensitivity_that_falls():
    assay = Assay(((1, 1.0), (10, 0.8)))
    found = pools_for_freedom(0.001, pool_size=[1, 5, 10], assay=assay).set_index("pool_size")
    assert found.loc[1, "pools"] == 2995
    for size in (5, 10):
        alone = pools_for_freedom(0.001, pool_size=size, assay=Assay(1.0 - 0.2 * (size - 1) / 9))
        assert found.loc[size, "pools"] == alone.loc[0, "pools"]


def power(p, hypothesis, n, size, level=0.95):
    """The probability that the upper limit lies below what was supposed, by enumeration."""
    return sum(
        twin.chance([(size, n, x)], p)
        for x in range(n + 1)
        if prevalence_of(twin.clopper_pearson(x, n, 2.0 * (1.0 - level))[1], size) < hypothesis
    )


@pytest.mark.parametrize(
    ("p", "hypothesis", "n", "size"), [(0.02, 0.1, 20, 5), (0.01, 0.05, 33, 8), (0.04, 0.1, 24, 7)]
)
def test_power_by_enumeration(p, hypothesis, n, size):
    (row,) = power_of_pools(p, hypothesis=hypothesis, n_pools=n, pool_size=size).to_dict("records")
    assert row["power"] == pytest.approx(power(p, hypothesis, n, size), rel=1e-9)
    expected = sum(twin.chance([(size, n, x)], p) * (1.0 - (1.0 - x / n) ** (1.0 / size)) for x in range(n + 1))
    assert row["expected"] == pytest.approx(expected, rel=1e-9)
    assert row["bias"] == pytest.approx(expected - p, rel=1e-6)


def test_the_size_of_an_exact_test_is_what_it_says():
    found = power_of_pools([0.1], hypothesis=0.1, n_pools=40, pool_size=3, alternative="two-sided")
    assert 0.0 < found["power"][0] <= 0.05


def test_the_least_number_for_a_power():
    (row,) = pools_for_test(0.02, hypothesis=0.1, pool_size=5).to_dict("records")
    powers = [power(0.02, 0.1, n, 5) for n in range(1, 2 * row["pools"])]
    assert next(n for n, each in enumerate(powers, 1) if each >= 0.8) == row["pools"]
    assert max(n for n, each in enumerate(powers, 1) if each < 0.8) + 1 == row["lasting"]
    assert row["power"] == pytest.approx(powers[row["pools"] - 1], rel=1e-9)


def test_more_pools_are_needed_for_a_nearer_hypothesis():
    found = [pools_for_test(0.01, hypothesis=each, pool_size=10)["pools"][0] for each in (0.05, 0.03, 0.02)]
    assert found == sorted(found)
    above = pools_for_test(0.05, hypothesis=0.01, pool_size=10, alternative="greater")
    both = pools_for_test(0.05, hypothesis=0.01, pool_size=10, alternative="two-sided")
    assert 1 < above["pools"][0] <= both["pools"][0]


def test_pool_sizes_by_enumeration():
    found = pool_sizes(0.05, n_pools=12, max_pool=30)
    errors = []
    for size in range(1, 31):
        chances = [twin.chance([(size, 12, x)], 0.05) for x in range(13)]
        estimates = [1.0 - (1.0 - x / 12) ** (1.0 / size) for x in range(13)]
        errors.append(sum(c * (e - 0.05) ** 2 for c, e in zip(chances, estimates, strict=True)))
    assert found["mse"].to_numpy() == pytest.approx(errors, rel=1e-9)
    assert found.loc[found["best"], "pool_size"].tolist() == [1 + int(np.argmin(errors))]
    assert (found["variance"] + found["bias"] ** 2).to_numpy() == pytest.approx(errors, rel=1e-9)


def test_a_sensitivity_that_falls_makes_pools_smaller():
    best = [
        pool_sizes(0.02, n_pools=40, max_pool=80, assay=assay).query("best")["pool_size"].tolist()[0]
        for assay in (None, Assay(((1, 0.99), (10, 0.9), (80, 0.4)), 0.99))
    ]
    assert best[1] < best[0]


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (
            lambda: pools_for_precision(0.0, half_width=0.0, pool_size=0, level=2.0),
            ["pool_size", "level", "prevalence", "half_width"],
        ),
        (lambda: pools_for_precision(0.01, half_width=0.001, method="best"), ["method"]),
        (lambda: pools_for_precision(1e-3, half_width=1e-9), ["half_width"]),
        (lambda: pools_for_freedom(1.0, confidence=1.0), ["prevalence", "confidence"]),
        (lambda: pools_for_freedom(0.1, assay=Assay(0.9, 1.0, "independent")), ["assay"]),
        (lambda: pools_for_freedom(0.1, assay=Assay(0.4, 0.6)), ["assay"]),
        (lambda: pools_for_test(0.1, hypothesis=0.05, power=1.0), ["power", "hypothesis"]),
        (lambda: pools_for_test(0.1, hypothesis=0.1), ["hypothesis"]),
        (lambda: power_of_pools(0.1, hypothesis=0.0, n_pools=0), ["hypothesis", "n_pools"]),
        (lambda: pool_sizes(0.0, n_pools=0), ["prevalence", "n_pools"]),
        (lambda: pool_sizes(0.1, n_pools=5, max_pool=0), ["max_pool"]),
    ],
)
def test_what_is_refused(call, where):
    with pytest.raises(DesignError) as caught:
        call()
    assert [problem.where for problem in caught.value.problems] == where


def test_plots():
    frame = pool_sizes(0.05, n_pools=12, max_pool=30)
    ax = plot_pool_sizes(frame)
    assert ax.lines[0].get_ydata() == pytest.approx(100.0 * np.sqrt(frame["mse"].to_numpy()))
    frame = power_of_pools([0.01, 0.03, 0.05], hypothesis=0.1, n_pools=24, pool_size=7)
    ax = plot_power_of_pools(frame)
    assert ax.lines[0].get_ydata() == pytest.approx(100.0 * frame["power"].to_numpy())


@pytest.mark.parametrize("size", [5.5, "5", [10, 2.5], [True]])
def test_sizes_are_whole(size):
    with pytest.raises(DesignError, match="pool_size: must be whole numbers"):
        pools_for_freedom(0.01, pool_size=size)


def test_no_answer_rests_on_an_interval_without_width():
    """Of one pool Wald's interval is 0 to 0 where it does not react: as narrow as one likes, and without any other."""
    for plan in (
        lambda: pools_for_precision(0.01, half_width=0.005, method="wald"),
        lambda: pools_for_test(0.001, hypothesis=0.0012, method="wald"),
    ):
        with pytest.raises(DesignError, match="method: wald is a point where no pool reacts"):
            plan()


def test_one_size_and_whole_pools():
    with pytest.raises(DesignError) as caught:
        power_of_pools(0.01, hypothesis=0.1, n_pools=10.5, pool_size=[5, 10])
    assert {problem.where for problem in caught.value.problems} == {"pool_size", "n_pools"}
    with pytest.raises(DesignError) as caught:
        pool_sizes(0.05, n_pools=0, max_pool=0)
    assert {problem.where for problem in caught.value.problems} == {"max_pool", "n_pools"}


def test_freedom_by_pools_that_all_react():
    found = pools_for_freedom(0.999, pool_size=1_000_000)
    assert found[["pools", "confidence"]].to_numpy().tolist() == [[1, pytest.approx(1.0)]]
