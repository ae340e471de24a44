"""Who had a tube, how long it took, and what does not add up over days and stores."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poolkit
from poolkit import Lab, PoolkitError, TraceError
from poolkit.lab.reconcile import _without_well
from poolkit.schemas import CUSTODY, SAMPLES, Day
from poolkit.trace.journey import custody_findings
from tests.reference import custody as twin

EARLY = datetime(2022, 4, 1, 1, tzinfo=UTC)


def event(name: str, item: str, at: datetime, **more: Any) -> dict[str, Any]:
    told = {"event": name, "item_id": item, "at": at, "actor": "C1", "witness": None, "place": "S1"}
    return dict.fromkeys(CUSTODY.names) | told | more


def custody_of(day: Day) -> pa.Table:
    """Put the tubes of every site into a box, which a courier brings to the laboratory."""
    first: dict[str, datetime] = {}
    last: dict[str, datetime] = {}
    site: dict[str, str] = {}
    for row in day.samples.to_pylist():
        tube = row["tube_id"]
        first[tube] = min(row["collected_at"], first.get(tube, row["collected_at"]))
        last[row["site_id"]] = max(row["collected_at"], last.get(row["site_id"], row["collected_at"]))
        site[tube] = row["site_id"]
    rows = []
    for tube, where in site.items():
        rows.append(event("boxed", tube, last[where] + timedelta(minutes=5), box_id=f"B{where}", place=where))
    for where, at in last.items():
        rows += [
            event("courier", f"B{where}", at + timedelta(minutes=10), witness="K1", place=where, temperature_c=4.0),
            event("received", f"B{where}", at + timedelta(minutes=50), witness="L1", place="LAB1", temperature_c=5.5),
        ]
    return pa.Table.from_pylist(rows, schema=CUSTODY.schema)


class Kept:
    def __init__(self, root: Path) -> None:
        made = poolkit.simulate_day(600, 0.02, seed=8)
        self.day = replace(made.day, custody=custody_of(made.day))
        self.folder, self.store = root / "day", root / "store"
        poolkit.write_day(self.day, self.folder)
        with Lab.open(self.store) as lab:
            lab.run(self.folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("custody"))


@pytest.fixture
def lab(kept: Kept) -> Iterator[Lab]:
    with Lab.open(kept.store) as opened:
        yield opened


@pytest.mark.parametrize("suffix", [".csv", ".arrow", ".parquet"])
def test_custody_is_part_of_a_day_folder(kept: Kept, tmp_path: Path, suffix: str) -> None:
    poolkit.write_day(kept.day, tmp_path, suffix=suffix)
    assert poolkit.read_day(tmp_path).custody.cast(CUSTODY.schema).equals(kept.day.custody)


def test_an_event_is_kept_once(kept: Kept, lab: Lab, tmp_path: Path) -> None:
    assert lab.table("custody").num_rows == kept.day.custody.num_rows
    more = pa.Table.from_pylist([event("courier", "B9", EARLY, witness="K2")], schema=CUSTODY.schema)
    poolkit.write_day(replace(kept.day, custody=pa.concat_tables([kept.day.custody, more])), tmp_path / "day")
    with Lab.open(tmp_path / "store") as other:
        other.run(kept.folder)
        other.run(tmp_path / "day")
        assert other.table("custody").num_rows == kept.day.custody.num_rows + 1


def test_a_journey(kept: Kept, lab: Lab) -> None:
    sample = kept.day.samples.to_pylist()[0]
    rows = lab.journey(sample["tube_id"]).to_pylist()
    told = {row["event"]: row for row in rows}
    assert [row["event"] for row in rows] == [each for each in twin.EVENTS if each in told]
    assert told["collected"]["source"] == "derived"
    assert (told["received"]["place"], told["received"]["witness"]) == ("LAB1", "L1")
    assert told["courier"]["temperature_c"] == 4.0
    assert told["received"]["minutes"] == 40.0
    run = next(row for row in kept.day.runs.to_pylist() if row["ended_at"] == told["read"]["at"])
    assert told["plated"]["at"] == run["started_at"]
    assert all(later["at"] >= earlier["at"] for earlier, later in pairwise(rows))
    # The report is years after the swab here, which the protocol does not allow.
    if "reported" in told:
        assert told["reported"]["remark"].startswith("late: ")
    assert lab.journey(sample["sample_id"]).equals(lab.journey(sample["tube_id"]))
    with pytest.raises(TraceError, match="expected a tube or sample of this store, found none"):
        lab.journey("nobody's")


@pytest.mark.parametrize("by", ["leg", "site", "lab", "hour"])
def test_turnaround_is_that_of_plain_python(kept: Kept, lab: Lab, by: str) -> None:
    rows = lab.turnaround(by=by).to_pylist()
    results = {row["sample_id"]: row for row in lab.results().to_pylist()}
    (commit,) = lab.commits()
    boxes = {row["item_id"]: row["box_id"] for row in kept.day.custody.to_pylist() if row["event"] == "boxed"}
    arrived = {row["item_id"]: row["at"] for row in kept.day.custody.to_pylist() if row["event"] == "received"}
    spans: dict[tuple[str, Any], list[float]] = {}
    for sample in kept.day.samples.to_pylist():
        result = results[sample["sample_id"]]
        of = {"leg": None, "site": sample["site_id"], "lab": "LAB1", "hour": f"{sample['collected_at']:%H}"}[by]
        moments = {
            "collected": sample["collected_at"],
            "received": arrived[boxes[sample["tube_id"]]],
            "read": result["decided_at"] if result["evidence"] else None,
            "reported": commit.committed_at if result["status"] in ("negative", "positive") else None,
        }
        for leg in (
            "collected to received",
            "received to read",
            "collected to read",
            "read to reported",
            "collected to reported",
        ):
            start, _, stop = leg.partition(" to ")
            if moments[start] and moments[stop]:
                span = (moments[stop] - moments[start]).total_seconds() / 60
                spans.setdefault((leg, of), []).append(span)
    assert {(row["leg"], row["of"]): row["n"] for row in rows} == {key: len(some) for key, some in spans.items()}
    for row in rows:
        some = spans[row["leg"], row["of"]]
        assert row["longest"] == pytest.approx(max(some))
        for share in (50, 90, 95, 99):
            assert row[f"p{share}"] == pytest.approx(twin.percentile(some, share))


def test_turnaround_of_nobody_and_by_nothing(tmp_path: Path) -> None:
    with Lab.open(tmp_path) as empty:
        assert empty.turnaround().num_rows == 0
        with pytest.raises(TraceError, match="expected one of leg, site, lab, hour"):
            empty.turnaround(by="weather")


_ITEMS = st.sampled_from(["T1", "T2", "B1"])
_AT = st.integers(0, 40).map(lambda quarter: EARLY + timedelta(minutes=15 * quarter))
_LOG = st.lists(
    st.builds(
        lambda name, item, at, witness, box: event(
            name, item, at, witness=witness, box_id=box if name == "boxed" else None
        ),
        st.sampled_from(twin.EVENTS),
        _ITEMS,
        _AT,
        st.sampled_from([None, "C1", "W1"]),
        st.sampled_from([None, "B1"]),
    ),
    max_size=14,
)


@given(_LOG)
@settings(deadline=None, max_examples=150)
def test_findings_of_any_log_are_those_of_the_twin(log: list[dict[str, Any]]) -> None:
    swabs = [
        {"sample_id": f"S{tube}", "subject_id": "P", "site_id": "S1", "collected_at": EARLY, "kind": "person"}
        | {"tube_id": tube, "slot": 1, "group_id": None, "recollect_of": None}
        for tube in ("T1", "T2")
    ]
    samples = pa.Table.from_pylist(swabs, schema=SAMPLES.schema)
    table = pa.Table.from_pylist(log, schema=CUSTODY.schema)
    found = custody_findings(table, samples, limits={"received": 4.0})
    expected = twin.findings(log, dict.fromkeys(("T1", "T2"), EARLY), 4.0)
    assert {(each.kind, each.ids) for each in found} == expected


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"event": "lost"}, "event: must be one of"),
        ({"temperature_c": 1e9}, "temperature_c: must be between"),
        ({"actor": ""}, "actor: must not be empty"),
    ],
)
def test_custody_that_is_none(kept: Kept, tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    rows = [event("boxed", "T1", EARLY) | wrong]
    poolkit.write_day(replace(kept.day, custody=pa.Table.from_pylist(rows, schema=CUSTODY.schema)), tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        with pytest.raises(PoolkitError) as caught:
            lab.run(tmp_path / "day")
        assert words in str(caught.value)
        assert lab.commits() == []


def kinds(rows: pa.Table) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind in rows["kind"].to_pylist():
        found[kind] = found.get(kind, 0) + 1
    return found


def test_a_sound_store_has_little_to_reconcile(kept: Kept, lab: Lab) -> None:
    rows = lab.reconcile()
    assert "report_without_well" not in kinds(rows)
    assert kinds(rows)["no_raw_file"] == 1
    due = kinds(lab.reconcile(at=datetime(2030, 1, 1, tzinfo=UTC)))
    assert due["order_past_due"] == lab.orders().num_rows > 0


def test_tubes_that_never_came(kept: Kept, tmp_path: Path) -> None:
    wells = kept.day.wells
    lost = next(row["specimen_id"] for row in wells.to_pylist() if row["specimen_id"])
    keep = [row["specimen_id"] != lost for row in wells.to_pylist()]
    poolkit.write_day(replace(kept.day, wells=wells.filter(pa.array(keep))), tmp_path / "day")
    with Lab.open(tmp_path / "store") as lab:
        lab.run(tmp_path / "day")
        found = [row["ids"] for row in lab.reconcile().to_pylist() if row["kind"] == "tube_not_received"]
        assert found == [[lost]]


def test_one_sample_in_two_stores(kept: Kept, lab: Lab, tmp_path: Path) -> None:
    rows = kept.day.samples.to_pylist()
    rows[0]["site_id"] = "elsewhere"
    poolkit.write_day(replace(kept.day, samples=pa.Table.from_pylist(rows, schema=SAMPLES.schema)), tmp_path / "day")
    with Lab.open(tmp_path / "store") as other:
        other.run(tmp_path / "day")
        found = [row for row in lab.reconcile(other).to_pylist() if row["kind"] == "in_two_stores"]
    assert [row["ids"] for row in found] == [[rows[0]["sample_id"]]]
    assert found[0]["store"].startswith(f"{kept.store}")
    assert str(tmp_path / "store") in found[0]["store"]


def test_a_report_without_a_well(kept: Kept, lab: Lab) -> None:
    """What no run can have written: a settled result on evidence that is nowhere."""
    results = lab.results().slice(0, 3)
    assert list(_without_well(results, lab.table("calls"))) == []
    none = lab.table("calls").slice(0, 0)
    assert {finding.kind for finding in _without_well(results, none)} == {"report_without_well"}
