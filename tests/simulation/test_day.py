"""A simulated day: what its tables hold, how failures show, and that a seed says all."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from poolkit.errors import DesignError, ProtocolError
from poolkit.protocols import load_protocol, protocol_names
from poolkit.schemas import READINGS, RUNS, SAMPLES, WELLS, conform
from poolkit.simulation import TRUTH, Failures, simulate_day

NONE = Failures.none()
NAMES = ("samples", "wells", "runs", "readings")


def frames(made):
    tables = {name: getattr(made.day, name) for name in NAMES} | {"truth": made.truth}
    return {name: each.to_pandas(strings_to_categorical=False) for name, each in tables.items()}


def conform_all(made):
    for name, table in zip(NAMES, (SAMPLES, WELLS, RUNS, READINGS), strict=True):
        given = getattr(made.day, name)
        assert conform(given, table).num_rows == given.num_rows
        assert tuple(given.column_names) == table.names
    assert conform(made.truth, TRUTH).num_rows == made.day.samples.num_rows


def written(made):
    files = []
    for each in [getattr(made.day, name) for name in NAMES] + [made.truth]:
        file = io.BytesIO()
        pq.write_table(each, file)
        files.append(file.getvalue())
    return files


def within(count, n, rate, deviations=4):
    return abs(count - n * rate) <= deviations * np.sqrt(n * rate * (1 - rate)) + 1e-9


@pytest.mark.parametrize("n_samples", [0, 1, 7, 3000])
@pytest.mark.parametrize("pooling", ["collection", "single"])
@pytest.mark.parametrize("name", protocol_names())
def test_every_table_conforms_under_every_protocol(n_samples, pooling, name):
    made = simulate_day(n_samples, 0.05, 1, protocol=name, pooling=pooling)
    conform_all(made)
    assert made.day.samples.num_rows == n_samples
    sizes = made.day.samples["tube_id"].value_counts().field("counts").to_pylist()
    assert max(sizes, default=1) <= (1 if pooling == "single" else load_protocol(name).max_pool_size)
    assert made.day.pools.num_rows == made.day.members.num_rows == 0


def test_same_seed_same_bytes_and_another_seed_other_bytes():
    one, again, other = (written(simulate_day(5000, 0.02, seed)) for seed in (11, 11, 12))
    assert one == again
    assert all(first != second for first, second in zip(one, other, strict=True))


def test_people_do_not_change_with_the_failures():
    calm, rough = (simulate_day(2000, 0.05, 3, failures=rates) for rates in (NONE, replace(NONE, late_plate=0.5)))
    assert calm.truth.equals(rough.truth)


def test_samples_arrive_in_time_order_with_sites_between_each_other():
    seen = frames(simulate_day(5000, 0.01, 2, failures=NONE))["samples"]
    assert seen["collected_at"].is_monotonic_increasing
    assert seen["site_id"].nunique() == 5
    assert not seen["site_id"].is_monotonic_increasing
    for column in ("sample_id", "subject_id", "tube_id", "group_id"):
        assert not seen[column].is_monotonic_increasing
    assert seen["sample_id"].is_unique
    assert seen["subject_id"].is_unique
    assert seen["subject_id"].str.fullmatch("[0-9a-f]{16}").all()
    for _, site in seen.groupby("site_id", observed=True):
        assert site["sample_id"].str[-8:].astype(int).tolist() == list(range(1, len(site) + 1))
    assert (seen["kind"] == "person").all()
    assert seen["recollect_of"].isna().all()
    assert (seen["collected_at"].dt.microsecond == 0).all()


def test_households_stand_together():
    seen = frames(simulate_day(4000, 0.01, 4, failures=NONE))["samples"]
    for _, home in seen.groupby("group_id", observed=True):
        assert home["site_id"].nunique() == 1
        assert len(home) <= 6
        assert home["tube_id"].nunique() <= 2
        assert (home["collected_at"].max() - home["collected_at"].min()).total_seconds() <= 30 * (len(home) - 1) + 1
    for _, tube in seen.groupby("tube_id", observed=True):
        assert tube.sort_values("slot", kind="stable")["collected_at"].is_monotonic_increasing
        assert sorted(tube["slot"]) == list(range(1, len(tube) + 1))
        homes = tube.sort_values("slot")["group_id"]
        assert (homes != homes.shift()).sum() == homes.nunique()


def test_truth_is_complete_and_consistent():
    seen = frames(simulate_day(3000, 0.1, 5))
    samples, truth = seen["samples"], seen["truth"]
    for column in ("sample_id", "subject_id", "tube_id"):
        assert (samples[column].astype(str) == truth[column].astype(str)).all()
    assert (truth["log10_load"].notna() == truth["infected"]).all()
    assert 200 < truth["infected"].sum() < 400


def test_every_tube_stands_in_one_well_and_every_well_is_read():
    seen = frames(simulate_day(3000, 0.1, 6, failures=NONE))
    specimens = seen["wells"].loc[seen["wells"]["content"] == "specimen", "specimen_id"]
    assert sorted(specimens) == sorted(seen["samples"]["tube_id"].unique())
    assert seen["wells"].loc[seen["wells"]["content"] != "specimen", "specimen_id"].isna().all()
    occupied = seen["wells"][seen["wells"]["content"] != "empty"]
    assert len(seen["readings"]) == 3 * len(occupied)
    joined = seen["readings"].merge(seen["runs"], on="run_id")[["plate_id", "well"]].drop_duplicates()
    assert len(joined.merge(occupied, on=["plate_id", "well"])) == len(occupied) == len(joined)


@pytest.mark.parametrize("wells", [96, 384])
def test_times_follow_each_other(wells):
    seen = frames(simulate_day(20_000, 0.01, 7, wells=wells, failures=NONE))
    runs, protocol = seen["runs"], load_protocol("cn-10in1-2020")
    joined = seen["samples"].merge(seen["wells"], left_on="tube_id", right_on="specimen_id").merge(runs, on="plate_id")
    assert ((joined["started_at"] - joined["collected_at"]).dt.total_seconds() >= 20 * 60 + 45 * 60).all()
    assert ((runs["ended_at"] - runs["started_at"]).dt.total_seconds() == 90 * 60).all()
    for _, own in runs.sort_values("started_at").groupby("instrument_id", observed=True):
        gap = (own["started_at"].shift(-1) - own["started_at"]).dt.total_seconds().dropna()
        assert (gap >= 105 * 60).all()
        assert (gap >= wells / protocol.wells_per_instrument_hour * 3600).all()


def test_lots_rotate_and_operators_are_pseudonyms():
    runs = frames(simulate_day(12_000, 0.0, 8, pooling="single", failures=NONE))["runs"]
    assert runs["extraction_lot"].nunique() == 2
    assert runs["amplification_lot"].nunique() == 2
    assert runs["operator_id"].str.fullmatch("OP-[0-9a-f]{16}").all()
    assert runs["source_file"].isna().all()


def test_readings_follow_the_virus_and_dilution_hides_some():
    reactive = {}
    for pooling in ("single", "collection"):
        seen = frames(simulate_day(20_000, 0.02, 9, pooling=pooling, overdispersion=0.0, failures=NONE))
        tubes = seen["truth"].groupby("tube_id", observed=True)["infected"].sum()
        wells = seen["wells"].merge(seen["runs"], on="plate_id").merge(seen["readings"], on=["run_id", "well"])
        pathogen = wells[(wells["content"] == "specimen") & (wells["target"] != "RNaseP")]
        seen_in = pathogen.groupby("specimen_id", observed=True)["ct_cycles"].max().reindex(tubes.index)
        assert seen_in[tubes == 0].isna().all()
        reactive[pooling] = (seen_in[tubes == 1] < 37).mean()
        internal = wells.loc[(wells["content"] == "specimen") & (wells["target"] == "RNaseP"), "ct_cycles"]
        assert internal.mean() == pytest.approx(26.0, abs=0.1)
        assert internal.std() == pytest.approx(1.0, abs=0.1)
    assert 0.95 < reactive["single"] <= 1.0
    assert 0.75 < reactive["collection"] < reactive["single"] - 0.03


def control_faults(seen, protocol):
    """Return, for each run, whether a control is not what the protocol asks."""
    wells = seen["wells"].merge(seen["runs"], on="plate_id").merge(seen["readings"], on=["run_id", "well"])
    wells = wells[wells["target"].isin(protocol.targets)]
    negative = wells["content"].isin(["negative_control", "blank"]) & wells["ct_cycles"].notna()
    positive = wells["content"].str.endswith("positive_control") & ~(wells["ct_cycles"] < protocol.ct_positive)
    return (negative | positive).groupby(wells["run_id"], observed=True).any()


@pytest.mark.parametrize("name", protocol_names())
def test_plates_fail_at_their_rate_by_one_control(name):
    protocol = load_protocol(name)
    for rate in (0.0, 0.3, 1.0):
        rates = replace(NONE, failed_plate=rate)
        seen = frames(simulate_day(9000, 0.01, 10, protocol=name, pooling="single", failures=rates))
        faults = control_faults(seen, protocol)
        assert len(faults) >= 94
        assert within(faults.sum(), len(faults), rate)


def test_windows_of_a_control_are_kept():
    windows = {"ORF1ab": (28.0, 31.0), "N": (32.9, 33.1)}
    rules = load_protocol("cn-10in1-2020").revised(
        "test", source="test", controls={"weak_positive_control": {"minimum": 2, "windows": windows}}
    )
    seen = frames(simulate_day(2000, 0.01, 1, protocol=rules, failures=NONE))
    wells = seen["wells"].merge(seen["runs"], on="plate_id").merge(seen["readings"], on=["run_id", "well"])
    weak = wells[wells["content"] == "weak_positive_control"]
    for target, (low, high) in windows.items():
        assert weak.loc[weak["target"] == target, "ct_cycles"].between(low, high).all()


def test_without_an_internal_control_and_with_one_target():
    rules = load_protocol("cn-10in1-2020").revised(
        "test", source="test", targets=("E",), targets_for_positive=1, internal_control=None, ct_internal=None
    )
    made = simulate_day(500, 0.2, 1, protocol=rules, failures=Failures(failed_internal_control=1.0, false_signal=1.0))
    conform_all(made)
    assert set(made.day.readings["target"].to_pylist()) == {"E"}


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_internal_controls_fail_at_their_rate(rate):
    seen = frames(simulate_day(4000, 0.5, 11, pooling="single", failures=replace(NONE, failed_internal_control=rate)))
    wells = seen["wells"].merge(seen["runs"], on="plate_id").merge(seen["readings"], on=["run_id", "well"])
    wells = wells[wells["content"] == "specimen"]
    internal = wells[wells["target"] == "RNaseP"]
    failed = ~(internal["ct_cycles"] <= 40)
    assert within(failed.sum(), len(internal), rate)
    if rate:
        assert internal.loc[failed, "ct_cycles"].notna().any()
        assert internal.loc[failed, "ct_cycles"].isna().any()
    invalid = internal.loc[failed, "specimen_id"]
    pathogen = wells[(wells["target"] != "RNaseP") & wells["specimen_id"].isin(invalid)]
    assert pathogen["ct_cycles"].isna().all()


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_readings_are_dropped_at_their_rate(rate):
    seen = frames(simulate_day(4000, 0.1, 12, pooling="single", failures=replace(NONE, dropped_reading=rate)))
    wells = seen["wells"].merge(seen["runs"], on="plate_id")
    read = wells.merge(seen["readings"][["run_id", "well"]].drop_duplicates(), on=["run_id", "well"])
    specimens, others = wells[wells["content"] == "specimen"], wells[~wells["content"].isin(["specimen", "empty"])]
    assert within(len(specimens) - (read["content"] == "specimen").sum(), len(specimens), rate)
    assert (read["content"] != "specimen").sum() == len(others)


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_tubes_are_lost_at_their_rate(rate):
    seen = frames(simulate_day(4000, 0.1, 13, pooling="single", failures=replace(NONE, tube_not_received=rate)))
    assert within(4000 - seen["wells"]["specimen_id"].nunique(), 4000, rate)


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_plates_are_late_at_their_rate(rate):
    made = simulate_day(20_000, 0.1, 14, pooling="single", failures=replace(NONE, late_plate=rate))
    conform_all(made)
    n_plates = len(made.day.wells["plate_id"].unique())
    assert within(n_plates - made.day.runs.num_rows, n_plates, rate)
    assert set(made.day.readings["run_id"].unique().to_pylist()) == set(made.day.runs["run_id"].to_pylist())


@pytest.mark.parametrize("rate", [0.0, 0.05, 1.0])
def test_false_signals_are_late_on_one_target_at_their_rate(rate):
    seen = frames(simulate_day(8000, 0.0, 15, pooling="single", failures=replace(NONE, false_signal=rate)))
    wells = seen["wells"].merge(seen["runs"], on="plate_id").merge(seen["readings"], on=["run_id", "well"])
    pathogen = wells[(wells["content"] == "specimen") & (wells["target"] != "RNaseP")]
    shown = pathogen[pathogen["ct_cycles"].notna()]
    assert shown["specimen_id"].is_unique
    assert shown["ct_cycles"].between(37, 40).all()
    assert within(len(shown), 8000, rate)


def test_the_default_failures_are_rare():
    seen = frames(simulate_day(20_000, 0.001, 16))
    assert len(seen["readings"]) > 0.9 * 3 * len(seen["wells"])


def test_options_out_of_range_are_all_named():
    with pytest.raises(DesignError) as failure:
        simulate_day(-1, 1.5, 0, date="1 April", tube_size=11, n_sites=0, wells=95, overdispersion=1.0)
    assert str(failure.value) == (
        "not a day that can be simulated, 7 problem(s):\n"
        "  - n_samples: must be between 0 and 50000000, found -1\n"
        "  - tube_size: must be between 1 and 10, found 11\n"
        "  - n_sites: must be between 1 and 99999, found 0\n"
        "  - prevalence: must be between 0 and 1, found 1.5\n"
        "  - overdispersion: must be from 0 to below 1, found 1.0\n"
        "  - date: must be a date like 2022-04-01, found '1 April'\n"
        "  - wells: must be 96 or 384, found 95"
    )
    with pytest.raises(DesignError, match="a single tube holds 1, found 5"):
        simulate_day(1, 0.0, 0, pooling="single", tube_size=5)
    with pytest.raises(DesignError, match="must be collection or single, found 'laboratory'"):
        simulate_day(1, 0.0, 0, pooling="laboratory")
    with pytest.raises(ProtocolError):
        simulate_day(1, 0.0, 0, protocol="nobody")


def test_date_sites_and_tube_size_are_kept():
    seen = frames(simulate_day(600, 0.01, 17, date="2023-12-31", n_sites=7, tube_size=5, failures=NONE))
    assert (seen["samples"]["collected_at"].dt.date == pd.Timestamp("2023-12-31").date()).all()
    assert seen["samples"]["site_id"].nunique() == 7
    assert seen["samples"]["tube_id"].value_counts().max() == 5
