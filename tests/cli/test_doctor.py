"""`poolkit doctor`, and verbs over a copy or with the data elsewhere: exit codes and what is put right."""

import shutil
from pathlib import Path

from tests.cli.commands import document, poolkit
from tests.cli.conftest import Lab


def test_a_store_in_which_all_fits(lab: Lab) -> None:
    assert document("doctor", "--store", lab.store) == []
    assert "0 things" in poolkit("doctor", "--store", lab.store).stdout


def test_an_orphan_is_listed_and_removed_when_asked(lab: Lab, tmp_path: Path) -> None:
    store = Path(shutil.copytree(lab.store, tmp_path / "store"))
    orphan = store / "segments" / ".0123456789abcdef.partial"
    orphan.mkdir()
    (row,) = document("doctor", "--store", store)
    assert (row["kind"], row["path"], row["fixed"]) == ("orphan", f"segments/{orphan.name}", False)
    assert orphan.exists()
    assert "yes" in poolkit("doctor", "--store", store, "--fix").stdout
    assert not orphan.exists()
    assert document("doctor", "--store", store) == []


def test_a_missing_segment_gives_exit_code_1(lab: Lab, tmp_path: Path) -> None:
    store = Path(shutil.copytree(lab.store, tmp_path / "store"))
    lost = next(store.glob("segments/*/results-*.parquet"))
    lost.unlink()
    (row,) = document("doctor", "--store", store, status=1)
    assert (row["kind"], row["path"]) == ("missing", lost.relative_to(store).as_posix())
    assert document("doctor", "--store", store, "--fix", status=1) == [row]


def test_a_copy_without_its_ledger_is_read(lab: Lab, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(lab.store, tmp_path / "copy", ignore=shutil.ignore_patterns("ledger.sqlite*", "lock")))
    given = ("--store", copy, "--read-only")
    assert document("orders", *given) == document("orders", "--store", lab.store)
    assert document("findings", *given) == document("findings", "--store", lab.store)
    out = tmp_path / "results.csv"
    results = document("results", *given, "--out", out)
    sample = out.read_text(encoding="utf-8").splitlines()[1].partition(",")[0].strip('"')
    assert results == document("results", "--store", lab.store, "--out", out)
    assert document("trace", sample, *given) == document("trace", sample, "--store", lab.store)
    assert not list(copy.glob("ledger.sqlite*"))


def test_data_that_stands_elsewhere(lab: Lab, tmp_path: Path) -> None:
    given = ("--store", tmp_path / "store", "--data", tmp_path / "data")
    assert document("run", lab.folder / "day", *given)["commit"] == 1
    assert document("doctor", *given) == []
    assert (tmp_path / "data" / "segments").is_dir()
    assert not (tmp_path / "store" / "segments").exists()
    refused = document("doctor", "--store", tmp_path / "store", status=2)
    assert refused["error"]["kind"] == "TraceError"
