"""The same store on SQLite and on PostgreSQL: the same answers, one writer at a time, nothing half when it is lost."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import poolkit
from poolkit import Lab, TraceError
from poolkit.trace import ledger
from poolkit.trace.database import postgres_url
from tests.trace import writer
from tests.trace.days import Days, said

Place = tuple[str | Path, dict[str, Any]]
KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A store that is not made yet, on either database."""
    if request.param == "sqlite":
        return tmp_path / "store", {}
    return request.getfixturevalue("cluster").database(), {"data": tmp_path / "data"}


@pytest.fixture
def shared_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return request.getfixturevalue("cluster").database(), {"data": tmp_path / "data"}


def data_of(place: Place) -> Path:
    return Path(place[1].get("data", place[0]))


def answers(place: Place) -> dict[str, list[Any]]:
    return said(place[0], **place[1])


def test_both_say_the_same_of_the_same_days(days: Days, place: Place) -> None:
    writer.run(place[0], days.base, where=place[1])
    assert answers(place) == days.before
    writer.run(place[0], days.day, where=place[1])
    assert answers(place) == days.after
    with Lab.open(place[0], **place[1]) as lab:
        assert lab.run(days.base).repeated
        first, second = lab.commits()
        assert lab.run(days.day) == replace(second, repeated=True)
    assert second.previous == first.head
    assert second.committed_at > first.committed_at
    assert first.summary["samples"] == 100
    assert answers(place) == days.after


def test_a_process_that_waits_is_told_who_writes(processes: ForkServerContext, days: Days, place: Place) -> None:
    writer.run(place[0], days.base, where=place[1])
    ours, theirs = processes.Pipe(duplex=False)
    go_on = processes.Event()
    child = processes.Process(target=writer.run_and_hold, args=(theirs, go_on, place[0], days.day, place[1]))
    child.start()
    theirs.close()
    with ours, Lab.open(place[0], **place[1]) as lab:
        assert ours.recv() == child.pid
        with pytest.raises(TraceError, match="another process is writing to the store") as caught:
            lab.run(days.folders[2], wait_seconds=0)
        assert f"held by process {child.pid} on " in str(caught.value)
        # Whoever only reads is not kept waiting, and the doctor lets the writer be.
        assert lab.results().num_rows == 100
        assert set(lab.doctor()["kind"].to_pylist()) == {"under_way"}
        with pytest.raises(TraceError, match="another process is writing to the store"):
            lab.doctor(fix=True)
        go_on.set()
        assert ours.recv() == 2
        assert lab.results().num_rows == 220
    child.join()


def test_eight_writers_lose_nothing(processes: ForkServerContext, tmp_path: Path, place: Place, small: bool) -> None:
    n_writers, n_days = (4, 5) if small else (8, 10)
    made = poolkit.simulate_day(8, 0.0, seed=3).day
    folders = []
    for number in range(n_writers * n_days):
        folder = tmp_path / f"day {number}"
        poolkit.write_day(writer.renamed(made, f"d{number:03}"), folder)
        folders.append(folder)
    start = processes.Barrier(n_writers)
    children = [
        processes.Process(target=writer.run_all, args=(place[0], folders[first::n_writers], place[1], start))
        for first in range(n_writers)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    with Lab.open(place[0], **place[1], create=False) as lab:
        commits = lab.commits()
        assert [commit.commit_id for commit in commits] == list(range(1, n_writers * n_days + 1))
        assert {commit.source for commit in commits} == {folder.name for folder in folders}
        assert lab.results().num_rows == 8 * n_writers * n_days
        times = [commit.committed_at for commit in commits]
        assert times == sorted(set(times))
        assert [commit.previous for commit in commits[1:]] == [commit.head for commit in commits[:-1]]
        assert lab.doctor().num_rows == 0
        with Lab.open(place[0], **place[1], read_only=True) as copy:
            assert copy.commits() == commits


def test_a_clock_that_is_set_back_puts_no_commit_before_another(
    days: Days, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [datetime(2022, 5, 1, 12, tzinfo=UTC) + timedelta(hours=hours) for hours in (0, -30, -3, 5)]
    with Lab.open(place[0], **place[1]) as lab:
        for now, folder in zip(clock, days.folders, strict=False):
            monkeypatch.setattr(ledger, "_now", lambda now=now: now)
            lab.run(folder)
        times = [commit.committed_at for commit in lab.commits()]
    step = timedelta(microseconds=1)
    assert times == [clock[0], clock[0] + step, clock[0] + 2 * step, clock[3]]


def test_killed_at_any_moment_keeps_what_was_acknowledged(
    processes: ForkServerContext, days: Days, place: Place, small: bool
) -> None:
    """One store, killed again and again while days go in: an acknowledged commit is there, and none is half there."""
    random = np.random.default_rng(5)
    sizes = np.cumsum([100 + 20 * number for number in range(5)]).tolist()
    data = data_of(place)
    for _ in range(4 if small else 25):
        ours, theirs = processes.Pipe(duplex=False)
        child = processes.Process(target=writer.run_and_acknowledge, args=(theirs, place[0], days.folders, place[1]))
        child.start()
        theirs.close()
        child.join(float(random.uniform(0.02, 0.5)))
        child.kill()
        child.join()
        acknowledged = 0
        with ours:
            try:
                while True:
                    acknowledged = ours.recv()
            except EOFError:
                pass
        with Lab.open(place[0], **place[1]) as lab:
            # The database may need a moment to see that the child is gone.
            with lab._store.writing(wait_seconds=20, catch_up=False):
                n_commits = len(lab.commits())
            assert n_commits >= acknowledged
            assert lab.results().num_rows == ([0, *sizes])[n_commits]
            kinds = set(lab.doctor().column("kind").to_pylist())
            assert kinds <= {"orphan", "journal"}
            lab.doctor(fix=True)
            assert lab.doctor().num_rows == 0
        with Lab.open(place[0], **place[1], read_only=True) as copy:
            assert len(copy.commits()) == n_commits
        if n_commits == len(days.folders):
            begin_anew(place, data)


def test_killed_at_every_point_of_a_commit_to_a_database(
    processes: ForkServerContext, days: Days, request: pytest.FixtureRequest, tmp_path: Path, small: bool
) -> None:
    cluster = request.getfixturevalue("cluster")
    base = cluster.database(), {"data": tmp_path / "base"}
    writer.run(base[0], days.base, where=base[1])
    kept = []
    for at in range(0, 1000, 24 if small else 6):
        place = cluster.database(like=base[0]), {"data": tmp_path / f"at {at}"}
        shutil.copytree(tmp_path / "base", data_of(place))
        child = processes.Process(target=writer.run_and_stop, args=(place[0], days.day, at, signal.SIGKILL, place[1]))
        child.start()
        child.join()
        assert child.exitcode in (0, -signal.SIGKILL)
        with Lab.open(place[0], **place[1]) as lab:
            with lab._store.writing(wait_seconds=20):
                kept.append(len(lab.commits()) == 2)
            assert not {"missing", "wrong_size"} & set(lab.doctor()["kind"].to_pylist())
        assert answers(place) == (days.after if kept[-1] else days.before)
        writer.run(place[0], days.day, where=place[1])
        assert answers(place) == days.after
        with Lab.open(place[0], **place[1]) as lab:
            assert lab.doctor().num_rows == 0
        if child.exitcode == 0:
            break
    assert kept == sorted(kept)
    assert kept[-1]
    assert kept.count(False) > (2 if small else 8)


def begin_anew(place: Place, data: Path) -> None:
    """Remove a store; that of PostgreSQL loses its tables."""
    shutil.rmtree(data)
    if place[1]:
        engine = sa.create_engine(postgres_url(str(place[0])))
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE segments, commits, store"))
        engine.dispose()


def stopped_in_the_middle(lab: Lab, folder: Path, stage: str, stop: Callable[[], None]) -> TraceError:
    def progress(name: str) -> None:
        if name == stage:
            stop()

    with pytest.raises(TraceError) as caught:
        lab.run(folder, progress=progress)
    return caught.value


@pytest.mark.parametrize("stage", ["history", "resolve", "commit"])
def test_a_database_that_stops_in_the_middle_of_a_run(
    days: Days, shared_place: Place, request: pytest.FixtureRequest, stage: str
) -> None:
    cluster = request.getfixturevalue("cluster")
    writer.run(shared_place[0], days.base, where=shared_place[1])
    with Lab.open(shared_place[0], **shared_place[1]) as lab:
        try:
            error = stopped_in_the_middle(lab, days.day, stage, cluster.stop)
            assert error.title == "the ledger cannot be reached"
            with pytest.raises(TraceError, match="the ledger cannot be reached"):
                lab.results()
        finally:
            cluster.start()
        assert lab.results().num_rows == 100
        assert not lab.run(days.day).repeated
    assert answers(shared_place) == days.after
    with Lab.open(shared_place[0], **shared_place[1]) as lab:
        assert set(lab.doctor(fix=True)["kind"].to_pylist()) <= {"orphan"}
        assert lab.doctor().num_rows == 0


@pytest.mark.parametrize("stage", ["resolve", "commit"])
def test_a_database_that_is_back_before_the_run_ends_takes_no_commit_without_its_lock(
    days: Days, shared_place: Place, request: pytest.FixtureRequest, stage: str
) -> None:
    """The session is gone and the lock with it; meanwhile another host writes, and its commit stands."""
    cluster = request.getfixturevalue("cluster")
    writer.run(shared_place[0], days.base, where=shared_place[1])

    def crash() -> None:
        cluster.stop()
        cluster.start()
        writer.run(shared_place[0], days.day, where=shared_place[1])

    with Lab.open(shared_place[0], **shared_place[1]) as lab:
        error = stopped_in_the_middle(lab, days.day, stage, crash)
        # Either it finds its session gone, or before that its folder, which the other one took for a leftover.
        assert error.title in {"the ledger cannot be reached", "the store could not be written"}
    assert answers(shared_place) == days.after
    with Lab.open(shared_place[0], **shared_place[1]) as lab:
        assert not {"missing", "wrong_size"} & set(lab.doctor(fix=True)["kind"].to_pylist())
    assert answers(shared_place) == days.after


def test_two_hosts_that_share_the_data(
    processes: ForkServerContext, days: Days, shared_place: Place, tmp_path: Path
) -> None:
    """Each host knows the shared folder by its own name."""
    shared = tmp_path / "shared"
    shared.mkdir()
    hosts = []
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(shared)
        hosts.append({"data": tmp_path / name / "data"})
    start = processes.Barrier(2)
    children = [
        processes.Process(target=writer.run_all, args=(shared_place[0], days.folders[number::2], host, start))
        for number, host in enumerate(hosts)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    for host in hosts:
        with Lab.open(shared_place[0], **host) as lab:
            assert len(lab.commits()) == 5
            assert lab.results().num_rows == sum(100 + 20 * number for number in range(5))
            assert lab.doctor().num_rows == 0


def test_the_data_of_another_store_is_refused(days: Days, shared_place: Place, tmp_path: Path) -> None:
    writer.run(tmp_path / "store", days.base)
    with pytest.raises(TraceError, match="the data is another store's") as caught:
        Lab.open(shared_place[0], data=tmp_path / "store")
    assert "store.json: expected " in str(caught.value)
    with pytest.raises(TraceError, match="not a store") as caught:
        Lab.open(shared_place[0])
    assert "data: expected the place of the segments" in str(caught.value)
    writer.run(tmp_path / "elsewhere", days.base, where={"data": tmp_path / "data"})
    with pytest.raises(TraceError, match="nothing says which store's data this is"):
        Lab.open(tmp_path / "elsewhere")
    assert said(tmp_path / "elsewhere", data=tmp_path / "data") == days.before


@pytest.mark.parametrize(
    "url", ["mysql://someone:secret@host/lab", "nothing://", "postgresql://a:secret@host:port/lab"]
)
def test_no_url_of_a_database(url: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="not a store") as caught:
        Lab.open(url, data=tmp_path)
    assert "expected a folder or postgresql://USER@HOST/DATABASE" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="the ledger cannot be reached") as caught:
        Lab.open(f"postgresql://lab:secret@/days?host={tmp_path}", data=tmp_path / "data")
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_a_killed_writer_lets_go_of_the_database(processes: ForkServerContext, days: Days, shared_place: Place) -> None:
    writer.run(shared_place[0], days.base, where=shared_place[1])
    ours, theirs = processes.Pipe(duplex=False)
    never = processes.Event()
    child = processes.Process(
        target=writer.run_and_hold, args=(theirs, never, shared_place[0], days.day, shared_place[1])
    )
    child.start()
    theirs.close()
    with ours:
        os.kill(ours.recv(), signal.SIGKILL)
    child.join()
    writer.run(shared_place[0], days.day, where=shared_place[1], wait_seconds=20)
    assert answers(shared_place) == days.after
