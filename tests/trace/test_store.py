"""What a store keeps and gives back: every row once, the newest result, and one path from any barcode."""

import hashlib
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import poolkit
from poolkit import Day, Failures, Lab, TraceError
from poolkit.schemas import TABLES
from poolkit.trace.store import Store

OFTEN = Failures(late_plate=0.5, failed_plate=0.1, failed_internal_control=0.05, tube_not_received=0.05)


def rows_of(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


class Kept:
    """A simulated day and its evening in a store."""

    def __init__(self, root: Path) -> None:
        self.made = poolkit.simulate_day(400, 0.03, 30, failures=OFTEN, tube_size=3)
        self.day = self.made.day
        poolkit.write_day(self.day, root / "day")
        self.path = root / "store"
        with Lab.open(self.path) as lab:
            self.first = lab.run(root / "day")
            self.after_day, self.orders = lab.results(), lab.orders()
            self.evening: Day = poolkit.simulate_evening(self.day, self.made.truth, self.orders, 13)
            poolkit.write_day(self.evening, root / "evening")
            self.second = lab.run(root / "evening")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("kept"))


def test_the_day_has_something_of_everything(kept: Kept) -> None:
    assert {"negative", "suspect", "pending"} <= set(kept.after_day["status"].to_pylist())
    assert {"recollect", "rerun"} <= set(kept.orders["action"].to_pylist())
    assert kept.evening.samples.num_rows
    assert set(kept.evening.runs["plate_id"].to_pylist()) & set(kept.day.wells["plate_id"].to_pylist())


def test_every_row_handed_in_is_kept_once(kept: Kept) -> None:
    with Lab.open(kept.path) as lab:
        for name in ("samples", "wells", "runs", "readings"):
            handed = [row for day in (kept.day, kept.evening) for row in getattr(day, name).to_pylist()]
            stored = lab.table(name).to_pylist()
            assert Counter(map(repr, stored)) == Counter(map(repr, handed)), name


def test_every_segment_is_what_the_ledger_says(kept: Kept) -> None:
    store = Store(kept.path, create=False)
    named = store.ledger.segments()
    store.close()
    assert {commit for commit, _ in named} == {1, 2}
    for _, segment in named:
        data = (kept.path / segment.path).read_bytes()
        assert len(data) == segment.n_bytes
        assert hashlib.sha256(data).hexdigest() == segment.sha256
        if segment.table != "index":
            assert pa.parquet.read_metadata(kept.path / segment.path).num_rows == segment.n_rows
    on_disk = {path.relative_to(kept.path).as_posix() for path in kept.path.glob("segments/*/*")}
    assert on_disk == {segment.path for _, segment in named}


def test_results_are_the_newest_of_each_sample(kept: Kept) -> None:
    with Lab.open(kept.path) as lab:
        versions, current = lab.table("results").to_pylist(), lab.results().to_pylist()
    newest = {row["sample_id"]: row for row in versions}
    assert len(versions) > len(newest)
    assert [row["sample_id"] for row in current] == list(newest)
    assert {row["sample_id"]: row for row in current} == newest


def test_only_what_changed_is_written_again(kept: Kept) -> None:
    before = {row["sample_id"]: row for row in kept.after_day.to_pylist()}
    store = Store(kept.path, create=False)
    again = store.snapshot().table("results", commit_id=2).to_pylist()
    store.close()
    compared = ("status", "evidence", "probability")
    assert again
    assert all(
        row["sample_id"] not in before or any(row[name] != before[row["sample_id"]][name] for name in compared)
        for row in again
    )


def test_the_types_are_those_of_the_schema(kept: Kept) -> None:
    with Lab.open(kept.path) as lab:
        for name, table in TABLES.items():
            rows = lab.results() if name == "results" else lab.table(name)
            assert rows.column_names == list(table.names)
            assert rows.cast(table.schema).num_rows == rows.num_rows
    with Lab.open(kept.path.parent / "empty") as lab:
        for name, table in TABLES.items():
            assert lab.table(name).cast(table.schema).num_rows == 0
        assert lab.results().num_rows == lab.orders().num_rows == lab.findings().num_rows == 0


def recalled(kept: Kept) -> dict[str, Any]:
    """One sample that was positive in a tube and taken again, with what it touched."""
    child = kept.evening.samples.to_pylist()[0]
    parent = next(row for row in kept.day.samples.to_pylist() if row["sample_id"] == child["recollect_of"])
    well = next(row for row in kept.day.wells.to_pylist() if row["specimen_id"] == parent["tube_id"])
    run = next(
        row for day in (kept.day, kept.evening) for row in day.runs.to_pylist() if row["plate_id"] == well["plate_id"]
    )
    return {"parent": parent, "child": child, "well": well, "run": run}


def test_a_sample_leads_to_its_swabs_tubes_wells_and_orders(kept: Kept) -> None:
    seen = recalled(kept)
    parent, child = seen["parent"], seen["child"]
    with Lab.open(kept.path) as lab:
        rows = lab.trace(parent["sample_id"]).to_pylist()
        assert lab.trace(child["sample_id"]).to_pylist()[0] == rows[0]
    collected = [row for row in rows if row["step"] == "collected"]
    assert [row["sample_id"] for row in collected][:2] == [parent["sample_id"], child["sample_id"]]
    assert f"taken again for {parent['sample_id']}" in collected[1]["detail"]
    assert {row["subject_id"] for row in rows} <= {parent["subject_id"], None}
    wells = {(row["plate_id"], row["well"]) for row in rows if row["step"] == "plated"}
    assert (seen["well"]["plate_id"], seen["well"]["well"]) in wells
    assert {row["specimen_id"] for row in rows if row["step"] == "called"} >= {parent["tube_id"]}
    order = next(row for row in rows if row["step"] == "order")
    assert order["sample_id"] == parent["sample_id"]
    assert order["detail"].startswith("recollect because of ")
    results = [row for row in rows if row["step"] == "result" and row["sample_id"] == parent["sample_id"]]
    assert results[0]["detail"].startswith(("suspect", "invalid"))
    assert {"ORF1ab", "N", "RNaseP"} <= {
        word for row in rows if row["step"] == "read" for word in row["detail"].replace(",", "").split()
    }


def test_a_subject_leads_to_all_of_its_samples(kept: Kept) -> None:
    parent, child = (recalled(kept)[name] for name in ("parent", "child"))
    with Lab.open(kept.path) as lab:
        by_subject, by_sample = lab.trace(parent["subject_id"]), lab.trace(child["sample_id"])
    assert by_subject.to_pylist() == by_sample.to_pylist()


def test_a_tube_leads_to_everybody_in_it(kept: Kept) -> None:
    tube = recalled(kept)["parent"]["tube_id"]
    inside = {row["sample_id"] for row in kept.day.samples.to_pylist() if row["tube_id"] == tube}
    assert len(inside) > 1
    with Lab.open(kept.path) as lab:
        rows = lab.trace(tube).to_pylist()
    assert {row["sample_id"] for row in rows if row["step"] == "collected"} >= inside
    assert {row["sample_id"] for row in rows if row["step"] == "result"} >= inside


def test_a_well_leads_to_everybody_in_it(kept: Kept) -> None:
    seen = recalled(kept)
    well, tube = seen["well"], seen["parent"]["tube_id"]
    with Lab.open(kept.path) as lab:
        rows = lab.trace(f"{well['plate_id']}/{well['well']}").to_pylist()
        assert rows == lab.trace(tube).to_pylist()
        control = next(row for row in kept.day.wells.to_pylist() if row["content"] == "negative_control")
        alone = lab.trace(f"{control['plate_id']}/{control['well']}").to_pylist()
    assert {row["step"] for row in alone} >= {"plated", "read"}
    assert {(row["plate_id"], row["well"]) for row in alone if row["plate_id"]} == {
        (control["plate_id"], control["well"])
    }


@pytest.mark.parametrize("by", ["plate_id", "run_id"])
def test_a_plate_and_its_run_lead_to_everybody_on_it(kept: Kept, by: str) -> None:
    run = recalled(kept)["run"]
    wells = [row for row in kept.day.wells.to_pylist() if row["plate_id"] == run["plate_id"]]
    tubes = {row["specimen_id"] for row in wells if row["specimen_id"]}
    on_it = {row["sample_id"] for row in kept.day.samples.to_pylist() if row["tube_id"] in tubes}
    with Lab.open(kept.path) as lab:
        rows = lab.trace(run[by]).to_pylist()
    assert {row["sample_id"] for row in rows if row["step"] == "collected"} == on_it
    assert {row["specimen_id"] for row in rows if row["step"] == "called" and row["run_id"] == run["run_id"]} <= tubes
    assert {row["sample_id"] for row in rows if row["step"] == "result"} == on_it


def test_a_laboratory_pool_leads_to_its_members(tmp_path: Path) -> None:
    made = poolkit.simulate_day(6, 0.0, 3, pooling="single", failures=Failures.none()).day
    samples = made.samples["sample_id"].to_pylist()
    pools = pa.table({"pool_id": ["M1"], "formed": ["laboratory"], "n_members": [6], "stage": [1]})
    members = pa.table({"pool_id": ["M1"] * 6, "sample_id": samples, "slot": list(range(1, 7))})
    first = made.runs["started_at"][0].as_py() - timedelta(hours=1)
    day = Day(made.samples, poolkit.layout_plates(["M1"], seed=1), pools=pools, members=members)
    poolkit.write_day(day, tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day", at=first)
        rows = lab.trace("M1").to_pylist()
        assert [row["sample_id"] for row in rows if row["step"] == "pooled"] == samples
        one = lab.trace(samples[0]).to_pylist()
    # Nobody has read the plate yet: it stands last, the mixture after the swab.
    assert [row["step"] for row in one] == ["collected", "pooled", "result", "plated"] or [
        row["step"] for row in one
    ] == ["collected", "pooled", "result", "plated", "finding"]


def test_what_happened_stands_in_order_of_time(kept: Kept) -> None:
    with Lab.open(kept.path) as lab:
        rows = lab.trace(recalled(kept)["parent"]["sample_id"])
    times = [at for at in rows["at"].to_pylist() if at is not None]
    assert times == sorted(times)
    steps = rows["step"].to_pylist()
    assert steps.index("collected") < steps.index("plated") < steps.index("read") < steps.index("called")


@pytest.mark.parametrize("any_id", ["nothing", "", "%", "A01"])
def test_what_nobody_knows_cannot_be_traced(kept: Kept, any_id: str) -> None:
    with Lab.open(kept.path) as lab, pytest.raises(TraceError, match="nothing to trace") as caught:
        lab.trace(any_id)
    words = f"{any_id}: expected the id of a sample, subject, pool, tube, plate, run or well in this store, found none"
    assert words in str(caught.value)


def test_late_plates_settle_what_was_pending(kept: Kept) -> None:
    late = set(kept.evening.runs["plate_id"].to_pylist()) & set(kept.day.wells["plate_id"].to_pylist())
    on_late = kept.day.wells.filter(pc.is_in(kept.day.wells["plate_id"], pa.array(list(late))))
    tubes = set(on_late["specimen_id"].to_pylist()) - {None}
    waiting = {row["sample_id"] for row in kept.day.samples.to_pylist() if row["tube_id"] in tubes}
    before = dict(rows_of(kept.after_day, "sample_id", "status"))
    assert {before[sample] for sample in waiting} == {"pending"}
    with Lab.open(kept.path) as lab:
        after = dict(rows_of(lab.results(), "sample_id", "status"))
    assert Counter(after[sample] for sample in waiting)["negative"] > len(waiting) / 2
