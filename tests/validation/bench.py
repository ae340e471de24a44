"""A small day as a bench would hand it in, cell by cell, and a store to hand it to.

Tube T1 holds ten people and reads negative, T2 holds three and reads positive, T3 holds one and reads negative.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import poolkit
from poolkit.schemas import TABLES, Day
from poolkit.trace.ledger import Commit

Row = dict[str, str]
NAMES = ("samples", "wells", "runs", "readings")
NEGATIVE, POSITIVE = ("", "", "28.0"), ("24.5", "25.0", "27.0")
WELLS = {
    "A01": ("specimen", "T1", NEGATIVE),
    "B01": ("specimen", "T2", POSITIVE),
    "C01": ("specimen", "T3", NEGATIVE),
    "D01": ("negative_control", "", ("", "", "")),
    "E01": ("negative_control", "", ("", "", "")),
    "F01": ("weak_positive_control", "", ("33.0", "34.0", "")),
    "G01": ("blank", "", ("", "", "")),
}
IN_T1 = [f"S{number:02}" for number in range(1, 11)]
IN_T2 = ["S11", "S12", "S13"]
IN_T3 = ["S14"]
EVERYBODY = IN_T1 + IN_T2 + IN_T3
AS_IT_IS = dict.fromkeys(IN_T1 + IN_T3, "negative") | dict.fromkeys(IN_T2, "suspect")


def swab(number: int, tube: str, slot: int) -> Row:
    return {
        "sample_id": f"S{number:02}",
        "subject_id": f"U{number:02}",
        "site_id": "hall 1",
        "collected_at": f"2022-04-01T08:{number:02}:00+00:00",
        "kind": "person",
        "tube_id": tube,
        "slot": str(slot),
        "group_id": "",
        "recollect_of": "",
    }


def reading(run: str, well: str, target: str, ct: str) -> Row:
    return {"run_id": run, "well": well, "target": target, "ct_cycles": ct}


def read_well(run: str, well: str, cts: tuple[str, str, str]) -> list[Row]:
    return [reading(run, well, target, ct) for target, ct in zip(("ORF1ab", "N", "RNaseP"), cts, strict=True)]


def run_of(run: str, plate: str, start: str, end: str) -> Row:
    row = {"run_id": run, "plate_id": plate, "instrument_id": "cycler 1"}
    return row | {"started_at": f"2022-04-01T{start}:00+00:00", "ended_at": f"2022-04-01T{end}:00+00:00"}


class Handed:
    """The tables of the day as text cells, to be spoilt by a test and written as files."""

    def __init__(self) -> None:
        self.samples = [swab(number, "T1", number) for number in range(1, 11)]
        self.samples += [swab(number, "T2", number - 10) for number in range(11, 14)] + [swab(14, "T3", 1)]
        self.wells = [
            {"plate_id": "P1", "well": well, "content": content, "specimen_id": specimen}
            for well, (content, specimen, _) in WELLS.items()
        ]
        self.runs = [run_of("R1", "P1", "12:00", "13:30")]
        self.readings = [row for well, (*_, cts) in WELLS.items() for row in read_well("R1", well, cts)]
        self.pools: list[Row] = []
        self.members: list[Row] = []

    def sample(self, sample_id: str) -> Row:
        return next(row for row in self.samples if row["sample_id"] == sample_id)

    def mix(self, pool: str, *samples: str) -> None:
        """Mix a laboratory pool."""
        self.pools.append({"pool_id": pool, "formed": "laboratory", "n_members": str(len(samples)), "stage": "1"})
        for slot, sample in enumerate(samples, 1):
            self.members.append({"pool_id": pool, "sample_id": sample, "slot": str(slot), "volume_ul": ""})

    def read(self, well: str, cts: tuple[str, str, str]) -> None:
        """Put other readings in a well of the run."""
        self.readings = [row for row in self.readings if row["well"] != well] + read_well("R1", well, cts)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*NAMES, *(each for each in ("pools", "members") if getattr(self, each))):
            write_rows(folder / f"{name}.csv", getattr(self, name), TABLES[name].names)
        return folder


def write_rows(path: Path, rows: list[Row], names: list[str] | tuple[str, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def as_parquet(folder: Path) -> Day:
    """Turn the CSV files of a day folder into Parquet and return what they hold."""
    day = poolkit.read_day(folder)
    for path in folder.glob("*.csv"):
        path.unlink()
    poolkit.write_day(day, folder)
    return day


def kept(store: Path) -> dict[str, bytes]:
    """The store's segments and its ledger, byte for byte; to be asked for when nobody has it open."""
    files = [path for path in store.rglob("*") if path.is_file() and path.name != "lock"]
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


class Keeper:
    """A store that holds an earlier day, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store"
        earlier = poolkit.simulate_day(60, 0.0, 5, date="2022-03-30", failures=poolkit.Failures.none())
        poolkit.write_day(earlier.day, folder / "earlier")
        self.earlier = earlier.day.samples["sample_id"].to_pylist()
        with poolkit.Lab.open(self.path) as lab:
            lab.run(folder / "earlier")

    @contextmanager
    def refusing(self, error: type[Exception]) -> Iterator[list[str]]:
        """Give the words of the error that must come; the store is held to be what it was, byte for byte."""
        before, words = kept(self.path), []
        assert before
        with pytest.raises(error) as caught:
            yield words
        assert type(caught.value) is error
        words.append(str(caught.value))
        assert kept(self.path) == before

    def refuse(self, folder: Path, error: type[Exception], **options: object) -> str:
        """Hand in a folder that must be refused, and return the error's text."""
        with self.refusing(error) as words, poolkit.Lab.open(self.path) as lab:
            lab.run(folder, **options)
        with poolkit.Lab.open(self.path) as lab:
            assert [commit.commit_id for commit in lab.commits()] == [1]
            assert lab.results().num_rows == len(self.earlier)
        return words[0]

    def take(self, folder: Path, expected: int = len(EVERYBODY), **options: object) -> "Taken":
        """Hand in a folder that must be taken, with so many samples; nobody may be lost."""
        with poolkit.Lab.open(self.path) as lab:
            before = lab.results().to_pylist()
            commit = lab.run(folder, **options)
            taken = Taken(lab, commit, self.earlier)
            again = {row["sample_id"]: row for row in lab.results().to_pylist()}
        assert not commit.repeated
        assert len(taken.status) == expected
        assert [again[row["sample_id"]] for row in before if row["sample_id"] in self.earlier] == [
            row for row in before if row["sample_id"] in self.earlier
        ]
        return taken

    def again(self, folder: Path, **options: object) -> bool:
        """Hand in a folder once more; whether nothing was written for it."""
        with poolkit.Lab.open(self.path) as lab:
            n_commits = len(lab.commits())
            commit = lab.run(folder, **options)
            assert (len(lab.commits()) == n_commits) is commit.repeated
        return commit.repeated


class Taken:
    """What a store says after a day, without the earlier day's samples; conserved, or it is not made."""

    def __init__(self, lab: poolkit.Lab, commit: Commit, earlier: list[str]) -> None:
        self.commit = commit
        rows = lab.results().to_pylist()
        assert len(rows) == len({row["sample_id"] for row in rows})
        assert {row["sample_id"] for row in rows} == set(lab.table("samples")["sample_id"].to_pylist())
        self.results = {row["sample_id"]: row for row in rows if row["sample_id"] not in set(earlier)}
        self.status = {sample: row["status"] for sample, row in self.results.items()}
        orders = lab.orders().to_pylist()
        assert max(Counter(row["sample_id"] for row in orders).values(), default=1) == 1
        self.orders = {row["sample_id"]: (row["action"], row["reason"]) for row in orders}
        asked = {sample for sample, status in self.status.items() if status in ("suspect", "invalid")}
        assert asked <= set(self.orders)
        assert not {sample for sample in self.orders if self.status[sample] in ("negative", "positive")}
        assert all(row["evidence"] for row in self.results.values() if row["status"] == "negative")
        self.findings = {(row["kind"], *row["ids"]): row["severity"] for row in lab.findings().to_pylist()}
        self.messages = "\n".join(lab.findings()["message"].to_pylist())
        self.calls = {(row["run_id"], row["well"]): row for row in lab.table("calls").to_pylist()}


def later(row: Row, name: str, by: timedelta) -> None:
    """Move a time of a row."""
    moved = pa.scalar(row[name]).cast(pa.timestamp("us", tz="UTC")).as_py() + by
    row[name] = moved.isoformat()
