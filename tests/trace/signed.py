"""A small signed store of some days, and what verification says of it."""

from pathlib import Path
from typing import Any

import poolkit
from poolkit.lab.proofs import verify_store
from poolkit.trace.keys import KeyRing
from poolkit.trace.store import Store
from poolkit.trace.verify import Verification


def make(root: Path, ring: KeyRing | None, *, n_days: int = 3, n_samples: int = 60, seed: int = 0) -> Path:
    """Make a store of as many commits as days, signed where there are keys."""
    store = root / "store"
    with poolkit.Lab(Store(store, sign=None if ring is None else ring.sign)) as lab:
        for number in range(n_days):
            folder = root / f"day {number}"
            date = f"2022-04-{number + 1:02}"
            poolkit.write_day(poolkit.simulate_day(n_samples, 0.05, seed + number, date=date).day, folder)
            lab.run(folder)
    return store


def checked(path: Path, **options: Any) -> Verification:
    given: dict[str, Any] = {"public": None, "kept": (), "rows": False, "progress": None} | options
    store = Store(path, create=False)
    try:
        return verify_store(store, **given)
    finally:
        store.close()


def said(path: Path, **options: Any) -> list[str]:
    return [str(problem) for problem in checked(path, **options).problems]
