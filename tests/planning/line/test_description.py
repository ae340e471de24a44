"""What is refused of a line, all at once, and what its parts reckon."""

import pytest

from poolkit import DesignError
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Shift, Sites, Stage, Stock, Team
from poolkit.planning.line.steps import at_work

READS = Stage("reading", 1, minutes=1.0, reads=True)


@pytest.mark.parametrize(
    ("made", "fields"),
    [
        (lambda: Shift(25, 24, servers=-1), ["from_hour", "to_hour", "servers"]),
        (lambda: Shift(8, 33), ["to_hour"]),
        (lambda: Team(0, -1.0, -2.0), ["servers", "from_hour", "to_hour"]),
        (lambda: Stock("", -1, ((2.0, 1), (1.0, -1))), ["item", "quantity", "deliveries", "deliveries"]),
        (
            lambda: Arrivals(-1, ((3.0, 1.0), (2.0, 0.5)), ((-1.0, 0),)),
            ["people", "profile", "profile", "bursts", "bursts"],
        ),
        (lambda: Arrivals(1, ()), ["profile"]),
        (lambda: Arrivals(1, ((0.0, 0.0),)), ["profile"]),
        (
            lambda: Sites(0, -1, 0.0, "even", -1.0, -1.0),
            ["count", "tables", "minutes", "variation", "tube_linger_minutes", "spread"],
        ),
        (lambda: Sites(swabs=Stock("kit", 1), tubes=Stock("kit", 1)), ["swabs, tubes"]),
        (
            lambda: Courier(0.0, -1.0, 0, 0, 0, 0.0),
            ["headway_minutes", "travel_minutes", "capacity", "vehicles", "sites_a_round", "round_minutes"],
        ),
        (lambda: Stage("", -1, slots=0, fails=1.0), ["name", "servers", "slots", "minutes, minutes_each", "fails"]),
        (lambda: Stage("x", 1, minutes=1.0, slots=4, controls=4), ["controls, slots"]),
        (lambda: Stage("x", 1, minutes=float("nan")), ["minutes"]),
        (lambda: Stage("x", 1, minutes=1.0, breakdown_minutes=0.0, units_a_batch=1.0), ["breakdown_minutes", "item"]),
        (lambda: Laboratory("x", ()), ["stages"]),
        (lambda: Laboratory("x", (READS, READS), -1.0, 0.0), ["stages", "stages", "opens_hour", "share"]),
        (
            lambda: Laboratory("x", (Stage("a", 1, 1.0, rerun_at="b", item="kit"),), retest_at="c"),
            ["stages", "stages.a.rerun_at", "stages.a.item", "retest_at"],
        ),
        (
            lambda: Laboratory("x", (READS, Stage("other", 1, 1.0)), invalid=1.0, invalid_at="other"),
            ["invalid", "invalid_at"],
        ),
        (
            lambda: Laboratory("x", (READS, Stage("sampling", 1, 1.0, fails=0.1, rerun_at="reading"))),
            ["stages", "stages.sampling.rerun_at"],
        ),
        (lambda: Laboratory("x", (READS,), stocks=(Stock("kit", 1), Stock("kit", 1))), ["stocks"]),
        (
            lambda: Line(labs=(), pool_size=0, protocol="none", prevalence=2.0, horizon_hours=0.0, grid_minutes=0.0),
            ["labs", "pool_size", "protocol", "prevalence", "horizon_hours", "grid_minutes"],
        ),
        (lambda: Line(pool_size=11), ["pool_size, protocol"]),
        (lambda: Line(grid_minutes=1e-6), ["horizon_hours, grid_minutes"]),
        (lambda: Line().with_servers("cooking", 3), ["stage"]),
    ],
)
def test_all_that_is_wrong_is_named(made, fields):
    with pytest.raises(DesignError) as error:
        made()
    assert [each.where for each in error.value.problems] == fields


def test_servers_at_a_stage_are_changed():
    line = Line(labs=(Laboratory("a", (READS,)), Laboratory("b", (READS,))))
    assert [lab.stages[0].servers for lab in line.with_servers("reading", 7, lab="b").labs] == [1, 7]
    assert line.with_servers("sampling", 9).sites.tables == 9
    assert line.with_servers("reading", 1) == line


def test_shifts_and_teams_add_up():
    day = (Shift(8, 12), Shift(13, 17, servers=2), Shift(16, 20, servers=4))
    steps = at_work(5, day, (Team(10, 9.0, 33.0),), opens_hour=8.5, horizon_hours=30.0)
    hours = dict(zip((steps.edges / 60.0).tolist(), steps.servers.tolist(), strict=True))
    some = {8.5: 5, 9.0: 15, 12.0: 10, 13.0: 12, 16.0: 15, 17.0: 14, 20.0: 10, 32.0: 15, 33.0: 5, 36.0: 0}
    assert {hour: hours[hour] for hour in some} == some
    assert steps.hours(steps.edges[:2]).tolist() == [0.0, 0.0]
    assert float(steps.hours(steps.edges)[2]) == pytest.approx(2.5)


def test_default_figures_name_their_source():
    assert all(stage.source for stage in Laboratory().stages)
