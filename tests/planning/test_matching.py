"""Matching of the stages against its definition, the observed traces, and the errors."""

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

from poolkit import DesignError
from poolkit.planning import match_stages, matching, plot_matching, scenario
from tests.reference import matching as twin

mpl.use("Agg")


def trace_of(name):
    return scenario(name).traces[0].curves()


@st.composite
def curves(draw):
    """Cumulative counts of three stages at some hours, some of them not told."""
    n = draw(st.integers(1, 8))
    hours = np.cumsum(draw(st.lists(st.sampled_from([0.25, 1.0, 7.5]), min_size=n, max_size=n)))
    table = pd.DataFrame({"hour": hours})
    above = np.full(n, np.inf)
    for stage in ("sampled", "delivered", "tested"):
        steps = draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
        above = np.minimum(np.cumsum(steps).astype(float), above)
        table[stage] = above
        told = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        told[draw(st.integers(0, n - 1))] = True
        table.loc[[not each for each in told], stage] = np.nan
    return table


@given(curves())
def test_against_the_definition(table):
    found = matching(table)
    hours = table["hour"].tolist()
    known = {
        stage: list(table.dropna(subset=[stage])[["hour", stage]].itertuples(index=False, name=None))
        for stage in ("sampled", "delivered", "tested")
    }
    for before, after in (("sampled", "delivered"), ("delivered", "tested"), ("sampled", "tested")):
        rows = found[(found["before"] == before) & (found["after"] == after)]
        expected = twin.match(hours, known[before], known[after])
        for name, column in zip(("degree", "backlog", "lag_hours"), zip(*expected, strict=True), strict=True):
            wanted = [math.nan if each is None else each for each in column]
            if name == "backlog":
                wanted = [max(each, 0.0) if not math.isnan(each) else each for each in wanted]
            np.testing.assert_allclose(rows[name], wanted, rtol=1e-9, atol=1e-7)


@settings(max_examples=30)
@given(curves())
def test_the_worst_is_the_largest_backlog(table):
    found, hours = match_stages(table), matching(table)
    assert found["worst"].sum() == 1
    single = hours[~hours["whole"]].dropna(subset=["backlog"])
    worst = found[found["worst"]].iloc[0]
    if len(single):
        assert worst["peak_backlog"] == single["backlog"].max()
        there = single[(single["backlog"] == single["backlog"].max()) & (single["after"] == worst["after"])]
        assert worst["peak_hour"] == there["hour"].min()
    for row in found.to_dict("records"):
        pair = hours[(hours["before"] == row["before"]) & (hours["after"] == row["after"])]
        assert row["longest_lag_hours"] == pytest.approx(
            pair.dropna(subset=["backlog"])["lag_hours"].max(), nan_ok=True
        )


def test_qingdao_peak_and_wait():
    worst = match_stages(trace_of("qingdao-2020-10")).iloc[0]
    assert worst["peak_backlog"] == 3_567_943
    assert worst["peak_hour"] == 0.0
    assert worst["lag_at_peak_hours"] == pytest.approx(22.5, abs=0.1)
    rows = matching(trace_of("qingdao-2020-10"))
    assert rows["backlog"].tolist() == [3_567_943, 2_300_000, 1_624_180, 1_320_249, 620_000]


def test_shijiazhuang_waits_in_its_laboratories():
    table = match_stages(trace_of("shijiazhuang-2021-01")).set_index(["before", "after"])
    assert table.loc[("sampled", "delivered"), "peak_backlog"] == 1_000_000
    assert table.loc[("delivered", "tested"), "peak_backlog"] == 2_110_000
    assert table.loc[("sampled", "tested"), "degree"] == pytest.approx(5.10 / 8.21)
    assert table.index[table["worst"]].tolist() == [("delivered", "tested")]
    assert table["longest_lag_hours"].isna().all()


def test_dalian_backlog_of_december_2020():
    row = matching(trace_of("dalian-2020-12")).iloc[-1]
    assert row["backlog"] == 1_620_000
    assert row["degree"] == pytest.approx(0.659, abs=5e-4)


def test_a_line_that_keeps_up_matches_but_for_its_delay():
    hours = np.arange(0.0, 30.0, 0.5)
    sampled = np.minimum(hours, 20.0) * 1000.0
    resulted = np.clip(hours - 3.0, 0.0, 20.0) * 1000.0
    table = match_stages(pd.DataFrame({"hour": hours, "sampled": sampled, "resulted": resulted}))
    assert table["longest_lag_hours"].tolist() == [3.0]
    assert table["peak_backlog"].tolist() == [3000.0]
    assert table["degree"][0] == pytest.approx(1.0 - 3.0 * 20_000 / (sampled.sum() * 0.5), rel=0.01)
    assert table["least_degree_hour"][0] == 1.0


def test_what_is_wrong_with_curves_is_named_at_once():
    table = pd.DataFrame(
        {"hour": [0.0, 0.0, 2.0], "sampled": [1, 5, 4], "resulted": [2, 3, 3], "note": ["a", "b", "c"]}
    )
    with pytest.raises(DesignError) as caught:
        matching(table)
    assert [str(each) for each in caught.value.problems] == [
        "hour: must increase (rows 1)",
        "sampled: must not fall, nor begin below 0 (rows 2)",
        "resulted: must not be more than sampled (rows 0)",
    ]
    with pytest.raises(DesignError, match="tested: no such column"):
        matching(table, stages=["sampled", "tested"])
    with pytest.raises(DesignError, match="at least two, found 1"):
        matching(table, stages=["sampled"])
    with pytest.raises(DesignError, match="each may be named only once"):
        matching(table, stages=["sampled", "sampled"])
    with pytest.raises(DesignError, match="at least one row"):
        matching(table.iloc[:0])
    with pytest.raises(DesignError, match="resulted: must be told at some hour"):
        matching(pd.DataFrame({"hour": [0.0], "sampled": [1.0], "resulted": [np.nan]}))
    with pytest.raises(DesignError, match="least_share: must be from 0 to below 1, found 1"):
        match_stages(trace_of("qingdao-2020-10"), least_share=1.0)


def test_the_picture_shows_curves_gaps_and_a_trace():
    observed = trace_of("qingdao-2020-10")
    ax = plot_matching(observed, trace=observed)
    assert [each.get_label() for each in ax.get_lines()] == [
        "sampled",
        "resulted",
        "sampled, observed",
        "resulted, observed",
        "most wait: 3.57 M,\nwho joins them then: 22.6 h",
    ]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("hours", "million persons")
    _, given = pyplot.subplots()
    small = plot_matching(
        trace_of("shijiazhuang-2021-01").assign(sampled=8210.0, delivered=7210.0, tested=5100.0), ax=given
    )
    assert small is given
    assert small.get_ylabel() == "thousand persons"
    pyplot.close("all")


def test_takes_whatever_is_a_table():
    columns = {"hour": [0.0, 1.0, 2.0], "sampled": [0.0, 2.0, 4.0], "tested": [0.0, 1.0, 4.0]}
    wanted = matching(pd.DataFrame(columns))
    assert matching(columns).equals(wanted)
    assert matching(pa.table(columns)).equals(wanted)
    assert match_stages(pa.table(columns)).equals(match_stages(columns))
    with pytest.raises(DesignError, match="table: must be a table or a mapping of columns, found NoneType"):
        matching(None)
    with pytest.raises(DesignError, match="hour: must be numbers, found"):
        matching(columns | {"hour": ["0", "1", "2"]})
