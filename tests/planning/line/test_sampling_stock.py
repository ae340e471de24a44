"""Swabs and tubes at the sites: sampling stops when they are out, and what is used is what was sampled."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit.planning.line import Arrivals, Laboratory, Line, Sites, Stage, Stock, line_stocks, simulate_line
from tests.planning.line.test_twin import lines

# A person a minute at each of two sites, a minute each, from the start on.
LAB = Laboratory("a", (Stage("reading", 50, minutes=1.0, reads=True),))
LINE = Line(
    Arrivals(240, ((0.0, 1.0), (2.0, 0.0)), random=False),
    Sites(2, tables=1, minutes=1.0, spread="fixed", tube_linger_minutes=500.0),
    labs=(LAB,),
    prevalence=0.0,
)


def sampled_by(run, hour):
    """Return how many began by an hour at each site."""
    return [int((part <= 60.0 * hour).sum()) for part in np.split(run.people.began, run.people.first[1:-1])]


@pytest.mark.parametrize(
    ("fields", "at_two", "in_the_end"),
    [
        ({}, 119, 120),
        ({"swabs": Stock("swab", 30)}, 30, 30),
        ({"swabs": Stock("swab", 30, ((3.0, 50), (5.0, 500)))}, 30, 120),
        ({"swabs": Stock("swab", 30, ((3.0, 50),))}, 30, 80),
        ({"tubes": Stock("tube", 4)}, 40, 40),
        ({"tubes": Stock("tube", 4.9, ((3.0, 1.1),))}, 40, 60),
        ({"swabs": Stock("swab", 57), "tubes": Stock("tube", 4, ((3.0, 9),))}, 40, 57),
        ({"tubes": Stock("tube", 0)}, 0, 0),
    ],
)
def test_sampling_stops_when_swabs_or_tubes_are_out(fields, at_two, in_the_end):
    run = simulate_line(replace(LINE, sites=replace(LINE.sites, **fields)), seed=1, events=True)
    assert sampled_by(run, 2.0) == pytest.approx([at_two] * 2, abs=1)
    assert sampled_by(run, 300.0) == [in_the_end] * 2
    assert run.n_unfinished == 240 - 2 * in_the_end
    again = run.people.began[(run.people.began > 125.0) & np.isfinite(run.people.began)]
    if at_two < in_the_end < 120 or ("swabs" in fields and in_the_end == 120):
        # The first of those who waited starts when the delivery comes.
        assert again.min() == 180.0


def test_what_is_in_the_open_tube_needs_no_other():
    sites = replace(LINE.sites, tubes=Stock("tube", 1), tube_linger_minutes=4.0)
    run = simulate_line(replace(LINE, sites=sites), seed=1, events=True)
    # The tube takes who starts within its linger time, and nobody after.
    assert run.tubes.members.tolist() == [5, 5]
    assert run.people.began[np.isfinite(run.people.began)].reshape(2, 5).max(axis=1).tolist() == [4.25, 4.75]


def test_stock_of_the_sites_burns_down():
    sites = replace(LINE.sites, swabs=Stock("swab", 30, ((3.0, 50),)), tubes=Stock("tube", 100))
    kit = Laboratory("a", (replace(LAB.stages[0], item="kit", units_a_batch=1),), stocks=(Stock("kit", 500),))
    run = simulate_line(replace(LINE, sites=sites, labs=(kit,)), seed=1)
    table = run.stocks()
    assert table.groupby("item", sort=False)["lab"].first().isna().tolist() == [True, True, False]
    last = table.groupby("item")["units"].last()
    assert last.to_dict() == {
        "swab": 0.0,
        "tube": 200.0 - run.tubes.members.size,
        "kit": 500.0 - run.tubes.members.size,
    }
    swabs = table[table["item"] == "swab"].set_index("hour")["units"]
    assert swabs[0.0] == 60.0
    assert swabs[1.0] == 0.0
    assert swabs[3.0] == 100.0
    assert line_stocks(run).groupby("item")["units"].last().to_dict() == last.to_dict()


@settings(max_examples=20)
@given(lines, st.integers(0, 2**40))
def test_no_more_is_used_than_there_was(line, seed):
    run = simulate_line(line, seed=seed, events=True)
    table = run.stocks()
    assert (table["units"] >= -1e-9).all()
    began = run.people.began <= 60.0 * line.horizon_hours
    for stock, used in ((line.sites.swabs, began.sum()), (line.sites.tubes, run.tubes.members.size)):
        if stock is not None:
            mine = table[(table["item"] == stock.item) & table["lab"].isna()]
            came = stock.quantity + sum(units for hour, units in stock.deliveries if hour <= mine["hour"].iloc[-1])
            assert mine["units"].iloc[-1] == pytest.approx(line.sites.count * came - used)


@given(st.integers(0, 2**40))
def test_enough_is_as_if_not_counted(seed):
    line = replace(LINE, arrivals=Arrivals(90, ((0.0, 1.0), (1.0, 0.0))))
    plenty = replace(line, sites=replace(line.sites, swabs=Stock("swab", 45), tubes=Stock("tube", 45)))
    one, other = (simulate_line(each, seed=seed) for each in (line, plenty))
    assert (one.resulted == other.resulted).all()
