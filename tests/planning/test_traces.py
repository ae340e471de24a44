"""The simulator against what was observed: Qingdao by one fitted rate, and Shijiazhuang's second round."""

import numpy as np
import pytest

from poolkit.planning import fit_rate, match_stages, scenario
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Sites, Stage, simulate_line


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


def test_qingdao_by_the_fitted_rate(small):
    scale = 1 / 500 if small else 1 / 20
    observed = scenario("qingdao-2020-10").traces[0].curves()
    fitted = fit_rate(observed)
    # Who waits at the first moment came in time to be worked on then; the others come as they were observed.
    waiting = observed["sampled"][0] - observed["resulted"][0]
    start = fitted.shortest_hours
    rates = np.diff(observed["sampled"]) / np.diff(observed["hour"])
    profile = [*zip(observed["hour"][:-1] + start, rates, strict=True), (observed["hour"].iloc[-1] + start, 0.0)]
    came = observed["sampled"].iloc[-1] - observed["sampled"][0]
    arrivals = Arrivals(round(scale * came), tuple(profile), bursts=((0.0, round(scale * waiting)),), random=False)
    line = at_once(
        arrivals,
        # Of many laboratories not all runs begin together, so that most of the shortest time goes before a short run.
        travel_minutes=60.0 * start - 35.0,
        machines=10,
        tubes_an_hour=scale * fitted.people_an_hour / 10.0,
        minutes=30.0,
    )
    curves = simulate_line(line, seed=1).curves()
    hours = observed["hour"] + start
    resulted = observed["resulted"][0] + np.interp(hours, curves["hour"], curves["resulted"]) / scale
    np.testing.assert_allclose(resulted, observed["resulted"], rtol=0.05)
    sampled = observed["resulted"][0] + np.interp(hours, curves["hour"], curves["sampled"]) / scale
    np.testing.assert_allclose(sampled, observed["sampled"], rtol=0.01)
    wait = match_stages(curves[curves["hour"] >= start], stages=["sampled", "resulted"]).iloc[0]
    assert wait["peak_backlog"] / scale == pytest.approx(3_567_943, rel=0.05)
    assert wait["lag_at_peak_hours"] == pytest.approx(22.5, rel=0.05)


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
