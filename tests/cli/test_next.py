"""`poolkit plate --design` and `poolkit next`: tubes are mixed by a design, and what is open follows its next stage."""

from pathlib import Path

import pyarrow as pa

import poolkit as library
from poolkit.formats import read_day, write_table
from poolkit.schemas import ORDERS, Day
from tests.cli.commands import document, poolkit

QUIET = library.Failures.none()


def read_plates(folder: Path, before: Day, truth: pa.Table, seed: int) -> Day:
    """Write the readings of the plates of a folder into it; return everything so far."""
    new = read_day(folder)
    tables = {
        name: pa.concat_tables([getattr(before, name), getattr(new, name).cast(getattr(before, name).schema)])
        for name in ("samples", "wells", "pools", "members")
    }
    so_far = Day(**tables, runs=before.runs)
    read = library.simulate_evening(so_far, truth, ORDERS.empty(), seed, failures=QUIET)
    write_table(read.readings, folder / "readings.parquet")
    write_table(read.runs, folder / "runs.parquet")
    return Day(**tables, runs=pa.concat_tables([before.runs, read.runs.cast(before.runs.schema)]))


def test_a_day_by_a_design_from_tubes_to_results(tmp_path: Path) -> None:
    made = library.simulate_day(180, 0.04, 5, pooling="single", failures=QUIET)
    empty = Day(samples=made.day.samples.slice(0, 0), runs=made.day.runs.slice(0, 0))
    day = tmp_path / "day"
    day.mkdir()
    write_table(made.day.samples, day / "samples.parquet")
    said = document("plate", day, "--design", "hierarchical-9-3-1")
    assert (said["pools"], said["pooled_samples"]) == (20, 180)
    so_far = read_plates(day, empty, made.truth, 1)
    first = document("run", day, "--store", tmp_path / "store")
    assert first["orders"]["retest"] % 9 == 0
    rounds = 0
    while (said := document("next", "--store", tmp_path / "store", "--out", tmp_path / f"next{rounds}"))["plates"]:
        shown = poolkit("next", "--store", tmp_path / "store", "--out", tmp_path / f"shown{rounds}").stdout
        assert "tubes alone" in shown
        so_far = read_plates(tmp_path / f"next{rounds}", so_far, made.truth, 2 + rounds)
        assert (said["pools"] > 0) == (rounds == 0)
        document("run", tmp_path / f"next{rounds}", "--store", tmp_path / "store")
        rounds += 1
    assert rounds == 2
    assert (
        "Nothing is to be put on a plate"
        in poolkit("next", "--store", tmp_path / "store", "--out", tmp_path / "none").stdout
    )
    with library.Lab.open(tmp_path / "store") as lab:
        assert set(lab.results()["status"].to_pylist()) == {"negative", "positive"}


def test_what_plate_refuses_of_a_design(tmp_path: Path) -> None:
    made = library.simulate_day(50, 0.0, 5, pooling="single", failures=QUIET)
    write_table(made.day.samples, tmp_path / "samples.parquet")
    both = poolkit("plate", tmp_path, "--pool", 5, "--design", "array-5x5", status=2).stderr
    assert "--pool, --design: expected one of the two" in both
    too_large = poolkit("plate", tmp_path, "--design", "hypercube-3-3-master", status=2).stderr
    assert "27" in too_large
    unknown = poolkit("plate", tmp_path, "--design", "aray-5x5", status=2).stderr
    assert "did you mean array-" in unknown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples.parquet"]


def test_next_writes_into_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    store = tmp_path / "store"
    library.Lab.open(store).close()
    refused = poolkit("next", "--store", store, "--out", tmp_path / "full", status=2).stderr
    assert "full" in refused
