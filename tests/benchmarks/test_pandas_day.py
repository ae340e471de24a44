"""The day in pandas, which poolkit is timed against, comes to the same calls, results and orders."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import poolkit
from benchmarks import pandas_day

PRESETS = poolkit.protocol_names()
# Much goes wrong, so that a few thousand samples meet every rule of a first day.
ROUGH = poolkit.Failures(
    unfilled_tube=0.1,
    tube_not_received=0.01,
    late_plate=0.1,
    failed_plate=0.15,
    failed_internal_control=0.05,
    dropped_reading=0.01,
    false_signal=0.03,
)


def compare(day, name):
    """Hold the twin's tables to poolkit's; return poolkit's outcome."""
    outcome = poolkit.process(day, protocol=name)
    frames = [pandas_day.frame(table) for table in (day.samples, day.wells, day.runs, day.readings)]
    twin = pandas_day.process(*frames, json.loads(poolkit.load_protocol(name).canonical()))
    made, calls = (
        table.sort_values(["run_id", "well"], ignore_index=True)
        for table in (twin["calls"], pandas_day.frame(outcome.calls))
    )
    calls["reasons"] = calls["reasons"].map(list)
    pd.testing.assert_frame_equal(made, calls, check_dtype=False)
    results = pandas_day.frame(outcome.results)
    pd.testing.assert_frame_equal(twin["results"], results, check_dtype=False, rtol=0.0, atol=1e-12)
    orders = pandas_day.frame(outcome.orders)
    pd.testing.assert_frame_equal(twin["orders"], orders, check_dtype=False)
    return outcome


def whole_day(made, name, seed):
    """Return a day and its evening as one first day; a swab taken again stands for itself."""
    outcome = poolkit.process(made.day, protocol=name)
    evening = poolkit.simulate_evening(made.day, made.truth, outcome.orders, seed, protocol=name, failures=ROUGH)
    tables = {
        each: pa.concat_tables([pa.table(pandas_day.frame(getattr(part, each))) for part in (made.day, evening)])
        for each in ("samples", "wells", "runs", "readings")
    }
    samples = tables["samples"]
    place = samples.column_names.index("recollect_of")
    alone = samples.set_column(place, "recollect_of", pa.nulls(samples.num_rows, pa.string()))
    return poolkit.Day(**tables | {"samples": alone})


def again(day, share, seed):
    """Return the day with a share of its plates run again with other readings, at once or later, some told twice.

    Ends stand in steps of hours, so that many coincide; some plates lose a control, some swabs are of the evening.
    """
    rng = np.random.default_rng(seed)
    samples, wells = pandas_day.frame(day.samples), pandas_day.frame(day.wells)
    samples.loc[rng.random(len(samples)) < 0.01, "collected_at"] += pd.Timedelta(hours=12)
    runs, readings = pandas_day.frame(day.runs), pandas_day.frame(day.readings)
    runs["ended_at"] = runs["ended_at"].dt.ceil("6h")
    rerun = runs[rng.random(len(runs)) < share]
    later = pd.to_timedelta(12 * rng.integers(0, 2, len(rerun)), unit="h")
    again_ids = "A" + rerun["run_id"]
    rerun = rerun.assign(started_at=rerun["started_at"] + later, ended_at=rerun["ended_at"] + later)
    plates = wells["plate_id"].drop_duplicates().sample(3, random_state=seed)
    lost = wells["plate_id"].isin(plates) & (wells["content"] == "negative_control")
    read_again = readings[readings["run_id"].isin(rerun["run_id"])]
    read_again = read_again.assign(run_id="A" + read_again["run_id"])
    drawn = rng.random(len(read_again))
    read_again.loc[drawn < 0.02, "ct_cycles"] = 38.5
    read_again = read_again[drawn < 0.99]
    twice = readings.sample(frac=0.01, random_state=seed)
    other = twice.assign(ct_cycles=twice["ct_cycles"].where(rng.random(len(twice)) < 0.5, 20.0))
    return replace(
        day,
        samples=pa.Table.from_pandas(samples, preserve_index=False),
        wells=pa.Table.from_pandas(wells[~lost], preserve_index=False),
        runs=pa.Table.from_pandas(pd.concat([runs, rerun.assign(run_id=again_ids)]), preserve_index=False),
        readings=pa.Table.from_pandas(pd.concat([readings, read_again, other]), preserve_index=False),
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", PRESETS)
def test_an_ordinary_day(name, seed):
    compare(poolkit.simulate_day(2000 + 1000 * seed, 0.005, seed, protocol=name).day, name)


@pytest.mark.parametrize("pooling", ["collection", "single"])
@pytest.mark.parametrize("name", PRESETS)
def test_a_rough_day_and_its_evening(name, pooling):
    made = poolkit.simulate_day(3000, 0.02, 11, protocol=name, pooling=pooling, failures=ROUGH)
    compare(whole_day(made, name, 12), name)


@pytest.mark.parametrize("seed", [21, 22])
@pytest.mark.parametrize("name", PRESETS)
def test_plates_run_again(name, seed):
    made = poolkit.simulate_day(3000, 0.02, seed, protocol=name, failures=ROUGH)
    outcome = compare(again(whole_day(made, name, seed), 0.5, seed), name)
    statuses = set(pc.unique(outcome.results["status"].cast(pa.string())).to_pylist())
    assert {"negative", "suspect", "pending"} <= statuses


def test_tubes_that_clear_nobody():
    """Samples of two kinds in one tube, and tubes with more samples than the protocol knows."""
    made = poolkit.simulate_day(2000, 0.02, 31, failures=ROUGH)
    samples = pandas_day.frame(made.day.samples)
    samples["kind"] = samples["kind"].where(samples.index % 97 > 0, "food")
    tubes = samples["tube_id"].drop_duplicates().to_numpy()
    emptied = dict(zip(tubes[::20], tubes[1::20], strict=False))
    samples["tube_id"] = samples["tube_id"].replace(emptied)
    day = replace(made.day, samples=pa.Table.from_pandas(samples, preserve_index=False))
    outcome = compare(day, "cn-10in1-2020")
    assert "unusable_pool" in outcome.orders["reason"].to_pylist()


def test_a_day_without_readings():
    made = poolkit.simulate_day(500, 0.0, 41)
    outcome = compare(replace(made.day, readings=made.day.readings.slice(0, 0)), "cn-10in1-2020")
    assert set(outcome.results["status"].to_pylist()) == {"pending"}


def test_a_sample_registered_twice_is_refused():
    day = poolkit.simulate_day(20, 0.0, 1).day
    frames = [pandas_day.frame(table) for table in (day.samples, day.wells, day.runs, day.readings)]
    frames[0] = pd.concat([frames[0], frames[0].head(1)])
    with pytest.raises(ValueError, match="registered twice"):
        pandas_day.process(*frames, json.loads(poolkit.load_protocol("cn-10in1-2020").canonical()))
