"""Processes that die and disks that fill: the store is at its last commit, and a later run makes it whole."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import poolkit
from poolkit import TraceError
from tests.trace import writer
from tests.trace.days import Days, said, segment_names
from tests.trace.signed import checked


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


def test_killed_at_every_point_that_reaches_for_the_disk(processes: ForkServerContext, days: Days, small: bool) -> None:
    stopped_everywhere(processes, days, "killed", signal.SIGKILL, 6 if small else 2)


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
    """With those of `test_ledgers`, two hundred kills at random."""
    random = np.random.default_rng(11)
    for number in range(5 if small else 150):
        store = days.copy(f"killed {number}")
        child = processes.Process(target=writer.run, args=(store, days.day))
        child.start()
        child.join(float(random.uniform(0, 0.15)))
        child.kill()
        child.join()
        days.is_at_the_last_commit(store)
        assert checked(store).problems == ()
        with poolkit.Lab.open(store) as lab:
            assert set(lab.doctor()["kind"].to_pylist()) <= {"orphan", "journal"}
        with poolkit.Lab.open(store, read_only=True) as lab:
            assert len(lab.commits()) in (1, 2)
        days.is_whole_after_another_run(store)
        shutil.rmtree(store)


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
    for most_bytes in (*(0, 100, 1000, 3000, 5000, 8000, 16000, 40000, 70000)[:: 3 if small else 1], 10_000_000):
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


@pytest.fixture
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
    for free in range(0, 220, 40) if small else range(0, 220, 8):
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


def test_all_is_on_the_disk_before_the_ledger_names_it(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kill of a process shows what a power cut would take: so each file and folder is seen to be synced in time."""
    store, synced, before_commit = days.copy("synced"), set(), []
    whole = os.fsync

    def fsync(handle: int) -> None:
        whole(handle)
        synced.add(os.fstat(handle).st_ino)

    def commit(_: object) -> None:
        before_commit.append(set(synced))

    monkeypatch.setattr(os, "fsync", fsync)
    sa.event.listen(sa.Engine, "commit", commit)
    try:
        writer.run(store, days.day)
    finally:
        sa.event.remove(sa.Engine, "commit", commit)
    new = [store / name for name in days.names - segment_names(days.store)]
    assert len(new) > 5
    assert {path.stat().st_ino for path in [*new, store / "segments"]} <= before_commit[-1]
