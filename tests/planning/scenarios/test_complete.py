"""What a scenario does not tell is filled in, and says so: machines from kinds, capacities and changes."""

import pytest

from poolkit import DesignError
from poolkit.planning import Scenario, Team, build_line, scenario, scenario_names
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


def test_what_comes_in_the_course():
    line = build_line(
        "dalian-like",
        labs=2,
        cyclers=11,
        sites=100,
        tables=300,
        mobile_labs="1 van-yutu from 12.5 and 2 huo-yan-wuhan",
        support="3 cyclers from 24 to 72 and 1 extractor and 200 tables from 6",
        stock="4,000 PCR tests and 8_000 PCR tests from 36",
    )
    assert [(lab.name, lab.opens_hour) for lab in line.labs] == [
        ("laboratory 1", 0.0),
        ("laboratory 2", 0.0),
        ("van-yutu 1", 12.5),
        ("huo-yan-wuhan 2", 0.0),
        ("huo-yan-wuhan 3", 0.0),
    ]
    first, second, van, building, _ = (lab.stages for lab in line.labs)
    assert (first[3].servers, first[3].teams) == (6, (Team(2, 24.0, 72.0),))
    assert (second[3].servers, second[3].teams) == (5, (Team(1, 24.0, 72.0),))
    assert (first[2].teams, second[2].teams) == ((Team(1, 0.0),), ())
    assert (van[2].servers, van[3].servers, van[3].shifts[0].to_hour) == (2, 3, 20.0)
    # 10,000 tubes a day of 94 a plate and 110 minutes a run.
    assert (building[2].servers, building[3].servers) == (4, 9)
    assert line.sites.teams == (Team(2, 6.0),)
    # Tubes and stock go by cyclers: 8, 6, 3, 9 and 9 of 35.
    assert [lab.share for lab in line.labs] == [8.0, 6.0, 3.0, 9.0, 9.0]
    for lab in line.labs:
        (stock,) = lab.stocks
        assert (stock.item, stock.quantity) == ("PCR tests", pytest.approx(4_000 * lab.share / 35))
        assert stock.deliveries == ((36.0, pytest.approx(8_000 * lab.share / 35)),)
        assert (lab.stages[3].item, lab.stages[3].units_a_batch, lab.stages[3].units_a_specimen) == ("PCR tests", 2, 1)
        assert lab.stages[2].item is None


def test_nothing_comes_where_nothing_is_told():
    plain = build_line("dalian-like")
    assert build_line("dalian-like", mobile_labs="none", support="none", stock="none") == plain
    assert all(not stage.teams and stage.item is None for lab in plain.labs for stage in lab.stages)


def test_the_help_of_december_2020_is_part_of_the_two_million():
    record = scenario("dalian-2020-12")
    (team,) = build_line(record).labs[0].stages[3].teams
    assert (team.servers, team.from_hour) == (record["support_instruments"], 24.0)
    assert not record.values["support"].verified
    # The capacity that was told holds with the help: what it asks for is what was there and what came.
    asked = machines("dalian-2020-12", people_a_day=2_000_000)["cyclers"]
    assert asked == record["cyclers"] + team.servers == 163
    assert record["people_a_day"] == 2_000_000


def test_what_cannot_come():
    with pytest.raises(DesignError) as caught:
        scenario("dalian-like").changed(
            mobile_labs="two vans", support="3 ovens and 0 cyclers and 2 cyclers from 9 to 8", stock="5 PCR tests to 3"
        )
    assert [str(each) for each in caught.value.problems] == [
        "mobile_labs: must be like '2 van-shaoxing from 12 and 1 falcon from 36', found 'two vans'",
        "support: must be of cyclers, extractors, tables, found 3 ovens; must be at least 1, found 0 cyclers; "
        "must come by hour 20,000 and leave later, found 2 cyclers from 9 to 8",
        "stock: must be of extraction tests, PCR tests, found 5 PCR tests to 3",
    ]
    with pytest.raises(DesignError, match="stock: only support leaves again, found 5 PCR tests from 1 to 3"):
        scenario("dalian-like").changed(stock="5 PCR tests from 1 to 3")
    with pytest.raises(DesignError) as caught:
        build_line("dalian-like", mobile_labs="199 kite", support="9 tables")
    assert [each.where for each in caught.value.problems] == ["labs", "mobile_labs", "support"]
