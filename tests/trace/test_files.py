"""Files of a store: on any file system, for their owner only, and when the file system fails."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from fsspec.implementations.dirfs import DirFileSystem

import poolkit
from poolkit import Lab, TraceError
from poolkit.trace import files as files_module
from poolkit.trace.files import ArrowFiles, Files, LocalFiles, Sink, files_at, files_below
from tests.trace import writer
from tests.trace.days import Days, said

PLACES = ("local", "arrow", "fsspec folder", "fsspec memory")


@pytest.fixture(params=PLACES)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A place for the data of one store, by each way to name one."""
    match request.param:
        case "local":
            yield tmp_path / "data"
        case "arrow":
            yield pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), "data"
        case "fsspec folder":
            yield DirFileSystem(str(tmp_path), fsspec.filesystem("file")), "data"
        case _:
            yield f"memory://{tmp_path.name}"
            fsspec.filesystem("memory").store.clear()


def test_what_is_written_is_read(data: Any) -> None:
    files = files_at(data)
    files.make_folder("segments/.a.partial")
    with files.create("segments/.a.partial/one.bin") as sink:
        assert sink.write(b"half ") == 5
        assert sink.write(pa.py_buffer(b"and half")) == 8
        sink.settle()
    assert sink.n_bytes == 13
    with pytest.raises(FileExistsError):
        files.create("segments/.a.partial/one.bin")
    with files.create("segments/.a.partial/none.bin") as sink:
        sink.settle()
    files.publish("segments/.a.partial", "segments/a")
    assert [entry.path for entry in files.listing("segments")] == ["segments/a"]
    assert list(files_below(files, "segments")) == [("segments/a/none.bin", 0), ("segments/a/one.bin", 13)]
    assert files.size("segments/a/one.bin") == 13
    assert bytes(files.mapped("segments/a/one.bin")) == b"half and half"
    assert not files.mapped("segments/a/one.bin").flags.writeable
    assert files.mapped("segments/a/none.bin").size == 0
    with files.open("segments/a/one.bin") as file:
        file.seek(5)
        assert file.read() == b"and half"
    files.put("store.json", b"{}")
    files.put("store.json", b"[]")
    with files.open("store.json") as file:
        assert file.read() == b"[]"
    files.remove_tree("segments/a")
    files.remove_tree("segments/a")
    assert files.listing("segments") == files.listing("segments/a") == []
    for ask in (files.size, files.open, files.mapped):
        with pytest.raises(FileNotFoundError):
            ask("segments/a/one.bin")


def test_a_store_answers_alike_wherever_its_data_is(days: Days, tmp_path: Path, data: Any) -> None:
    store = tmp_path / "store"
    writer.run(store, days.base, where={"data": data})
    assert said(store, data=data) == days.before
    writer.run(store, days.day, where={"data": data})
    assert said(store, data=data) == days.after
    with Lab.open(store, data=data) as lab:
        assert lab.doctor().num_rows == 0
        assert lab.run(days.day).repeated
        sample = lab.results()["sample_id"][3].as_py()
        assert lab.trace(sample).num_rows > 3


@pytest.mark.parametrize("url", ["nothing://bucket/lab", "s3x://"])
def test_no_place_of_files(url: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no place for the data"):
        Lab.open(tmp_path / "store", data=url)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_only_the_owner_reads_whatever_the_umask(days: Days, tmp_path: Path, mask: int) -> None:
    store = tmp_path / "store"
    before = os.umask(mask)
    try:
        with Lab.open(store) as lab:
            lab.run(days.base)
            lab.run(days.day)
            # While the ledger is open, its other files are there too.
            found = {path.relative_to(store).as_posix(): path for path in [store, *store.rglob("*")]}
            modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in found.items()}
    finally:
        os.umask(before)
    assert {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "lock", "ledger.jsonl", "store.json"} <= set(
        found
    )
    assert {name: mode for name, mode in modes.items() if mode != (0o700 if found[name].is_dir() else 0o600)} == {}


class FailingFiles(LocalFiles):
    """A disk that fails at the n-th thing that is asked of it while writing, by an error of its choice."""

    def __init__(self, root: Path, at: int, code: int) -> None:
        super().__init__(root)
        self.left = at
        self.code = code
        self.failed = False
        self.lock = threading.Lock()

    def step(self) -> None:
        with self.lock:
            self.left -= 1
            fails = self.left == -1
        if fails:
            self.failed = True
            raise OSError(self.code, os.strerror(self.code))

    def make_folder(self, path: str) -> None:
        self.step()
        super().make_folder(path)

    def create(self, path: str) -> Sink:
        self.step()
        return FailingSink(super().create(path), self)

    def publish(self, partial: str, final: str) -> None:
        self.step()
        super().publish(partial, final)
        self.step()


class FailingSink(Sink):
    """A file of such a disk; what fails has been written by half."""

    def __init__(self, sink: Sink, disk: FailingFiles) -> None:
        super().__init__(sink._file)
        self.whole = sink  # which would close the file when nobody needs it any more
        self.disk = disk

    def write(self, data: Any) -> int:
        try:
            self.disk.step()
        except OSError:
            super().write(memoryview(data)[: memoryview(data).nbytes // 2])
            raise
        return super().write(data)

    def settle(self) -> None:
        self.disk.step()
        super().settle()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_each_step(days: Days, code: int, small: bool) -> None:
    random = np.random.default_rng(code)
    causes = []
    for at in range(0, 400, int(random.integers(20, 30)) if small else 9):
        store = days.copy(f"failing {code} {at}")
        with Lab.open(store) as lab:
            disk = FailingFiles(store, at, code)
            lab._store.files = disk
            try:
                lab.run(days.day)
            except TraceError as reason:
                causes.append(str(reason))
                assert disk.failed
            whole = len(lab.commits()) == 2
            assert whole is not disk.failed
            lab._store.files = LocalFiles(store)
            assert lab.doctor().num_rows == 0
        assert days.is_at_the_last_commit(store) is whole
        days.is_whole_after_another_run(store)
        if whole:
            break
    assert whole
    assert len(causes) > (3 if small else 10)
    assert all(f"{os.strerror(code)}; the store is at its last commit" in cause for cause in causes), causes


def test_files_of_pyarrow_know_where_they_are(tmp_path: Path) -> None:
    files: Files = files_at((pafs.LocalFileSystem(), str(tmp_path)))
    assert isinstance(files, LocalFiles)
    assert files_at(f"file://{tmp_path}").where("a") == str(tmp_path / "a")
    memory = files_at("memory://lab")
    assert isinstance(memory, ArrowFiles)
    assert memory.where("a").endswith("lab/a")
    assert files_module.files_at(poolkit.__name__).where("a") == "poolkit/a"
