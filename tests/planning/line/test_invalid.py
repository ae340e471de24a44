"""Invalid readings: run again as often as the protocol says, then asked for or reported as they are."""

from dataclasses import replace

import numpy as np
import pytest

from poolkit import load_protocol
from poolkit.planning.line import Arrivals, Laboratory, Line, Sites, Stage, capacity, simulate_line

STAGES = (
    Stage("reception", 5, minutes=1.0),
    Stage("amplification", 90, minutes=60.0, slots=24, controls=2, linger_minutes=10.0, fails=0.1),
    Stage("analysis", 9, minutes=0.5, reads=True),
    Stage("reporting", 9, minutes=0.5),
)
SURE = load_protocol("cn-10in1-2020").revised("sure", source="a test", specificity=1.0, sensitivity=((1, 1.0),))


def a_line(n, *, reruns=1, pool_size=10, prevalence=0.0, positive_pool="recollect", **lab):
    rules = SURE.revised("rerun", source="a test", invalid_reruns=reruns, positive_pool=positive_pool)
    return Line(
        Arrivals(n, ((0.0, 1.0), (4.0, 0.0))),
        Sites(8, tables=4),
        labs=(Laboratory("one", STAGES, **lab),),
        pool_size=pool_size,
        protocol=rules,
        prevalence=prevalence,
        horizon_hours=100.0,
    )


def reads_of(run):
    """Return how often each specimen was read, those that were; and all passages as a frame."""
    events = run.events().to_pandas()
    return events[events["stage"] == "analysis"].groupby("specimen").size(), events


@pytest.mark.parametrize("reruns", [0, 1, 3])
def test_an_invalid_specimen_is_run_again_as_often_as_said(reruns, small):
    line = a_line(1_500 if small else 9_000, reruns=reruns, pool_size=1, invalid=0.4, invalid_at="amplification")
    run = simulate_line(line, seed=2, events=True)
    times, events = reads_of(run)
    assert run.n_unfinished == 0
    n = times.size
    for k in range(reruns + 1):
        expected = 0.4**k
        assert (times > k).mean() == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / n) + 1e-12)
    assert times.max() <= reruns + 1
    # It comes back to amplification at the instant at which it was read, and passes reception once.
    assert (events[events["stage"] == "reception"].groupby("specimen").size() == 1).all()
    again = events.sort_values(["specimen", "start"])
    follows = (again["specimen"].diff() == 0) & (again["stage"].shift() == "analysis")
    back = follows & (again["stage"] != "reporting")
    assert back.sum() == (times - 1).sum()
    assert (again["stage"][back] == "amplification").all()
    assert (again["enter"][back] == again["end"].shift()[back]).all()


@pytest.mark.parametrize("positive_pool", ["recollect", "retest"])
def test_members_of_a_tube_that_stays_invalid_are_asked_for(positive_pool):
    run = simulate_line(a_line(3_000, invalid=0.3, positive_pool=positive_pool), seed=5, events=True)
    times, _ = reads_of(run)
    assert not run.tubes.reacts.any()
    of_tube = times[times.index < run.tubes.members.size]
    # Read twice is what one valid reading more makes of it, or none: these are asked for.
    asked = run.labs[0].first >= 0
    assert set(of_tube.loc[run.labs[0].tubes[asked]]) == {2}
    assert asked.mean() == pytest.approx(0.09, abs=5 * np.sqrt(0.09 * 0.91 / asked.size))
    assert (run.way == 2).sum() == run.tubes.members[run.labs[0].tubes[asked]].sum()
    assert run.n_unfinished == 0


@pytest.mark.parametrize(("reruns", "at"), [(0, None), (1, None), (2, "analysis")])
def test_capacity_counts_them(reruns, at, small):
    line = a_line(3_000 if small else 20_000, reruns=reruns, prevalence=0.01, invalid=0.2, invalid_at=at)
    run = simulate_line(line, seed=4)
    passed = run.stages().groupby("stage")["ended"].sum()
    table = capacity(line).set_index("stage")
    for stage in STAGES:
        # Load is counted over the four hours in which people come.
        assert 4 * table["load"][stage.name] == pytest.approx(passed[stage.name], rel=0.15 if small else 0.05)


def test_none_are_invalid_by_default():
    line = a_line(900, prevalence=0.02)
    never = replace(line, labs=(replace(line.labs[0], invalid=1e-300, invalid_at="amplification"),))
    one, other = (simulate_line(each, seed=3) for each in (line, never))
    assert (one.resulted == other.resulted).all()
