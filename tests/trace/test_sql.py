"""The questions in SQL agree with the answers in Python, over a day and its evening."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pyarrow as pa
import pytest

import poolkit
from poolkit import TraceError
from poolkit.trace.recall import recall
from poolkit.trace.sql import VIEWS, connect
from poolkit.trace.store import Store

duckdb = pytest.importorskip("duckdb")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    root = tmp_path_factory.mktemp("sql")
    simulated = poolkit.simulate_day(300, 0.04, 5)
    poolkit.write_day(simulated.day, root / "day")
    opened = Store(root / "it's a store")
    lab = poolkit.Lab(opened)
    lab.run(root / "day")
    evening = poolkit.simulate_evening(simulated.day, simulated.truth, lab.orders(), 6)
    poolkit.write_day(evening, root / "evening")
    lab.run(root / "evening")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def sql(store: Store) -> Iterator[Any]:
    segments = [(commit, each.table, store.files.where(each.path)) for commit, each in store.snapshot().segments]
    told = store.commits()
    commits = pa.table(
        {
            "commit_id": [each.commit_id for each in told],
            "committed_at": pa.array([each.committed_at for each in told], pa.timestamp("us", "UTC")),
            "head": [each.head for each in told],
            "kind": [each.kind for each in told],
        }
    )
    connection = connect(segments, commits)
    yield connection
    connection.close()


def asked(sql: Any, query: str) -> list[dict[str, Any]]:
    found = sql.sql(query).to_arrow_table()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


@pytest.mark.parametrize("view", [*VIEWS, *poolkit.schemas.TABLES])
def test_every_view_runs(sql: Any, view: str) -> None:
    asked(sql, f"SELECT * FROM {view} LIMIT 3")


def test_current_results(store: Store, sql: Any) -> None:
    ours = {row["sample_id"]: row for row in store.snapshot().results().to_pylist()}
    found = asked(sql, "SELECT * EXCLUDE (commit_id) FROM current_results")
    assert len(found) == len(ours) > 0
    for row in found:
        assert row == ours[row["sample_id"]]


def lots(store: Store) -> list[str]:
    runs = store.snapshot().table("runs").to_pylist()
    return sorted({lot for run in runs for lot in (run["extraction_lot"], run["amplification_lot"]) if lot})


def test_rests_on_is_a_recall(store: Store, sql: Any) -> None:
    committed_at = {commit.commit_id: commit.committed_at for commit in store.commits()}
    n_rows = 0
    for lot in lots(store):
        ours = recall(store.snapshot(), lot=lot, committed_at=committed_at).to_pylist()
        found = asked(sql, f"SELECT * FROM rests_on WHERE '{lot}' IN (extraction_lot, amplification_lot)")
        names = ("sample_id", "subject_id", "status", "specimen_id", "plate_id", "well", "run_id", "instrument_id")
        assert sorted(tuple(row[name] for name in names) for row in found) == sorted(
            tuple(row[name] for name in names) for row in ours
        )
        told = {row["sample_id"]: row["released_at"] for row in ours}
        assert {row["sample_id"]: row["committed_at"] if row["released"] else None for row in found} == told
        n_rows += len(ours)
    assert n_rows > 0


def test_chain(store: Store, sql: Any) -> None:
    """Every well that holds a sample, by itself or in a mixture, as a plain look at the tables has it."""
    known = store.snapshot()
    specimens: dict[str, set[str]] = {}
    for row in known.table("samples").to_pylist():
        for specimen in (row["sample_id"], row["tube_id"]):
            specimens.setdefault(specimen, set()).add(row["sample_id"])
    for row in known.table("members").to_pylist():
        specimens.setdefault(row["pool_id"], set()).add(row["sample_id"])
    runs: dict[str, list[str]] = {}
    for row in known.table("runs").to_pylist():
        runs.setdefault(row["plate_id"], []).append(row["run_id"])
    expected = {
        (sample, row["plate_id"], row["well"], run)
        for row in known.table("wells").to_pylist()
        for sample in specimens.get(row["specimen_id"], ())
        for run in runs.get(row["plate_id"], [None])
    }
    found = asked(sql, "SELECT * FROM chain")
    assert {(row["sample_id"], row["plate_id"], row["well"], row["run_id"]) for row in found} == expected
    evidence = {row["sample_id"]: row["evidence"] for row in known.results().to_pylist()}
    decided = {row["sample_id"] for row in found if row["decided"]}
    assert decided
    for row in found:
        assert row["decided"] is (evidence[row["sample_id"]] == f"{row['specimen_id']}/{row['run_id']}/{row['well']}")


def test_not_received(store: Store, sql: Any) -> None:
    known = store.snapshot()
    standing = {row["specimen_id"] for row in known.table("wells").to_pylist()}
    mixed = {row["sample_id"] for row in known.table("members").to_pylist()}
    status = {row["sample_id"]: row["status"] for row in known.results().to_pylist()}
    expected: dict[str, set[str]] = {}
    for row in known.table("samples").to_pylist():
        if row["tube_id"] not in standing and row["sample_id"] not in standing | mixed:
            expected.setdefault(row["tube_id"], set()).add(row["sample_id"])
    expected = {
        tube: some
        for tube, some in expected.items()
        if any(status[one] not in ("negative", "positive") for one in some)
    }
    found = asked(sql, "SELECT * FROM not_received")
    assert {row["tube_id"]: row["n_samples"] for row in found} == {tube: len(some) for tube, some in expected.items()}


def test_daily_calls(store: Store, sql: Any) -> None:
    known = store.snapshot()
    sizes: dict[str, set[str]] = {}
    for row in known.table("samples").to_pylist():
        for specimen in (row["sample_id"], row["tube_id"]):
            sizes.setdefault(specimen, set()).add(row["sample_id"])
    for row in known.table("members").to_pylist():
        sizes.setdefault(row["pool_id"], set()).add(row["sample_id"])
    ended = {row["run_id"]: row["ended_at"].astimezone(UTC).date() for row in known.table("runs").to_pylist()}
    expected: Counter[tuple[Any, ...]] = Counter()
    for row in known.table("calls").to_pylist():
        if row["run_id"] in ended and row["specimen_id"] in sizes:
            key = ended[row["run_id"]], len(sizes[row["specimen_id"]]) > 1
            expected[(*key, "n")] += 1
            expected[(*key, f"n_{row['call']}")] += 1
    found = asked(sql, "SELECT * FROM daily_calls")
    assert found
    for row in found:
        for name in ("n", "n_positive", "n_suspect", "n_invalid"):
            assert row[name] == expected[row["day"], row["pooled"], name]
    assert sum(row["n"] for row in found) == sum(count for key, count in expected.items() if key[2] == "n")


def plain_recall(store: Store, wanted: Any) -> set[str]:
    """The slow twin: whose newest result names a reading on one of the runs that are meant."""
    known = store.snapshot()
    runs = {row["run_id"] for row in known.table("runs").to_pylist() if wanted(row)}
    newest = {row["sample_id"]: row["evidence"] for row in known.table("results").to_pylist()}
    calls = {
        f"{row['specimen_id']}/{row['run_id']}/{row['well']}"
        for row in known.table("calls").to_pylist()
        if row["run_id"] in runs
    }
    return {sample for sample, evidence in newest.items() if evidence in calls}


def test_recall_and_its_slow_twin(store: Store) -> None:
    known = store.snapshot()
    committed_at = {commit.commit_id: commit.committed_at for commit in store.commits()}
    runs = known.table("runs").to_pylist()
    columns = {"instrument": "instrument_id", "operator": "operator_id", "plate": "plate_id", "run": "run_id"}
    n_found = 0
    for run in runs:
        lot = run["extraction_lot"]
        asks: list[tuple[dict[str, Any], Any]] = [
            ({name: run[column]}, lambda row, column=column, run=run: row[column] == run[column])
            for name, column in columns.items()
            if run[column] is not None
        ]
        window = (run["started_at"], run["ended_at"])
        inside = lambda row, window=window: row["started_at"] <= window[1] and row["ended_at"] >= window[0]  # noqa: E731
        asks += [({"window": window}, inside)]
        if lot is not None:
            has = lambda row, lot=lot: lot in (row["extraction_lot"], row["amplification_lot"])  # noqa: E731
            asks += [
                ({"lot": lot}, has),
                ({"lot": lot, "window": window}, lambda row, one=has, two=inside: one(row) and two(row)),
            ]
        for given, wanted in asks:
            found = recall(known, committed_at=committed_at, **given)["sample_id"].to_pylist()
            assert len(found) == len(set(found))
            assert set(found) == plain_recall(store, wanted)
            n_found += len(found)
    assert n_found > 0
    first = runs[0]
    naive = (first["started_at"].replace(tzinfo=None), first["ended_at"].replace(tzinfo=None))
    for given in ({}, {"lot": "none"}, {"run": "none", "lot": lots(store)[0]}, {"window": naive}):
        with pytest.raises(TraceError, match="nothing to recall"):
            recall(known, committed_at=committed_at, **given)
