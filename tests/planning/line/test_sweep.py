"""Many lines at once: whatever the threads, each row is that of the line run alone, to the last bit."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit.kernels import line_totals
from poolkit.planning.line import Arrivals, Laboratory, Line, Shift, Sites, Stage, simulate_line, simulate_lines
from poolkit.planning.line.steps import at_work

STAGES = (
    Stage("reception", 2, minutes=0.5, spread="exponential"),
    Stage("amplification", 3, minutes=60.0, slots=24, linger_minutes=20.0, reads=True, shifts=(Shift(2, 20),)),
)
LINE = Line(
    Arrivals(900, ((0.0, 1.0), (3.0, 0.0))), Sites(6, tables=2), prevalence=0.01, labs=(Laboratory("a", STAGES),)
)
LINES = [
    *(LINE.with_servers("amplification", n) for n in (0, 1, 4)),
    replace(LINE, arrivals=Arrivals(0)),
    replace(LINE, labs=(Laboratory("a", STAGES), Laboratory("b", STAGES, opens_hour=1.5, share=2.0))),
    replace(LINE, pool_size=3, horizon_hours=5.0),
]


def alone(line, seed):
    """Return the row of a line from its own run, by the definitions."""
    run = simulate_line(line, seed=seed)
    done = run.resulted[np.isfinite(run.resulted)] / 60.0
    hours = run.hours()
    some = hours.size > 0
    table = run.stages().dropna(subset="servers").groupby("stage", sort=False)[["busy", "servers"]].sum()
    return {
        "people": run.n_people,
        "unfinished": run.n_unfinished,
        "retested": int((run.way == 2).sum()),
        "half_hour": float(np.median(done)) if some else np.nan,
        "last_hour": float(done.max()) if some else 0.0,
        **{f"p{100 * q:g}": float(np.quantile(hours, q)) if some else np.nan for q in (0.5, 0.9, 0.99)},
        "busiest": (table["busy"] / table["servers"]).fillna(0.0).idxmax(),
    }


@pytest.mark.parametrize("n_processors", [1, 2, 5])
def test_each_row_is_that_of_the_line_alone(n_processors, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: n_processors)
    rows = simulate_lines(LINES, seed=7, replications=2)
    expected = [
        {"line": k, "replication": r, "seed": 7 + r, **alone(line, 7 + r)}
        for k, line in enumerate(LINES)
        for r in (0, 1)
    ]
    pd.testing.assert_frame_equal(rows, pd.DataFrame(expected), check_exact=True)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0.1, 9.0)), max_size=12), st.integers(1, 12))
def test_busy_minutes_are_those_of_each_server(served, n_bins):
    width = 4.0
    started, ended, busy = np.zeros(20, np.int64), np.zeros(20, np.int64), np.zeros(20)
    for start, minutes in served:
        for t, count, sign in ((float(start), started, 1.0), (start + minutes, ended, -1.0)):
            count[int(t / width)] += 1
            busy[int(t / width)] += sign * ((int(t / width) + 1) * width - t)
    upto = n_bins * width
    expected = sum(max(0.0, min(start + minutes, upto) - start) for start, minutes in served if start < upto)
    assert line_totals.busy_until(started, ended, busy, n_bins, width) == pytest.approx(expected, abs=1e-9)
    both = np.stack([started, ended])
    last = max((int((start + minutes) / width) for start, minutes in served), default=-1)
    assert line_totals.last_bin(both) == last


def test_hours_worked_until_a_minute_are_those_of_the_steps():
    steps = at_work(3, (Shift(8, 12), Shift(13, 17, servers=2)), (), opens_hour=9.0, horizon_hours=60.0)
    for minute in (0.0, 500.0, 540.0, 800.5, 3000.0):
        assert steps.until(minute) == pytest.approx(float(steps.hours(np.array([minute]))[0]), abs=1e-12)
