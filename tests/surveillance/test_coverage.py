"""Coverage is what the definition says, and the docstring of `prevalence` states it."""

import re

import numpy as np
import pytest

from poolkit import DesignError, coverage, plot_coverage, prevalence
from poolkit.kernels.intervals import METHODS
from tests.reference import prevalence as twin

PLAN = {"pool_size": [10], "tested": [100]}


@pytest.fixture(scope="module")
def stated():
    """Coverage of 100 pools of 10, as the docstring of `prevalence` has it."""
    return coverage(PLAN, method=METHODS).groupby("method")["coverage"].agg(["min", "mean"])


def test_the_docstring_states_these_numbers(stated):
    text = " ".join(prevalence.__doc__.split())
    said = re.findall(r"([a-z-]+) (0\.\d{3}) and (0\.\d{3})", text[text.index("True coverage at 95 %") :])
    assert {name: (float(low), float(mean)) for name, low, mean in said} == {
        name: (round(row["min"], 3), round(row["mean"], 3)) for name, row in stated.iterrows()
    }
    assert len(said) == len(METHODS)


def test_exact_intervals_never_fall_short(stated):
    assert (stated.loc[["clopper-pearson", "blaker"], "min"] >= 0.95 - 1e-12).all()
    assert (stated.loc["blaker", "mean"] - 0.95) < (stated.loc["clopper-pearson", "mean"] - 0.95)


@pytest.mark.parametrize("plan", [[(4, 12)], [(3, 5), (8, 4)]], ids=str)
@pytest.mark.parametrize("test", [twin.PERFECT, (0.9, 0.98, 0.1)])
@pytest.mark.parametrize("method", ["clopper-pearson", "skew-score", "wald"])
def test_by_enumeration(plan, test, method):
    size, tested = zip(*plan, strict=True)
    options = {"sensitivity": test[0], "specificity": test[1], "correlation": test[2]}
    truth = [0.01, 0.05, 0.2]
    found = coverage({"pool_size": size, "tested": tested}, method=method, prevalence=truth, **options)
    every = twin.outcomes(plan)
    limits = []
    for pools in every:
        columns = dict(zip(("pool_size", "tested", "positive"), zip(*pools, strict=True), strict=True))
        limits.append(prevalence(columns, method=method, **options)[["lower", "upper"]].to_numpy()[0])
    for p, row in zip(truth, found.to_dict("records"), strict=True):
        chances = [twin.chance(pools, p, test) for pools in every]
        held = sum(c for c, (low, high) in zip(chances, limits, strict=True) if low <= p <= high)
        assert row["coverage"] == pytest.approx(held, abs=1e-12)
        assert row["coverage"] + row["too_low"] + row["too_high"] == pytest.approx(1.0, abs=1e-12)
        assert row["width"] == pytest.approx(
            sum(c * (high - low) for c, (low, high) in zip(chances, limits, strict=True))
        )


@pytest.mark.parametrize(("alternative", "side"), [("less", "too_high"), ("greater", "too_low")])
def test_one_end_errs_on_one_side(alternative, side):
    found = coverage(PLAN, method="clopper-pearson", alternative=alternative)
    assert (found[side] == 0.0).all()
    assert found["coverage"].min() >= 0.95 - 1e-12
    # It is not a two-sided interval with another name: it comes near its level.
    assert found["coverage"].min() < 0.955


def test_at_the_ends():
    found = coverage({"pool_size": [5], "tested": [10]}, method=["score", "jeffreys"], prevalence=[0.0, 1.0])
    assert found["coverage"].tolist() == [1.0, 1.0, 1.0, 1.0]


def test_what_is_refused():
    with pytest.raises(DesignError) as caught:
        coverage({"pool_size": [5, 6], "tested": [10, 10]}, method=["blaker", "score"])
    assert [problem.where for problem in caught.value.problems] == ["method"]
    with pytest.raises(DesignError, match="outcomes"):
        coverage({"pool_size": [5, 6], "tested": [1000, 1000]})
    with pytest.raises(DesignError) as caught:
        coverage({"tested": [10]}, method="none", prevalence=[2.0])
    assert [problem.where for problem in caught.value.problems] == ["pool_size", "method", "prevalence"]
    with pytest.raises(DesignError, match="there must be pools"):
        coverage({"pool_size": [5], "tested": [0]})


def test_one_prevalence_and_none_to_draw():
    found = coverage({"pool_size": [10], "tested": [20]}, prevalence=0.0)
    assert found["coverage"].tolist() == [1.0]
    with pytest.raises(DesignError, match="frame: must hold a prevalence above 0"):
        plot_coverage(found)
    with pytest.raises(DesignError, match="method: name at least one"):
        coverage({"pool_size": [10], "tested": [20]}, method=[])


def test_plot():
    frame = coverage({"pool_size": [10], "tested": [20]}, method=["blaker", "wald"])
    ax = plot_coverage(frame)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["blaker", "wald"]
    blaker = frame[frame["method"] == "blaker"]
    assert ax.lines[0].get_ydata() == pytest.approx(100.0 * blaker["coverage"].to_numpy())
    assert np.ravel(ax.lines[2].get_ydata()).tolist() == [95.0, 95.0]
