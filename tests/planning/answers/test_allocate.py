"""Tubes to laboratories: against every plan, prices against one tube more and one fewer, the proof, the errors."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot

from poolkit import DesignError
from poolkit.planning.answers import allocate, allocation, plot_allocation
from tests.reference import answers as twin


@st.composite
def cases(draw):
    n_sites, n_labs, n_hours = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    timed = draw(st.booleans())
    minutes = draw(
        st.lists(
            st.lists(st.sampled_from([0, 7, 25, 60, 61, 119, np.inf]), min_size=n_labs, max_size=n_labs),
            min_size=n_sites,
            max_size=n_sites,
        )
    )
    hour = draw(st.lists(st.integers(0, n_hours - 1), min_size=n_sites, max_size=n_sites)) if timed else [0] * n_sites
    tubes = draw(st.lists(st.integers(0, 2), min_size=n_sites, max_size=n_sites))
    rates = draw(st.lists(st.integers(0, 2), min_size=n_labs, max_size=n_labs))
    opens = draw(st.lists(st.integers(0, 2), min_size=n_labs, max_size=n_labs))
    return timed, n_hours, minutes, hour, tubes, rates, opens, draw(st.integers(0, 2))


def plan_of(case, *, nearest=1):
    timed, n_hours, minutes, hour, tubes, rates, opens, wait = case
    sites = {"site": [f"s{k}" for k in range(len(tubes))], "tubes": tubes} | ({"hour": hour} if timed else {})
    labs = {"lab": [f"l{k}" for k in range(len(rates))], "tubes_per_hour": rates, "opens": opens}
    return allocate(sites, labs, minutes=minutes, hours=n_hours, max_wait_hours=wait, nearest=nearest)


def twin_of(case, capacity):
    timed, _, minutes, hour, tubes, _, _, wait = case
    one_by_one = [(hour[k], tuple(minutes[k])) for k, n in enumerate(tubes) for _ in range(n)]
    return twin.best_allocation(one_by_one, capacity, wait=wait, timed=timed)


@given(cases())
def test_against_every_plan(case):
    plan = plan_of(case)
    timed, n_hours, _, _, tubes, rates, opens, _ = case
    capacity = [[rate * (at >= begun) for at in range(n_hours)] for rate, begun in zip(rates, opens, strict=True)]
    capacity = capacity if timed else [[sum(row)] for row in capacity]
    assert plan.prices["capacity"].tolist() == [each for row in capacity for each in row]
    best = twin_of(case, capacity)
    assert plan.left["tubes"].sum() * twin.TOP + plan.minutes == pytest.approx(best, abs=1e-5)
    assert plan.gap == 0.0
    assert plan.flows["tubes"].sum() + plan.left["tubes"].sum() == pytest.approx(sum(tubes), abs=1e-6)
    assert plan.labs["tubes"].sum() == pytest.approx(plan.flows["tubes"].sum(), abs=1e-6)
    assert (plan.prices["tubes"] <= plan.prices["capacity"] + 1e-6).all()
    # What one more tube is worth lies between what one more saves and what one fewer costs.
    for at, (price, more) in enumerate(zip(plan.prices["price_minutes"], plan.prices["more_tubes"], strict=True)):
        lab, hour = divmod(at, len(capacity[0]))
        worth = more * twin.TOP + price
        changed = [[each + (k == lab and h == hour) for h, each in enumerate(row)] for k, row in enumerate(capacity)]
        assert best - twin_of(case, changed) <= worth + 1e-4
        if capacity[lab][hour] > 0:
            changed[lab][hour] -= 2
            assert worth <= twin_of(case, changed) - best + 1e-4


@pytest.mark.parametrize("slack", [0.8, 1.0, 1.1, 2.0])
def test_few_routes_are_as_good_as_all(slack, small):
    rng = np.random.default_rng(7)
    n, n_labs = (60, 6) if small else (400, 15)
    tubes = rng.integers(1, 30, n)
    sites = {"site": range(n), "tubes": tubes, "x_km": rng.uniform(0, 40, n), "y_km": rng.uniform(0, 40, n)}
    labs = {"lab": range(n_labs), "tubes_per_hour": [np.ceil(tubes.sum() * slack / n_labs)] * n_labs}
    labs |= {"x_km": rng.uniform(0, 40, n_labs), "y_km": rng.uniform(0, 40, n_labs)}
    few, every = (allocate(sites, labs, nearest=nearest) for nearest in (1, n_labs))
    assert few.minutes == pytest.approx(every.minutes, rel=1e-9)
    assert few.left["tubes"].sum() == pytest.approx(every.left["tubes"].sum(), abs=1e-6)
    assert few.left["tubes"].sum() == pytest.approx(max(0.0, tubes.sum() - sum(labs["tubes_per_hour"])), abs=1e-6)
    assert few.n_routes < n * n_labs
    assert (few.gap, every.gap) == (0.0, 0.0)
    assert np.allclose(few.flows["tubes"], few.flows["tubes"].round())


def test_windows_and_waiting_by_hand():
    sites = {"site": ["a", "a"], "hour": [0, 1], "tubes": [10, 10]}
    labs = {"lab": ["one"], "tubes_per_hour": [10], "opens": [2], "closes": [4]}
    plan = allocate(sites, labs, minutes=[[30.0], [30.0]], hours=4, max_wait_hours=1)
    assert plan.prices["tubes"].tolist() == [0.0, 0.0, 10.0, 10.0]
    # Both are there an hour after sampling; each waits an hour.
    assert plan.minutes == pytest.approx(20 * 30 + 20 * 60)
    late = allocate(sites, labs, minutes=[[30.0], [30.0]], hours=4)
    assert late.left[["site", "hour", "tubes", "reason"]].values.tolist() == [["a", 0, 10.0, "laboratories are full"]]


def test_out_of_reach_is_said():
    sites = {"site": ["a", "b"], "tubes": [1, 1], "x_km": [0, 500], "y_km": [0, 0]}
    labs = {"lab": ["one"], "tubes_per_hour": [10], "x_km": [0], "y_km": [0]}
    plan = allocate(sites, labs)
    assert plan.left.values.tolist() == [["b", 0, 1.0, "no laboratory in reach"]]
    near = allocate(sites, labs, values={"travel_limit_minutes": 1000, "km_per_hour": 50})
    assert near.left.empty
    assert near.minutes == pytest.approx(600.0)
    told = near.assumptions.set_index("name")
    assert told.loc["km_per_hour", ["value", "source"]].tolist() == [50.0, "given"]
    assert not plan.assumptions["verified"].any()


def test_arrow_tables_and_no_sites():
    labs = pa.table({"lab": ["one"], "tubes_per_hour": [10], "x_km": [0.0], "y_km": [0.0]})
    sites = pa.table({"site": ["a"], "tubes": [4], "x_km": [0.0], "y_km": [1.0]})
    assert allocate(sites, labs).labs["use"].tolist() == [0.4]
    none = allocate(sites.slice(0, 0), labs)
    assert (len(none.flows), none.minutes, none.gap) == (0, 0.0, 0.0)
    shut = allocate(sites, labs.slice(0, 0))
    assert shut.left["tubes"].tolist() == [4.0]


def test_every_problem_at_once():
    sites = {"site": ["a", "a", None], "tubes": [1, -1, np.nan], "x_km": [0, 0, 0]}
    labs = {"lab": ["one"], "x_km": [0], "y_km": [np.inf], "opens": [0.5]}
    with pytest.raises(DesignError) as caught:
        allocate(sites, labs, hours=0, max_wait_hours=-1, nearest=0, values={"km_per_hour": -1, "speed": 3})
    where = [problem.where for problem in caught.value.problems]
    assert where[:2] == ["values", "values"]
    expected = {"sites.tubes", "sites.y_km", "sites.site", "labs.tubes_per_hour", "labs.y_km"}
    assert set(where) >= expected | {"hours", "max_wait_hours", "nearest"}
    with pytest.raises(DesignError, match=r"minutes: must be 1 sites x 1 laboratories, found \(2, 1\)"):
        allocate({"site": [1], "tubes": [1]}, {"lab": [1], "tubes_per_hour": [1]}, minutes=[[1], [2]])
    with pytest.raises(DesignError, match=r"minutes: must be at least 0 \(rows 0\)"):
        allocate({"site": [1], "tubes": [1]}, {"lab": [1], "tubes_per_hour": [1]}, minutes=[[-1]])


def test_pictures():
    rng = np.random.default_rng(1)
    sites = pd.DataFrame({"site": range(30), "tubes": 10, "x_km": rng.uniform(0, 9, 30), "y_km": rng.uniform(0, 9, 30)})
    places = {"x_km": rng.uniform(0, 9, 20), "y_km": rng.uniform(0, 9, 20)}
    labs = pd.DataFrame({"lab": [f"l{k}" for k in range(20)], "tubes_per_hour": 16} | places)
    few = plot_allocation(allocate(sites, labs.head(3).assign(tubes_per_hour=[90, 110, 200])))
    assert len(few.get_legend().get_texts()) == 3
    assert plot_allocation(allocate(sites, labs)).get_legend() is None
    plan = allocate(sites[["site", "tubes"]], labs[["lab", "tubes_per_hour"]], minutes=rng.uniform(1, 90, (30, 20)))
    axes = plot_allocation(plan)
    assert axes.images[0].get_array().sum() == pytest.approx(plan.flows["tubes"].sum())
    assert allocation(plan)["tubes"].sum() == pytest.approx(300.0)
    pyplot.close("all")
