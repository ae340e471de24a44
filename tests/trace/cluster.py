"""A throw-away cluster of PostgreSQL, with a database for each store."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ACCOUNT = "postgres"


class Cluster:
    """A running cluster that listens on a socket in its own folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self._n_databases = 0
        # PostgreSQL refuses to run as root.
        self._as = ["runuser", "-u", _ACCOUNT, "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(folder, _ACCOUNT)
        self._do("initdb", "-D", str(folder / "data"), "-U", _ACCOUNT, "-A", "trust", "--no-sync", "-E", "UTF8")
        # Whoever is killed is a process, never the machine: what the kernel has is not lost.
        settings = [f"unix_socket_directories='{folder}'", "listen_addresses=''", "fsync=off", "max_connections=60"]
        with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("\n".join([*settings, ""]))

    def _do(self, program: str, *given: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._programs / program), *given],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stdout

    def start(self) -> None:
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        """Stop at once, as by a crash."""
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def database(self, *, like: str | None = None) -> str:
        """Make a database, empty or as another one is, and return its URL."""
        self._n_databases += 1
        name = f"store{self._n_databases}"
        template = [] if like is None else ["-T", like.partition("?")[0].rpartition("/")[2]]
        self._do("createdb", "-h", str(self.folder), "-U", _ACCOUNT, *template, name)
        return f"postgresql+psycopg://{_ACCOUNT}@/{name}?host={self.folder}"


def _programs() -> Path | None:
    # Debian keeps the programs of each version apart.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    found = versions[-1] if versions else shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def running() -> Iterator[Cluster]:
    """Run a cluster, or skip where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("service: PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="poolkit-pg-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(programs, Path(folder))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
