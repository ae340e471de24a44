"""The least resources in the simulator, and what one more is worth: what holds, what does not, by hand and by seed."""

import numpy as np
import pytest
from matplotlib import pyplot

from poolkit import DesignError
from poolkit.planning.answers import line_of, one_more, plot_tornado, required, tornado, verify_required
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Sites, Stage, simulate_line

QUICK = {"analysis_seconds": 10, "people_per_site": 500}


@pytest.fixture
def answer(small):
    return required(1_000 if small else 30_000, within="24h", prevalence=0.001, values=QUICK)


@pytest.mark.parametrize("whom", ["everybody", "first pass"])
def test_the_deadline_holds_and_does_not_with_the_least(answer, whom):
    found = verify_required(answer, seed=3, whom=whom)
    run = simulate_line(found.line, seed=3)
    assert run.n_unfinished == 0
    mine = run.resulted if whom == "everybody" else run.resulted[run.way == 1]
    assert found.last_hour == pytest.approx(mine.max() / 60.0)
    assert found.last_hour <= 24.0
    table = found.resources.set_index("resource")
    assert (table["more"] >= 0).all()
    assert found.least_last_hour > 24.0 or (table["more"] == 0).all()
    assert found.needed["cyclers"] == found.line.labs[0].stages[3].servers
    assert found.needed["tables"] == found.line.sites.tables * found.line.sites.count
    again = verify_required(answer, seed=3, whom=whom)
    assert again.needed == found.needed


def test_no_machine_less_does(answer):
    found = verify_required(answer, seed=3)
    # The last resource that was lowered cannot be lowered alone.
    fewer = found.needed | {"readers": found.needed["readers"] - 1}
    line = line_of(answer, fewer, sampling_until_hour=found.sampling_until_hour)
    is_least = found.needed["readers"] == answer.least["readers"]
    assert is_least or simulate_line(line, seed=3).last_hour > 24.0


def test_the_first_pass_asks_for_no_more_than_everybody(answer):
    until = verify_required(answer, seed=3).sampling_until_hour
    first = verify_required(answer, seed=3, whom="first pass", sampling_until_hour=until)
    assert first.last_hour <= 24.0
    assert sum(first.needed.values()) <= sum(verify_required(answer, seed=3).needed.values())
    assert verify_required(answer, seed=3, whom="first pass").sampling_until_hour > until


def test_the_line_is_the_answer():
    answer = required(9_000, within="3d", values={"wells": 90, "extraction_minutes": 50, "sampling_hours": 8})
    line = line_of(answer, sampling_until_hour=54.0)
    assert line.arrivals.profile == ((0.0, 1.0), (8.0, 0.0), (24.0, 1.0), (32.0, 0.0), (48.0, 1.0), (54.0, 0.0))
    extraction = line.labs[0].stages[2]
    assert (extraction.usable, extraction.minutes, extraction.servers) == (90, 50.0, answer.least["extractors"])
    always = required(9_000, within="3d", values={"sampling_hours": 24})
    assert line_of(always, sampling_until_hour=50.0).arrivals.profile == (
        (0.0, 1.0),
        (24.0, 1.0),
        (48.0, 1.0),
        (50.0, 0.0),
    )


def test_too_short_a_time_is_said(answer):
    with pytest.raises(DesignError, match=r"within: 6 h are too short: 1\d\.\d h pass from swab to the last result"):
        verify_required(required(1_000, within="6h"), seed=1)
    with pytest.raises(DesignError, match=r"24 h are too short: with 16 times the machines the last result comes at"):
        verify_required(required(1_000, values=QUICK | {"sampling_hours": 24}), seed=1, sampling_until_hour=23.9)
    with pytest.raises(DesignError) as caught:
        verify_required(answer, seed=-1, whom="nobody", replications=0, sampling_until_hour=30)
    assert [problem.where for problem in caught.value.problems] == [
        "whom",
        "replications",
        "seed",
        "sampling_until_hour",
    ]


def test_assumptions_of_the_line_are_stated(answer):
    table = verify_required(answer, seed=3).assumptions.set_index("name")
    assert table.loc["recollect_minutes", "value"] == 240.0
    assert not table.loc["extraction: linger", "verified"]
    assert set(answer.assumptions["name"]) < set(table.index)


def by_hand(servers):
    """A hundred people at once, a tube each; one stage of an hour, the rest in no time."""
    stages = (Stage("amplification", servers, minutes=60.0, reads=True), Stage("reporting", 100, minutes=1e-6))
    sites = Sites(1, tables=100, minutes=1e-6, spread="fixed", tube_linger_minutes=1e-6)
    arrivals = Arrivals(0, bursts=((0.0, 100),))
    return Line(arrivals, sites, Courier(1.0, travel_minutes=1e-6), (Laboratory(stages=stages),), 1, prevalence=0.0)


def test_one_more_by_hand():
    """Ten machines take ten rounds; eleven take ten, the last with one tube: 11 x 9 + 1."""
    line = by_hand(10)
    table = one_more(line, seed=1).set_index("resource")
    waits = [np.repeat(np.arange(1, 12), servers)[:100].mean() * 60.0 for servers in (10, 11)]
    row = table.loc["amplification"]
    assert row["mean_minutes_saved"] == pytest.approx(waits[0] - waits[1], abs=0.1)
    assert row["hours_saved"] == pytest.approx(0.0, abs=0.05)
    # In the k-th round of eleven, k more have been served than by ten.
    assert row["people_sooner"] == sum(range(1, 10))
    assert table.index[0] == "amplification"
    assert table.loc["reporting", "people_sooner"] == 0


def test_tornado_by_hand():
    table = tornado(by_hand(10), seed=1, change=0.25).set_index("resource")
    row = table.loc["amplification"]
    assert row[["servers", "more", "fewer"]].tolist() == [10, 12, 8]
    assert row[["hours", "hours_more", "hours_fewer"]].tolist() == pytest.approx([10.0, 9.0, 13.0], abs=0.05)
    assert row[["saved", "lost"]].tolist() == pytest.approx([1.0, 3.0], abs=0.05)
    assert table.index[0] == "amplification"
    one = tornado(by_hand(1), seed=1).set_index("resource").loc["amplification"]
    assert (one["fewer"], one["lost"]) == (1, 0.0)
    assert tornado(by_hand(10), seed=1, change=0.25).equals(tornado(by_hand(10), seed=1, change=0.25))


def test_tornado_says_where_there_is_no_end():
    line = by_hand(10)
    shut = Line(line.arrivals, line.sites, line.courier, line.labs, 1, prevalence=0.0, horizon_hours=10.5)
    table = tornado(shut, seed=1, change=0.25).set_index("resource")
    assert np.isnan(table.loc["amplification", "hours_fewer"])
    axes = plot_tornado(tornado(shut, seed=1, change=0.25))
    assert "no end" in [text.get_text() for text in axes.texts]
    pyplot.close("all")


def test_several_laboratories_are_told_apart():
    lab = Laboratory(stages=(Stage("amplification", 2, minutes=30.0, slots=10, linger_minutes=5.0, reads=True),))
    line = Line(Arrivals(200), Sites(4, tables=1), labs=(lab, lab), pool_size=5)
    names = one_more(line, seed=2)["resource"]
    assert {"laboratory 1: amplification", "laboratory 2: amplification", "tables", "vehicles"} == set(names)


def test_errors_of_comparisons():
    with pytest.raises(DesignError, match="seed: must not be negative"):
        one_more(by_hand(1), seed=-1)
    with pytest.raises(DesignError) as caught:
        tornado(by_hand(1), seed=-1, change=1.0)
    assert [problem.where for problem in caught.value.problems] == ["seed", "change"]
