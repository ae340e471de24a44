"""The journal: a copy of a store opens by it alone, at a commit that is whole, and the doctor keeps it up."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from poolkit import Lab, TraceError
from poolkit.trace.record import line_of, record_of
from tests.trace import writer
from tests.trace.days import Days


@pytest.fixture
def whole(days: Days, tmp_path: Path) -> Path:
    """A store of two commits."""
    store = Path(shutil.copytree(days.store, tmp_path / "store"))
    writer.run(store, days.day)
    return store


def lines(store: Path) -> list[bytes]:
    return (store / "ledger.jsonl").read_bytes().splitlines(keepends=True)


def n_commits(store: Path) -> int:
    with Lab.open(store, read_only=True) as lab:
        assert lab.results().num_rows == (0, 100, 220)[len(lab.commits())]
        return len(lab.commits())


def test_a_line_says_what_the_ledger_says(whole: Path) -> None:
    with Lab.open(whole) as lab:
        records = lab._store.ledger.records()
        assert [record_of(line) for line in lines(whole)] == records
        assert [line_of(*record) for record in records] == lines(whole)
        with Lab.open(whole, read_only=True) as copy:
            assert copy.commits() == lab.commits()
            assert copy.results() == lab.results()
            assert copy.orders() == lab.orders()
            sample = lab.results()["sample_id"][0].as_py()
            assert copy.trace(sample) == lab.trace(sample)


def test_reading_only_touches_nothing_but_the_data(whole: Path, days: Days) -> None:
    for path in whole.glob("ledger.sqlite*"):
        path.unlink()
    (whole / "lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert n_commits(whole) == 2
    with Lab.open(whole, read_only=True) as lab:
        for write in (lambda: lab.run(days.folders[2]), lambda: lab.doctor(fix=True)):
            with pytest.raises(TraceError, match="the store is open for reading only"):
                write()
        assert lab.doctor().num_rows == 0
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_a_journal_is_read_up_to_where_it_is_whole(whole: Path) -> None:
    path, (first, second) = whole / "ledger.jsonl", lines(whole)
    told = json.loads(second)
    for broken, expected in [
        (first + second[:-1], 1),
        (first + second[: len(second) // 2], 1),
        (first[:-1], 0),
        (b"", 0),
        (second, 0),
        (first + first, 1),
        (first + json.dumps(told | {"summary": "{}"}).encode() + b"\n", 1),
        (first + json.dumps(told | {"previous": told["head"]}).encode() + b"\n", 1),
        (first + b"[]\n" + second, 1),
        (first + second + b"\n", 2),
        (first + second + second[:20], 2),
    ]:
        path.write_bytes(broken)
        assert n_commits(whole) == expected


def test_a_commit_whose_segments_are_not_all_there_is_not_opened(whole: Path) -> None:
    segment = record_of(lines(whole)[1])[1][0]
    path = whole / segment.path
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert n_commits(whole) == 1
    path.unlink()
    assert n_commits(whole) == 1
    path.write_bytes(data)
    assert n_commits(whole) == 2


def test_no_journal_and_no_name(whole: Path) -> None:
    (whole / "ledger.jsonl").unlink()
    with pytest.raises(TraceError, match="the store cannot be read without its ledger"):
        Lab.open(whole, read_only=True)
    (whole / "store.json").unlink()
    with pytest.raises(TraceError, match="nothing says which store's data this is"):
        Lab.open(whole, read_only=True)
    with pytest.raises(TraceError, match="nothing says which store's data this is"):
        Lab.open(whole)


@pytest.mark.parametrize("kept", [0.0, 0.3, 1.0])
def test_a_line_that_a_crash_left_out_is_written_by_the_next_writer(whole: Path, days: Days, kept: float) -> None:
    first, second = lines(whole)
    (whole / "ledger.jsonl").write_bytes(first + second[: int(kept * (len(second) - 1))])
    with Lab.open(whole) as lab:
        assert lab.doctor().select(["kind", "fixed"]).to_pylist() == [{"kind": "journal", "fixed": False}]
        assert len(lines(whole)) == (1 if kept == 0 else 2)
        lab.run(days.folders[2])
        assert lab.doctor().num_rows == 0
    assert lines(whole)[:2] == [first, second]
    assert len(lines(whole)) == 3


def test_a_store_that_is_copied_while_it_is_written(
    processes: ForkServerContext, days: Days, tmp_path: Path, small: bool
) -> None:
    store = Path(shutil.copytree(days.store, tmp_path / "store"))
    sizes = [sum(100 + 20 * number for number in range(n_days)) for n_days in range(6)]
    child = processes.Process(target=writer.run_all, args=(store, days.folders[1:]))
    child.start()
    seen = []
    for number in range(1000):
        last = not child.is_alive()
        copy = tmp_path / f"copy {number}"
        # Files come and go meanwhile, so that cp may complain.
        subprocess.run(["cp", "-r", str(store), str(copy)], capture_output=True, check=False)
        with Lab.open(copy, read_only=True) as lab:
            seen.append(len(lab.commits()))
            assert lab.results().num_rows == sizes[seen[-1]]
        shutil.rmtree(copy)
        if last:
            break
    child.join()
    assert child.exitcode == 0
    assert seen == sorted(seen)
    assert seen[-1] == 5
    assert len(seen) > 2


def test_the_doctor_names_what_is_wrong_and_touches_nothing_unasked(whole: Path) -> None:
    segments = record_of(lines(whole)[1])[1]
    (whole / "segments" / ".abc.partial").mkdir()
    (whole / "segments" / ".abc.partial" / "results-0000.parquet").write_bytes(b"PAR1 half")
    (whole / "segments" / "fedcba9876543210").mkdir()
    (whole / segments[0].path).with_name("notes.txt").write_bytes(b"of nobody")
    (whole / ".store.json.0.partial").write_bytes(b"{")
    (whole / segments[1].path).write_bytes(b"")
    (whole / segments[2].path).unlink()
    before = sorted(whole.rglob("*"))
    orphans = {
        "segments/.abc.partial",
        "segments/fedcba9876543210",
        ".store.json.0.partial",
        segments[0].path.rpartition("/")[0] + "/notes.txt",
    }
    broken = {("wrong_size", segments[1].path), ("missing", segments[2].path)}
    with Lab.open(whole) as lab:
        rows = lab.doctor().to_pylist()
        assert {(row["kind"], row["path"]) for row in rows} == broken | {("orphan", path) for path in orphans}
        assert not any(row["fixed"] for row in rows)
        assert sorted(path for path in whole.rglob("*") if "sqlite-" not in path.name) == before
        fixed = {row["path"] for row in lab.doctor(fix=True).to_pylist() if row["fixed"]}
        assert fixed == orphans
        assert {(row["kind"], row["path"]) for row in lab.doctor().to_pylist()} == broken


def test_the_doctor_lets_a_writer_be(processes: ForkServerContext, days: Days, tmp_path: Path) -> None:
    store = Path(shutil.copytree(days.store, tmp_path / "store"))
    ours, theirs = processes.Pipe(duplex=False)
    never = processes.Event()
    child = processes.Process(target=writer.run_and_hold, args=(theirs, never, store, days.day))
    child.start()
    theirs.close()
    with ours, Lab.open(store) as lab:
        ours.recv()
        assert {row["kind"] for row in lab.doctor().to_pylist()} == {"under_way"}
        with pytest.raises(TraceError, match="another process is writing to the store"):
            lab.doctor(fix=True)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert {row["kind"] for row in lab.doctor(fix=True).to_pylist()} == {"orphan"}
        assert lab.doctor().num_rows == 0


def test_a_journal_that_says_something_else(whole: Path) -> None:
    with sqlite3.connect(whole / "ledger.sqlite") as ledger:
        assert ledger.execute("UPDATE commits SET source = 'another' WHERE commit_id = 1").rowcount == 1
    ledger.close()
    with Lab.open(whole) as lab:
        (row,) = lab.doctor(fix=True).to_pylist()
    assert row["kind"] == "journal"
    assert row["detail"] == "line 1 says something else than commit 1"
    assert not row["fixed"]
