"""The fitted rate: Qingdao within 5 %, a rate that is known found again, the fluid in small steps, and the errors."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

from poolkit import DesignError
from poolkit.planning import fit_rate, plot_fit_rate, scenario
from poolkit.planning.rate import _fluid
from tests.reference import matching as twin

mpl.use("Agg")


def qingdao():
    return scenario("qingdao-2020-10").traces[0].curves()


def test_qingdao_within_five_percent_by_one_rate():
    fitted = fit_rate(qingdao())
    assert len(fitted.points) == 5
    assert fitted.largest_error < 0.05
    assert fitted.people_an_hour == pytest.approx(158_400, rel=0.05)
    assert fitted.people_a_day == 24.0 * fitted.people_an_hour
    assert fitted.peak_backlog == pytest.approx(3_567_943, rel=1e-9)
    assert fitted.peak_hour == 0.0
    assert fitted.wait_hours == pytest.approx(22.5, rel=0.05)


def test_without_a_shortest_time_the_last_moment_is_missed():
    fitted = fit_rate(qingdao(), shortest_hours=0.0)
    assert fitted.points["error"].abs().gt(0.05).tolist() == [False, False, False, False, True]


ARRIVALS = st.lists(st.tuples(st.sampled_from([0.5, 2.0, 6.0]), st.integers(0, 5000)), min_size=1, max_size=6)


@given(ARRIVALS, st.integers(0, 3000), st.floats(1.0, 4000.0), st.sampled_from([0.0, 1.5, 8.0]))
def test_the_fluid_against_small_steps(steps, first, rate, shortest):
    at = np.concatenate([[0.0], np.cumsum([hours for hours, _ in steps])])
    entered = float(first) + np.concatenate([[0.0], np.cumsum([people for _, people in steps])])
    hours = np.linspace(0.0, at[-1] + 2.0, 7)
    n_steps = 3000
    slow = twin.drained(list(zip(at, entered, strict=True)), first, rate, shortest, hours.tolist(), n_steps)
    found = _fluid(hours, (at, entered), float(first), rate, shortest)
    # A step of the twin may be late by itself, at the rate or at the fastest arrivals.
    fastest = max(rate, float((np.diff(entered) / np.diff(at)).max()))
    np.testing.assert_allclose(found, slow, atol=3.0 * fastest * hours[-1] / n_steps + 1e-6)


@settings(max_examples=30)
@given(st.floats(100.0, 5000.0), st.sampled_from([0.0, 2.0, 6.0]))
def test_a_known_rate_is_found_again(rate, shortest):
    hours = np.arange(0.0, 25.0, 4.0)
    sampled = np.minimum(hours, 16.0) * 6000.0
    resulted = twin.drained(list(zip(hours, sampled, strict=True)), 0, rate, shortest, hours.tolist(), 2400)
    fitted = fit_rate(pd.DataFrame({"hour": hours, "sampled": sampled, "resulted": resulted}), shortest_hours=shortest)
    assert fitted.people_an_hour == pytest.approx(rate, rel=0.01)


def test_no_rate_to_fit():
    with pytest.raises(DesignError) as caught:
        fit_rate(scenario("shijiazhuang-2021-01").traces[0].curves(), after="tested", shortest_hours=-1.0)
    assert [each.where for each in caught.value.problems] == ["curves", "shortest_hours"]
    stuck = pd.DataFrame({"hour": [0.0, 5.0], "sampled": [10.0, 20.0], "resulted": [5.0, 5.0]})
    with pytest.raises(DesignError, match="nobody was added"):
        fit_rate(stuck)
    with pytest.raises(DesignError, match="resulted: no such column"):
        fit_rate(stuck.drop(columns="resulted"))


def test_the_picture_names_the_rate():
    ax = plot_fit_rate(fit_rate(qingdao()))
    assert "resulted at 156,000 persons/h" in [each.get_label() for each in ax.get_lines()]
    assert ax.get_ylabel() == "million persons"
    pyplot.close("all")
