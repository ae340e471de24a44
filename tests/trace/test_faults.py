"""Processes that die, disks that fill, stores that were damaged: the store is at its last commit, or says what is wrong."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poolkit
from poolkit import TraceError
from tests.trace import writer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Real processes, forked from one that has loaded everything and opened nothing."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.trace.warmed"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        first = context.Process(target=os.getpid)
        first.start()
        first.join()
    return context


class Days:
    """Folders of a base day and the day after it, a store of the base day, and what a store of both says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders = [root / f"day {number}" for number in range(5)]
        for number, folder in enumerate(self.folders):
            date = f"2022-04-{number + 1:02}"
            poolkit.write_day(poolkit.simulate_day(100 + 20 * number, 0.03, number, date=date).day, folder)
        self.base, self.day = self.folders[:2]
        self.store = root / "base store"
        writer.run(self.store, self.base)
        self.before = said(self.store)
        whole = self.copy("whole store")
        writer.run(whole, self.day)
        self.after = said(whole)
        self.names = segment_names(whole)
        assert self.before != self.after

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.store, self.root / name))

    def is_at_the_last_commit(self, store: Path) -> bool:
        """Whether the day is in the store; it is there as a whole or not at all."""
        with poolkit.Lab.open(store, create=False) as lab:
            n_commits = len(lab.commits())
        assert n_commits in (1, 2)
        assert said(store) == (self.before if n_commits == 1 else self.after)
        return n_commits == 2

    def is_whole_after_another_run(self, store: Path) -> None:
        writer.run(store, self.day)
        assert said(store) == self.after
        assert segment_names(store) == self.names


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    return Days(tmp_path_factory.mktemp("faults"))


def said(store: Path) -> dict[str, list[Any]]:
    """Everything that a store says of people, but not when it was written."""
    with poolkit.Lab.open(store, create=False) as lab:
        tables = {name: lab.table(name).to_pylist() for name in ("samples", "wells", "runs", "readings", "calls")}
        tables["results"] = lab.results().to_pylist()
        tables["orders"] = lab.orders().to_pylist()
        tables["commits"] = [(commit.commit_id, commit.content_key) for commit in lab.commits()]
        return tables


def segment_names(store: Path) -> set[str]:
    return {path.relative_to(store).as_posix() for path in (store / "segments").rglob("*")}


def stopped_everywhere(processes: ForkServerContext, days: Days, name: str, how: signal.Signals, step: int) -> None:
    """Stop a child before its k-th write, sync, rename or statement, for every k until it comes through."""
    kept = []
    for at in range(0, 1000, step):
        store = days.copy(f"{name} at {at}")
        child = processes.Process(target=writer.run_and_stop, args=(store, days.day, at, how))
        child.start()
        child.join()
        assert child.exitcode in (0, -how if how == signal.SIGKILL else 1)
        kept.append(days.is_at_the_last_commit(store))
        if how == signal.SIGINT and not kept[-1]:
            assert segment_names(store) == segment_names(days.store)
        days.is_whole_after_another_run(store)
        shutil.rmtree(store)
        if child.exitcode == 0:
            break
    assert len(kept) > 40 / step
    assert kept[-1]
    assert not any(kept[: len(kept) // 2])
    # Once it was stopped after the commit, no later stop may leave the store without it.
    assert kept == sorted(kept)


def test_killed_at_every_point_that_reaches_for_the_disk(
    processes: ForkServerContext, days: Days, small: bool
) -> None:
    stopped_everywhere(processes, days, "killed", signal.SIGKILL, 6 if small else 1)


def test_interrupted_at_every_point_that_reaches_for_the_disk(
    processes: ForkServerContext, days: Days, small: bool
) -> None:
    """Control-C leaves nothing behind, and takes away nothing that the ledger names already."""
    stopped_everywhere(processes, days, "interrupted", signal.SIGINT, 12 if small else 4)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_when_the_ledger_has_the_commit(processes: ForkServerContext, days: Days, how: signal.Signals) -> None:
    store = days.copy(f"stopped after the commit {how}")
    child = processes.Process(target=writer.run_and_stop_after_the_commit, args=(store, days.day, how))
    child.start()
    child.join()
    assert child.exitcode in (1, -signal.SIGKILL)
    assert days.is_at_the_last_commit(store) is True
    with poolkit.Lab.open(store) as lab:
        assert lab.run(days.day).repeated


def test_killed_while_the_store_is_made(processes: ForkServerContext, days: Days, small: bool) -> None:
    for at in range(0, 30, 6 if small else 2):
        store = days.root / f"made at {at}"
        child = processes.Process(target=writer.run_and_stop, args=(store, days.base, at, signal.SIGKILL))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        with poolkit.Lab.open(store) as lab:
            assert lab.commits() == []
        writer.run(store, days.base)
        assert said(store) == days.before
        shutil.rmtree(store)


def test_killed_at_any_moment(processes: ForkServerContext, days: Days, small: bool) -> None:
    random = np.random.default_rng(11)
    for number in range(5 if small else 25):
        store = days.copy(f"killed {number}")
        child = processes.Process(target=writer.run, args=(store, days.day))
        child.start()
        child.join(float(random.uniform(0, 0.15)))
        child.kill()
        child.join()
        days.is_at_the_last_commit(store)
        days.is_whole_after_another_run(store)
        shutil.rmtree(store)


def test_leftovers_of_a_crash_are_cleaned_by_the_next_run_of_the_folder(days: Days) -> None:
    store = days.copy("leftovers")
    name = next(path for path in sorted(days.names) if not (store / path).exists()).split("/")[1]
    for folder in (f".{name}.partial", name):
        (store / "segments" / folder).mkdir()
        (store / "segments" / folder / "results.parquet").write_bytes(b"PAR1 half of")
    assert days.is_at_the_last_commit(store) is False
    days.is_whole_after_another_run(store)


def tell(processes: ForkServerContext, target: Any, *given: Any) -> Any:
    """Run a process to its end and return what it told."""
    ours, theirs = processes.Pipe(duplex=False)
    child = processes.Process(target=target, args=(theirs, *given))
    child.start()
    theirs.close()
    with ours:
        told = ours.recv()
    child.join()
    assert child.exitcode == 0
    return told


def test_files_that_may_not_grow(processes: ForkServerContext, days: Days, small: bool) -> None:
    """A quota on file size stands for a full disk where none can be had: every size from none to enough."""
    causes = []
    for most_bytes in [0, 100, 1000, 3000, 5000, 8000, 16000, 40000, 70000][:: 3 if small else 1] + [10_000_000]:
        store = days.copy(f"at most {most_bytes}")
        told = tell(processes, writer.run_with_small_files, store, days.day, most_bytes)
        if told != 2:
            kind, words = told
            assert kind == "TraceError", words
            causes.append(words)
            assert segment_names(store) == segment_names(days.store)
        assert days.is_at_the_last_commit(store) is (told == 2)
        days.is_whole_after_another_run(store)
    assert told == 2
    assert sum("File too large; the store is at its last commit" in words for words in causes) >= 2


@pytest.fixture()
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as reason:
        pytest.skip(f"service: no tmpfs can be mounted ({reason})")
    if done.returncode:
        pytest.skip(f"service: no tmpfs can be mounted ({done.stderr.strip()})")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk(processes: ForkServerContext, days: Days, disk: Path, small: bool) -> None:
    """The disk is filled up to so many free bytes; the run fails and says so, and comes through once there is room."""
    causes = []
    for free in (range(0, 220, 40) if small else range(0, 220, 8)):
        store = Path(shutil.copytree(days.store, disk / "store"))
        with (disk / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                pass
            ballast.truncate(max(0, ballast.tell() - free * 1024))
        told = tell(processes, writer.run_and_tell, store, days.day)
        (disk / "ballast").unlink()
        if told != 2:
            kind, words = told
            assert kind == "TraceError", (free, words)
            causes.append(words)
        assert days.is_at_the_last_commit(store) is (told == 2)
        days.is_whole_after_another_run(store)
        shutil.rmtree(store)
    assert told == 2
    assert any("No space left on device" in words for words in causes)
    assert all("space" in words or "full" in words or "disk I/O" in words for words in causes), causes


def test_two_processes_into_one_store(processes: ForkServerContext, days: Days, small: bool) -> None:
    """They start a new store together; both finish, one after the other."""
    for number in range(2 if small else 8):
        store, start = days.root / f"together {number}", processes.Barrier(2)
        pipes = [processes.Pipe(duplex=False) for _ in range(2)]
        children = [
            processes.Process(target=writer.run_together, args=(theirs, start, store, folder))
            for (_, theirs), folder in zip(pipes, days.folders[:2], strict=True)
        ]
        for child in children:
            child.start()
        for _, theirs in pipes:
            theirs.close()
        told = [ours.recv() for ours, _ in pipes]
        for child in children:
            child.join()
        assert sorted(map(str, told)) == ["1", "2"]
        with poolkit.Lab.open(store) as lab:
            assert [commit.commit_id for commit in lab.commits()] == [1, 2]
            assert lab.results().num_rows == 220
        for ours, _ in pipes:
            ours.close()


def test_a_store_in_use_says_by_whom(processes: ForkServerContext, days: Days) -> None:
    store = days.copy("in use")
    ours, theirs = processes.Pipe(duplex=False)
    go_on = processes.Event()
    child = processes.Process(target=writer.run_and_hold, args=(theirs, go_on, store, days.day))
    child.start()
    theirs.close()
    with ours:
        holder = ours.recv()
        assert holder == child.pid
        with poolkit.Lab.open(store) as lab:
            with pytest.raises(TraceError, match="another process is writing to the store") as caught:
                lab.run(days.folders[2], wait_seconds=0)
            assert f"held by process {holder} on " in str(caught.value)
            # Whoever only reads is not kept waiting, and sees the last commit.
            assert said(store) == days.before
        go_on.set()
        assert ours.recv() == 2
    child.join()
    assert said(store) == days.after


def test_readers_see_whole_commits(processes: ForkServerContext, days: Days) -> None:
    store = days.copy("read meanwhile")
    sizes = [sum(100 + 20 * number for number in range(n_days)) for n_days in range(1, 6)]
    child = processes.Process(target=writer.run_all, args=(store, days.folders[1:]))
    child.start()
    seen = []
    while True:
        last = not child.is_alive()
        with poolkit.Lab.open(store, create=False) as lab:
            n_before, results = len(lab.commits()), lab.results()
            n_after = len(lab.commits())
            assert results.num_rows in sizes[n_before - 1 : n_after]
            assert len(set(results["sample_id"].to_pylist())) == results.num_rows
            seen.append(results.num_rows)
        if last:
            break
    child.join()
    assert child.exitcode == 0
    assert seen == sorted(seen)
    assert seen[-1] == sizes[-1]


def test_a_store_of_a_newer_schema_is_let_alone(days: Days) -> None:
    store = days.copy("newer")
    with sqlite3.connect(store / "ledger.sqlite") as ledger:
        changed = ledger.execute("UPDATE store SET value = '99' WHERE name = 'schema_version'")
        assert changed.rowcount == 1
    ledger.close()
    with pytest.raises(TraceError, match="the store cannot be read") as caught:
        poolkit.Lab.open(store)
    assert "schema version: expected at most 1, found 99; a newer poolkit wrote this store" in str(caught.value)


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
    (path,) = (store / "segments").glob(f"*/{table}.parquet")
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


def test_python_finds_these_processes() -> None:
    """A process of its own, from a shell's view: exit code 0 and a store."""
    script = "from tests.trace import writer; writer.warm()"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
