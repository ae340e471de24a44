"""The simulator against what was observed: Qingdao by one fitted rate, and Shijiazhuang's second round."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from poolkit import DesignError
from poolkit.planning import fit_rate, match_stages, plot_matching, replay_trace, scenario
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Sites, Stage, simulate_line

mpl.use("Agg")


def trace_of(name):
    return scenario(name).traces[0].curves()


def seen(curves, hours, stage):
    return np.interp(hours, curves["hour"], curves[stage])


def test_qingdao_by_the_fitted_rate(small):
    observed = trace_of("qingdao-2020-10")
    curves = replay_trace(observed, seed=1, share=0.002 if small else 0.05)
    np.testing.assert_allclose(seen(curves, observed["hour"], "resulted"), observed["resulted"], rtol=0.05)
    np.testing.assert_allclose(seen(curves, observed["hour"], "sampled"), observed["sampled"], rtol=0.01)
    wait = match_stages(curves).iloc[0]
    assert wait["peak_backlog"] == pytest.approx(3_567_943, rel=0.05)
    assert wait["lag_at_peak_hours"] == pytest.approx(22.5, rel=0.05)
    ax = plot_matching(curves, trace=observed)
    assert "resulted, observed" in [each.get_label() for each in ax.get_lines()]
    pyplot.close("all")


@pytest.mark.parametrize("pool_size", [1, 7])
def test_events_and_fluid_agree(pool_size, small):
    """The line at one rate against the fluid of the same rate, overloaded by day and empty at the end."""
    hours = np.array([0.0, 6.0, 12.0, 24.0, 30.0])
    sampled = np.array([2000.0, 9000.0, 20_000.0, 21_000.0, 21_000.0])
    resulted = np.array([500.0, 5_000.0, 9_500.0, 18_500.0, 20_800.0])
    trace = pd.DataFrame({"hour": hours, "came": sampled, "done": resulted})
    given = {"before": "came", "after": "done", "shortest_hours": 3.0}
    fitted = fit_rate(trace, **given)
    curves = replay_trace(trace, seed=3, pool_size=pool_size, share=0.2 if small else 1.0, **given)
    told = fitted.curves
    # A run and a tube that lingers: an hour of the rate at most.
    assert np.abs(seen(curves, told["hour"], "done") - told["done"]).max() < 1.1 * fitted.people_an_hour
    assert curves["done"].iloc[-1] == pytest.approx(21_000, rel=0.01)


def test_only_those_who_wait_are_left():
    trace = pd.DataFrame({"hour": [0.0, 10.0], "sampled": [5000.0, 5000.0], "resulted": [1000.0, 3000.0]})
    curves = replay_trace(trace, seed=1, share=1.0, shortest_hours=0.0)
    assert seen(curves, 10.0, "resulted") == pytest.approx(3000, rel=0.05)
    assert curves["resulted"].iloc[-1] == 5000.0


def test_nothing_to_replay():
    with pytest.raises(DesignError) as caught:
        replay_trace(trace_of("qingdao-2020-10"), seed=1, share=0.0, pool_size=20)
    assert [each.where for each in caught.value.problems] == ["share", "pool_size"]


def at_once(arrivals, *, travel_minutes, machines, tubes_an_hour, minutes):
    """A line whose sites keep nobody waiting, with one laboratory of one rate: ten a tube, nobody infected."""
    # So many slots that the machines have just this rate, less a part of a slot.
    slots = max(1, round(tubes_an_hour * minutes / 60.0 / machines))
    minutes = machines * slots * 60.0 / tubes_an_hour
    test = Stage("testing", machines, minutes=minutes, slots=slots, linger_minutes=30.0, reads=True)
    return Line(
        arrivals=arrivals,
        sites=Sites(2, tables=2000, minutes=0.01, spread="fixed", tube_linger_minutes=30.0),
        courier=Courier(headway_minutes=10.0, travel_minutes=travel_minutes),
        labs=(Laboratory(stages=(test,)),),
        prevalence=0.0,
        horizon_hours=240.0,
    )


def test_shijiazhuang_sampled_delivered_tested(small):
    """Three figures of 13 January, noon, and the round's start at 06 h the day before, which is assumed."""
    scale = 1 / 500 if small else 1 / 20
    observed = scenario("shijiazhuang-2021-01").traces[0].curves().iloc[0]
    # Sites are open from 06 to 24 h: 24 hours until noon of the second day, at one rate; so many hours of it wait for
    # transport, and the laboratories have one rate from when the first tubes have come and a run has ended.
    an_hour = observed["sampled"] / 24.0
    on_the_way = (observed["sampled"] - observed["delivered"]) / an_hour
    run = 4.0
    tested_an_hour = observed["tested"] / (30.0 - on_the_way - run)
    people = round(scale * 30.0 * an_hour)
    arrivals = Arrivals(people, ((0.0, 1.0), (18.0, 0.0), (24.0, 1.0), (36.0, 0.0)), random=False)
    line = at_once(
        arrivals,
        travel_minutes=60.0 * on_the_way - 5.0,
        machines=10,
        tubes_an_hour=scale * tested_an_hour / 10.0,
        minutes=60.0 * run,
    )
    curves = simulate_line(line, seed=2).curves()
    now = {name: np.interp(30.0, curves["hour"], curves[name]) / scale for name in ("sampled", "delivered", "tested")}
    for name, passed in now.items():
        assert passed == pytest.approx(observed[name], rel=0.05), name
    table = match_stages(curves[curves["hour"] <= 30.0], stages=["sampled", "delivered", "tested"])
    assert table.loc[table["worst"], "after"].tolist() == ["tested"]
