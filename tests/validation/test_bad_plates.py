"""Plate maps that do not add up, and tables without rows: everybody has a result, nobody is cleared by it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from poolkit import SchemaError
from tests.validation.bench import (
    AS_IT_IS,
    EVERYBODY,
    IN_T1,
    IN_T2,
    POSITIVE,
    Handed,
    Keeper,
    Row,
    read_well,
    run_of,
)

NOON = datetime(2022, 4, 1, 20, tzinfo=UTC)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def well(name: str, content: str, specimen: str, plate: str = "P1") -> Row:
    return {"plate_id": plate, "well": name, "content": content, "specimen_id": specimen}


def test_a_specimen_that_nobody_registered(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.wells.append(well("H01", "specimen", "T77"))
    day.readings += read_well("R1", "H01", POSITIVE)
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {("unknown_specimen", "T77", "P1/H01"): "error"}
    assert taken.calls["R1", "H01"]["call"] == "positive"


def test_it_counts_once_it_is_registered(keeper: Keeper, tmp_path: Path) -> None:
    """The tube was read in the morning; its registration comes with the next folder."""
    day = Handed()
    late = [row for row in day.samples if row["tube_id"] == "T2"]
    day.samples = [row for row in day.samples if row["tube_id"] != "T2"]
    first = keeper.take(day.write(tmp_path / "day"), 11)
    assert ("unknown_specimen", "T2", "P1/B01") in first.findings
    after = Handed()
    after.samples, after.wells, after.runs, after.readings = late, [], [], []
    taken = keeper.take(after.write(tmp_path / "registered late"))
    assert taken.status == AS_IT_IS
    assert taken.results["S11"]["evidence"] == "T2/R1/B01"


def test_a_specimen_well_without_a_specimen(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.wells[1]["specimen_id"] = ""
    words = keeper.refuse(day.write(tmp_path / "day"), SchemaError)
    assert "not a 'wells' batch" in words
    assert "specimen_id: must not be null where content is specimen (rows 1)" in words


def test_a_well_twice(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.wells.append(well("A01", "specimen", "T3"))
    words = keeper.refuse(day.write(tmp_path / "day"), SchemaError)
    assert "(plate_id, well): duplicate key (P1, A01) (rows 0, 7)" in words


def test_an_unknown_content(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.wells[3]["content"] = "NTC"
    folder = day.write(tmp_path / "day")
    words = keeper.refuse(folder, SchemaError)
    assert f"{folder / 'wells.csv'}: not a 'wells' batch" in words
    assert "content: must be one of specimen, negative_control" in words
    assert "found 'NTC' (rows 3)" in words


@pytest.mark.parametrize("name", ["A1", "a01", "Z99", "A00", "I25", "Q01", "A001", "01A", "A25"])
def test_a_well_that_is_on_no_plate(keeper: Keeper, tmp_path: Path, name: str) -> None:
    day = Handed()
    day.wells[0]["well"] = name
    folder = day.write(tmp_path / "day")
    words = keeper.refuse(folder, SchemaError)
    assert f"{folder / 'wells.csv'}: not a 'wells' batch" in words
    assert "well: must look like [A-P](0[1-9]|1[0-9]|2[0-4])" in words
    assert f"found '{name}' (rows 0)" in words


def test_a_well_of_the_larger_plate(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    for row in (*day.wells, *day.readings):
        row["well"] = {"A01": "P24", "B01": "O23"}.get(row["well"], row["well"])
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    assert taken.results["S01"]["evidence"] == "T1/R1/P24"


def test_a_tube_on_two_plates(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.wells += [row | {"plate_id": "P2"} for row in day.wells]
    day.runs.append(run_of("R2", "P2", "14:00", "15:30"))
    day.readings += [row | {"run_id": "R2"} for row in day.readings]
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS
    # A tube of one sample is that sample.
    assert taken.findings == {("tube_on_two_plates", name, "P1", "P2"): "warning" for name in ("T1", "T2", "S14")}


def test_a_tube_that_never_came(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    day.wells = [row for row in day.wells if row["specimen_id"] != "T1"]
    day.readings = [row for row in day.readings if row["well"] != "A01"]
    taken = keeper.take(day.write(tmp_path / "day"))
    assert taken.status == AS_IT_IS | dict.fromkeys(IN_T1, "pending")
    assert taken.findings == {("tube_not_received", "T1"): "warning"}


def test_a_well_exchanged_in_a_second_folder(keeper: Keeper, tmp_path: Path) -> None:
    keeper.take(Handed().write(tmp_path / "day"))
    day = Handed()
    day.wells[0]["specimen_id"], day.wells[1]["specimen_id"] = "T2", "T1"
    taken = keeper.take(day.write(tmp_path / "day again"))
    assert taken.status == AS_IT_IS
    assert taken.findings == {("changed_well", "P1", "A01"): "error", ("changed_well", "P1", "B01"): "error"}


def empty(day: Handed, *tables: str) -> Handed:
    for name in tables:
        setattr(day, name, [])
    return day


def test_a_day_without_a_row(keeper: Keeper, tmp_path: Path) -> None:
    folder = empty(Handed(), "samples", "wells", "runs", "readings").write(tmp_path / "day")
    taken = keeper.take(folder, 0)
    assert taken.findings == {}
    assert taken.commit.summary["samples"] == 0
    assert keeper.again(folder)


def test_a_day_without_a_row_in_a_new_store(tmp_path: Path) -> None:
    import poolkit  # noqa: PLC0415 - the other tests know a store by its keeper

    folder = empty(Handed(), "samples", "wells", "runs", "readings").write(tmp_path / "day")
    with poolkit.Lab.open(tmp_path / "new") as lab:
        assert lab.run(folder).commit_id == 1
        assert lab.results().num_rows == lab.orders().num_rows == lab.findings().num_rows == 0
        assert lab.run(folder).repeated


def test_nobody_registered(keeper: Keeper, tmp_path: Path) -> None:
    taken = keeper.take(empty(Handed(), "samples").write(tmp_path / "day"), 0)
    assert sorted(taken.findings) == [("unknown_specimen", f"T{k}", f"P1/{'ABC'[k - 1]}01") for k in (1, 2, 3)]


def test_nothing_on_the_plates(keeper: Keeper, tmp_path: Path) -> None:
    taken = keeper.take(empty(Handed(), "wells").write(tmp_path / "day"))
    assert taken.status == dict.fromkeys(EVERYBODY, "pending")
    assert {key for key in taken.findings if key[0] == "tube_not_received"} == {
        ("tube_not_received", tube) for tube in ("T1", "T2", "T3")
    }
    assert {key for key in taken.findings if key[0] != "tube_not_received"} == {
        ("well_not_mapped", "R1", f"{row}01") for row in "ABCDEFG"
    }


@pytest.mark.parametrize("tables", [("readings",), ("readings", "runs")])
def test_nothing_read(keeper: Keeper, tmp_path: Path, tables: tuple[str, ...]) -> None:
    taken = keeper.take(empty(Handed(), *tables).write(tmp_path / "day"))
    assert taken.status == dict.fromkeys(EVERYBODY, "pending")
    assert taken.orders == {}
    assert sorted(taken.findings) == [("well_not_read", "P1", f"{'ABC'[k - 1]}01", f"T{k}") for k in (1, 2, 3)]
    late = keeper.take(Handed().write(tmp_path / "the same with readings"))
    assert late.status == AS_IT_IS
    assert late.orders == dict.fromkeys(IN_T2, ("recollect", "positive_pool"))


def test_no_run_in_the_runs_table(keeper: Keeper, tmp_path: Path) -> None:
    taken = keeper.take(empty(Handed(), "runs").write(tmp_path / "day"))
    assert taken.status == dict.fromkeys(EVERYBODY, "pending")
    assert ("well_not_mapped", "R1", "A01") in taken.findings


def test_no_runs_table_at_all(keeper: Keeper, tmp_path: Path) -> None:
    """Then a run bears the name of its plate and ended now."""
    day = Handed()
    for row in day.readings:
        row["run_id"] = "P1"
    folder = day.write(tmp_path / "day")
    (folder / "runs.csv").unlink()
    taken = keeper.take(folder, at=NOON)
    assert taken.status == AS_IT_IS
    assert taken.results["S01"]["evidence"] == "T1/P1/A01"
    assert taken.results["S01"]["decided_at"] == NOON
