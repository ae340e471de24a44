"""What a scenario does not tell is filled in, and says so: machines from kinds, capacities and changes."""

import pytest

from poolkit import DesignError
from poolkit.planning import Scenario, build_line, scenario, scenario_names
from poolkit.planning.scenarios.complete import complete
from poolkit.planning.scenarios.records import CHANGED


def machines(name, **changes):
    values = complete(scenario(name).changed(**changes))
    return {key: values[key].value for key in ("labs", "extractors", "cyclers")}


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_is_a_line(name):
    values = complete(scenario(name))
    told = set(scenario(name).values)
    assert told <= set(values)
    # What was filled in is unverified, unless it is quoted for the kind of laboratory.
    filled = {key: value for key, value in values.items() if key not in told}
    assert all(not value.verified or value.source.startswith("quoted") for value in filled.values())
    line = build_line(name)
    assert line.arrivals.people == scenario(name)["people"]
    assert line.pool_size == scenario(name)["pool_size"]
    of_stage = {stage.name: stage.servers for lab in line.labs for stage in lab.stages}
    assert of_stage["amplification"] * len(line.labs) >= values["cyclers"].value
    assert max(hour for hour, _ in line.arrivals.profile) <= 24.0 * values["sampling_days"].value


def test_machines_of_a_kind_and_of_a_capacity():
    assert machines("dalian-like") == {"labs": 3, "extractors": 81, "cyclers": 192}
    assert machines("dalian-like", labs=10, lab_kind="van-shaoxing") == {"labs": 10, "extractors": 30, "cyclers": 110}
    assert machines("dalian-like", cyclers=96, extractors=40) == {"labs": 3, "extractors": 40, "cyclers": 96}
    # 1,064 plates of 94 a day: 33.3 extractors and 81.3 cyclers, as planning facts have it.
    assert machines("dalian-like", tubes_a_day=100_000) == {"labs": 1, "extractors": 34, "cyclers": 82}
    assert machines("dalian-like", people_a_day=1_000_000) == {"labs": 1, "extractors": 34, "cyclers": 82}
    assert machines("dalian-like", people_a_day=1_000_000, pool_size=5) == {"labs": 1, "extractors": 67, "cyclers": 163}


def test_what_the_planner_changes_comes_first():
    # 144 laboratories of unknown kinds are one of the capacity of all; three that the planner sets are three.
    assert machines("beijing-2020-06")["labs"] == 1
    changed = complete(scenario("beijing-2020-06").changed(labs=3))
    assert (changed["labs"].value, changed["lab_kind"].value) == (3, "falcon")
    assert machines("shijiazhuang-2021-01", lab_kind="van-yutu")["cyclers"] == 3
    values = complete(scenario("dalian-like").changed(days_planned=1.0))
    assert (values["deadline_hours"].value, values["sampling_days"].value) == (24.0, 0.5)
    values = complete(scenario("dalian-like").changed(days_planned=1.0, deadline_hours=30.0))
    assert values["deadline_hours"].value == 30.0
    assert values["deadline_hours"].source == CHANGED


def test_machines_are_shared_evenly():
    line = build_line("dalian-like", labs=3, cyclers=10)
    assert [stage.servers for lab in line.labs for stage in lab.stages if stage.name == "amplification"] == [4, 3, 3]
    assert [lab.share for lab in line.labs] == [4.0, 3.0, 3.0]
    van = build_line("dalian-like", labs=1, lab_kind="van-yutu").labs[0]
    assert [(shift.from_hour, shift.to_hour) for shift in van.stages[3].shifts] == [(0.0, 20.0)]


@pytest.mark.parametrize(
    ("days", "hours_open", "profile"),
    [
        (1.0, 18.0, [(0.0, 1.0), (18.0, 0.0)]),
        (1.5, 10.0, [(0.0, 1.0), (10.0, 0.0), (24.0, 1.0), (29.0, 0.0)]),
        (2.0, 24.0, [(0.0, 1.0), (48.0, 0.0)]),
        (0.5, 24.0, [(0.0, 1.0), (12.0, 0.0)]),
    ],
)
def test_the_hours_in_which_persons_come(days, hours_open, profile):
    line = build_line("dalian-like", sampling_days=days, hours_open=hours_open)
    assert list(line.arrivals.profile) == profile


def test_a_line_that_takes_years_is_counted_in_wider_bins():
    line = build_line("dalian-like", people=40_000_000, labs=1, cyclers=1, pool_size=1)
    assert line.horizon_hours * 60.0 / line.grid_minutes <= 200_000
    assert build_line("dalian-like").grid_minutes == 10.0


def test_no_line():
    with pytest.raises(DesignError) as caught:
        build_line("dalian-like", labs=500, pool_size=25, people=10**8)
    assert [each.where for each in caught.value.problems] == ["labs", "pool_size", "people"]
    nobody = Scenario("x", "X", "X", "", "X.", {})
    with pytest.raises(DesignError, match="people: missing: how many are to be tested"):
        build_line(nobody)
    with pytest.raises(DesignError, match="lab_kind: unknown; there are"):
        build_line("dalian-like", lab_kind="kite")
