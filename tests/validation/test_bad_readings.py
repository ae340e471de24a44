"""Times, runs and readings that do not add up: nothing becomes negative by it, and the finding says where."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poolkit import FormatError, SchemaError
from tests.validation.bench import (
    AS_IT_IS,
    EVERYBODY,
    IN_T1,
    IN_T2,
    IN_T3,
    NEGATIVE,
    POSITIVE,
    Handed,
    Keeper,
    as_parquet,
    later,
    read_well,
    reading,
    run_of,
)

UNREAD_T1 = AS_IT_IS | dict.fromkeys(IN_T1, "pending")
RERUN = ("rerun", "invalid_pool")


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def naive(day: Handed, hours: int = 0) -> Handed:
    for row in (*day.samples, *day.runs):
        for name in {"collected_at", "started_at", "ended_at"} & set(row):
            later(row, name, timedelta(hours=hours))
            row[name] = row[name].removesuffix("+00:00")
    return day


def test_times_without_an_offset(keeper: Keeper, tmp_path: Path) -> None:
    folder = naive(Handed()).write(tmp_path / "day")
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{folder / 'samples.csv'}: cannot be read, 14 problem(s):")
    expected = "expected a time with an offset as 2022-04-01T08:30:00+08:00 (or name the zone)"
    assert f"line 3, collected_at: {expected}, found '2022-04-01T08:02:00'" in words


def test_times_of_a_named_zone(keeper: Keeper, tmp_path: Path) -> None:
    folder = naive(Handed(), hours=8).write(tmp_path / "day")
    taken = keeper.take(folder, zone="Asia/Shanghai")
    assert taken.status == AS_IT_IS
    assert taken.commit.computed_at == datetime(2022, 4, 1, 13, 30, tzinfo=UTC)


def test_a_zone_that_does_not_exist(keeper: Keeper, tmp_path: Path) -> None:
    folder = naive(Handed()).write(tmp_path / "day")
    words = keeper.refuse(folder, FormatError, zone="China/Wuhan")
    assert "zone: expected an IANA name as Asia/Shanghai, found 'China/Wuhan'" in words


def test_one_time_without_an_offset_among_others(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.sample("S02")["collected_at"] = "2022-04-01T08:02:00"
    folder = day.write(tmp_path / "day")
    assert "1 problem(s):\n  - line 3, collected_at: expected a time with an offset" in keeper.refuse(
        folder, FormatError
    )
    words = keeper.refuse(folder, FormatError, zone="Asia/Shanghai")
    assert "13 problem(s)" in words
    assert "line 2, collected_at: expected a time without an offset, as the zone was named" in words


@pytest.mark.parametrize("cell", ["01/04/2022 08:02", "2022-13-01T08:02:00+00:00", "8 o'clock", "44652.33"])
def test_a_time_that_is_none(keeper: Keeper, tmp_path: Path, cell: str) -> None:
    day = Handed()
    day.sample("S02")["collected_at"] = cell
    words = keeper.refuse(day.write(tmp_path / "day"), FormatError)
    assert "1 problem(s):\n  - line 3, collected_at: expected a time as 2022-04-01T08:30:00+08:00, found" in words
    assert cell in words


def test_naive_times_in_parquet(keeper: Keeper, tmp_path: Path) -> None:
    folder = Handed().write(tmp_path / "day")
    as_parquet(folder)
    path = folder / "samples.parquet"
    rows = pq.read_table(path)
    at = rows.column_names.index("collected_at")
    pq.write_table(rows.set_column(at, "collected_at", rows["collected_at"].cast(pa.timestamp("us"))), path)
    words = keeper.refuse(folder, SchemaError)
    assert f"{path}: not a 'samples' batch" in words
    assert "collected_at: needs a time zone, found naive times" in words


def test_a_swab_taken_after_its_tube_was_read(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.sample("S02")["collected_at"] = "2022-04-01T14:00:00+00:00"
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == UNREAD_T1
    assert taken.findings == {("collected_after_run", "T1", "R1"): "error"}
    assert {taken.results[sample]["evidence"] for sample in IN_T1} == {None}


def test_a_run_that_ends_after_the_moment(keeper: Keeper, tmp_path: Path) -> None:
    folder = Handed().write(tmp_path / "day")
    taken = keeper.take(folder, at=datetime(2022, 4, 1, 13, 29, 59, tzinfo=UTC))
    assert set(taken.status.values()) == {"pending"}
    assert taken.findings[("result_before_run_end", "R1")] == "error"
    assert taken.calls.keys().isdisjoint({("R1", "A01")})


def test_the_same_folder_once_its_run_has_ended(keeper: Keeper, tmp_path: Path) -> None:
    """A folder handed in too early is not thereby done: later it settles, and only then nothing more comes of it."""
    folder = Handed().write(tmp_path / "day")
    early, end = datetime(2022, 4, 1, 13, 0, tzinfo=UTC), datetime(2022, 4, 1, 13, 30, tzinfo=UTC)
    first = keeper.take(folder, at=early)
    assert set(first.status.values()) == {"pending"}
    assert keeper.again(folder, at=early)
    assert keeper.take(folder, at=end).status == AS_IT_IS
    assert keeper.again(folder, at=end)
    assert keeper.again(folder)


@pytest.mark.parametrize(("cell", "found"), [("-3", "-3.0"), ("1e9", "1000000000.0"), ("inf", "inf"), ("60.5", "60.5")])
def test_a_ct_out_of_range(keeper: Keeper, tmp_path: Path, cell: str, found: str) -> None:
    day = Handed()
    day.readings[1]["ct_cycles"] = cell
    folder = day.write(tmp_path / "day")
    words = keeper.refuse(folder, SchemaError)
    assert f"{folder / 'readings.csv'}: not a 'readings' batch" in words
    assert f"ct_cycles: must be between 0 and 60, found {found} (rows 1)" in words


@pytest.mark.parametrize("ct", [-3.0, 1e9, float("inf"), float("-inf"), float("nan")])
def test_a_ct_out_of_range_in_parquet(keeper: Keeper, tmp_path: Path, ct: float) -> None:
    folder = Handed().write(tmp_path / "day")
    as_parquet(folder)
    path = folder / "readings.parquet"
    rows = pq.read_table(path)
    cts = rows["ct_cycles"].to_pylist()
    cts[4] = ct
    at = rows.column_names.index("ct_cycles")
    pq.write_table(rows.set_column(at, "ct_cycles", pa.array(cts, pa.float64())), path)
    words = keeper.refuse(folder, SchemaError)
    assert f"{path}: not a 'readings' batch" in words
    assert f"ct_cycles: must be between 0 and 60, found {ct} (rows 4)" in words


@pytest.mark.parametrize("cell", ["abc", "26,5", "Undetermined", "24.5 "])
def test_a_ct_that_is_no_number(keeper: Keeper, tmp_path: Path, cell: str) -> None:
    day = Handed()
    day.readings[1]["ct_cycles"] = cell
    if cell == "24.5 ":
        # Blanks about a number are no harm: T1 then shows one of its two targets.
        assert keeper.take(day.write(tmp_path / "day")).calls["R1", "A01"]["reasons"] == ["single_target"]
        return
    words = keeper.refuse(day.write(tmp_path / "day"), FormatError)
    assert f"1 problem(s):\n  - line 3, ct_cycles: expected a number, found '{cell}'" in words


def test_an_unknown_target(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.readings.append(reading("R1", "A01", "RdRP", "20.0"))
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {("unknown_target", "RdRP"): "warning"}
    assert "1 readings of RdRP not used; expected ORF1ab, N, RNaseP" in taken.messages


def test_a_target_spelt_otherwise_clears_nobody(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    for row in day.readings:
        row["target"] = row["target"].replace("ORF1ab", "ORF1AB")
    taken = keeper.take(day.write(tmp_path / "day"))
    assert set(taken.status.values()) == {"pending"}
    assert set(taken.orders.values()) == {RERUN, ("rerun", "invalid_single")}
    assert taken.findings == {("unknown_target", "ORF1AB"): "warning", ("plate_controls", "R1"): "warning"}


def test_a_reading_of_an_unmapped_well(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.readings += read_well("R1", "H12", POSITIVE) + read_well("R7", "A01", POSITIVE)
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {("well_not_mapped", "R1", "H12"): "error", ("well_not_mapped", "R7", "A01"): "error"}


def test_a_mapped_well_without_a_reading(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.readings = [row for row in day.readings if row["well"] != "A01"]
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == UNREAD_T1
    assert taken.orders.keys().isdisjoint(IN_T1)
    assert taken.findings == {("well_not_read", "P1", "A01", "T1"): "warning"}


def test_a_well_with_half_of_its_readings(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    del day.readings[1]
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == UNREAD_T1
    assert taken.calls["R1", "A01"]["reasons"] == ["target_missing"]
    assert {taken.orders[sample] for sample in IN_T1} == {RERUN}


@pytest.mark.parametrize("ct", ["", "36.0"])
def test_a_reading_twice(keeper: Keeper, tmp_path: Path, ct: str) -> None:
    day = Handed()
    day.readings.append(reading("R1", "A01", "N", ct))
    taken = keeper.take(day.write(tmp_path / "day"))
    ids = ("duplicate_reading", "R1", "A01", "N")
    if ct:
        assert taken.status == UNREAD_T1
        assert taken.calls["R1", "A01"]["reasons"] == ["conflicting_readings"]
        assert taken.findings == {ids: "error"}
        assert {taken.orders[sample] for sample in IN_T1} == {RERUN}
    else:
        assert taken.status == AS_IT_IS
        assert taken.findings == {ids: "warning"}


@pytest.mark.parametrize("well", ["D01", "E01", "G01"])
def test_a_negative_control_or_blank_that_is_positive(keeper: Keeper, tmp_path: Path, well: str) -> None:
    day = Handed()
    day.read(well, ("39.5", "", ""))
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == dict.fromkeys(EVERYBODY, "pending")
    assert {row["call"] for key, row in taken.calls.items() if key[0] == "R1"} == {"invalid"}
    assert taken.findings == {("plate_controls", "R1"): "warning"}
    assert f" in {well} does not show what it must" in taken.messages


@pytest.mark.parametrize("well", ["D01", "F01", "G01"])
@pytest.mark.parametrize("how", ["not mapped", "not read", "empty"])
def test_a_control_that_is_missing(keeper: Keeper, tmp_path: Path, well: str, how: str) -> None:
    day = Handed()
    content = next(row["content"] for row in day.wells if row["well"] == well)
    if how == "not mapped":
        day.wells = [row for row in day.wells if row["well"] != well]
    if how == "empty":
        next(row for row in day.wells if row["well"] == well)["content"] = "empty"
    day.readings = [row for row in day.readings if row["well"] != well]
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == dict.fromkeys(EVERYBODY, "pending")
    assert taken.findings == {("plate_controls", "R1"): "warning"}
    lacking = f"{content} in {well} does not show" if how == "not read" else f"fewer than {2 if well == 'D01' else 1}"
    assert lacking in taken.messages


def test_a_plate_read_twice(keeper: Keeper, tmp_path: Path) -> None:
    """The second time T1 reads positive and T2 negative: both are suspect, whichever came first."""
    day = Handed()
    day.runs.append(run_of("R2", "P1", "15:00", "16:30"))
    again = [row | {"run_id": "R2"} for row in day.readings if row["well"] not in ("A01", "B01")]
    day.readings += again + read_well("R2", "A01", POSITIVE) + read_well("R2", "B01", NEGATIVE)
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == dict.fromkeys(IN_T1 + IN_T2, "suspect") | dict.fromkeys(IN_T3, "negative")
    assert {taken.results[sample]["evidence"] for sample in IN_T1} == {"T1/R2/A01"}
    assert {taken.results[sample]["evidence"] for sample in IN_T2} == {"T2/R1/B01"}
    assert taken.findings == {}


def test_a_run_twice(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.runs.append(dict(day.runs[0]))
    words = keeper.refuse(day.write(tmp_path / "day"), SchemaError)
    assert "not a 'runs' batch" in words
    assert "run_id: duplicate key R1 (rows 0, 1)" in words


def test_the_instrument_s_own_file_handed_in_again_with_another_ct(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    keeper.take(day.write(tmp_path / "day"))
    day.read("A01", POSITIVE)
    taken = keeper.take(day.write(tmp_path / "day again"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {("changed_run", "R1"): "error"}
