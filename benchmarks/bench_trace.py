"""A store of many large days with random ids, built and asked: how long each question takes, and what others need.

Run it from anywhere, on a machine with nothing else to do, and mind the load average in its heading:

    python benchmarks/bench_trace.py --dir DIR [--days 100] [--samples 1000000] [--queries 1000] [--out FILE]

A day and its evening are simulated once. For each day of the store they get new random UUIDs as sample ids, new
subjects, tubes, plates, runs and lots, and the next date; they are written as day folders and taken in by `Lab.run`,
one after the other, so that one day is in memory. A store that is in ``--dir`` is used as far as it goes. Measured
are (the last ten days have positives and an evening, the days before are all negative):

- commits: a first day with and without proofs, alternating, in new stores; one plate, in a new store and in the large
  one, as the commit of its tables alone and as the whole of `Lab.run`.
- opening: `Lab.open` until the first question could be asked, in a fresh process.
- trace: `Lab.trace` of random sample ids, in a fresh process; once with the store's files out of the page cache, as far
  as the system lets them go, and once again.
- DuckDB and pyarrow.dataset: the sample's rows in `samples` and `results` of the same files, which is a part of what
  trace gives.
- recall of a lot that touches about 50,000 samples, and `verify`, in this process.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

import poolkit
from poolkit.arrays import TextIndex, whole
from poolkit.schemas import Day
from poolkit.trace import segments
from poolkit.trace.store import Store

PREVALENCE = 0.001
RENAMED = ("sample_id", "subject_id", "tube_id", "group_id", "recollect_of", "plate_id", "specimen_id", "run_id")
LOT = 50_000
N_OTHERS = 3
# Every day of positives leaves a dozen people whose status stays open, and each later run looks at them all again.
N_WITH_POSITIVES = 10
# At most so much, or where the word says so at least.
TARGETS: dict[str, tuple[str, float]] = {
    "trace, p50": ("at most", 10.0),
    "trace, p99": ("at most", 50.0),
    "opening": ("at most", 200.0),
    "index": ("at most", 12.0),
    "recall of a lot": ("at most", 2.0),
    "verify": ("at least", 500.0),
    "commit with proofs / without": ("at most", 1.5),
    "commit of one plate": ("at most", 25.0),
}
OPEN = """
import json, sys, time
import poolkit
from poolkit.lab import Lab
began = time.perf_counter()
lab = Lab.open(sys.argv[1], create=False)
n_commits = len(lab.commits())
opened = time.perf_counter()
seconds = []
for sample_id in json.load(open(sys.argv[2])):
    start = time.perf_counter()
    rows = lab.trace(sample_id)
    seconds.append(time.perf_counter() - start)
    assert sample_id in rows["sample_id"].to_pylist()
print(json.dumps({"opening": opened - began, "commits": n_commits, "traces": seconds}))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was reached, and over how many tries."""

    name: str
    unit: str
    reached: float
    n_tries: int = 1
    target: tuple[str, float] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Look up what was aimed at."""
        object.__setattr__(self, "target", TARGETS.get(self.name))

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None without one."""
        if self.target is None:
            return None
        word, limit = self.target
        return self.reached <= limit if word == "at most" else self.reached >= limit


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that some work took, and what it gave."""
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


def uuids(n: int, rng: np.random.Generator) -> pa.Array:
    """Return so many random UUIDs of version 4."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    drawn = rng.integers(0, 256, (n, 16), np.uint8)
    drawn[:, 6] = drawn[:, 6] & 0x0F | 0x40
    drawn[:, 8] = drawn[:, 8] & 0x3F | 0x80
    nibbles = digits[np.stack([drawn >> 4, drawn & 15], axis=2).reshape(n, 32)]
    text = np.full((n, 36), ord("-"), np.uint8)
    text[:, [place for place in range(36) if place not in (8, 13, 18, 23)]] = nibbles
    offsets = np.arange(0, 36 * (n + 1), 36, dtype=np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))


class Base:
    """One simulated day and its evening, to be given new names."""

    def __init__(self, n_samples: int, scratch: Path, prevalence: float) -> None:
        # Nothing fails, so that the evening settles nearly everybody: who stays open is looked at by every later run.
        none = poolkit.Failures.none()
        made = poolkit.simulate_day(n_samples, prevalence, seed=1, failures=none)
        poolkit.write_day(made.day, scratch / "base")
        with poolkit.Lab.open(scratch / "base-store") as lab:
            lab.run(scratch / "base")
            orders = lab.orders()
        shutil.rmtree(scratch / "base-store")
        shutil.rmtree(scratch / "base")
        self.parts = [made.day]
        if orders.num_rows:
            self.parts.append(poolkit.simulate_evening(made.day, made.truth, orders, 2, failures=none))
        self.samples, self.subjects = (
            TextIndex.of(pa.concat_arrays([whole(part.samples[name]) for part in self.parts]).cast(pa.string()))
            for name in ("sample_id", "subject_id")
        )
        runs = self.parts[0].runs
        if runs is None:
            raise AssertionError("a simulated day has runs")
        self.runs_a_lot = max(1, round(LOT * runs.num_rows / n_samples))

    def day(self, number: int) -> list[Day]:
        """Return the day and the evening with names of their own."""
        rng = np.random.default_rng(number)
        names = {
            "sample": (self.samples, uuids(len(self.samples.values), rng)),
            "subject": (self.subjects, pc.utf8_slice_codeunits(uuids(len(self.subjects.values), rng), 0, 18)),
        }
        return [self._renamed(part, number, names) for part in self.parts]

    def _renamed(self, part: Day, number: int, names: dict[str, tuple[TextIndex, pa.Array]]) -> Day:
        told = {}
        for name in ("samples", "wells", "readings", "runs"):
            table = getattr(part, name)
            for place, described in enumerate(table.schema):
                column = whole(table.column(place))
                if pa.types.is_timestamp(described.type):
                    column = pc.add(column, pa.scalar(timedelta(days=number), pa.duration("us")))
                elif described.name in RENAMED:
                    column = _texts(column, lambda texts: _new(texts, number, names))
                table = table.set_column(place, described.name, column)
            told[name] = table
        lots = [f"EX-{number:03}-{run // self.runs_a_lot:04}" for run in range(told["runs"].num_rows)]
        if part is self.parts[0]:
            place = told["runs"].schema.get_field_index("extraction_lot")
            told["runs"] = told["runs"].set_column(place, "extraction_lot", pa.array(lots))
        return replace(part, **told)


def _texts(column: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Change the texts of a column, those of a dictionary once."""
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, change(column.dictionary))
    return change(column)


def _new(texts: pa.Array, number: int, names: dict[str, tuple[TextIndex, pa.Array]]) -> pa.Array:
    """Return new names: of samples and subjects their own, of all else the old one with the day's number before it."""
    new = pc.binary_join_element_wise(f"{number:03}", texts, "-")
    present = pc.fill_null(texts, "")
    for index, renamed in names.values():
        places = index.find(present)
        taken = renamed.take(pa.array(np.maximum(places, 0)))
        new = pc.if_else(pa.array(places >= 0), taken, new)
    return new


def build(store: Path, bases: tuple[Base, Base], n_days: int, scratch: Path) -> list[Row]:
    """Take in the days that the store lacks."""
    with poolkit.Lab.open(store) as lab:
        have = sum(commit.source.startswith("day-") for commit in lab.commits())
        seconds: dict[str, list[float]] = {"day": [], "evening": []}
        for number in range(have, n_days):
            base = bases[number >= n_days - N_WITH_POSITIVES]
            for kind, part in zip(seconds, base.day(number), strict=False):
                folder = scratch / f"{kind}-{number:03}"
                poolkit.write_day(part, folder)
                took, commit = timed(lambda folder=folder: lab.run(folder))
                seconds[kind].append(took)
                shutil.rmtree(folder)
                told = " ".join(f"{stage} {each:.2f}" for stage, each in commit.summary["seconds"].items())
                sys.stderr.write(f"{folder.name}: {took:.2f} s ({told})\n")
    return [
        Row(f"  commit of {kind}, {which}", "s", values[place])
        for kind, values in seconds.items()
        if values
        for which, place in (("first", 0), ("last", -1))
    ]


def random_ids(store: Path, n: int) -> list[str]:
    """Return random samples of the store."""
    rng = np.random.default_rng(7)
    files = sorted(store.glob("segments/*/samples-*.parquet"))
    rows = np.array([pq.read_metadata(file).num_rows for file in files])
    ids = []
    for place in rng.choice(len(files), n, p=rows / rows.sum()):
        file = pq.ParquetFile(files[place])
        group = file.read_row_group(int(rng.integers(file.num_row_groups)), columns=["sample_id"])
        ids.append(group["sample_id"][int(rng.integers(group.num_rows))].as_py())
    return ids


def evict(store: Path) -> None:
    """Ask the system to let go of what it keeps of the store's files."""
    for path in store.glob("segments/*/*"):
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def bench_trace(store: Path, ids: list[str], scratch: Path) -> list[Row]:
    """Open and trace in fresh processes, and ask the same files by other means."""
    asked = scratch / "ids.json"
    asked.write_text(json.dumps(ids), encoding="utf-8")

    def alone() -> dict[str, Any]:
        command = [sys.executable, "-c", OPEN, str(store), str(asked)]
        told: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return told

    alone()  # compiles whatever was not compiled yet
    evict(store)
    cold, warm = alone(), alone()
    rows = [
        Row("opening", "ms", 1000 * warm["opening"]),
        Row("opening, out of the page cache", "ms", 1000 * cold["opening"]),
    ]
    for told, where in ((warm, ""), (cold, ", at first out of the page cache")):
        milliseconds = 1000 * np.array(told["traces"])
        rows += [
            Row(f"trace, p{share}{where}", "ms", float(np.percentile(milliseconds, share)), milliseconds.size)
            for share in (50, 99)
        ]
        rows.append(Row(f"  the first one{where}", "ms", float(milliseconds[0])))
    return rows + bench_others(store, ids[:N_OTHERS])


def bench_others(store: Path, ids: list[str]) -> list[Row]:
    """Ask DuckDB and pyarrow.dataset for samples and their results."""
    files = {name: sorted(map(str, store.glob(f"segments/*/{name}-*.parquet"))) for name in ("samples", "results")}
    sets = {name: pyarrow.dataset.dataset(paths) for name, paths in files.items()}

    def by_duckdb(sample_id: str) -> None:
        for paths in files.values():
            found = duckdb.execute("SELECT * FROM read_parquet($1) WHERE sample_id = $2", [paths, sample_id]).fetchall()
            assert found

    def by_pyarrow(sample_id: str) -> None:
        for each in sets.values():
            assert each.to_table(filter=pc.field("sample_id") == sample_id).num_rows

    rows = []
    for name, ask in (("DuckDB over the same files", by_duckdb), ("pyarrow.dataset over the same files", by_pyarrow)):
        seconds = []
        for sample_id in ids:
            began = time.perf_counter()
            ask(sample_id)
            seconds.append(time.perf_counter() - began)
        rows.append(Row(f"  {name}, median", "ms", 1000 * statistics.median(seconds), len(ids)))
    return rows


def bench_size(store: Path, n_samples: int) -> list[Row]:
    """Return bytes a sample."""
    index = sum(path.stat().st_size for path in store.glob("segments/*/index-*.bin"))
    data = sum(path.stat().st_size for path in store.glob("segments/*/*.parquet"))
    return [Row("index", "bytes/sample", index / n_samples), Row("  all else", "bytes/sample", data / n_samples)]


def bench_whole(store: Path, n_days: int) -> list[Row]:
    """Recall a lot and verify the store."""
    rows = []
    with poolkit.Lab.open(store, create=False) as lab:
        if hasattr(lab, "recall"):
            lots = [f"EX-{number:03}-0000" for number in (0, n_days // 2, n_days - 1)]
            tries = [timed(lambda lot=lot: lab.recall(lot=lot)) for lot in lots]
            rows.append(Row("recall of a lot", "s", statistics.median(each for each, _ in tries), len(tries)))
            rows.append(Row("  samples that it touches", "", statistics.median(found.num_rows for _, found in tries)))
        if hasattr(lab, "verify"):
            n_bytes = sum(path.stat().st_size for path in store.glob("segments/*/*"))
            seconds, _ = timed(lab.verify)
            rows.append(Row("verify", "MB/s", n_bytes / 1e6 / seconds))
            rows.append(Row("  bytes that it looks at", "MB", n_bytes / 1e6))
    return rows


@contextlib.contextmanager
def unproven() -> Iterator[None]:
    """Write segments without the hashes of their rows."""
    kept = segments.leaf_digests, segments.root_of
    segments.leaf_digests = lambda *_: np.zeros((8, 0), np.uint32)  # type: ignore[assignment]
    segments.root_of = lambda _: bytes(32)  # type: ignore[assignment]
    try:
        yield
    finally:
        segments.leaf_digests, segments.root_of = kept


def bench_commits(base: Base, store: Path, scratch: Path, repeat: int) -> list[Row]:
    """Commit a large day with and without proofs, and single plates."""
    folder, fresh = scratch / "large", scratch / "fresh"
    poolkit.write_day(base.day(0)[0], folder)

    def commit() -> float:
        shutil.rmtree(fresh, ignore_errors=True)
        with poolkit.Lab.open(fresh) as lab:
            return timed(lambda: lab.run(folder))[0]

    commit()
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(repeat):
        seconds["with"].append(commit())
        with unproven():
            seconds["without"].append(commit())
    shutil.rmtree(folder)
    taken = {name: statistics.median(values) for name, values in seconds.items()}
    rows = [
        Row("commit with proofs / without", "x", taken["with"] / taken["without"], repeat),
        *(Row(f"  commit of a day {name} proofs", "s", value, repeat) for name, value in taken.items()),
    ]
    for place, where in ((fresh, ""), (store, ", in the large store")):
        shutil.rmtree(fresh, ignore_errors=True)
        for name, values in plates(place, scratch).items():
            rows.append(Row(f"{name}{where}", "ms", 1000 * statistics.median(values), len(values)))
    return rows


def plates(store: Path, scratch: Path) -> dict[str, list[float]]:
    """Return the seconds that single plates of new samples take: all of `Lab.run`, and the durable commit alone."""
    # Names follow from the date: other ones each time, so that a store that was asked before has none of them.
    first = date(1975, 1, 1) + timedelta(days=time.time_ns() // 1_000_000_000 % 15_000)
    seconds: dict[str, list[float]] = {"  Lab.run of one plate": [], "commit of one plate": []}
    for number in range(11):
        on = (first + timedelta(days=number)).isoformat()
        made = poolkit.simulate_day(90, 0.0, number, date=on, pooling="single", failures=poolkit.Failures.none()).day
        poolkit.write_day(made, scratch / "plate")
        with poolkit.Lab.open(store) as lab:
            seconds["  Lab.run of one plate"].append(timed(lambda: lab.run(scratch / "plate"))[0])
        shutil.rmtree(scratch / "plate")
        outcome = poolkit.process(made)
        tables = {name: getattr(made, name) for name in ("samples", "wells", "readings")}
        tables |= {name: getattr(outcome, name) for name in ("runs", "calls", "results", "orders", "findings")}
        seconds["commit of one plate"].append(keep(scratch / "alone", tables, made))
    shutil.rmtree(scratch / "alone")
    return {name: values[1:] for name, values in seconds.items()}


def keep(path: Path, tables: dict[str, pa.Table], day: Day) -> float:
    """Commit some tables as they are, and return the seconds until they are on the disk."""
    key = hashlib.sha256(str(day.samples["sample_id"][0]).encode()).hexdigest()
    store = Store(path)
    with store.writing(), store.segments(key) as writer:
        began = time.perf_counter()
        for name, rows in tables.items():
            writer.write(name, rows)
        store.commit(
            writer.finish(),
            content_key=key,
            computed_at=day.samples["collected_at"][0].as_py(),
            protocol="",
            protocol_values="",
            source="plate",
            summary={},
        )
        took = time.perf_counter() - began
    store.close()
    return took


def show(title: str, rows: list[Row]) -> None:
    """Print what was measured beside what was aimed at."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("", "reached", "unit", "aimed at", "", "tries"):
        table.add_column(heading, justify="right" if heading in ("reached", "tries") else "left")
    for row in rows:
        aim = "" if row.target is None else f"{row.target[0]} {row.target[1]:g}"
        met = {None: "", True: "met", False: "MISSED"}[row.met]
        table.add_row(row.name, f"{row.reached:,.2f}", row.unit, aim, met, str(row.n_tries))
    Console(width=120, markup=False, highlight=False).print(table)


def main() -> None:
    """Build the store as far as it is not there, ask it, and say what was reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dir", type=Path, required=True, help="where the store is, or will be")
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    store = given.dir / "store"
    given.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.dir) as folder:
        scratch = Path(folder)
        bases = Base(given.samples, scratch, 0.0), Base(given.samples, scratch, PREVALENCE)
        rows = build(store, bases, given.days, scratch)
        ids = random_ids(store, given.queries)
        rows += bench_trace(store, ids, scratch)
        with poolkit.Lab.open(store, create=False) as lab:
            n_samples = sum(commit.summary["samples"] for commit in lab.commits())
        rows += bench_size(store, n_samples)
        rows += bench_whole(store, given.days)
        rows += bench_commits(bases[1], store, scratch, given.repeat)
    title = (
        f"{given.days} days of {given.samples:,} samples, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}"
    )
    show(title, rows)
    if given.out is not None:
        told = [
            {"name": row.name.strip(), "unit": row.unit, "reached": row.reached, "tries": row.n_tries} for row in rows
        ]
        given.out.write_text(json.dumps({"title": title, "figures": told}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
