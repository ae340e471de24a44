"""Stores that were damaged, and folders handed in again: the error names the file, or nothing changes."""

import shutil
import sqlite3
from pathlib import Path

import pytest

import poolkit
from poolkit import TraceError
from tests.trace.days import Days


def test_leftovers_of_a_crash_are_cleaned_by_the_next_run_of_the_folder(days: Days) -> None:
    store = days.copy("leftovers")
    name = next(path for path in sorted(days.names) if not (store / path).exists()).split("/")[1]
    for folder in (f".{name}.partial", name):
        (store / "segments" / folder).mkdir()
        (store / "segments" / folder / "results.parquet").write_bytes(b"PAR1 half of")
    assert days.is_at_the_last_commit(store) is False
    days.is_whole_after_another_run(store)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (99, "schema version: expected at most 3, found 99; a newer poolkit wrote this store"),
        (1, "schema version: expected 3, found 1; no released poolkit wrote this store, make it anew"),
    ],
)
def test_a_store_of_another_schema_is_let_alone(days: Days, version: int, says: str) -> None:
    store = days.copy(f"of schema {version}")
    with sqlite3.connect(store / "ledger.sqlite") as ledger:
        changed = ledger.execute("UPDATE store SET value = ? WHERE name = 'schema_version'", [str(version)])
        assert changed.rowcount == 1
    ledger.close()
    with pytest.raises(TraceError, match="the store cannot be read") as caught:
        poolkit.Lab.open(store)
    assert says in str(caught.value)


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="not a store") as caught:
        poolkit.Lab.open(tmp_path / "nowhere", create=False)
    assert "ledger.sqlite: expected a ledger, found none" in str(caught.value)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TraceError, match="not a store"):
        poolkit.Lab.open(tmp_path / "file")


def test_a_ledger_that_is_none(days: Days) -> None:
    store = days.copy("overwritten")
    (store / "ledger.sqlite").write_bytes(b"sample_id,subject_id\n" * 1000)
    with pytest.raises(TraceError, match="could not open the ledger") as caught:
        poolkit.Lab.open(store)
    assert "file is not a database" in str(caught.value)


@pytest.mark.parametrize("table", ["results", "samples", "calls"])
@pytest.mark.parametrize("share", [None, 0.0, 0.5, 0.95])
def test_a_segment_that_is_missing_or_cut(days: Days, tmp_path: Path, table: str, share: float | None) -> None:
    store = Path(shutil.copytree(days.store, tmp_path / "store"))
    (path,) = (store / "segments").glob(f"*/{table}-*.parquet")
    data = path.read_bytes()
    if share is None:
        path.unlink()
    else:
        path.write_bytes(data[: int(len(data) * share)])
    with poolkit.Lab.open(store) as lab:
        for ask in (lambda: lab.results() if table == "results" else lab.table(table), lambda: lab.run(days.day)):
            with pytest.raises(TraceError, match="the store is broken") as caught:
                ask()
            assert f"{path}: expected {len(data)} bytes of Parquet" in str(caught.value)
        assert len(lab.commits()) == 1
        path.write_bytes(data)
    days.is_whole_after_another_run(store)


def bytes_of(store: Path) -> dict[str, bytes]:
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_the_same_folder_again_changes_nothing(days: Days) -> None:
    store = days.copy("again")
    before = bytes_of(store)
    with poolkit.Lab.open(store) as lab:
        commit = lab.run(days.base)
        assert commit.repeated
        assert commit.commit_id == 1
        assert [each.commit_id for each in lab.commits()] == [1]
    assert bytes_of(store) == before
    moved = Path(shutil.copytree(days.base, days.root / "the same under another name"))
    with poolkit.Lab.open(store) as lab:
        assert lab.run(moved).repeated
    assert bytes_of(store) == before


def test_the_same_folder_by_another_protocol_is_another_commit(days: Days) -> None:
    store = days.copy("by another protocol")
    stricter = poolkit.load_protocol("cn-10in1-2020").revised("1+lab", source="a validation", ct_internal=35.0)
    with poolkit.Lab.open(store) as lab:
        before = lab.results().to_pylist()
        commit = lab.run(days.base, protocol=stricter)
        assert not commit.repeated
        assert commit.protocol == "cn-10in1-2020@1+lab"
        assert [each.protocol for each in lab.commits()] == ["cn-10in1-2020@1", "cn-10in1-2020@1+lab"]
        # What was read stands as it was called; the folder brings no new reading.
        assert commit.summary["calls"] == {}
        assert {row["sample_id"]: row["status"] for row in lab.results().to_pylist()} == {
            row["sample_id"]: row["status"] for row in before
        }
        assert lab.run(days.base, protocol=stricter).repeated
        assert lab.run(days.base).repeated
