"""What a run has to keep whatever the line: nothing is lost, more servers never hurt, the same seed is the same run."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit import DesignError, load_protocol
from poolkit.planning.line import (
    Arrivals,
    Courier,
    Laboratory,
    Line,
    Shift,
    Sites,
    Stage,
    Stock,
    Team,
    capacity,
    line_turnaround,
    line_use,
    simulate_line,
    simulate_lines,
)
from tests.planning.line.test_twin import lines

# The lines are those of the twin's test; frames of each take longer than the run.
few = settings(max_examples=max(10, settings.default.max_examples // 3))
PLATE = Stage("amplification", 4, minutes=60.0, slots=96, controls=2, linger_minutes=20.0, reads=True)


def a_line(n=3_000, stages=(PLATE,), **fields):
    given = {"arrivals": Arrivals(n, ((0.0, 1.0), (4.0, 0.0))), "sites": Sites(10, tables=2), "prevalence": 0.005}
    given["labs"] = (Laboratory("laboratory", tuple(stages), stocks=fields.pop("stocks", ())),)
    return Line(**(given | fields))


def events_of(line, seed=3):
    return simulate_line(line, seed=seed, events=True).events().to_pandas()


@few
@given(lines, st.integers(0, 2**40))
def test_every_specimen_is_in_one_place_at_any_instant(line, seed):
    run = simulate_line(line, seed=seed, events=True)
    events = run.events().to_pandas()
    assert (events["enter"] <= events["start"]).all()
    assert (events["start"] <= events["end"]).all()
    tubes = events[(events["kind"] != "person")].sort_values(["specimen", "start", "end"])
    follows = tubes["specimen"].to_numpy()[1:] == tubes["specimen"].to_numpy()[:-1]
    # It enters a stage at the instant at which it leaves the one before: it is never lost and never in two.
    assert (tubes["enter"].to_numpy()[1:][follows] == tubes["end"].to_numpy()[:-1][follows]).all()
    table = run.stages()
    assert (table[["waiting", "running"]] >= 0).all().all()
    for _, of_stage in table.groupby(["stage", "lab"], dropna=False):
        inside = of_stage["entered"].cumsum() - of_stage["ended"].cumsum()
        assert (inside == of_stage["waiting"] + of_stage["running"]).all()
    curves = run.curves()
    assert (curves.diff().dropna() >= 0).all().all()
    by_stage = curves[["arrived", "sampled", "delivered", "tested"]].to_numpy()
    assert (np.diff(by_stage, axis=1) <= 0).all()
    assert (curves["resulted"] <= curves["delivered"]).all()
    assert int((run.way > 0).sum()) == run.n_people - run.n_unfinished == np.isfinite(run.resulted).sum()


@few
@given(lines, st.integers(0, 2**40))
def test_curves_count_the_events(line, seed):
    run = simulate_line(line, seed=seed, events=True)
    events, horizon = run.events().to_pandas(), 60.0 * line.horizon_hours
    for (lab, stage), of_stage in run.stages().groupby(["lab", "stage"]):
        mine = events[(events["lab"] == lab) & (events["stage"] == stage)]
        assert of_stage["started"].sum() == len(mine)
        assert of_stage["ended"].sum() == (mine["end"] <= horizon).sum()
        batches = mine.drop_duplicates("batch")
        over = np.minimum(batches["end"], (of_stage["hour"].max() + line.grid_minutes / 60) * 60) - batches["start"]
        if (batches["end"] <= horizon).all():
            assert of_stage["busy"].sum() * line.grid_minutes == pytest.approx(over.sum(), abs=1e-6)
    assert run.n_events == len(events) + (run.tubes.left > horizon).sum()


def test_little_holds_at_each_stage(small):
    stages = (
        Stage("reception", 3, minutes=0.4, spread="exponential"),
        Stage("extraction", 3, minutes=30.0, slots=48, controls=1, linger_minutes=10.0),
        PLATE,
    )
    line = a_line(1_500 if small else 20_000, stages, grid_minutes=0.1, horizon_hours=40.0, prevalence=0.0)
    run = simulate_line(line, seed=8, events=True)
    events = run.events().to_pandas()
    for stage, of_stage in run.stages().groupby("stage"):
        mine = events[events["stage"] == stage]
        minutes = (mine["end"] - mine["enter"]).sum()
        present = (of_stage["waiting"] + of_stage["running"]).sum() * line.grid_minutes
        # Who comes and goes is counted at the ends of bins: each may be a bin off.
        assert present == pytest.approx(minutes, abs=line.grid_minutes * len(mine)), stage


@pytest.mark.parametrize("stage", ["sampling", "reception"])
def test_more_servers_make_nobody_wait_longer(stage):
    stages = (Stage("reception", 1, minutes=1.1, spread="exponential"), Stage("reading", 90, minutes=5.0, reads=True))
    line = a_line(1_500, stages, sites=Sites(3, tables=2, minutes=1.0))
    before = None
    for servers in (2, 3, 5, 9):
        events = events_of(line.with_servers(stage, servers))
        starts = events[events["stage"] == stage].sort_values("specimen")["start"].to_numpy()
        if stage == "reception":
            starts = np.sort(starts)
        assert before is None or (starts <= before + 1e-9).all()
        before = starts


def test_the_same_seed_is_the_same_run(small):
    line = a_line(3_000 if small else 60_000)
    first, again = simulate_line(line, seed=11), simulate_line(line, seed=11, events=True)
    assert (first.resulted == again.resulted).all()
    assert first.stages().equals(again.stages())
    assert not (first.resulted == simulate_line(line, seed=12).resulted).all()
    rows = simulate_lines([line, line.with_servers("amplification", 6)], seed=11, replications=2)
    assert rows[["line", "replication", "seed"]].values.tolist() == [[0, 0, 11], [0, 1, 12], [1, 0, 11], [1, 1, 12]]
    assert rows["last_hour"].iloc[0] == first.last_hour
    assert rows["p50"].iloc[0] == first.turnaround()["p50"].iloc[0]


def test_scenarios_meet_the_same_people():
    line = a_line()
    one, other = (simulate_line(line.with_servers("amplification", n), seed=4) for n in (1, 9))
    assert (one.people.arrived == other.people.arrived).all()
    assert (one.people.sampled == other.people.sampled).all()
    assert (one.tubes.reacts == other.tubes.reacts).all()
    assert other.last_hour < one.last_hour


def test_controls_take_places_and_a_batch_lingers():
    line = a_line(sites=Sites(10, tables=20), arrivals=Arrivals(3_000, ((0.0, 1.0), (1.0, 0.0))), prevalence=0.0)
    events = events_of(line)
    batches = events[events["stage"] == "amplification"].groupby("batch")
    assert batches.size().max() == 94
    part = batches.filter(lambda batch: len(batch) < 94).groupby("batch")
    assert len(part) > 0
    # A batch that is not full has waited for its linger time, and starts then if a server is free.
    assert ((part["start"].first() - part["enter"].min()) >= 20.0 - 1e-9).all()


def test_one_batch_is_filled_at_a_time():
    # Ninety cyclers stand idle: whoever shared the tubes out among them would run ninety batches.
    events = events_of(a_line(stages=(PLATE,), prevalence=0.0).with_servers("amplification", 90))
    here = events[events["stage"] == "amplification"]
    assert here["batch"].nunique() <= 4 * 60 / 20 + 3


def test_reactive_tubes_come_back_by_the_protocol():
    kept = load_protocol("cn-10in1-2020").revised("kept", source="a test", positive_pool="retest")
    twice = load_protocol("cn-10in1-2020").revised("twice", source="a test", swabs_per_recollect=2)
    stages = (Stage("reception", 50, minutes=1.0), PLATE)
    for protocol, each, first in (
        (kept, 1, "amplification"),
        ("cn-10in1-2020", 1, "reception"),
        (twice, 2, "reception"),
    ):
        lab = Laboratory("laboratory", stages, retest_at="amplification")
        line = a_line(labs=(lab,), protocol=protocol, retest_minutes=33.0, recollect_minutes=77.0)
        run = simulate_line(line, seed=2, events=True)
        events = run.events().to_pandas()
        singles = events[events["kind"] == "single"].sort_values("start").groupby("specimen").first()
        assert len(singles) == run.tubes.members[run.tubes.reacts == 1].sum() * each > 0
        assert (singles["stage"] == first).all()
        reactive = np.flatnonzero(run.tubes.reacts)
        read = events[(events["kind"] == "tube") & events["specimen"].isin(reactive)].groupby("specimen")["end"].max()
        delay = 33.0 if protocol is kept else 77.0
        assert sorted(set(singles["enter"])) == pytest.approx(sorted(set(read + delay)))
        assert run.n_unfinished == 0
        assert (run.way == 2).sum() == run.tubes.members[run.tubes.reacts == 1].sum()


def test_retests_have_a_lane_of_their_own():
    mean = {}
    for first in (True, False):
        lane = Stage("reading", 1, minutes=0.5, reads=True, retests_first=first)
        run = simulate_line(a_line(stages=(lane,), prevalence=0.01, recollect_minutes=5.0), seed=6)
        mean[first] = run.turnaround().set_index("way")["mean"]
    assert mean[True]["retest"] < mean[False]["retest"]
    assert mean[True]["first pass"] >= mean[False]["first pass"]


def test_failed_plates_are_run_again(small):
    failing = replace(PLATE, fails=0.25, rerun_at="extraction")
    stages = (Stage("extraction", 8, minutes=10.0, slots=48, linger_minutes=5.0), failing)
    n = 3_000 if small else 60_000
    line = a_line(
        n, stages, prevalence=0.0, protocol=load_protocol("cn-10in1-2020").revised("s", source="t", specificity=1.0)
    )
    run = simulate_line(line, seed=9)
    assert run.n_unfinished == 0
    ended = run.stages().groupby("stage")["ended"].sum()
    expected = run.tubes.members.size / 0.75
    assert ended["amplification"] == ended["extraction"]
    assert ended["amplification"] == pytest.approx(expected, rel=0.35 if small else 0.08)


def test_stock_stops_a_stage_until_it_is_delivered():
    stage = Stage("extraction", 5, minutes=10.0, reads=True, item="kit", units_a_specimen=1.0)
    line = a_line(stages=(stage,), stocks=(Stock("kit", 100, ((10.0, 30), (12.0, 10_000))),), prevalence=0.0)
    run = simulate_line(line, seed=1, events=True)
    starts = run.events().to_pandas().query("stage == 'extraction'")["start"]
    assert (starts < 600).sum() == 100
    assert ((starts >= 600) & (starts < 720)).sum() == 30
    assert run.n_unfinished == 0
    units = run.stocks().set_index("hour")["units"]
    assert units.min() == 0.0
    assert units.iloc[0] == 100
    assert units.iloc[-1] == pytest.approx(100 + 30 + 10_000 - len(starts))
    never = simulate_line(a_line(stages=(stage,), stocks=(Stock("kit", 100),), prevalence=0.0), seed=1, events=True)
    served = never.events().to_pandas().query("stage == 'extraction' and kind == 'tube'")["specimen"].to_numpy()
    clean = served[never.tubes.reacts[served] == 0]
    assert len(served) == 100
    assert (never.way > 0).sum() == never.tubes.members[clean].sum()
    assert np.isnan(never.last_hour)


def test_a_batch_is_cut_to_what_is_left():
    stage = Stage("extraction", 9, minutes=10.0, slots=50, reads=True, item="kit", units_a_batch=10, units_a_specimen=2)
    events = events_of(a_line(stages=(stage,), stocks=(Stock("kit", 75),), prevalence=0.0))
    sizes = events[events["stage"] == "extraction"].groupby("batch").size()
    assert sum(10 + 2 * size for size in sizes) <= 75 < sum(10 + 2 * size for size in sizes) + 12


def test_nothing_starts_outside_shifts():
    breaks = (Shift(1, 1.5), Shift(2, 3, servers=1), Shift(23, 25))
    line = a_line(stages=(Stage("reading", 3, minutes=7.0, reads=True, shifts=breaks),), prevalence=0.0)
    events = events_of(line).query("stage == 'reading'")
    of_day = (events["start"] / 60.0) % 24.0
    assert ((of_day < 1.5) | ((of_day >= 2.0) & (of_day < 3.0)) | (of_day >= 23.0)).all()
    one = events[(of_day >= 2.0) & (of_day < 3.0) & (events["start"] < 24 * 60)].sort_values("start")
    # The first of them may have to wait for what began before the break.
    assert (np.diff(one["start"]) >= 7.0 - 1e-9).all()


def test_breakdowns_take_their_part_of_the_time(small):
    n = 2_000 if small else 30_000
    broken = Stage("reading", 2, minutes=1.0, reads=True, breakdown_minutes=50.0, repair_minutes=25.0)
    line = a_line(n, (broken,), pool_size=1, prevalence=0.0, horizon_hours=1_000.0)
    run = simulate_line(line, seed=5)
    expected = n / 2 * (1.0 + 25.0 * (1.0 - np.exp(-1 / 50.0))) / 60.0
    assert run.last_hour == pytest.approx(expected, rel=0.2 if small else 0.06)
    reckoned = capacity(line).set_index("stage").loc["reading", "an_hour"]
    assert n / reckoned == pytest.approx(expected, rel=1e-9)


def test_a_mobile_laboratory_arrives_and_support_comes():
    labs = (Laboratory("fixed", (PLATE,)), Laboratory("van", (PLATE,), opens_hour=2.5, share=3.0))
    line = a_line(2_500, labs=labs, prevalence=0.0)
    run = simulate_line(line, seed=1, events=True)
    events = run.events().to_pandas()
    assert events[events["lab"] == 1]["start"].min() >= 150.0
    late = run.tubes.arrives >= 150.0
    assert (run.tubes.lab[~late] == 0).all()
    assert (run.tubes.lab[late] == 1).mean() == pytest.approx(0.75, abs=0.05)
    helped = replace(PLATE, teams=(Team(3, 1.0, 6.0),), servers=1, slots=12)
    alone = replace(PLATE, servers=1, slots=12)
    lasts = [simulate_line(a_line(3_000, (each,)), seed=1).last_hour for each in (helped, alone)]
    assert lasts[0] < lasts[1]


def test_a_burst_comes_at_once():
    line = a_line(arrivals=Arrivals(200, ((0.0, 1.0), (4.0, 0.0)), bursts=((1.0, 500),)))
    run = simulate_line(line, seed=1)
    assert (run.people.arrived == 60.0).sum() == 500
    assert run.n_people == 700


def test_couriers_take_no_more_than_they_can():
    line = a_line(courier=Courier(30.0, 10.0, capacity=2), prevalence=0.0, sites=Sites(3, tables=4))
    run = simulate_line(line, seed=1)
    site = np.repeat(np.arange(3), run.tubes.n_filled)
    _, counts = np.unique(np.column_stack([site, run.tubes.left]), axis=0, return_counts=True)
    assert counts.max() == 2
    assert (run.tubes.left >= run.tubes.closed).all()
    assert Courier(30.0, vehicles=2, sites_a_round=5, round_minutes=60.0).headway(20) == 120.0


@pytest.mark.parametrize(
    ("cyclers", "extractors", "minutes", "quoted", "shifts"),
    [
        # 64 cyclers round the clock: 80,000 tubes a day, at 110 minutes a run (Gansu Daily, 25 October 2021).
        (64, 30, (45.0, 110.0), 80_000, ()),
        # Vans: 3 extractors and 11 cyclers, 10,000 (Zhejiang Daily, 18 March 2022); 2 and 3, 3,000 (new.qq.com,
        # 11 November 2021). Runs of 40 and 120 minutes, two hours a day to clean and restock [A].
        (11, 3, (40.0, 120.0), 10_000, (Shift(0, 22),)),
        (3, 2, (40.0, 120.0), 3_000, (Shift(0, 22),)),
    ],
)
def test_quoted_capacities_follow_from_machine_times(cyclers, extractors, minutes, quoted, shifts, small):
    # The press counts 96 places a plate; plates of a twelfth do the same for fewer tubes where the suite is slow.
    scale = 12 if small else 1
    quoted //= scale
    stages = (
        Stage("extraction", extractors, minutes=minutes[0], slots=96 // scale, linger_minutes=30.0, shifts=shifts),
        Stage(
            "amplification",
            cyclers,
            minutes=minutes[1],
            slots=96 // scale,
            linger_minutes=30.0,
            shifts=shifts,
            reads=True,
        ),
    )
    n = round(2.2 * quoted)
    line = Line(
        Arrivals(n, ((0.0, 1.0), (2.0, 0.0))),
        Sites(20, tables=max(40, n // 300), minutes=0.5),
        Courier(10.0, 0.0),
        (Laboratory("quoted", stages),),
        pool_size=1,
        prevalence=0.0,
    )
    table = simulate_line(line, seed=1).stages().query("stage == 'amplification'")
    a_day = table[(table["hour"] >= 24.0) & (table["hour"] < 48.0)]["ended"].sum()
    assert a_day == pytest.approx(quoted, rel=0.1)
    reckoned = capacity(line).set_index("stage").loc[["extraction", "amplification"], "an_hour"].min()
    assert reckoned * (22 if shifts else 24) == pytest.approx(quoted, rel=0.1)


@pytest.mark.parametrize(("cyclers", "tables"), [(1, 2), (90, 1)])
def test_the_busiest_stage_is_that_of_the_table(cyclers, tables):
    line = a_line(sites=Sites(10, tables=tables)).with_servers("amplification", cyclers)
    run = simulate_line(line, seed=1)
    summed = run.stages().dropna(subset="servers").groupby("stage")[["busy", "servers"]].sum()
    part = summed["busy"] / summed["servers"]
    assert run.busiest() == part.idxmax() == ("amplification" if cyclers == 1 else "sampling")
    table = line_use(run)
    assert table["stage"].unique().tolist() == ["sampling", "amplification"]
    used = table["use"].dropna()
    assert ((used >= 0.0) & (used <= 1.0 + 1e-9)).all()


def test_nobody_comes():
    run = simulate_line(a_line(0), seed=0, events=True)
    assert run.n_people == run.n_unfinished == run.n_events == run.events().num_rows == 0
    assert np.isnan(run.last_hour)
    assert run.turnaround()["people"].tolist() == [0, 0, 0]
    assert run.stages()["ended"].sum() == 0
    assert line_turnaround(run)["share"].isna().all()
    assert capacity(a_line(0))["use"].max() == 0.0


def test_what_cannot_be_run():
    for seed in (-1, 2**63):
        with pytest.raises(DesignError, match="seed: must be from 0 to"):
            simulate_line(a_line(), seed=seed)
    assert simulate_line(a_line(10), seed=2**63 - 1).n_people == 10
    with pytest.raises(DesignError) as error:
        simulate_lines([a_line()], seed=-1, replications=0)
    assert [each.where for each in error.value.problems] == ["seed", "replications"]
    run = simulate_line(a_line(30), seed=1)
    with pytest.raises(DesignError, match="events=True"):
        run.events()
    with pytest.raises(DesignError, match="since, way"):
        run.hours(way="slow")
    assert simulate_lines([], seed=1).empty
