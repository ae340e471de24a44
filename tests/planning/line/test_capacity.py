"""`capacity` against the simulator, and by hand."""

from dataclasses import replace

import numpy as np
import pytest

from poolkit import load_protocol
from poolkit.planning.line import (
    Arrivals,
    Courier,
    Laboratory,
    Line,
    Shift,
    Sites,
    Stage,
    capacity,
    line_queues,
    simulate_line,
)

SURE = load_protocol("cn-10in1-2020").revised("sure", source="a test", specificity=1.0, sensitivity=((1, 1.0),))
STAGES = (
    Stage("reception", 2, minutes=0.25),
    Stage("extraction", 3, minutes=30.0, slots=24, linger_minutes=10.0),
    Stage("amplification", 3, minutes=90.0, slots=24, controls=2, linger_minutes=10.0),
    Stage("analysis", 2, minutes=0.5, reads=True),
)


def a_line(n, **fields):
    given = {"labs": (Laboratory("one", STAGES),), "prevalence": 0.0, "protocol": SURE, "horizon_hours": 500.0}
    return Line(Arrivals(n, ((0.0, 1.0), (6.0, 0.0))), Sites(8, tables=3), **(given | fields))


def test_by_hand():
    table = capacity(a_line(6_000)).set_index("stage")
    assert table["an_hour"].round(6).to_dict() == {
        "sampling": 8 * 3 * 90.0,
        "courier": float("inf"),
        "reception": 480.0,
        "extraction": 144.0,
        "amplification": 44.0,
        "analysis": 240.0,
    }
    assert table["load"].round(6).tolist() == [1000.0, *[pytest.approx(100.0, rel=0.01)] * 5]
    assert table["use"]["amplification"] == pytest.approx(100 / 44, rel=0.01)
    assert table["people_an_hour"]["amplification"] == pytest.approx(440.0, rel=0.01)
    assert table.index[table["binding"]].tolist() == ["amplification"]
    assert (table["slack"] == 1 - table["use"]).all()


@pytest.mark.parametrize(
    ("stage", "servers"), [("amplification", 3), ("extraction", 1), ("reception", 0), ("sampling", 1)]
)
def test_finish_and_backlog_are_the_simulators_under_heavy_load(stage, servers):
    line = a_line(6_000)
    if stage != "amplification":
        line = line.with_servers("amplification", 30)
    line = line.with_servers(stage, servers)
    table, run = capacity(line).set_index("stage"), simulate_line(line, seed=2)
    if servers == 0:
        assert run.n_unfinished == run.n_people
        assert table["use"][stage] == float("inf")
        assert table["finish_hour"].isna()[[stage, "analysis"]].all()
        return
    assert table.index[table["binding"]].tolist() == [stage]
    if stage != "sampling":
        assert run.busiest() == stage
    assert table["finish_hour"]["analysis"] == pytest.approx(run.last_hour, rel=0.06)
    waiting = line_queues(run).set_index("stage")["waiting"][stage]
    # Three extractors let 72 tubes go at once.
    assert table["backlog"][stage] == pytest.approx(waiting.max(), rel=0.1, abs=72)


def test_visits_count_reruns_and_retests(small):
    stages = (
        STAGES[0],
        replace(STAGES[1], servers=50),
        replace(STAGES[2], servers=900, slots=4, fails=0.2, rerun_at="extraction"),
        replace(STAGES[3], servers=9),
    )
    for entry in ("reception", "amplification"):
        kept = SURE.revised(
            "kept", source="a test", positive_pool="retest" if entry == "amplification" else "recollect"
        )
        lab = Laboratory("one", stages, retest_at=entry)
        line = a_line(3_000 if small else 30_000, labs=(lab,), prevalence=0.02, protocol=kept)
        run = simulate_line(line, seed=4)
        passed = run.stages().groupby("stage")["ended"].sum()
        table = capacity(line).set_index("stage")
        for stage in stages:
            # Load is counted over the six hours in which people come.
            assert 6 * table["load"][stage.name] == pytest.approx(passed[stage.name], rel=0.2 if small else 0.05)


def test_shifts_and_laboratories_share():
    halved = tuple(replace(stage, shifts=(Shift(0, 3),)) for stage in STAGES)
    table = capacity(a_line(6_000, labs=(Laboratory("one", halved),))).set_index("stage")
    assert table["an_hour"]["amplification"] == pytest.approx(22.0, rel=0.01)
    two = a_line(6_000, labs=(Laboratory("one", STAGES), Laboratory("two", STAGES, opens_hour=0.0, share=3.0)))
    load = capacity(two).query("stage == 'reception'")["load"].to_numpy()
    assert load[1] == pytest.approx(3 * load[0])
    late = a_line(6_000, labs=(Laboratory("one", STAGES), Laboratory("van", STAGES, opens_hour=4.0)))
    first, second = capacity(late).query("stage == 'reception'")["load"]
    run = simulate_line(late, seed=1)
    assert second / (first + second) == pytest.approx((run.tubes.lab == 1).mean(), abs=0.05)
    assert np.isfinite(capacity(late)["use"]).all()


def test_a_night_shift_is_held_against_the_whole_day():
    def night(n, hours=(6, 18)):
        stages = (*STAGES[:2], replace(STAGES[2], servers=6, shifts=(Shift(*hours),)), STAGES[3])
        return a_line(n, labs=(Laboratory("one", stages),), horizon_hours=100.0)

    # People come from 0 to 6 h, and six cyclers of 22 tubes work from 6 to 18 h: 1,056 tubes a night.
    table = capacity(night(6_000)).set_index("stage")
    assert table["servers"]["amplification"] == pytest.approx(3.0)
    assert table["an_hour"]["amplification"] == pytest.approx(44.0)
    assert table["use"]["amplification"] == pytest.approx(600 / 1_056, rel=0.02)
    assert not table["binding"]["amplification"]
    assert simulate_line(night(6_000), seed=1).last_hour < 24.0
    heavy = capacity(night(15_000)).set_index("stage")
    assert heavy["use"]["amplification"] == pytest.approx(1_500 / 1_056, rel=0.02)
    assert simulate_line(night(15_000), seed=1).last_hour > 30.0
    # Shifts that are worked while people come count then, as before.
    for hours in ((0, 24), (0, 6), (0, 3)):
        by_window = capacity(night(6_000, hours)).set_index("stage")
        assert by_window["load"]["amplification"] == pytest.approx(100.0, rel=0.01)
        assert by_window["servers"]["amplification"] == pytest.approx(6.0 * min(hours[1], 6) / 6)


def test_couriers_may_bind():
    line = a_line(6_000, courier=Courier(30.0, 20.0, capacity=2))
    table = capacity(line).set_index("stage")
    assert table["an_hour"]["courier"] == pytest.approx(8 * 2 * 2)
    assert table.index[table["binding"]].tolist() == ["courier"]
    run = simulate_line(line, seed=3)
    assert table["finish_hour"]["analysis"] == pytest.approx(run.last_hour, rel=0.06)
