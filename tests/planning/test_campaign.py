"""A scenario run as a line: what its frames say, what binds, the deadline, and the trace over the run."""

import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

from poolkit import DesignError
from poolkit.planning import build_line, plan_campaign, plot_plan_campaign, simulate_line
from poolkit.planning.scenarios.fields import RECORDED

mpl.use("Agg")


@pytest.fixture(scope="module")
def plan(small):
    """Dalian-like in small: so many persons that a few machines are overloaded."""
    people = 6_000 if small else 200_000
    machines = {"extractors": 1, "cyclers": 1} if small else {"extractors": 3, "cyclers": 5}
    return plan_campaign("dalian-like", people=people, sites=people // 500, tables=people // 125, labs=1, **machines)


def test_everybody_has_a_result(plan):
    assert plan.run.n_people == plan.values["people"].value
    assert plan.run.n_unfinished == 0
    curves = plan.curves()
    assert list(curves.columns) == ["hour", "sampled", "delivered", "tested", "resulted"]
    assert curves.iloc[-1, 1:].tolist() == [plan.run.n_people] * 4
    facts = plan.facts().set_index("name")["value"]
    assert facts["people"] == plan.run.n_people
    assert facts["tested_hour"] <= facts["last_hour"] + 1e-9
    assert facts["last_hour"] == plan.last_hour
    assert facts["p50_hours"] <= facts["p90_hours"] <= facts["p99_hours"]
    assert plan.meets_deadline == (plan.last_hour <= 72.0)


def test_the_run_is_that_of_the_line_and_the_seed(plan):
    run = simulate_line(plan.line, seed=0)
    np.testing.assert_array_equal(run.resulted, plan.run.resulted)


def test_capacity_names_one_stage(plan):
    assert plan.capacity["binding"].sum() == 1
    assert plan.capacity["stage"].tolist()[:2] == ["sampling", "courier"]
    assert plan.binding == plan.capacity.loc[plan.capacity["use"].idxmax(), "stage"]


def test_what_binds_is_where_persons_wait(small):
    """One cycler, and more of it: the backlog stands before the tests, and another machine takes it away."""
    scale = {"people": 8_000, "sites": 8, "tables": 64, "sampling_days": 0.5, "labs": 1}
    few = plan_campaign("dalian-like", **scale, extractors=5, cyclers=1)
    more = plan_campaign("dalian-like", **scale, extractors=5, cyclers=5)
    assert few.binding == "amplification"
    assert few.stages.loc[few.stages["worst"], ["before", "after"]].values.tolist() == [["delivered", "tested"]]
    assert few.last_hour > more.last_hour
    peak = [each.stages["peak_backlog"].max() for each in (few, more)]
    assert peak[0] > peak[1]


def test_a_stage_that_stands_still_leaves_persons_without_a_result():
    # One cycler for three hundred laboratories' worth of tubes, and a deadline that nobody can meet.
    late = plan_campaign("dalian-like", people=3_000, sites=3, tables=12, labs=1, cyclers=1, deadline_hours=1.0)
    assert not late.meets_deadline
    assert late.run.n_unfinished == 0
    assert not math.isnan(late.last_hour)


def test_assumptions_name_everything_that_is_unverified(plan):
    table = plan.assumptions()
    assert set(plan.values) - RECORDED <= set(table["name"])
    assert not RECORDED & set(table["name"])
    assert "servers of reception" in set(table["name"])
    unverified = table[~table["verified"]]
    assert {"prevalence", "courier_minutes", "pcr_minutes"} <= set(unverified["name"])
    assert table["verified"].is_monotonic_increasing
    assert table.set_index("name").loc["people", "source"] == "changed by the planner"


def test_a_trace_starts_where_the_run_has_as_many_swabs(small):
    people = {"people": 5_000, "sites": 5, "tables": 20} if small else {"people": 20_000, "sites": 10, "tables": 40}
    # The counts of the trace are far above a small run, so there is nothing to draw over it.
    assert plan_campaign("qingdao-2020-10", **people, cyclers=2, extractors=2).trace() is None
    dalian = plan_campaign("dalian-2020-12", **people, cyclers=2, extractors=2)
    trace = dalian.trace()
    assert trace["hour"].tolist() == [0.0, 35.0, 77.0]
    ax = plot_plan_campaign(dalian)
    labels = [each.get_label() for each in ax.get_lines()]
    assert "resulted, observed" in labels
    assert ax.get_title() == "Dalian, December 2020"
    assert ax.get_xlabel() == "hours since the first swab"
    assert plan_campaign("dalian-like", **people, cyclers=2, extractors=2).trace() is None
    pyplot.close("all")


def test_the_deadline_is_drawn_where_it_is_near(plan):
    labels = [each.get_label() for each in plot_plan_campaign(plan).get_lines()]
    assert ("asked for: 72 h" in labels) == (1.3 * plan.curves()["hour"].iloc[-1] >= 72.0)
    pyplot.close("all")


def test_wrong_changes_are_named_at_once():
    with pytest.raises(DesignError) as caught:
        plan_campaign("dalian-like", lab=1, people=0)
    assert [each.where for each in caught.value.problems] == ["lab", "people"]
    with pytest.raises(DesignError, match="no scenario is called"):
        build_line("nowhere")


@pytest.mark.parametrize("sooner", [{"support": "6 cyclers from 2"}, {"mobile_labs": "1 van-yutu from 2"}])
def test_who_comes_brings_results_sooner(small, sooner):
    people = 4_000 if small else 20_000
    scale = {"people": people, "sites": 8, "tables": 64, "sampling_days": 0.5, "labs": 1, "extractors": 5, "cyclers": 1}
    alone = plan_campaign("dalian-like", **scale)
    helped = plan_campaign("dalian-like", **scale, **sooner)
    assert helped.run.n_unfinished == 0
    assert helped.turnaround["p90"].iloc[0] < alone.turnaround["p90"].iloc[0]
    assert not helped.assumptions().set_index("name").loc[next(iter(sooner)), "source"].startswith("assumed")


def test_stock_that_runs_out_stops_the_tests():
    scale = {"people": 4_000, "sites": 4, "tables": 32, "sampling_days": 0.5, "labs": 1, "extractors": 5, "cyclers": 3}
    plenty, few = (plan_campaign("dalian-like", **scale, stock=f"{n} PCR tests") for n in (5_000, 200))
    facts = [each.facts().set_index("name")["value"] for each in (plenty, few)]
    assert plenty.run.n_unfinished == 0
    assert math.isnan(facts[0]["out_PCR_tests"])
    assert few.run.n_unfinished > 0
    assert 0.0 < facts[1]["out_PCR_tests"] < 24.0
    later = plan_campaign("dalian-like", **scale, stock="200 PCR tests and 5,000 PCR tests from 40")
    assert later.run.n_unfinished == 0
    assert later.last_hour > 40.0 > plenty.last_hour
