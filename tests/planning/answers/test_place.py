"""Places of mobile laboratories: against every choice, the stated gap, and the errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit import DesignError
from poolkit.planning.answers import place
from tests.reference import answers as twin

SPEED = 60.0  # a kilometre a minute


@given(st.data())
@settings(max_examples=30)
def test_against_every_choice(data):
    numbers = st.integers(0, 40)
    n, m, fixed = (data.draw(st.integers(low, high)) for low, high in ((1, 4), (1, 4), (0, 1)))
    x, y = (data.draw(st.lists(numbers, min_size=n + m + fixed, max_size=n + m + fixed)) for _ in range(2))
    tubes = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    rate = data.draw(st.lists(st.integers(0, 4), min_size=m + fixed, max_size=m + fixed))
    n_mobile = data.draw(st.integers(0, m))
    sites = {"site": [f"s{k}" for k in range(n)], "tubes": tubes, "x_km": x[:n], "y_km": y[:n]}
    every = {"lab": [f"l{k}" for k in range(m + fixed)], "tubes_per_hour": rate, "x_km": x[n:], "y_km": y[n:]}
    places, labs = ({name: column[part] for name, column in every.items()} for part in (slice(m), slice(m, None)))
    values = {"km_per_hour": SPEED, "travel_limit_minutes": 45}
    found = place(sites, places, n_mobile=n_mobile, labs=labs if fixed else None, values=values)
    minutes = np.hypot(np.subtract.outer(x[:n], x[n:]), np.subtract.outer(y[:n], y[n:]))
    reach = np.where(minutes <= 45, minutes, np.inf)
    one_by_one = [(0, tuple(reach[k])) for k, count in enumerate(tubes) for _ in range(count)]
    best = twin.best_places(one_by_one, rate[:m], rate[m:], n_mobile)
    plan = found.allocation
    assert plan.left["tubes"].sum() * twin.TOP + plan.minutes == pytest.approx(best, abs=1e-4)
    assert found.gap == 0.0
    assert found.places["chosen"].sum() <= n_mobile
    assert found.places["tubes"].sum() + (plan.labs["tubes"].iloc[-1] if fixed else 0.0) == pytest.approx(
        plan.labs["tubes"].sum(), abs=1e-6
    )


def test_a_gap_is_stated_and_holds(small):
    rng = np.random.default_rng(3)
    n, m, k = (15, 5, 2) if small else (60, 12, 4)
    sites = {"site": range(n), "tubes": rng.integers(5, 50, n), "x_km": rng.uniform(0, 50, n), "y_km": [0.0] * n}
    rate = [np.ceil(sites["tubes"].sum() / k * 1.1)] * m
    places = {"lab": range(m), "tubes_per_hour": rate, "x_km": rng.uniform(0, 50, m), "y_km": [0.0] * m}
    best = place(sites, places, n_mobile=k)
    rough = place(sites, places, n_mobile=k, gap=0.3)
    assert best.gap == 0.0
    assert best.bound == pytest.approx(best.allocation.minutes, rel=1e-6)
    assert rough.bound <= best.allocation.minutes * (1 + 1e-9) <= rough.allocation.minutes * (1 + 1e-9)
    assert rough.gap <= 0.3 + 1e-6


def test_every_problem_at_once():
    sites = {"site": ["a"], "tubes": [1], "x_km": [0], "y_km": [0]}
    places = {"lab": ["one"], "tubes_per_hour": [1], "x_km": [0], "y_km": [0]}
    with pytest.raises(DesignError) as caught:
        place(sites, places, n_mobile=2, labs=places, hours=0, gap=1.0, seconds=0.0)
    assert [problem.where for problem in caught.value.problems] == ["n_mobile", "hours", "gap", "seconds", "labs.lab"]


def test_out_of_time_nothing_is_proven():
    rng = np.random.default_rng(0)
    n, m = 60, 20
    sites = {"site": range(n), "tubes": [9] * n, "x_km": rng.uniform(0, 60, n), "y_km": rng.uniform(0, 60, n)}
    places = {"lab": range(m), "tubes_per_hour": [60] * m, "x_km": rng.uniform(0, 60, m), "y_km": rng.uniform(0, 60, m)}
    hurried = place(sites, places, n_mobile=9, seconds=1e-9)
    assert hurried.gap > 0.0
    assert hurried.places["chosen"].sum() <= 9


def test_nothing_to_place_for():
    places = {"lab": ["p", "q"], "tubes_per_hour": [20, 20], "x_km": [0.0, 5.0], "y_km": [0.0, 0.0]}
    nobody = {"site": [], "tubes": [], "x_km": [], "y_km": []}
    with pytest.raises(DesignError, match="sites: must hold at least one"):
        place(nobody, places, n_mobile=1)
    with pytest.raises(DesignError, match=r"n_mobile: must be from 0 to 2 places, found 1\.5"):
        place(places | {"site": ["a", "b"], "tubes": [1, 2]}, places, n_mobile=1.5)
