"""A large first day, batch by batch, says what the day says in one piece."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import poolkit
from poolkit.errors import FormatError, SchemaError
from poolkit.lab import large
from poolkit.schemas import SAMPLES, WELLS

KEYS = {
    "samples": ("sample_id", "tube_id"),
    "results": ("sample_id",),
    "orders": ("order_id",),
    "calls": ("run_id", "well"),
    "findings": ("kind", "ids"),
}


@pytest.fixture(autouse=True)
def nothing_is_too_small(monkeypatch):
    monkeypatch.setattr(large, "LARGE", 1)


@pytest.fixture
def taken(monkeypatch):
    """How many days were taken batch by batch."""
    days = []
    whole = large.compute_large

    def counted(*given, **named):
        days.append(1)
        return whole(*given, **named)

    monkeypatch.setattr("poolkit.lab.lab.compute_large", counted)
    return days


def write(day: poolkit.Day, folder, rows: int) -> None:
    poolkit.write_day(day, folder)
    pq.write_table(day.samples, folder / "samples.parquet", row_group_size=rows)


def in_order(table: pa.Table, name: str) -> list:
    return sorted(table.to_pylist(), key=lambda row: tuple(str(row[key]) for key in KEYS[name]))


def same(lab: poolkit.Lab, day: poolkit.Day, outcome: poolkit.Outcome) -> None:
    for name in ("results", "orders", "calls", "findings"):
        assert in_order(lab.table(name), name) == in_order(getattr(outcome, name), name), name
    assert in_order(lab.table("samples"), "samples") == in_order(day.samples, "samples")
    for name in ("wells", "readings", "runs"):
        assert lab.table(name).to_pylist() == getattr(day, name).to_pylist(), name


@pytest.mark.parametrize("rows", [37, 250, 999])
@pytest.mark.parametrize("protocol", ["cn-10in1-2020", "de-lolli"])
def test_batches_say_what_one_piece_says(tmp_path, taken, rows, protocol):
    failures = poolkit.Failures(unfilled_tube=0.2, failed_plate=0.2, dropped_reading=0.05, tube_not_received=0.05)
    day = poolkit.simulate_day(1000, 0.05, seed=rows, protocol=protocol, failures=failures).day
    write(day, tmp_path / "day", rows)
    with poolkit.Lab.open(tmp_path / "store") as lab:
        commit = lab.run(tmp_path / "day", protocol=protocol)
        same(lab, day, poolkit.process(day, protocol=protocol))
        assert commit.summary["samples"] == 1000
        assert sum(commit.summary["results"].values()) == 1000
        assert lab.run(tmp_path / "day", protocol=protocol).repeated
    assert taken == [1]


def shuffled(day: poolkit.Day, seed: int) -> poolkit.Day:
    order = np.random.default_rng(seed).permutation(day.samples.num_rows)
    return poolkit.Day(day.samples.take(pa.array(order)), day.wells, day.readings, day.runs)


def test_tubes_that_are_spread_over_all_batches(tmp_path, taken):
    day = shuffled(poolkit.simulate_day(600, 0.05, seed=3).day, 4)
    write(day, tmp_path / "day", 50)
    with poolkit.Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day")
        same(lab, day, poolkit.process(day))
    assert taken == [1]


def test_retained_swabs_and_specimens_of_nobody(tmp_path, taken):
    """Samples of shared tubes that stand in wells by themselves, and a well whose specimen nobody registered."""
    day = poolkit.simulate_day(400, 0.05, seed=5).day
    wells = day.wells.to_pylist()
    specimens = [row for row in wells if row["content"] == "specimen"]
    ids = day.samples["sample_id"].to_pylist()
    for row, sample in zip(specimens[::3], ids[::29], strict=False):
        row["specimen_id"] = sample
    specimens[1]["specimen_id"] = "NOBODY"
    day = poolkit.Day(day.samples, pa.Table.from_pylist(wells, schema=WELLS.schema), day.readings, day.runs)
    write(day, tmp_path / "day", 64)
    with poolkit.Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day")
        same(lab, day, poolkit.process(day))
        assert ["NOBODY", f"{specimens[1]['plate_id']}/{specimens[1]['well']}"] in lab.findings()["ids"].to_pylist()
    assert taken == [1]


def test_a_run_that_ends_later_gives_no_calls(tmp_path, taken):
    day = poolkit.simulate_day(2000, 0.05, seed=6).day
    ended = sorted(day.runs["ended_at"].to_pylist())
    at = ended[0] + timedelta(seconds=1)
    write(day, tmp_path / "day", 300)
    with poolkit.Lab.open(tmp_path / "store") as lab:
        commit = lab.run(tmp_path / "day", at=at)
        outcome = poolkit.process(day, at=at)
        assert in_order(lab.results(), "results") == in_order(outcome.results, "results")
        assert lab.table("runs").num_rows == outcome.runs.num_rows < len(ended)
        assert commit.summary["findings"]["result_before_run_end"] == len(ended) - outcome.runs.num_rows
    assert taken == [1]


def with_rows(day: poolkit.Day, change) -> poolkit.Day:
    rows = day.samples.to_pylist()
    change(rows)
    return poolkit.Day(pa.Table.from_pylist(rows, schema=SAMPLES.schema), day.wells, day.readings, day.runs)


def test_what_reaches_across_tubes_is_taken_in_one_piece(tmp_path, taken):
    made = poolkit.simulate_day(300, 0.05, seed=7).day

    def twice(rows):
        rows[200]["sample_id"] = rows[0]["sample_id"]

    def again(rows):
        rows[200]["recollect_of"] = rows[0]["sample_id"]

    for name, change in (("twice", twice), ("again", again)):
        day = with_rows(made, change)
        write(day, tmp_path / name, 100)
        with poolkit.Lab.open(tmp_path / f"{name} store") as lab:
            lab.run(tmp_path / name)
            assert in_order(lab.results(), "results") == in_order(poolkit.process(day).results, "results")
    assert taken == []


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_a_damaged_file_is_refused_as_in_one_piece(tmp_path, where):
    write(poolkit.simulate_day(300, 0.05, seed=9).day, tmp_path / "day", 100)
    path = tmp_path / "day" / "samples.parquet"
    data = bytearray(path.read_bytes())
    at = int(len(data) * where)
    data[at : at + 64] = bytes(64)
    path.write_bytes(data)
    with poolkit.Lab.open(tmp_path / "store") as lab:
        with pytest.raises((FormatError, SchemaError), match=r"samples\.parquet"):
            lab.run(tmp_path / "day")
        assert lab.commits() == []


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("tube_id", None, r"tube_id: must not be null \(rows 250\)"),
        ("sample_id", None, r"sample_id: must not be null \(rows 250\)"),
        ("slot", 0, r"slot: must be at least 1, found 0 \(rows 250\)"),
    ],
)
def test_a_missing_value_is_named_as_in_one_piece(tmp_path, column, value, what):
    day = poolkit.simulate_day(300, 0.05, seed=10).day
    rows = day.samples.to_pylist()
    rows[250][column] = value
    loose = pa.schema([field.with_nullable(True) for field in SAMPLES.schema])
    poolkit.write_day(day, tmp_path / "day")
    path = tmp_path / "day" / "samples.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=loose), path, row_group_size=100)
    with poolkit.Lab.open(tmp_path / "store") as lab, pytest.raises(SchemaError, match=what):
        lab.run(tmp_path / "day")


def test_naive_times_are_refused_as_in_one_piece(tmp_path):
    day = poolkit.simulate_day(300, 0.05, seed=11).day
    naive = day.samples["collected_at"].cast(pa.timestamp("us"))
    poolkit.write_day(day, tmp_path / "day")
    samples = day.samples.set_column(3, "collected_at", naive)
    pq.write_table(samples, tmp_path / "day" / "samples.parquet", row_group_size=100)
    with (
        poolkit.Lab.open(tmp_path / "store") as lab,
        pytest.raises(SchemaError, match="collected_at: needs a time zone"),
    ):
        lab.run(tmp_path / "day")


def test_a_broken_row_is_named_as_in_one_piece(tmp_path):
    def broken(rows):
        rows[250]["kind"] = "dog"

    day = with_rows(poolkit.simulate_day(300, 0.05, seed=8).day, broken)
    write(day, tmp_path / "day", 100)
    with poolkit.Lab.open(tmp_path / "store") as lab:
        with pytest.raises(SchemaError, match=r"kind: must be one of .*, found 'dog' \(rows 250\)"):
            lab.run(tmp_path / "day")
        assert lab.commits() == []
        assert list((tmp_path / "store" / "segments").iterdir()) == []
