"""Real instrument exports through a day folder: the pooled plate of CERI-KRISP to its results, the others to readings.

The KRISP workbook names its wells by sample: a mixture of 27 swabs and two controls. Who the 27 are stands in the list
of sample ids beside it; when they were swabbed does not, so the day before the run is taken.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from python_calamine import CalamineWorkbook

import poolkit
from poolkit.schemas import MEMBERS, POOLS, SAMPLES, WELLS, Day

PROTOCOL = Path(__file__).parents[1] / "golden/krisp/protocol.toml"
EXPORT = "data/krisp/SARS-CoV-2_pooled_results01.xlsx"
NAMED = "data/krisp/SARS-CoV-2_pooled_results01-SampleIds.xlsx"
PLATE = Path(EXPORT).stem
POOL = "Pool (n=27)"
# The spelling is the file's.
CONTENT = {POOL: "specimen", "Postive Control": "positive_control", "Negative Control": "negative_control"}


def as_shown(path: Path) -> dict[tuple[str, str], float | None]:
    """The cells of the sheet Results, by well and target."""
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Results").to_python()
    start = next(at for at, row in enumerate(rows) if row[0] == "Well")
    position, target, ct = (rows[start].index(name) for name in ("Well Position", "Target", "Cq"))
    cells = {(f"{row[position][0]}{int(row[position][1:]):02}", row[target]): row[ct] for row in rows[start + 1 :]}
    return {key: None if cell == "Undetermined" else cell for key, cell in cells.items()}


def day_folder(shared: Path, folder: Path) -> list[str]:
    """Write the registrations and the plate map that the two workbooks give, and put the export beside them."""
    listed = CalamineWorkbook.from_path(shared / NAMED).get_sheet_by_index(0).to_python()
    people = [(row[1], row[2]) for row in listed[1:] if row[2]]
    sample = {"site_id": "KRISP", "collected_at": datetime(2020, 11, 23, 8, tzinfo=UTC), "kind": "person", "slot": 1}
    samples = [sample | {"sample_id": number, "subject_id": who, "tube_id": f"{number}-T"} for number, who in people]
    pool = {"pool_id": POOL, "formed": "laboratory", "n_members": len(people), "stage": 1}
    members = [{"pool_id": POOL, "sample_id": name, "slot": at} for at, (name, _) in enumerate(people, 1)]
    wells = [
        {"plate_id": PLATE, "well": row["well"], "content": CONTENT[row["sample_name"]]}
        | ({"specimen_id": POOL} if row["sample_name"] == POOL else {})
        for row in poolkit.read_instrument(shared / EXPORT).names.to_pylist()
    ]
    day = Day(
        samples=pa.Table.from_pylist(samples, schema=SAMPLES.schema),
        wells=pa.Table.from_pylist(wells, schema=WELLS.schema),
        pools=pa.Table.from_pylist([pool], schema=POOLS.schema),
        members=pa.Table.from_pylist(members, schema=MEMBERS.schema),
    )
    poolkit.write_day(day, folder, suffix=".csv")
    (folder / "readings.csv").unlink()
    (folder / "instruments").mkdir()
    shutil.copyfile(shared / EXPORT, folder / "instruments" / Path(EXPORT).name)
    return [name for name, _ in people]


def test_the_pooled_plate_end_to_end(shared: Path, tmp_path: Path) -> None:
    people = day_folder(shared, tmp_path / "day")
    assert len(people) == 27
    with poolkit.Lab.open(tmp_path / "store") as lab:
        commit = lab.run(tmp_path / "day", protocol=PROTOCOL)
        assert commit.computed_at == datetime(2020, 11, 24, 14, 20, 35, tzinfo=UTC)
        kept = lab.table("readings").to_pylist()
        expected = as_shown(shared / EXPORT)
        assert len(kept) == len(expected) == 12
        assert {(row["well"], row["target"]): row["ct_cycles"] for row in kept} == expected
        # The controls are as the workbook's own sheet Control Status has them, and so is the pool: not detected.
        assert [(row["specimen_id"], row["call"]) for row in lab.table("calls").to_pylist()] == [(POOL, "negative")]
        results = lab.results().to_pylist()
        assert {row["sample_id"] for row in results} == set(people)
        assert {row["status"] for row in results} == {"negative"}
        (run,) = lab.table("runs").to_pylist()
        assert (run["plate_id"], run["source_file"]) == (PLATE, Path(EXPORT).name)
        assert {row["evidence"] for row in results} == {f"{POOL}/{run['run_id']}/A01"}
        assert lab.findings().num_rows == 0
        assert lab.orders().num_rows == 0
        read = [row["detail"] for row in lab.trace(people[0]).to_pylist() if row["step"] == "read"]
        assert len(read) == 1
        assert "MS2 26.39" in read[0]
        assert Path(EXPORT).name in read[0]
        assert lab.run(tmp_path / "day", protocol=PROTOCOL).repeated


def test_the_control_that_the_protocol_calls_negative_must_be_so(shared: Path, tmp_path: Path) -> None:
    """With the two controls exchanged on the plate map the same export clears nobody."""
    day_folder(shared, tmp_path / "day")
    path = tmp_path / "day/wells.csv"
    text = path.read_text(encoding="utf-8")
    swapped = text.replace("positive_control", "?").replace("negative_control", "positive_control")
    path.write_text(swapped.replace("?", "negative_control"), encoding="utf-8")
    with poolkit.Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day", protocol=PROTOCOL)
        assert lab.table("calls")["reasons"].to_pylist() == [["plate_controls"]]
        assert set(lab.results()["status"].to_pylist()) == {"pending"}
        assert lab.orders()["action"].to_pylist() == ["rerun"] * 27
        (found,) = lab.findings().to_pylist()
        assert found["kind"] == "plate_controls"
        assert "negative_control in A02" in found["message"]
        assert "positive_control in A03" in found["message"]


def quantstudio(shared: Path) -> list[Path]:
    return sorted((shared / "data/quantstudio").iterdir())


def test_every_other_export_reads_into_a_day(shared: Path, tmp_path: Path) -> None:
    exports = quantstudio(shared)
    assert len(exports) == 5
    total = 0
    for export in exports:
        folder = tmp_path / export.stem
        day_folder(shared, folder)
        shutil.rmtree(folder / "instruments")
        (folder / "instruments").mkdir()
        shutil.copyfile(export, folder / "instruments" / export.name)
        alone, day = poolkit.read_instrument(export), poolkit.read_day(folder)
        assert day.runs is not None
        assert day.runs.to_pylist() == alone.runs.to_pylist()
        assert day.readings.to_pylist() == alone.readings.to_pylist()
        total += day.readings.num_rows
    assert total == 77 + 143 + 16 + 2 + 168


def test_all_exports_in_one_folder(shared: Path, tmp_path: Path) -> None:
    """The KRISP day keeps its results among five foreign plates, whose readings are found to stand nowhere."""
    people = day_folder(shared, tmp_path / "day")
    for export in quantstudio(shared):
        shutil.copyfile(export, tmp_path / "day/instruments" / export.name)
    day = poolkit.read_day(tmp_path / "day")
    assert day.runs is not None
    assert day.runs.num_rows == 6
    assert day.readings.num_rows == 12 + 406
    with poolkit.Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day", protocol=PROTOCOL)
        results = lab.results().to_pylist()
        assert {row["sample_id"]: row["status"] for row in results} == dict.fromkeys(people, "negative")
        foreign = {row["run_id"] for row in day.runs.to_pylist() if row["plate_id"] != PLATE}
        found = lab.findings().to_pylist()
        wells = {(row["run_id"], row["well"]) for row in day.readings.to_pylist() if row["run_id"] in foreign}
        assert {row["kind"] for row in found} == {"well_not_mapped"}
        assert sorted(tuple(row["ids"]) for row in found) == sorted(wells)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_half_an_export_is_refused_and_nothing_is_kept(shared: Path, tmp_path: Path, cut: float) -> None:
    day_folder(shared, tmp_path / "day")
    path = tmp_path / "day/instruments" / Path(EXPORT).name
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    with poolkit.Lab.open(tmp_path / "store") as lab:
        with pytest.raises(poolkit.FormatError, match="cannot be opened") as caught:
            lab.run(tmp_path / "day", protocol=PROTOCOL)
        assert str(path) in str(caught.value)
        assert lab.commits() == []
        path.write_bytes(data)
        assert not lab.run(tmp_path / "day", protocol=PROTOCOL).repeated
