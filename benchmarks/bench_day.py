"""A day of a million samples, timed: from files to durable results, in memory, and what both are measured against.

Run it from anywhere, on a machine with nothing else to do, and mind the load average in its heading:

    python benchmarks/bench_day.py [--samples 1000000] [--large 10000000] [--repeat 5] [--json FILE] [--dir DIR]

``--large 0`` leaves out the large day, ``--dir`` is where days and stores are written (a temporary folder otherwise):
fsync is part of what is measured, so a folder in memory flatters. The day is ``simulate_day(samples, 0.001, seed=1)``
as Parquet. Rows without a target are there for information. Measured are:

- floor: pyarrow reads the input files and writes the tables that `Lab.run` writes, with default settings, nothing
  between and no fsync; and, for information, the same writing with the store's own settings.
- files to durable results: `Lab.open(new).run(folder)`, and its stages as the commit tells them. Stages include the
  wait for what is written beside them.
- in memory: `process(day)` of a day that was read once; and of one whose text columns are plain, not dictionaries.
- pandas twin: ``pandas_day.process`` on frames that are loaded already.
- ratios of the medians of this run. All of these alternate in one process after the kernels are compiled.
- peak memory, the time of the large day, imports and ``poolkit demo``: each in a fresh process that runs alone. They
  come first, because Linux counts the size of the process that starts another one into the other's peak. A process's
  first folder also pays for loading modules and compiled kernels; large and small are compared as second folders, after
  one of a thousand samples.
"""

import argparse
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import pandas_day
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

import poolkit
from poolkit.trace.segments import parquet_options

PREVALENCE = 0.001
PROTOCOL = "cn-10in1-2020"
N_IMPORTS = 7
N_TWIN = 2
# At most so much, or where the word says so at least.
TARGETS: dict[str, tuple[str, float]] = {
    "files / floor": ("at most", 1.5),
    "in memory": ("at most", 0.4),
    "twin / in memory": ("at least", 10.0),
    "peak memory": ("at most", 1.5),
    "large / small": ("at most", 11.0),
    "peak memory, large": ("at most", 4.0),
    "import poolkit": ("at most", 0.3),
    "numba or pandas loaded by it": ("at most", 0.0),
    "poolkit demo, first": ("at most", 30.0),
    "poolkit demo, second": ("at most", 5.0),
}

MAKE = """
import sys, poolkit
n_samples, folder = int(sys.argv[1]), sys.argv[2]
poolkit.write_day(poolkit.simulate_day(n_samples, float(sys.argv[3]), seed=1).day, folder)
"""
RUN = """
import json, resource, sys, time, poolkit
folder, store, *warm = sys.argv[1:]
for other in warm:
    with poolkit.Lab.open(store + "-warm") as lab:
        lab.run(other)
began = time.perf_counter()
with poolkit.Lab.open(store) as lab:
    commit = lab.run(folder)
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "peak_kib": peak, "stages": commit.summary["seconds"]}))
"""
IMPORT = """
import sys, time
began = time.perf_counter()
import poolkit
seconds = time.perf_counter() - began
heavy = len({"numba", "pandas"} & set(sys.modules))
began = time.perf_counter()
poolkit.process, poolkit.Lab
import json
print(json.dumps({"seconds": seconds, "heavy": heavy, "names": time.perf_counter() - began}))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was reached, in how many repeats, and what was aimed at."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def reached(self) -> float:
        """The median over the repeats."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None without one."""
        if self.name not in TARGETS:
            return None
        word, target = TARGETS[self.name]
        return self.reached <= target if word == "at most" else self.reached >= target

    def told(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        ends = {"reached": self.reached, "least": min(self.values), "most": max(self.values)}
        return asdict(self) | ends | {"target": TARGETS.get(self.name), "met": self.met}


def alone(script: str, *arguments: str | Path) -> str:
    """Run a script in a fresh interpreter, wait for it, and return what it printed."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def run_alone(folder: Path, scratch: Path, *warm: Path) -> dict[str, Any]:
    """Run a day folder into a new store in a fresh interpreter, after another folder where one is given."""
    with tempfile.TemporaryDirectory(dir=scratch) as store:
        told: dict[str, Any] = json.loads(alone(RUN, folder, Path(store) / "store", *warm))
        return told


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that some work took, and what it gave."""
    gc.collect()
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


def bench_processes(small: Path, large: Path | None, tiny: Path, scratch: Path, repeat: int) -> list[Row]:
    """Measure what needs a process of its own."""
    n_runs = max(1, min(repeat, 3))
    first = [run_alone(small, scratch) for _ in range(n_runs)]
    rows = [
        Row("fresh process, first folder", "s", [each["seconds"] for each in first]),
        Row("peak memory", "GiB", [each["peak_kib"] / 2**20 for each in first]),
    ]
    if large is not None:
        second = Row("fresh process, second folder", "s")
        second.values.extend(run_alone(small, scratch, tiny)["seconds"] for _ in range(n_runs))
        told = run_alone(large, scratch, tiny)
        rows += [
            second,
            Row("fresh process, second folder, large", "s", [told["seconds"]]),
            *(Row(f"  {stage}, large", "s", [seconds]) for stage, seconds in told["stages"].items()),
            Row("large / small", "x", [told["seconds"] / second.reached]),
            Row("peak memory, large", "GiB", [told["peak_kib"] / 2**20]),
        ]
    imports = [json.loads(alone(IMPORT)) for _ in range(N_IMPORTS)]
    rows += [
        Row("import poolkit", "s", [each["seconds"] for each in imports]),
        Row("numba or pandas loaded by it", "", [each["heavy"] for each in imports]),
        Row("  then process and Lab", "s", [each["names"] for each in imports]),
    ]
    return rows + bench_demo(scratch)


def bench_demo(scratch: Path) -> list[Row]:
    """Time ``poolkit demo`` twice, the first time with nothing compiled; nothing where there is no such command."""
    package = Path(poolkit.__file__).parent
    if not ((package / "cli" / "__init__.py").exists() and (package / "__main__.py").exists()):
        return []
    cache = scratch / "compiled"
    rows = []
    for name in ("poolkit demo, first", "poolkit demo, second"):
        folder = scratch / name.replace(", ", "-").replace(" ", "-")
        folder.mkdir()
        began = time.perf_counter()
        command = [sys.executable, "-m", "poolkit", "demo"]
        environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
        rows.append(Row(name, "s", [time.perf_counter() - began]))
    return rows


def segments_of(store: Path) -> dict[str, tuple[pa.Table, pa.Table]]:
    """Return each table of a store's only commit as pyarrow reads it, and with the dictionaries it was written with."""
    tables = {}
    for path in sorted(store.glob("segments/*/*.parquet")):
        group = pq.ParquetFile(path).metadata.row_group(0)
        columns = [group.column(place) for place in range(group.num_columns)]
        coded = [column.path_in_schema for column in columns if column.has_dictionary_page]
        coded = [name for name in coded if "." not in name]
        tables[path.stem] = (pq.read_table(path), pq.read_table(path, read_dictionary=coded))
    return tables


def floor(folder: Path, tables: Iterable[pa.Table], scratch: Path, *, as_stored: bool) -> None:
    """Read what the day reads and write what it writes, and nothing else."""
    for path in sorted(folder.glob("*.parquet")):
        pq.read_table(path)
    for number, table in enumerate(tables):
        options = parquet_options(table) if as_stored else {}
        pq.write_table(table, scratch / f"{number}.parquet", **options)


def plain_text(table: pa.Table) -> pa.Table:
    """Return a table with plain text in place of dictionaries."""
    kinds = [pa.string() if pa.types.is_dictionary(each.type) else each.type for each in table.schema]
    return table.cast(pa.schema([each.with_type(kind) for each, kind in zip(table.schema, kinds, strict=True)]))


def bench_day(folder: Path, scratch: Path, repeat: int) -> list[Row]:
    """Measure floor, files, memory and twin side by side."""
    stages: dict[str, list[float]] = {}
    store = scratch / "store"

    def from_files() -> dict[str, float]:
        with poolkit.Lab.open(store) as lab:
            told: dict[str, float] = lab.run(folder).summary["seconds"]
            return told

    from_files()
    tables = segments_of(store)
    shutil.rmtree(store)
    out = scratch / "floor"
    out.mkdir()
    day = poolkit.read_day(folder)
    names = ("samples", "wells", "runs", "readings")
    plain = replace(day, **{name: plain_text(getattr(day, name)) for name in names})
    poolkit.process(day), poolkit.process(plain)
    frames = [pandas_day.frame(getattr(day, name)) for name in names]
    rules = json.loads(poolkit.load_protocol(PROTOCOL).canonical())
    works: dict[str, Callable[[], Any]] = {
        "floor": lambda: floor(folder, [one for one, _ in tables.values()], out, as_stored=False),
        "floor, written as the store does": lambda: floor(
            folder, [other for _, other in tables.values()], out, as_stored=True
        ),
        "files to durable results": from_files,
        "in memory": lambda: poolkit.process(day),
        "in memory, plain text": lambda: poolkit.process(plain),
        "pandas twin": lambda: pandas_day.process(*frames, rules),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(repeat):
        for name, work in works.items():
            if name == "pandas twin" and number >= N_TWIN:
                continue
            seconds, made = timed(work)
            times[name].append(seconds)
            if name == "files to durable results":
                shutil.rmtree(store)
                outside = {"open, sign and close": seconds - sum(made.values())}
                for stage, of_stage in (made | outside).items():
                    stages.setdefault(stage, []).append(of_stage)
    rows = {name: Row(name, "s", values) for name, values in times.items()}
    files, memory = rows["files to durable results"].reached, rows["in memory"].reached
    ratios = [
        Row("files / floor", "x", [files / rows["floor"].reached]),
        Row("files / floor as the store", "x", [files / rows["floor, written as the store does"].reached]),
        Row("twin / in memory", "x", [rows["pandas twin"].reached / memory]),
    ]
    of_stages = [Row(f"  {stage}", "s", values) for stage, values in stages.items()]
    listed = list(rows.values())
    return [*listed[:3], *of_stages, *listed[3:], *ratios]


def load() -> list[float]:
    """Return the load averages over 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()]


def show(rows: list[Row], heading: str) -> None:
    """Print the table."""
    table = Table(title=heading)
    for name in ("what", "reached", "least", "most", "repeats", "target", "met"):
        table.add_column(name, justify="left" if name == "what" else "right", no_wrap=True)
    for row in rows:
        word, target = TARGETS.get(row.name, ("", 0.0))
        met = {True: "yes", False: "NO", None: ""}[row.met]
        ends = (f"{min(row.values):.3f}", f"{max(row.values):.3f}") if len(row.values) > 1 else ("", "")
        aimed = f"{word} {target:g}" if word else ""
        table.add_row(row.name, f"{row.reached:.3f} {row.unit}", *ends, str(len(row.values)), aimed, met)
    Console(width=120).print(table)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000, help="samples of the large day; 0 for none")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    before = load()
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        scratch = Path(name)
        small, large = scratch / "small", scratch / "large" if given.large else None
        alone(MAKE, given.samples, small, PREVALENCE)
        # Whatever was not compiled yet is compiled here, and the files are in the page cache for everybody.
        run_alone(small, scratch)
        tiny = scratch / "tiny"
        alone(MAKE, 1000, tiny, PREVALENCE)
        if large is not None:
            alone(MAKE, given.large, large, PREVALENCE)
        of_processes = bench_processes(small, large, tiny, scratch, given.repeat)
        if large is not None:
            shutil.rmtree(large)
        rows = bench_day(small, scratch, given.repeat) + of_processes
    after = load()
    heading = (
        f"{given.samples:,} samples, large {given.large:,}; poolkit {poolkit.__version__}, pyarrow {pa.__version__}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {before[0]} before, {after[0]} after"
    )
    show(rows, heading)
    if given.json:
        told = {"samples": given.samples, "large": given.large, "repeat": given.repeat, "load": [before, after]}
        told |= {"heading": heading, "rows": [row.told() for row in rows]}
        given.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
