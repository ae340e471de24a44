"""Where the segments stand: a local folder, or any file system that pyarrow or fsspec knows.

Every path is below the folder of the data and written with ``/``.
"""

import hashlib
import io
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, TypeAlias
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
from numpy.typing import NDArray

from poolkit.errors import Problem, TraceError

FILE_MODE = 0o600
FOLDER_MODE = 0o700

Place: TypeAlias = str | os.PathLike[str] | pafs.FileSystem | tuple[Any, str]


class Entry(NamedTuple):
    """What stands in a folder.

    Attributes
    ----------
    path : str
        Below the folder of the data.
    n_bytes : int or None
        Of a file; none of a folder.
    """

    path: str
    n_bytes: int | None


class Sink(io.RawIOBase):
    """A file that is hashed while it is written.

    Attributes
    ----------
    sha256
        Of what was written up to now.
    n_bytes : int
        How much that is.
    """

    def __init__(self, file: IO[bytes] | pa.NativeFile) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.n_bytes = 0

    def writable(self) -> bool:
        """Tell Arrow that it may write."""
        return True

    def write(self, data: Any) -> int:
        """Write and hash."""
        n_written = memoryview(data).nbytes
        self.sha256.update(data)
        self._file.write(data)
        self.n_bytes += n_written
        return n_written

    def settle(self) -> None:
        """Return when the bytes are where they last."""
        if isinstance(self._file, pa.NativeFile):
            # An object store has the file when it is closed.
            self._file.close()
        else:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class Files(ABC):
    """The files of a store; what the file system refuses is an `OSError`."""

    @abstractmethod
    def where(self, path: str) -> str:
        """Return the full name of a file, for messages."""

    @abstractmethod
    def make_folder(self, path: str) -> None:
        """Make a folder unless it is there."""

    @abstractmethod
    def create(self, path: str) -> Sink:
        """Open a new file for writing; refuse one that is there."""

    @abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Write a whole file, so that it is never seen half."""

    @abstractmethod
    def publish(self, partial: str, final: str) -> None:
        """Give a folder its name when all that stands in it lasts."""

    @abstractmethod
    def open(self, path: str) -> pa.NativeFile:
        """Open a file for reading at any place; a local one as a memory map."""

    @abstractmethod
    def mapped(self, path: str) -> NDArray[np.uint8]:
        """Return a file's bytes, read-only; of a local one only those are read that are looked at."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Return the bytes of a file."""

    @abstractmethod
    def listing(self, path: str) -> list[Entry]:
        """Return what stands in a folder, in order of name; nothing where there is none."""

    @abstractmethod
    def remove_tree(self, path: str) -> None:
        """Remove a file, or a folder with all that stands in it; nothing where there is none."""


class LocalFiles(Files):
    """A folder of this machine: files are synced and only their owner may read them, whatever the umask.

    Parameters
    ----------
    root
        The folder of the data.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def where(self, path: str) -> str:
        """Return the full name of a file, for messages."""
        return str(self.root / path)

    def make_folder(self, path: str) -> None:
        """Make a folder unless it is there."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        folder = self.root
        for part in ("", *PurePosixPath(path).parts):
            folder /= part
            if not folder.is_dir():
                folder.mkdir(FOLDER_MODE, exist_ok=True)
                folder.chmod(FOLDER_MODE)

    def make_private(self) -> None:
        """Close the folder of the data to all but its owner."""
        self.make_folder("")
        self.root.chmod(FOLDER_MODE)

    def create(self, path: str) -> Sink:
        """Open a new file for writing; refuse one that is there."""
        return Sink(os.fdopen(create_private(self.root / path), "wb"))

    def put(self, path: str, data: bytes) -> None:
        """Write a whole file, so that it is never seen half."""
        final = self.root / path
        partial = final.with_name(f".{final.name}.{uuid4().hex[:8]}.partial")
        with Sink(os.fdopen(create_private(partial), "wb")) as sink:
            sink.write(data)
            sink.settle()
        partial.rename(final)
        sync_folder(final.parent)

    def publish(self, partial: str, final: str) -> None:
        """Give a folder its name when all that stands in it lasts."""
        sync_folder(self.root / partial)
        (self.root / partial).rename(self.root / final)
        sync_folder((self.root / final).parent)

    def open(self, path: str) -> pa.NativeFile:
        """Open a file as a memory map."""
        # An empty file cannot be mapped; it is a broken segment, and Parquet says so.
        full = str(self.root / path)
        return pa.memory_map(full) if self.size(path) else pa.OSFile(full)

    def mapped(self, path: str) -> NDArray[np.uint8]:
        """Return a file's bytes as a memory map."""
        if not self.size(path):
            return np.zeros(0, np.uint8)
        return np.memmap(self.root / path, np.uint8, "r").view(np.ndarray)

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        return (self.root / path).stat().st_size

    def listing(self, path: str) -> list[Entry]:
        """Return what stands in a folder, in order of name; nothing where there is none."""
        folder = self.root / path
        if not folder.is_dir():
            return []
        return [
            Entry(each.relative_to(self.root).as_posix(), None if each.is_dir() else each.stat().st_size)
            for each in sorted(folder.iterdir())
        ]

    def remove_tree(self, path: str) -> None:
        """Remove a file, or a folder with all that stands in it; nothing where there is none."""
        full = self.root / path
        if full.is_dir():
            shutil.rmtree(full)
        else:
            full.unlink(missing_ok=True)


class ArrowFiles(Files):
    """A folder of any file system of pyarrow; how long written bytes last is the file system's matter.

    Parameters
    ----------
    filesystem
        Of pyarrow; see `files_at` for those of fsspec.
    root
        The folder of the data.
    """

    def __init__(self, filesystem: pafs.FileSystem, root: str) -> None:
        self.filesystem = filesystem
        self.root = root.rstrip("/")

    def where(self, path: str) -> str:
        """Return the full name of a file, for messages."""
        return f"{self.filesystem.type_name}:{self._full(path)}"

    def _full(self, path: str) -> str:
        return "/".join(part for part in (self.root, path) if part) or "/"

    def make_folder(self, path: str) -> None:
        """Make a folder unless it is there."""
        self.filesystem.create_dir(self._full(path), recursive=True)

    def create(self, path: str) -> Sink:
        """Open a new file for writing; refuse one that is there."""
        if self._info(path).type != pafs.FileType.NotFound:
            raise FileExistsError(17, "File exists", self.where(path))
        return Sink(self.filesystem.open_output_stream(self._full(path)))

    def put(self, path: str, data: bytes) -> None:
        """Write a whole file."""
        with self.filesystem.open_output_stream(self._full(path)) as stream:
            stream.write(data)

    def publish(self, partial: str, final: str) -> None:
        """Move the files of a folder, since an object store knows no folder that could be renamed."""
        self.make_folder(final)
        for path, n_bytes in self.listing(partial):
            if n_bytes is not None:
                self.filesystem.move(self._full(path), self._full(final + path[len(partial) :]))
        self.remove_tree(partial)

    def open(self, path: str) -> pa.NativeFile:
        """Open a file for reading at any place."""
        return self.filesystem.open_input_file(self._full(path))

    def mapped(self, path: str) -> NDArray[np.uint8]:
        """Return a file's bytes."""
        with self.open(path) as file:
            data = np.frombuffer(file.read_buffer(), np.uint8)
        data.setflags(write=False)
        return data

    def _info(self, path: str) -> pafs.FileInfo:
        return self.filesystem.get_file_info(self._full(path))

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        info = self._info(path)
        if info.type != pafs.FileType.File:
            raise FileNotFoundError(2, "No such file", self.where(path))
        return int(info.size)

    def listing(self, path: str) -> list[Entry]:
        """Return what stands in a folder, in order of name; nothing where there is none."""
        found = self.filesystem.get_file_info(pafs.FileSelector(self._full(path), allow_not_found=True))
        entries = [
            Entry(f"{path}/{info.base_name}".lstrip("/"), info.size if info.type == pafs.FileType.File else None)
            for info in found
        ]
        return sorted(entries)

    def remove_tree(self, path: str) -> None:
        """Remove a file, or a folder with all that stands in it; nothing where there is none."""
        kind = self._info(path).type
        if kind == pafs.FileType.Directory:
            self.filesystem.delete_dir(self._full(path))
        elif kind != pafs.FileType.NotFound:
            self.filesystem.delete_file(self._full(path))


def files_at(place: Place) -> Files:
    """Return the files at a place.

    Parameters
    ----------
    place
        A local folder; a URL that fsspec or pyarrow knows, as ``memory://lab`` or ``s3://bucket/lab``; a file system of
        pyarrow; or a file system of pyarrow or fsspec and a folder in it.

    Returns
    -------
    Files
        With every path below it.

    Raises
    ------
    TraceError
        When it is no place of files.

    Examples
    --------
    >>> files_at("lab").where("segments")
    'lab/segments'
    """
    if isinstance(place, str) and "://" in place:
        return _files_at_url(place)
    if isinstance(place, str | os.PathLike):
        return LocalFiles(place)
    filesystem, root = place if isinstance(place, tuple) else (place, "")
    if not isinstance(filesystem, pafs.FileSystem):
        filesystem = pafs.PyFileSystem(pafs.FSSpecHandler(filesystem))
    return LocalFiles(root) if isinstance(filesystem, pafs.LocalFileSystem) and root else ArrowFiles(filesystem, root)


def _files_at_url(url: str) -> Files:
    scheme, _, path = url.partition("://")
    if scheme == "file":
        return LocalFiles(path)
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - it may not be there
    except ImportError:
        url_to_fs = None
    try:
        filesystem, root = pafs.FileSystem.from_uri(url) if url_to_fs is None else url_to_fs(url)
    except (pa.ArrowException, ImportError, ValueError, OSError) as reason:
        problem = Problem("data", f"expected a folder or the URL of one, found {scheme}://...: {reason}")
        raise TraceError("no place for the data", [problem]) from None
    return files_at((filesystem, root))


def create_private(path: Path) -> int:
    """Open a new file that only its owner may read and write, whatever the umask."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    os.fchmod(handle, FILE_MODE)
    return handle


def sync_folder(folder: Path) -> None:
    """Return when the folder's names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def files_below(files: Files, path: str) -> Iterator[Entry]:
    """Give every file below a folder."""
    for entry in files.listing(path):
        if entry.n_bytes is None:
            yield from files_below(files, entry.path)
        else:
            yield entry
