"""Pools in a surge: closed forms of every limit, the definition of a reactive pool, published numbers, and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot

from poolkit import Assay, DesignError, design
from poolkit.planning import expected_tests
from poolkit.planning.answers import plot_pool_size_tradeoff, plot_surge, pool_size_tradeoff, required, surge
from poolkit.planning.answers.demand import found_share, reacting, wells_per_person
from tests.reference import answers as twin

# Dorfman's tests per person: prevalence, pool size, tests.
DORFMAN = [
    *((1e-4, 5, 0.20050), (1e-4, 10, 0.10100), (1e-4, 20, 0.05200), (1e-4, 101, 0.01995)),
    *((1e-3, 5, 0.20499), (1e-3, 10, 0.10996), (1e-3, 20, 0.06981), (1e-3, 32, 0.06276)),
    *((5e-3, 15, 0.13910), (0.01, 5, 0.24901), (0.01, 10, 0.19562), (0.01, 20, 0.23209), (0.01, 11, 0.19557)),
    *((0.02, 8, 0.27424), (0.05, 5, 0.42622)),
]


@pytest.mark.parametrize(("prevalence", "size", "tests"), DORFMAN)
def test_dorfman(prevalence, size, tests):
    assert float(wells_per_person(prevalence, size, Assay())) == pytest.approx(tests, abs=5e-6)


@given(
    st.floats(0.0, 1.0),
    st.integers(1, 30),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.sampled_from(["none", "independent"]),
)
def test_a_reactive_pool_from_its_definition(prevalence, size, sensitivity, specificity, further):
    found = float(reacting(prevalence, size, Assay(sensitivity, specificity, further)))
    slow = twin.reacts(prevalence, size, sensitivity, specificity, independent=further == "independent")
    assert found == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("size", [2, 5, 10])
def test_as_the_design_that_is_run(size):
    n, prevalence = 10 * size, 0.03
    planned = expected_tests(design(f"two-stage-{size}").layout(n), prevalence)
    assert float(wells_per_person(prevalence, size, Assay())) == pytest.approx(planned.total / n, rel=1e-12)


def test_sensitivity_of_pools():
    assay = Assay(((1, 0.98), (10, 0.90)))
    assert found_share([1, 10], assay).tolist() == [0.98, 0.98 * 0.9]


def test_where_the_pool_size_changes():
    """Pools of 2n give way to n where q^n (1 - q^n) = 1/(2n); pools of n save nothing from 1 - n^(-1/n) on."""
    found = surge(pool_size=10, sizes=(20, 1, 10, 5), wells=200_000)
    half = [(0.5 * (1 + np.sqrt(1 - 4 * x))) ** (1 / n) for n, x in ((10, 0.05), (5, 0.1))]
    assert found.changes["pool_size"].tolist() == [20, 10, 5, 1]
    ends = [1 - half[0], 1 - half[1], 1 - 5 ** (-1 / 5), 1.0]
    assert found.changes["to_prevalence"].tolist() == pytest.approx(ends, abs=1e-10)
    assert found.changes["from_prevalence"].tolist() == pytest.approx([0.0, *ends[:-1]], abs=1e-10)
    limit = found.limits.set_index("limit")["prevalence"]
    assert (limit["icmr_pool_below"], limit["icmr_community_to"]) == (0.02, 0.05)
    assert limit["pool_size_changes"] == pytest.approx(1 - half[1], abs=1e-10)
    assert limit["pool_size_stops_paying"] == pytest.approx(1 - 10 ** (-1 / 10), abs=1e-10)
    assert limit["pooling_stops_paying"] == pytest.approx(1 - 5 ** (-1 / 5), abs=1e-10)
    assert limit["any_pooling_stops_paying"] == pytest.approx(1 - 3 ** (-1 / 3), abs=1e-10)
    assert limit["wells_full"] == pytest.approx(1 - 0.9 ** (1 / 10), abs=1e-10)
    assert limit["wells_full_at_best"] == pytest.approx(1 - 0.9 ** (1 / 10), abs=1e-10)
    row = found.table.iloc[(found.table["prevalence"] - 0.03).abs().argmin()]
    assert (row["best_pool_size"], row["icmr"]) == (5, "community only")


def test_icmr_bands_and_retest_load():
    """At 1e-4 one pool in a thousand reacts and wells rise by 1 %; at 1e-2 9.6 % react and wells rise by 96 %."""
    found = surge([1e-4, 1e-2, 0.02, 0.05, 0.051]).table
    assert found["icmr"].tolist() == ["pool", "pool", "community only", "community only", "do not pool"]
    assert found["positive_pools"][:2].tolist() == pytest.approx([0.0009995, 0.0956179], abs=1e-7)
    assert (found["wells"][:2] / 100_000 - 1).tolist() == pytest.approx([0.01, 0.96], abs=5e-3)
    assert found["use"].isna().all()
    assert np.isnan(surge(wells=5e6).limits.set_index("limit")["prevalence"]["wells_full"])


def test_errors_of_surge():
    with pytest.raises(DesignError) as caught:
        surge([0.0, 0.1, 1.2], people=0, pool_size=0, sizes=(0,), wells=0.0)
    problems = {problem.where: problem.rows for problem in caught.value.problems}
    assert problems == {"people": (), "pool_size": (), "prevalences": (0, 2), "sizes": (), "wells": ()}


def test_tradeoff_by_hand():
    machines = {"transfer machines": 10**6, "ovens": 10**6, "extractors": 10**6, "cyclers": 10, "readers": 10**6}
    values = {"use": 1.0, "wells": 100, "amplification_minutes": 120, "sampling_hours": 10}
    table = pool_size_tradeoff(0.0, people=100_000, sizes=(10, 1), machines=machines, values=values).table
    # 500 wells an hour: 10,000 wells in 20 hours, 100,000 in 200.
    assert table["busiest"].tolist() == ["cyclers", "cyclers"]
    assert table["use"].tolist() == pytest.approx([2.0, 20.0])
    fixed = (40 + 30 + 45 + 120 + 100 + 30.0 * (191 + 383 + 99 + 99) / 1000) / 60
    fixed += (min(15, 30.0 * 383 / 1000) - 30.0 * 383 / 1000) / 60
    road = (30 + 120) / 120
    assert table["mean_hours"][0] == pytest.approx(road + fixed + 5.0)
    assert table["last_hours"][0] == pytest.approx(road + fixed + 20.0)
    assert table["last_hours"][1] > 200
    assert table["best"].tolist() == [True, False]


def test_tradeoff_has_a_best_size_and_says_its_assumptions():
    found = pool_size_tradeoff(0.01, assay=Assay(0.95))
    table = found.table.set_index("pool_size")
    assert table["wells_per_person"].idxmin() == 10
    assert table["mean_hours"].idxmin() in table.index[table["best"]]
    assert table.loc[10, "sensitivity"] == pytest.approx(0.9025)
    assert {"fetch_minutes", "linger_minutes", "use"} <= set(found.assumptions["name"])
    with pytest.raises(DesignError) as caught:
        pool_size_tradeoff(2.0, sizes=(), machines={"cats": 1, "cyclers": 0}, values={"sampling_hours": 25})
    assert [problem.where for problem in caught.value.problems] == [
        *("prevalence", "sizes", "machines", "machines", "values")
    ]


def test_pictures():
    found = surge(wells=required(prevalence=0.0).demand.wells * 2)
    axes = plot_surge(found)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["alone", "5-in-1", "10-in-1, now", "20-in-1"]
    assert plot_surge(surge([0.1, 0.2], pool_size=4)).get_xlim() == pytest.approx((10.0, 20.0))
    assert len(plot_pool_size_tradeoff(pool_size_tradeoff(0.01)).patches) == 9
    pyplot.close("all")


@pytest.mark.parametrize("sizes", [[2.5], ["10"], [], [5, 0]])
def test_sizes_are_numbers_of_samples(sizes):
    for answer in (lambda: surge([0.01], sizes=sizes), lambda: pool_size_tradeoff(0.01, sizes=sizes)):
        with pytest.raises(DesignError, match="sizes: must be whole numbers from 1, at least one"):
            answer()
    with pytest.raises(DesignError, match=r"pool_size: must be at least 1, and whole, found 2\.5"):
        surge([0.01], pool_size=2.5)
