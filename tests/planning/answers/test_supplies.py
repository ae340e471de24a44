"""Supplies: hour by hour against the definition, re-order points, and the errors; staff against the norms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot

from poolkit import Assay, DesignError
from poolkit.planning.answers import ITEMS, Item, plot_supplies, staff, supplies
from tests.reference import answers as twin


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=12),
    st.integers(0, 300),
    st.lists(st.tuples(st.integers(0, 14), st.integers(0, 200)), max_size=3),
    st.integers(0, 20),
    st.integers(0, 10),
)
def test_hour_by_hour(people, stock, deliveries, lead, safety):
    item = Item("swabs", "person", 2.0, 0.5, lead_hours=lead, safety_hours=safety)
    plan = supplies(people, stock={"swabs": stock}, deliveries={"swabs": deliveries}, items=[item])
    use = [4.0 * each for each in people]
    point = twin.busiest(use, lead + safety)
    out, at, short, levels = twin.burn(use, stock, deliveries, point)
    row = plan.items.iloc[0]
    assert row["needed"] == sum(use)
    assert row["reorder_point"] == pytest.approx(point)
    assert row["runs_out_hour"] == pytest.approx(np.nan if out is None else out, nan_ok=True)
    assert row["order_by_hour"] == pytest.approx(np.nan if at is None else at, nan_ok=True)
    assert row["short"] == pytest.approx(short)
    assert plan.levels["level"].tolist() == pytest.approx(levels)
    # With what is ordered there is enough in all.
    assert stock + row["delivered"] + row["order"] >= sum(use)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(0, 40))
def test_the_busiest_stretch_begins_or_ends_with_an_hour(people, quarters):
    item = Item("swabs", "person", 1.0, lead_hours=quarters / 4, safety_hours=0.0)
    found = supplies(people, items=[item]).items["reorder_point"][0]
    assert found == pytest.approx(twin.busiest([each / 4 for each in people for _ in range(4)], quarters))


def test_what_uses_what_up():
    plan = supplies(47_000, hours=2, pool_size=10, prevalence=0.01, values={"people_per_sampler": 470})
    needed = plan.items.set_index("item")["needed"]
    wells = 94_000 * (0.1 + 1 - 0.99**10)
    for name, used in (("swabs", 94_000), ("tubes", 9_400), ("PCR tests", wells), ("plates", 2 * wells / 94)):
        item = next(each for each in ITEMS if each.name == name)
        assert needed[name] == np.ceil(round(used / (1 - item.wastage), 6))
    assert needed["protective clothing"] == np.ceil(200 * 2 / 0.95)
    assert needed["laboratory gowns"] == np.ceil(9_400 / 135 * 2 / 0.95)
    told = plan.assumptions.set_index("name")
    assert told.loc["PCR tests: wastage", "verified"]
    assert not told.loc["swabs: wastage", "verified"]


def test_a_busy_stretch_of_part_of_an_hour():
    item = Item("tubes", "tube", 1.0, lead_hours=1.5, safety_hours=0.0)
    plan = supplies([10, 40, 20], pool_size=1, items=[item], stock={"tubes": 70})
    assert plan.items["reorder_point"].tolist() == [50.0]
    assert plan.items["order_by_hour"].tolist() == [1.25]
    assert np.isnan(plan.items["runs_out_hour"][0])


def test_every_problem_at_once():
    with pytest.raises(DesignError) as caught:
        supplies(
            [-1.0],
            hours=0,
            pool_size=0,
            prevalence=2.0,
            stock={"gold": 1, "swabs": -1},
            deliveries={"swabs": [(-1, 3)]},
            items=[ITEMS[0], ITEMS[0]],
        )
    where = [problem.where for problem in caught.value.problems]
    assert where == ["hours", "people_per_hour", "pool_size", "prevalence", "items", "stock", "stock", "deliveries"]
    with pytest.raises(DesignError, match="hours: say for how many hours"):
        supplies(100)
    with pytest.raises(DesignError) as caught:
        Item("x", "day", 0.0, 1.0, lead_hours=-1, safety_hours=float("nan"))
    assert [problem.where for problem in caught.value.problems] == [
        *("per", "quantity", "wastage", "lead_hours", "safety_hours")
    ]


def test_picture():
    plan = supplies(1000, hours=48, stock={"swabs": 20_000, "tubes": 9_000})
    axes = plot_supplies(plan)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["swabs: 20", "tubes: lasts"]
    assert plot_supplies(supplies(1000, hours=48)).get_legend() is None
    pyplot.close("all")


def test_norms_of_dalian():
    """7.45 million: the guideline asks for 2,483-3,725 sites, 9,300-12,400 tables and 20,694 samplers."""
    least, most = (
        staff(7_450_000, values={"people_per_site": site, "people_per_table": table})
        for site, table in ((3000, 800), (2000, 600))
    )
    assert (least.sites, most.sites) == (2_484, 3_725)
    assert (least.tables, most.tables) == (9_313, 12_417)
    assert least.roles.set_index("role").loc["samplers", "by_norm"] == 20_695  # 20,694.4


def test_staff_by_hand():
    found = staff(
        100_000,
        prevalence=0.01,
        assay=Assay(),
        values={"sampling_hours": 8, "use": 1.0, "sampling_seconds": 36, "sites_per_route": 4, "wells": 100},
    )
    roles = found.roles.set_index("role")
    assert roles.loc["samplers", "by_time"] == 125  # 1,000 hours in shifts of 8
    assert found.sites == 40
    assert found.vehicles == 40  # 10 routes, 120 min a round, one every 30 min
    wells = 10_000 + 100_000 * (1 - 0.99**10)
    hours = (10_000 * 10 + wells * 60) / 3600 + np.ceil(wells / 100) * 20 / 60
    assert roles.loc["laboratory staff", "by_time"] == np.ceil(hours / 8)
    assert (roles["needed"] == roles[["by_norm", "by_time"]].max(axis=1)).all()
    assert roles.loc["laboratory staff", "shifts"] == 3
    with pytest.raises(DesignError, match="must be at most 24"):
        staff(1000, values={"sampling_hours": 30})


def test_whole_hours_of_something():
    with pytest.raises(DesignError) as refused:
        supplies(1000, hours=24.5, items=())
    assert [each.where for each in refused.value.problems] == ["hours", "items"]
