"""`poolkit plate`: tubes that stand in no well get one, and nothing that is there changes."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

import poolkit as library
from poolkit.formats import read_part, write_table
from poolkit.schemas import MEMBERS, POOLS, SAMPLES, WELLS
from tests.cli.commands import document, poolkit


def registered(folder: Path, n: int, suffix: str, *, pooling: str = "collection") -> pa.Table:
    """Write a folder that holds only registrations."""
    samples = library.simulate_day(n, 0.01, 3, pooling=pooling).day.samples
    folder.mkdir(parents=True, exist_ok=True)
    write_table(samples, folder / f"samples{suffix}")
    return samples


def specimens(folder: Path) -> list[str]:
    wells = read_part(folder, WELLS)
    assert wells is not None
    return [each for each in wells["specimen_id"].to_pylist() if each is not None]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_plate_then_run(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "a day"
    samples = registered(folder, 950, suffix)
    tubes = list(dict.fromkeys(samples["tube_id"].to_pylist()))
    said = document("plate", folder)
    assert (folder / f"wells{suffix}").is_file()
    assert specimens(folder) == tubes
    assert (said["plates"], said["specimens"], said["wells"]["negative_control"]) == (2, len(tubes), 4)
    assert said["plate_ids"] == sorted(set(read_part(folder, WELLS)["plate_id"].to_pylist()))
    ran = document("run", folder, "--store", tmp_path / "store")
    assert ran["results"] == {"pending": 950}
    assert ran["findings"] == {"well_not_read": len(tubes)}


def test_plate_again_adds_only_what_is_new(tmp_path: Path) -> None:
    registered(tmp_path, 300, ".csv")
    first = document("plate", tmp_path)
    before = (tmp_path / "wells.csv").read_bytes()
    assert "stands in a well already" in poolkit("plate", tmp_path).stdout
    assert (tmp_path / "wells.csv").read_bytes() == before
    early = read_part(tmp_path, SAMPLES)
    late = library.simulate_day(120, 0.0, 9, date="2022-04-02").day.samples
    write_table(pa.concat_tables([early.cast(SAMPLES.schema), late.cast(SAMPLES.schema)]), tmp_path / "samples.csv")
    second = document("plate", tmp_path)
    assert (tmp_path / "wells.csv").read_bytes().startswith(before)
    assert second["specimens"] == len(set(late["tube_id"].to_pylist()))
    assert not set(first["plate_ids"]) & set(second["plate_ids"])
    assert len(specimens(tmp_path)) == first["specimens"] + second["specimens"]


def test_folders_of_one_day_get_plates_of_their_own(tmp_path: Path) -> None:
    samples = registered(tmp_path, 100, ".csv")
    shifts = {name: tmp_path / name for name in ("early", "late")}
    for name, rows in (("early", samples.slice(0, 50)), ("late", samples.slice(50))):
        shifts[name].mkdir()
        write_table(rows, shifts[name] / "samples.csv")
    early, late = (document("plate", folder)["plate_ids"] for folder in shifts.values())
    assert not set(early) & set(late)


def test_the_same_folder_gives_the_same_plates(tmp_path: Path) -> None:
    registered(tmp_path / "one", 100, ".parquet")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert document("plate", tmp_path / "one") == document("plate", tmp_path / "two")
    files = [(tmp_path / name / "wells.parquet").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_seed_and_size(tmp_path: Path) -> None:
    registered(tmp_path, 300, ".csv")
    shutil.copytree(tmp_path, tmp_path / "copy")
    said = document("plate", tmp_path, "--wells", 384, "--seed", 7)
    assert (said["plates"], sum(said["wells"].values()), said["seed"]) == (1, 384, 7)
    other = document("plate", tmp_path / "copy", "--wells", 384, "--seed", 8)
    assert other["wells"] == said["wells"]
    assert (tmp_path / "wells.csv").read_bytes() != (tmp_path / "copy" / "wells.csv").read_bytes()


def test_laboratory_pooling_end_to_end(tmp_path: Path) -> None:
    made = tmp_path / "made"
    words = ("--samples", 400, "--prevalence", 0.01, "--seed", 4, "--pooling", "single", "--format", "csv")
    poolkit("simulate", *words, "--out", made)
    folder = tmp_path / "lab"
    folder.mkdir()
    shutil.copy(made / "day" / "samples.csv", folder)
    said = document("plate", folder, "--pool", 10)
    pools, members = read_part(folder, POOLS), read_part(folder, MEMBERS)
    assert said["pools"] == pools.num_rows == said["specimens"]
    assert said["pooled_samples"] == members.num_rows == 400
    assert set(pools["formed"].to_pylist()) == {"laboratory"}
    assert specimens(folder) == pools["pool_id"].to_pylist()
    ran = document("run", folder, "--store", tmp_path / "store")
    assert ran["results"] == {"pending": 400}
    assert ran["errors"] == 0
    assert "single tubes mixed into" not in poolkit("plate", folder, "--pool", 10).stdout


def test_swabs_taken_again_and_shared_tubes_are_not_mixed(tmp_path: Path) -> None:
    samples = library.simulate_day(60, 0.0, 1, pooling="single").day.samples.to_pylist()
    samples[0]["recollect_of"] = "an earlier one"
    samples[2]["tube_id"], samples[2]["slot"] = samples[1]["tube_id"], 2
    write_table(pa.Table.from_pylist(samples, schema=SAMPLES.schema), tmp_path / "samples.parquet")
    said = document("plate", tmp_path, "--pool", 5)
    assert said["pooled_samples"] == 57
    assert specimens(tmp_path)[-2:] == [samples[0]["tube_id"], samples[1]["tube_id"]]


def test_a_pool_larger_than_the_protocol_allows(tmp_path: Path) -> None:
    registered(tmp_path, 50, ".csv", pooling="single")
    done = poolkit("plate", tmp_path, "--pool", 11, status=2)
    assert "11 is more than cn-10in1-2020@1 allows" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["samples.csv"]


def test_a_folder_of_nobody_gets_an_empty_file(tmp_path: Path) -> None:
    write_table(SAMPLES.empty(), tmp_path / "samples.parquet")
    assert document("plate", tmp_path)["plates"] == 0
    assert read_part(tmp_path, WELLS).num_rows == 0
