"""The formulas against their published values, and the simulator against the formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit import DesignError
from poolkit.planning.line import (
    Arrivals,
    Courier,
    Laboratory,
    Line,
    Sites,
    Stage,
    allen_cunneen,
    batch_forming_delay,
    erlang_c,
    fluid_backlog,
    littles_law,
    simulate_line,
    wait_exceeds,
)


def one_stage(people, hours, stage, *, random=True):
    """Return a line in which everything before one stage of a laboratory takes next to no time."""
    return Line(
        Arrivals(people, ((0.0, 1.0), (hours, 0.0)), random=random),
        Sites(1, tables=people, minutes=1e-6, spread="fixed"),
        Courier(headway_minutes=1e-4, travel_minutes=0.0),
        (Laboratory("alone", (stage,)),),
        pool_size=1,
        horizon_hours=10.0 * hours,
        grid_minutes=5.0,
    )


def waits_at(line, stage, seed=5):
    events = simulate_line(line, seed=seed, events=True).events().to_pandas()
    events = events[events["stage"] == stage]
    return (events["start"] - events["enter"]).to_numpy()


def test_published_values():
    assert erlang_c(3, 2.0) == pytest.approx(0.444444, abs=1e-6)
    assert erlang_c(10, 25 / 3) == pytest.approx(0.487611, abs=1e-6)
    assert erlang_c(120, 1000 / 9) == pytest.approx(0.305828, abs=1e-6)
    assert 60 * allen_cunneen(120, 1000 / 9, minutes=40 / 60) == pytest.approx(1.37622, abs=1e-5)
    assert allen_cunneen(3, 2.0, minutes=1.0) == pytest.approx(0.444444, abs=1e-6)
    assert wait_exceeds(20, 18.0, minutes=40 / 60, than_minutes=1.0) == pytest.approx(0.0274212, abs=1e-7)
    assert littles_law(158_400, 3_567_943 / 158_400) == pytest.approx(3_567_943)


@pytest.mark.parametrize("servers", [1, 2, 7, 3000])
def test_limits_of_erlang(servers):
    assert erlang_c(servers, 0.0) == 0.0
    assert erlang_c(servers, servers) == 1.0
    assert erlang_c(servers, servers - 1e-9) == pytest.approx(1.0, abs=1e-4)
    assert allen_cunneen(servers, servers, minutes=1.0) == float("inf")
    assert wait_exceeds(servers, servers + 1.0, minutes=1.0, than_minutes=9.0) == 1.0


def test_one_server_waits_by_its_load():
    assert erlang_c(1, 0.3) == pytest.approx(0.3)


@pytest.mark.parametrize("where", ["sampling", "alone"])
def test_random_arrivals_and_exponential_service_wait_as_erlang_says(where, small):
    n, tolerance = (3_000, 0.35) if small else (400_000, 0.04)
    hours = n * 0.5 / (25 / 3) / 60
    if where == "sampling":
        line = Line(Arrivals(n, ((0.0, 1.0), (hours, 0.0))), Sites(1, 10, 0.5, "exponential"), horizon_hours=2 * hours)
    else:
        line = one_stage(n, hours, Stage("alone", 10, minutes=0.5, spread="exponential", reads=True))
    waits = waits_at(line, where)
    assert waits.size == n
    assert waits.mean() == pytest.approx(allen_cunneen(10, 25 / 3, minutes=0.5), rel=tolerance)
    assert (waits > 1e-9).mean() == pytest.approx(erlang_c(10, 25 / 3), rel=tolerance)
    longer = wait_exceeds(10, 25 / 3, minutes=0.5, than_minutes=0.3)
    assert (waits > 0.3).mean() == pytest.approx(longer, rel=tolerance)


def test_random_arrivals_and_even_service_wait_half_as_long(small):
    n, tolerance = (3_000, 0.3) if small else (300_000, 0.04)
    waits = waits_at(one_stage(n, n / 0.8 / 60, Stage("alone", 1, minutes=1.0, reads=True)), "alone")
    expected = allen_cunneen(1, 0.8, minutes=1.0, service_variation=0.0)
    assert expected == pytest.approx(0.8 / (2 * (1 - 0.8)))
    assert waits.mean() == pytest.approx(expected, rel=tolerance)


def test_lognormal_service_waits_by_its_variation(small):
    n, tolerance = (3_000, 0.4) if small else (300_000, 0.06)
    stage = Stage("alone", 1, minutes=1.0, spread="lognormal", variation=0.5, reads=True)
    expected = allen_cunneen(1, 0.7, minutes=1.0, service_variation=0.5)
    assert waits_at(one_stage(n, n / 0.7 / 60, stage), "alone").mean() == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("servers", "n"), [(1, 12), (3, 50), (4, 4), (7, 61)])
def test_even_arrivals_and_service_are_exact(servers, n):
    gap, minutes = 1.0, 5.0
    line = Line(
        Arrivals(n, ((0.0, 1.0), (n * gap / 60, 0.0)), random=False), Sites(1, servers, minutes, "fixed"), pool_size=1
    )
    run = simulate_line(line, seed=0, events=True)
    came = (np.arange(n) + 0.5) * gap
    # With too few servers each one takes every so-many-th person without a pause from its first on.
    began = came if servers >= minutes / gap else came[np.arange(n) % servers] + np.arange(n) // servers * minutes
    np.testing.assert_allclose(run.people.arrived, came)
    np.testing.assert_allclose(run.people.began, began)
    np.testing.assert_allclose(run.people.sampled, began + minutes)


@pytest.mark.parametrize(("an_hour", "linger"), [(240, 60.0), (60, 15.0), (60, 20.5), (600, 0.0), (30, 45.0)])
def test_batches_form_as_long_as_said(an_hour, linger):
    size = 20
    stage = Stage("alone", 500, minutes=10.0, slots=size, linger_minutes=linger, reads=True)
    waits = waits_at(one_stage(10 * an_hour, 10.0, stage, random=False), "alone")
    expected = batch_forming_delay(size, an_hour=an_hour, linger_minutes=linger)
    # The last batch of the day is not filled by what would come next.
    assert waits[: len(waits) * 4 // 5].mean() == pytest.approx(expected, rel=0.05, abs=0.03)


def test_forming_delay_limits():
    assert batch_forming_delay(1, an_hour=10) == 0.0
    assert batch_forming_delay(1, an_hour=0) == 0.0
    assert batch_forming_delay(94, an_hour=0, linger_minutes=15) == 15.0
    assert batch_forming_delay(94, an_hour=60) == 46.5


def test_a_fluid_is_worked_off_when_the_simulator_says(small):
    scale = 1 if small else 10
    stage = Stage("alone", scale, minutes=30.0, slots=50, reads=True)
    line = one_stage(2_000 * scale, 10.0, stage, random=False)
    table = fluid_backlog([0.0, 10.0], [0, 2_000 * scale], an_hour=100 * scale)
    assert table["backlog"].max() == 1_000 * scale
    assert table["wait_hours"].iloc[1] == pytest.approx(10.0)
    run = simulate_line(line, seed=0)
    assert run.last_hour == pytest.approx(table["hour"].iloc[-1], abs=1.1)
    assert run.stages().query("stage == 'alone'")["waiting"].max() == pytest.approx(1_000 * scale, rel=0.06)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40), st.integers(0, 20)), min_size=1, max_size=8),
    st.integers(0, 30),
)
def test_a_fluid_is_what_small_steps_make_of_it(rows, start):
    hours = np.concatenate([[0], np.cumsum([row[0] for row in rows])])
    came = np.concatenate([[start], start + np.cumsum([row[1] for row in rows])])
    table = fluid_backlog(hours, came, an_hour=[row[2] for row in rows])
    left, n = float(start), 200
    for k, (length, people, rate) in enumerate(rows):
        for _ in range(n):
            left = max(0.0, left + people / n - rate * length / n)
        assert table["backlog"].iloc[k + 1] == pytest.approx(left, abs=1e-6)
    late = table.dropna()
    assert (late["wait_hours"] >= -1e-9).all()
    # Between two hours given the fluid may bend once, where its backlog is gone.
    for row in late[late["wait_hours"] > 0].itertuples():
        after = table[table["hour"] >= row.hour + row.wait_hours - 1e-9].iloc[0]
        before = table[table["hour"] < row.hour + row.wait_hours - 1e-9].iloc[-1]
        assert before["done"] - 1e-6 <= row.came <= after["done"] + 1e-6


def test_what_is_no_queue():
    with pytest.raises(DesignError, match="servers: must be at least 1") as error:
        erlang_c(0, -1.0)
    assert [each.where for each in error.value.problems] == ["servers", "load"]
    with pytest.raises(DesignError, match=r"servers: must be at least 1, and whole, found 2\.5"):
        erlang_c(2.5, 1.0)
    with pytest.raises(DesignError, match="size"):
        batch_forming_delay(0, an_hour=1)
    with pytest.raises(DesignError, match="minutes"):
        allen_cunneen(1, 0.5, minutes=-1.0)
    with pytest.raises(DesignError) as error:
        fluid_backlog([1.0, 1.0], [3.0, 2.0, 1.0], an_hour=[-1.0, 2.0])
    assert [each.where for each in error.value.problems] == ["hours", "came", "an_hour"]
