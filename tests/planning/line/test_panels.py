"""The panels of a run: frames held against its events, counted anew, and axes that say what they show."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from poolkit import DesignError
from poolkit.drawing import BLUE, BROWN, GREEN, GREY, INK, ORANGE, SKY, VERMILLION
from poolkit.planning.line import (
    Arrivals,
    Courier,
    Laboratory,
    Line,
    Shift,
    Sites,
    Stage,
    Stock,
    line_queues,
    line_stocks,
    line_turnaround,
    line_use,
    plot_line_queues,
    plot_line_stocks,
    plot_line_turnaround,
    plot_line_use,
    simulate_line,
)

COLOURS = {each.lower() for each in (BLUE, BROWN, GREEN, GREY, INK, ORANGE, SKY, VERMILLION)}
STAGES = (
    Stage("reception", 3, minutes=2.0, slots=4, linger_minutes=3.0),
    Stage(
        "amplification",
        2,
        minutes=50.0,
        slots=24,
        controls=2,
        linger_minutes=20.0,
        reads=True,
        shifts=(Shift(1, 20),),
        item="kit",
        units_a_specimen=1.0,
    ),
)
LABS = (
    Laboratory("one", STAGES, stocks=(Stock("kit", 150, ((14.0, 5_000),)),)),
    Laboratory("other", (*STAGES[:1], replace(STAGES[1], servers=1)), stocks=(Stock("kit", 5_000),)),
)
LINE = Line(
    Arrivals(4_000, ((0.5, 1.0), (6.0, 0.0))),
    Sites(8, tables=2, minutes=1.0),
    Courier(20.0, 15.0),
    labs=LABS,
    prevalence=0.004,
    grid_minutes=15.0,
)
PLOTS = (plot_line_queues, plot_line_use, plot_line_turnaround, plot_line_stocks)
FRAMES = (line_queues, line_use, line_turnaround, line_stocks)


@pytest.fixture(scope="module")
def runs():
    return [simulate_line(LINE, seed=seed, events=True) for seed in (3, 4, 5)]


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_queues_count_the_events(runs):
    table = line_queues(runs[0])
    events = runs[0].events().to_pandas()
    assert table["stage"].unique().tolist() == ["sampling", "courier", "reception", "amplification"]
    for stage, of_stage in table.groupby("stage"):
        mine = events[events["stage"] == stage]
        for hour, waiting in of_stage[["hour", "waiting"]].itertuples(index=False):
            # What happens at the very end of a bin may count for either.
            at = 60.0 * hour
            before = ((mine["enter"] < at - 1e-6) & (mine["start"] >= at - 1e-6)).sum()
            after = ((mine["enter"] <= at + 1e-6) & (mine["start"] > at + 1e-6)).sum()
            ends = ((mine["enter"] - at).abs() < 1e-6).sum() + ((mine["start"] - at).abs() < 1e-6).sum()
            assert min(before, after) - ends <= waiting <= max(before, after) + ends, (stage, hour)
    assert (table.groupby("stage")["waiting"].max() > 0).all()
    assert table.groupby("stage")["unit"].first().to_dict() == {
        "sampling": "people",
        "courier": "tubes",
        "reception": "specimens",
        "amplification": "specimens",
    }


def test_use_is_busy_minutes_by_minutes_at_work(runs):
    table = line_use(runs[0]).set_index(["stage", "hour"])
    batches = runs[0].events().to_pandas().query("stage == 'amplification'").drop_duplicates(["lab", "batch"])
    for hour in range(1, 18):
        start, end = 60.0 * hour, 60.0 * (hour + 1)
        busy = (np.minimum(batches["end"], end) - np.maximum(batches["start"], start)).clip(lower=0.0).sum() / 60.0
        row = table.loc[("amplification", float(hour))]
        assert row["busy"] == pytest.approx(busy, abs=1e-9)
        assert row["servers"] == 3.0
        assert row["use"] == pytest.approx(busy / 3.0, abs=1e-9)
    assert table.loc[("amplification", 0.0), "servers"] == 0.0
    assert np.isnan(table.loc[("amplification", 0.0), "use"])
    assert table["use"].max() > 0.9


def test_turnaround_is_the_part_with_a_result(runs):
    table = line_turnaround(runs[0])
    hours = (runs[0].resulted - runs[0].people.sampled) / 60.0
    for way, chosen in (("all", runs[0].way > 0), ("first pass", runs[0].way == 1), ("retest", runs[0].way == 2)):
        of_way = table[table["way"] == way]
        expected = (hours[chosen][None, :] <= of_way["hours"].to_numpy()[:, None]).mean(axis=1)
        assert of_way["share"].to_numpy() == pytest.approx(expected)
    assert line_turnaround(runs[0], since="arrival")["hours"].max() > table["hours"].max()


def test_who_has_no_result_is_among_all():
    line = replace(LINE, horizon_hours=4.0)
    run = simulate_line(line, seed=3)
    table = line_turnaround(run)
    assert run.n_unfinished > 0
    assert table.loc[table["way"] == "all", "share"].max() == pytest.approx(1.0 - run.n_unfinished / run.n_people)
    assert table.loc[table["way"] == "first pass", "share"].max() == 1.0
    axes = plot_line_turnaround(run, deadline_hours=24.0)
    part = np.floor(1000.0 * (1.0 - run.n_unfinished / run.n_people)) / 10.0
    assert axes.get_legend_handles_labels()[1][-1] == f"asked for: 24 h, met for {part:g} %"
    # Half of the people have no result: no median is drawn.
    assert not [text for text in axes.texts if text.get_text().startswith("p90")]


def test_stocks_are_those_of_the_laboratories_together(runs):
    table = line_stocks(runs[0])
    by_lab = runs[0].stocks().pivot_table(index="hour", columns="lab", values="units")
    assert table["units"].to_numpy() == pytest.approx(by_lab.sum(axis=1).to_numpy())
    assert table["share"].max() == 1.0
    used = runs[0].events().to_pandas().query("stage == 'amplification'")
    assert table["units"].iloc[-1] == pytest.approx(150 + 5_000 + 5_000 - len(used))


@pytest.mark.parametrize(
    ("frame", "name"), [(line_queues, "waiting"), (line_stocks, "units"), (line_turnaround, "share")]
)
def test_a_band_goes_from_the_least_to_the_largest_run(runs, frame, name):
    together, alone = frame(runs), [frame(each) for each in runs]
    assert (together["low"] <= together[name] + 1e-9).all()
    assert (together[name] <= together["high"] + 1e-9).all()
    assert (together["high"] > together["low"]).any()
    keys = [key for key in ("stage", "item", "hour") if key in together]
    if keys:
        found = [each.set_index(keys)[name].reindex(together.set_index(keys).index) for each in alone]
        whole = ~np.isnan(np.stack(found)).any(axis=0)
        assert together[name].to_numpy()[whole] == pytest.approx(np.mean(found, axis=0)[whole])
        assert together["high"].to_numpy()[whole] == pytest.approx(np.max(found, axis=0)[whole])


def test_use_of_several_runs_is_their_mean(runs):
    together, alone = line_use(runs), [line_use(each).set_index(["stage", "hour"])["busy"] for each in runs]
    index = together.set_index(["stage", "hour"]).index
    mean = np.mean([each.reindex(index).fillna(0.0) for each in alone], axis=0)
    assert together["busy"].fillna(0.0).to_numpy() == pytest.approx(mean)


@pytest.mark.parametrize("plot", PLOTS)
def test_axes_are_labelled_and_colours_apart(runs, plot):
    given = pyplot.figure().subplots()
    axes = plot(runs, ax=given)
    assert axes is given
    assert "hours" in axes.get_xlabel()
    if plot is plot_line_use:
        assert [each.get_text() for each in axes.get_yticklabels()] == ["sampling", "reception", "amplification"]
        assert axes.figure.axes[1].get_ylabel() == "busy servers (%)"
        assert axes.collections[0].get_cmap().name == "cividis"
        return
    assert "(" in axes.get_ylabel()
    shown = [(to_hex(line.get_color()), line.get_linestyle()) for line in axes.lines if line.get_linestyle() != "None"]
    assert {colour for colour, _ in shown} <= COLOURS
    assert len(set(shown)) == len(shown) > 0
    assert len(axes.get_legend().get_texts()) >= 1


def test_quantiles_and_the_deadline_are_told(runs):
    axes = plot_line_turnaround(runs[0], deadline_hours=5.0)
    hours = runs[0].hours()
    p50 = np.quantile(hours, 0.5, method="inverted_cdf")
    assert axes.texts[0].get_text() == f"p50: {p50:.1f} h"
    met = np.floor(1000.0 * (hours <= 5.0).mean()) / 10.0
    assert f"met for {met:g} %" in axes.get_legend_handles_labels()[1][-1]


def test_where_stock_was_used_up_is_told():
    alone = Laboratory("one", STAGES, stocks=(Stock("kit", 150, ((14.0, 5_000),)),))
    run = simulate_line(replace(LINE, labs=(alone,)), seed=3)
    table = line_stocks(run)
    first = table.loc[table["units"] <= 0.0, "hour"].iloc[0]
    assert 0.0 < first < 14.0
    assert plot_line_stocks(run).get_legend_handles_labels()[1] == [f"kit: used up at {first:.1f} h"]


@pytest.mark.parametrize("plot", PLOTS)
def test_a_run_of_nobody_is_drawn_empty(plot):
    nobody = simulate_line(replace(LINE, arrivals=Arrivals(0)), seed=1)
    assert plot(nobody).get_xlabel()
    assert plot_line_turnaround(nobody, deadline_hours=24.0).get_legend_handles_labels()[1] == ["asked for: 24 h"]
    assert line_turnaround(nobody)["share"].isna().all()
    assert (line_queues(nobody)["waiting"] == 0.0).all()
    assert line_use(nobody)["busy"].sum() == 0.0


@pytest.mark.parametrize("frame", FRAMES)
def test_runs_are_of_one_line(runs, frame):
    other = simulate_line(replace(LINE, prevalence=0.0), seed=1)
    with pytest.raises(DesignError, match="runs: must be of one line"):
        frame([runs[0], other])
    with pytest.raises(DesignError, match="runs: must not be empty"):
        frame([])
