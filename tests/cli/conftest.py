"""Folders and stores that the tests of the command line share and do not change."""

from pathlib import Path
from typing import NamedTuple

import pytest

from poolkit import write_day
from poolkit.simulation import simulate_day
from tests.cli.commands import document, poolkit


class Lab(NamedTuple):
    """A simulated folder and the store that took in its day and its evening."""

    folder: Path
    store: Path
    summaries: dict[str, dict[str, object]]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    root = tmp_path_factory.mktemp("a laboratory")
    folder, store = root / "made up", root / "the store"
    poolkit("simulate", "--samples", 1200, "--prevalence", 0.01, "--seed", 5, "--out", folder)
    summaries = {name: document("run", folder / name, "--store", store) for name in ("day", "evening")}
    return Lab(folder, store, summaries)


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day folder with two swabs in one slot of each of twelve tubes, which are findings of severity error."""
    folder = tmp_path_factory.mktemp("broken") / "day"
    write_day(simulate_day(200, 0.0, 1).day, folder, suffix=".csv")
    file = folder / "samples.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    slot = lines[0].replace('"', "").split(",").index("slot")
    rows = [line.split(",") for line in lines]
    tube = lines[0].replace('"', "").split(",").index("tube_id")
    for name in list(dict.fromkeys(row[tube] for row in rows[1:]))[:12]:
        first, second = [row for row in rows[1:] if row[tube] == name][:2]
        second[slot] = first[slot]
    file.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    return folder
