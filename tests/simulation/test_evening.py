"""An evening answers each order once, later than the day, from the same truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from poolkit.errors import DesignError, SchemaError
from poolkit.protocols import load_protocol, protocol_names
from poolkit.schemas import MEMBERS, ORDERS, READINGS, RUNS, SAMPLES, WELLS, Day, conform
from poolkit.simulation import TRUTH, Failures, simulate_day, simulate_evening

NONE = Failures.none()
NAMES = ("samples", "wells", "runs", "readings")
AT = pd.Timestamp("2022-04-01T23:30:00.5", tz="UTC")


def orders_of(*asked):
    """Return orders (sample, action, reason)."""
    rows = [
        {"order_id": f"{s}/{a}/{k}", "sample_id": s, "action": a, "reason": r, "issued_at": AT, "due_at": AT}
        for k, (s, a, r) in enumerate(asked)
    ]
    return pa.Table.from_pylist(rows, schema=ORDERS.schema)


def frame(table):
    return table.to_pandas()


def read_wells(*days):
    """Return each reading of these days with its well."""
    wells, runs, readings = (
        pd.concat([frame(getattr(day, name)).astype(str if name == "wells" else object) for day in days])
        for name in ("wells", "runs", "readings")
    )
    return readings.merge(runs[["run_id", "plate_id"]], on="run_id").merge(wells, on=["plate_id", "well"])


def conform_all(day):
    for name, table in zip(NAMES, (SAMPLES, WELLS, RUNS, READINGS), strict=True):
        given = getattr(day, name)
        assert conform(given, table).num_rows == given.num_rows


@pytest.fixture(scope="module")
def made():
    return simulate_day(2000, 0.05, 21, failures=NONE)


@pytest.mark.parametrize("name", protocol_names())
def test_every_order_is_answered_exactly_once(name):
    made = simulate_day(1500, 0.05, 22, protocol=name, failures=NONE)
    samples = frame(made.day.samples)
    tubes = samples.groupby("tube_id", observed=True)["sample_id"].apply(list)
    recalled, retested, rerun = tubes.iloc[0], tubes.iloc[1], [*tubes.iloc[2], *tubes.iloc[3]]
    alone = tubes.iloc[4][0]
    orders = orders_of(
        *((sample, "recollect", "positive_pool") for sample in recalled),
        *((sample, "retest", "positive_pool") for sample in retested),
        *((sample, "rerun", "invalid_pool") for sample in rerun),
        (alone, "rerun", "invalid_single"),
    )
    evening = simulate_evening(made.day, made.truth, orders, 1, protocol=name, failures=NONE)
    conform_all(evening)
    swabs = load_protocol(name).swabs_per_recollect
    new = frame(evening.samples)
    assert sorted(new["recollect_of"]) == sorted(recalled * swabs)
    parents = samples.set_index("sample_id").loc[new["recollect_of"]]
    for column in ("subject_id", "site_id", "group_id", "kind"):
        assert (parents[column].astype(str).to_numpy() == new[column].astype(str)).all()
    assert (new["collected_at"] > AT).all()
    assert new["collected_at"].is_monotonic_increasing
    assert new["tube_id"].is_unique
    assert (new["slot"] == 1).all()
    assert not set(new["sample_id"]) & set(samples["sample_id"])
    assert not set(new["tube_id"]) & set(samples["tube_id"])
    wells = frame(evening.wells)
    specimens = wells.loc[wells["content"] == "specimen", "specimen_id"]
    assert sorted(specimens) == sorted([*new["tube_id"], *retested, *tubes.index[2:4], alone])
    assert not set(wells["plate_id"]) & set(made.day.wells["plate_id"].to_pylist())
    runs = frame(evening.runs)
    assert sorted(runs["plate_id"]) == sorted(wells["plate_id"].unique())
    assert not set(runs["run_id"]) & set(made.day.runs["run_id"].to_pylist())
    assert (runs["started_at"] > max(frame(made.day.runs)["ended_at"].max(), AT)).all()
    occupied = wells[wells["content"] != "empty"]
    assert evening.readings.num_rows == 3 * len(occupied)
    joined = new.merge(wells, left_on="tube_id", right_on="specimen_id").merge(runs, on="plate_id")
    assert (joined["started_at"] > joined["collected_at"]).all()


def test_the_same_order_twice_is_answered_once(made):
    first = made.day.samples["sample_id"][0].as_py()
    again = orders_of((first, "recollect", "positive_pool"), (first, "recollect", "positive_pool"))
    assert simulate_evening(made.day, made.truth, again, 1, failures=NONE).samples.num_rows == 1


def test_readings_agree_with_the_truth(made):
    truth = frame(made.truth)
    strong = truth.loc[truth["log10_load"] > 6, "sample_id"].tolist()[:20]
    healthy = truth.loc[~truth["infected"], "sample_id"].tolist()[:20]
    asked = [(sample, action, "positive_pool") for sample in strong + healthy for action in ("recollect", "retest")]
    evening = simulate_evening(made.day, made.truth, orders_of(*asked), 5, failures=NONE)
    seen = read_wells(evening)
    seen = seen[(seen["content"] == "specimen") & (seen["target"] != "RNaseP")]
    of_tube = frame(evening.samples).set_index("tube_id")["recollect_of"].to_dict()
    parent = seen["specimen_id"].map(lambda specimen: of_tube.get(specimen, specimen))
    ct = seen["ct_cycles"].astype(float)
    assert set(parent) == {*strong, *healthy}
    assert (ct[parent.isin(strong)] < 37).all()
    assert ct[parent.isin(healthy)].isna().all()


def test_a_second_run_of_a_tube_reads_about_the_same(made):
    truth = frame(made.truth)
    hot = truth.loc[truth["log10_load"] > 7].drop_duplicates("tube_id")
    asked = orders_of(*((sample, "rerun", "invalid_pool") for sample in hot["sample_id"]))
    evening = simulate_evening(made.day, made.truth, asked, 6, failures=NONE)
    both = read_wells(made.day, evening)
    both = both[both["specimen_id"].isin(hot["tube_id"]) & (both["target"] == "N")]
    spread = both.groupby("specimen_id")["ct_cycles"].agg(["count", lambda ct: ct.max() - ct.min()])
    assert (spread["count"] == 2).all()
    assert (spread.iloc[:, 1] < 4).all()


def test_late_plates_are_read_in_the_evening_and_not_mapped_again():
    made = simulate_day(20_000, 0.02, 23, failures=replace(NONE, late_plate=0.4))
    late = set(made.day.wells["plate_id"].to_pylist()) - set(made.day.runs["plate_id"].to_pylist())
    assert late
    evening = simulate_evening(made.day, made.truth, ORDERS.empty(), 1, failures=Failures(late_plate=1.0))
    conform_all(evening)
    assert evening.wells.num_rows == evening.samples.num_rows == 0
    assert set(evening.runs["plate_id"].to_pylist()) == late
    assert (frame(evening.runs)["started_at"] > frame(made.day.runs)["ended_at"].max()).all()
    calm = simulate_evening(made.day, made.truth, ORDERS.empty(), 1, failures=NONE)
    seen = read_wells(Day(made.day.samples, made.day.wells, calm.readings, calm.runs))
    seen = seen[(seen["content"] == "specimen") & (seen["target"] == "N")]
    mapped = frame(made.day.wells)
    assert len(seen) == (mapped["plate_id"].isin(late) & (mapped["content"] == "specimen")).sum()
    infected = frame(made.truth).groupby("tube_id", observed=True)["log10_load"].max()
    load = infected.loc[seen["specimen_id"]].to_numpy()
    ct = seen["ct_cycles"].astype(float).to_numpy()
    assert np.isnan(ct[np.isnan(load)]).all()
    assert (ct[load > 6] < 37).all()


def test_failures_of_the_evening_happen_at_their_rates(made):
    asked = orders_of(*((sample, "recollect", "positive_pool") for sample in made.day.samples["sample_id"].to_pylist()))
    lost = simulate_evening(made.day, made.truth, asked, 1, failures=replace(NONE, tube_not_received=0.2))
    n_plated = len(lost.wells["specimen_id"].drop_null().unique())
    assert abs(2000 - n_plated - 400) < 4 * np.sqrt(2000 * 0.16)
    late = simulate_evening(made.day, made.truth, asked, 1, failures=replace(NONE, late_plate=1.0))
    assert late.runs.num_rows == late.readings.num_rows == 0
    assert len(late.wells["plate_id"].unique()) == 22


def test_an_evening_after_an_evening(made):
    first = made.day.samples["sample_id"][0].as_py()
    one = simulate_evening(made.day, made.truth, orders_of((first, "recollect", "x")), 1, failures=NONE)
    union = Day(
        *(
            pa.concat_tables([getattr(made.day, name), getattr(one, name)], promote_options="permissive")
            for name in ("samples", "wells", "readings", "runs")
        )
    )
    child = one.samples["sample_id"][0].as_py()
    two = simulate_evening(
        union, made.truth, orders_of((child, "rerun", "invalid_single"), (child, "recollect", "x")), 1, failures=NONE
    )
    conform_all(two)
    assert two.samples["recollect_of"].to_pylist() == [child]
    assert frame(two.runs)["started_at"].min() > frame(one.runs)["ended_at"].max()
    for name, key in (("samples", "sample_id"), ("samples", "tube_id"), ("runs", "run_id"), ("wells", "plate_id")):
        before, after = (set(getattr(each, name)[key].to_pylist()) for each in (union, two))
        assert not before & after


def test_same_seed_same_tables_and_another_seed_others(made):
    asked = orders_of(*((sample, "recollect", "x") for sample in made.day.samples["sample_id"].to_pylist()[:50]))
    one, again, other = (simulate_evening(made.day, made.truth, asked, seed) for seed in (3, 3, 4))
    assert all(getattr(one, name).equals(getattr(again, name)) for name in NAMES)
    assert all(not getattr(one, name).equals(getattr(other, name)) for name in ("samples", "wells", "readings"))


def test_nothing_asked_nothing_done(made):
    evening = simulate_evening(made.day, made.truth, ORDERS.empty(), 1)
    assert [getattr(evening, name).num_rows for name in NAMES] == [0, 0, 0, 0]
    conform_all(evening)
    nobody = simulate_evening(Day(SAMPLES.empty()), TRUTH.empty(), ORDERS.empty(), 1)
    assert [getattr(nobody, name).num_rows for name in ("samples", "wells", "runs", "readings")] == [0, 0, 0, 0]


def test_a_day_from_pandas_and_without_runs(made):
    first = made.day.samples["sample_id"][0].as_py()
    plates = dict(zip(made.day.runs["run_id"].to_pylist(), made.day.runs["plate_id"].to_pylist(), strict=True))
    readings = frame(made.day.readings)
    readings["run_id"] = readings["run_id"].astype(str).map(plates)
    day = Day(made.day.samples, made.day.wells, pa.Table.from_pandas(readings, preserve_index=False))
    evening = simulate_evening(day, frame(made.truth), orders_of((first, "recollect", "x")), 1, failures=NONE)
    assert evening.samples.num_rows == evening.runs.num_rows == 1


def test_a_laboratory_pool_is_run_again_as_a_pool():
    made = simulate_day(20, 1.0, 24, pooling="single", failures=NONE)
    ids = made.day.samples["sample_id"].to_pylist()
    members = [
        {"pool_id": "LAB1", "sample_id": each, "slot": k + 1, "volume_ul": None} for k, each in enumerate(ids[:5])
    ]
    day = replace(made.day, members=pa.Table.from_pylist(members, schema=MEMBERS.schema))
    asked = orders_of((ids[0], "rerun", "invalid_pool"), (ids[9], "rerun", "invalid_pool"))
    evening = simulate_evening(day, made.truth, asked, 1, failures=NONE)
    single = made.day.samples["tube_id"][9].as_py()
    assert set(evening.wells["specimen_id"].drop_null().to_pylist()) == {"LAB1", single}
    seen = read_wells(evening)
    assert (seen.loc[(seen["specimen_id"] == "LAB1") & (seen["target"] == "N"), "ct_cycles"] < 40).all()


def test_what_cannot_be_answered_is_named(made):
    first = made.day.samples["sample_id"][0].as_py()
    with pytest.raises(DesignError) as failure:
        simulate_evening(made.day, made.truth, orders_of((first, "retest", "x"), ("nobody", "retest", "x")), 1)
    assert str(failure.value) == "orders cannot be answered, 1 problem(s):\n  - sample_id: not in the day (rows 1)"
    with pytest.raises(DesignError, match="the truth is not of this day"):
        simulate_evening(made.day, TRUTH.empty(), orders_of((first, "retest", "x")), 1)
    with pytest.raises(DesignError, match="wells: must be 96 or 384, found 12"):
        simulate_evening(made.day, made.truth, ORDERS.empty(), 1, wells=12)
    with pytest.raises(SchemaError, match="not a 'orders' batch"):
        simulate_evening(made.day, made.truth, pa.table({"sample_id": [first]}), 1)
