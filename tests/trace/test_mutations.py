"""Thousands of stores with one byte changed: each is refused or reported, or the byte says nothing, by rule."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from poolkit import TraceError
from poolkit.lab.proofs import verify_store
from poolkit.trace.keys import KeyRing
from poolkit.trace.store import Store
from tests.trace.signed import make

_LEDGER = "ledger.sqlite"


def dump(path: Path) -> list[list[tuple[object, ...]]] | None:
    """Everything that the ledger says, or None where it says nothing any more."""
    ledger = sqlite3.connect(path)
    try:
        tables = ("store", "commits", "segments")
        return [ledger.execute(f"SELECT * FROM {name} NOT INDEXED").fetchall() for name in tables]
    except sqlite3.DatabaseError:
        return None
    finally:
        ledger.close()


def is_found(store: Path, public: bytes) -> bool:
    """Whether a store is refused or does not verify; any error but a TraceError is this test's failure."""
    try:
        opened = Store(store, create=False)
        try:
            result = verify_store(opened, public=public, kept=(), rows=False, progress=None)
        finally:
            opened.close()
    except TraceError:
        return True
    return bool(result.problems) or not result.n_commits


@pytest.mark.parametrize("by", ["bytes", "files"])
def test_one_changed_byte(tmp_path: Path, small: bool, by: str) -> None:
    ring = KeyRing.new(tmp_path / "lab.key")
    public = ring.public_pem()
    store = make(tmp_path, ring, n_days=2, n_samples=40)
    whole = {path: path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}
    files = [path for path, data in whole.items() if data]
    sizes = np.array([len(whole[path]) for path in files])
    said = dump(store / _LEDGER)
    random = np.random.default_rng(3 if by == "bytes" else 4)
    chances = sizes / sizes.sum() if by == "bytes" else np.full(len(files), 1 / len(files))
    n_found = 0
    for _ in range(150 if small else 5000):
        path = files[random.choice(len(files), p=chances)]
        place, change = int(random.integers(len(whole[path]))), int(random.integers(1, 256))
        data = bytearray(whole[path])
        data[place] ^= change
        path.write_bytes(data)
        if is_found(store, public):
            n_found += 1
        elif path.name == _LEDGER:
            # Free room and headers of pages: SQLite finds nothing amiss;
            # whatever a look at every row gives is as it was.
            path.write_bytes(data)
            assert dump(path) == said, f"byte {place} of the ledger, changed by {change}"
        else:
            # A lock says who wrote last, and nothing of a commit.
            assert path.name == "lock", f"byte {place} of {path.name}, changed by {change}"
        path.write_bytes(whole[path])
        for beside in store.glob(f"{_LEDGER}-*"):
            beside.unlink()
    assert n_found > 0
    shutil.rmtree(store)
