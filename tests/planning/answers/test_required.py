"""Least resources: the machines of the Dalian-like day, quoted capacities of laboratories, bottlenecks, and errors."""

import numpy as np
import pytest
from matplotlib import pyplot

from poolkit import DesignError
from poolkit.planning.answers import assumptions, plot_required, required
from poolkit.planning.answers.demand import hours_of


@pytest.mark.parametrize(("use", "cyclers", "extractors"), [(1.0, 82, 34), (0.85, 96, 40)])
def test_a_million_a_day(use, cyclers, extractors):
    """100,000 tubes are 1,064 plates of 94: at 110 and 45 minutes a run, 82 cyclers and 34 extractors at full use."""
    answer = required(1_000_000, within="24h", pool_size=10, prevalence=0.0, values={"use": use})
    assert (answer.demand.tubes, answer.demand.wells) == (100_000, 100_000)
    assert (answer.least["cyclers"], answer.least["extractors"]) == (cyclers, extractors)


def test_retests_are_counted():
    answer = required(1_000_000, within="24h", pool_size=10, prevalence=0.001, values={"use": 1.0})
    wells = 100_000 * (1 + 10 * (1 - 0.999**10))
    assert answer.demand.wells == pytest.approx(wells)
    assert answer.least["cyclers"] == np.ceil(np.ceil(wells / 94) * 110 / 1440)


@pytest.mark.parametrize(
    ("cyclers", "minutes", "tubes"),
    [(64, 110, 80_000), (11, 152, 10_000), (3, 138, 3_000)],
    ids=["Falcon, Gansu 2021", "van, Shaoxing 2022", "van Yutu, 2021"],
)
def test_quoted_capacities(cyclers, minutes, tubes):
    """The press counts 96 wells a plate; the minutes a run are within 90 to 152."""
    values = {"use": 1.0, "wells": 96, "amplification_minutes": minutes}
    answer = required(10 * tubes, prevalence=0.0, have={"cyclers": cyclers}, values=values)
    assert answer.people_served == pytest.approx(10 * tubes, rel=0.03)


def test_bottlenecks():
    answer = required(have={"cyclers": 64, "extractors": 60, "sites": 100})
    assert (answer.bottleneck, answer.next_bottleneck) == ("sites", "cyclers")
    table = answer.resources.set_index("resource")
    assert table.loc["sites", "have_people"] == pytest.approx(250_000)
    assert (table.loc["cyclers", "missing"], table.loc["extractors", "missing"]) == (42.0, 0.0)
    assert answer.people_served == pytest.approx(250_000)
    least = required()
    machines = least.resources[least.resources["kind"] == "machine"].sort_values("people")
    assert [least.bottleneck, least.next_bottleneck] == machines["resource"].tolist()[:2]
    assert np.isnan(least.people_served)


def test_least_is_least():
    """One machine fewer works more than the part of its time that it may, and what is needed does not."""
    answer = required(prevalence=0.01)
    table = answer.resources[answer.resources["kind"] == "machine"]
    assert (table["use"] <= 0.85 + 1e-9).all()
    assert (table["use"] * table["least"] / (table["least"] - 1) > 0.85).all()
    assert (table["people"] >= 1_000_000 - 1e-6).all()


@pytest.mark.parametrize("field", ["target", "prevalence", "within"])
def test_monotone(field):
    """More people, more infected or less time never need fewer."""
    steps = {
        "target": [1e4, 1e5, 1e6, 3e6],
        "prevalence": [0.0, 1e-3, 0.01, 0.05],
        "within": ["3d", "24h", 12, "360min"],
    }
    counts = [list(required(**{field: each}).least.values()) for each in steps[field]]
    assert all((np.diff(each) >= 0).all() for each in zip(*counts, strict=True))


def test_three_days_take_a_third():
    day, days = required(3_000_000, within="24h"), required(3_000_000, within="3d")
    assert days.hours == 72.0
    assert days.least["sites"] * 3 == day.least["sites"]
    assert abs(days.least["cyclers"] - day.least["cyclers"] / 3) <= 1


@pytest.mark.parametrize(("text", "hours"), [("24h", 24.0), ("1.5 h", 1.5), ("90min", 1.5), ("3d", 72.0), (6, 6.0)])
def test_spans(text, hours):
    problems = []
    assert hours_of(text, problems) == hours
    assert not problems


@pytest.mark.parametrize("text", ["", "h", "soon", "24", "-3h", 0, float("nan"), float("inf"), "1.2.3h"])
def test_no_spans(text):
    with pytest.raises(DesignError, match="within: must be a span like 24h"):
        required(within=text)


def test_every_problem_at_once():
    with pytest.raises(DesignError) as caught:
        required(
            -1, within="never", pool_size=0, prevalence=-0.1, values={"use": 1.5, "wells": 0, "sampling_hours": 25}
        )
    where = [problem.where for problem in caught.value.problems]
    assert where == ["values", "values", "people", "pool_size", "prevalence", "within", "values"]
    with pytest.raises(DesignError) as caught:
        required(have={"cats": 1, "cyclers": -1})
    assert [problem.where for problem in caught.value.problems] == ["have", "have"]


def test_assumptions_are_stated():
    answer = required(values={"wells": 90})
    table = answer.assumptions.set_index("name")
    assert table.loc["wells", ["value", "source", "verified"]].tolist() == [90.0, "given", True]
    assert not table.loc["inactivation_minutes", "verified"]
    assert table["source"].str.len().gt(0).all()
    assert set(table.index) <= set(assumptions()["name"])
    with pytest.raises(DesignError, match="unknown 'cats'"):
        assumptions(cats=1)


def test_picture():
    axes = plot_required(required(have={"cyclers": 64}))
    assert axes.get_title() == "Bottleneck: cyclers"
    assert len(axes.patches) == 12
    pyplot.close("all")
