"""Two days and stores of them, as every test of faults and damage begins."""

import shutil
from pathlib import Path
from typing import Any

import poolkit
from tests.trace import writer


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


def said(store: str | Path, **where: Any) -> dict[str, list[Any]]:
    """Everything that a store says of people, but not when it was written."""
    with poolkit.Lab.open(store, create=False, **where) as lab:
        tables = {name: lab.table(name).to_pylist() for name in ("samples", "wells", "runs", "readings", "calls")}
        tables["results"] = lab.results().to_pylist()
        tables["orders"] = lab.orders().to_pylist()
        tables["commits"] = [(commit.commit_id, commit.content_key) for commit in lab.commits()]
        return tables


def segment_names(store: Path) -> set[str]:
    return {path.relative_to(store).as_posix() for path in (store / "segments").rglob("*")}
