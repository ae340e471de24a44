"""What the processes of `test_faults` do: run a day into a store, and die or run out of disk on the way."""

import os
import resource
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

import poolkit
from poolkit.trace import files
from poolkit.trace import store as stores
from poolkit.trace.record import Commit

# Parquet writes a few bytes about each page; dying at each of these would say nothing new.
_PAGE_HEADER = 100


def warm() -> None:
    """Load every compiled loop once, so that the processes that start from this one need not."""
    with tempfile.TemporaryDirectory() as folder:
        poolkit.write_day(poolkit.simulate_day(40, 0.1, seed=1).day, f"{folder}/day")
        with poolkit.Lab.open(f"{folder}/store") as lab:
            lab.run(f"{folder}/day")


def run(store: str | Path, folder: Path, *, where: dict[str, Any] | None = None, **options: Any) -> None:
    with poolkit.Lab.open(store, **(where or {})) as lab:
        lab.run(folder, **options)


def run_and_tell(
    told: Any, store: str | Path, folder: Path, *, where: dict[str, Any] | None = None, **options: Any
) -> None:
    """Run, and send the commit's number or the error's class and text."""
    try:
        with poolkit.Lab.open(store, **(where or {})) as lab:
            told.send(lab.run(folder, **options).commit_id)
    except Exception as reason:
        told.send((type(reason).__name__, str(reason)))


def run_and_stop(
    store: str | Path, folder: Path, at: int, how: signal.Signals, where: dict[str, Any] | None = None
) -> None:
    """Run, and be sent a signal when the `at`-th thing that reaches for the disk is about to happen."""
    reached = 0

    def step(*_: object, **__: object) -> None:
        nonlocal reached
        reached += 1
        if reached == at + 1:
            os.kill(os.getpid(), how)

    def stepping(owner: Any, name: str, counts: Callable[..., bool] = lambda *_, **__: True) -> None:
        whole: Callable[..., Any] = getattr(owner, name)

        def stepped(*given: Any, **options: Any) -> Any:
            if counts(*given, **options):
                step()
            return whole(*given, **options)

        setattr(owner, name, stepped)

    stepping(os, "fsync")
    stepping(os, "pwrite")
    stepping(Path, "rename")
    stepping(Path, "mkdir")
    stepping(files.Sink, "write", lambda _, data: len(data) > _PAGE_HEADER)
    sa.event.listen(sa.Engine, "before_cursor_execute", step)
    sa.event.listen(sa.Engine, "commit", step)
    with poolkit.Lab.open(store, **(where or {})) as lab:
        assert not lab.run(folder).repeated
    step()


def run_and_stop_after_the_commit(store: Path, folder: Path, how: signal.Signals) -> None:
    """Run, and be sent a signal when the second commit is in the ledger and is about to be handed on."""
    whole = stores.Store.commit

    def stopped(*given: Any, **options: Any) -> Commit:
        commit = whole(*given, **options)
        if commit.commit_id == 2:
            os.kill(os.getpid(), how)
        return commit

    stores.Store.commit = stopped
    run(store, folder)


def run_with_small_files(told: Any, store: Path, folder: Path, most_bytes: int) -> None:
    """Run where no file may grow beyond so many bytes."""
    with poolkit.Lab.open(store) as lab:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        try:
            told.send(lab.run(folder).commit_id)
        except Exception as reason:
            told.send((type(reason).__name__, str(reason)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def run_and_hold(told: Any, go_on: Any, store: str | Path, folder: Path, where: dict[str, Any] | None = None) -> None:
    """Run, and wait in the middle, the store in hand, until told to go on."""

    def progress(stage: str) -> None:
        if stage == "resolve":
            told.send(os.getpid())
            assert go_on.wait(60)

    run_and_tell(told, store, folder, where=where, progress=progress)


def run_together(told: Any, start: Any, store: Path, folder: Path) -> None:
    """Run at the same moment as the others that wait for the start."""
    start.wait(60)
    run_and_tell(told, store, folder)


def run_all(store: str | Path, folders: list[Path], where: dict[str, Any] | None = None, start: Any = None) -> None:
    if start is not None:
        start.wait(60)
    for folder in folders:
        run(store, folder, where=where)


def run_and_acknowledge(told: Any, store: str | Path, folders: list[Path], where: dict[str, Any]) -> None:
    """Run day after day, and send the number of each commit when it is acknowledged."""
    with poolkit.Lab.open(store, **where) as lab:
        for folder in folders:
            told.send(lab.run(folder).commit_id)


def renamed(day: poolkit.Day, mark: str) -> poolkit.Day:
    """Return a day of other people, tubes, plates and runs: every id begins with a mark."""
    ids = ("sample_id", "subject_id", "tube_id", "specimen_id", "plate_id", "run_id")

    def marked(table: pa.Table) -> pa.Table:
        for place, name in enumerate(table.column_names):
            if name in ids:
                texts = [None if text is None else f"{mark}{text}" for text in table[name].to_pylist()]
                table = table.set_column(place, name, pa.array(texts, pa.string()))
        return table

    assert day.readings is not None
    assert day.runs is not None
    return poolkit.Day(marked(day.samples), marked(day.wells), marked(day.readings), marked(day.runs))
