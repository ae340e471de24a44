"""Reading by indexes: the answers of a look at every row, from a few row groups."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit import Day, Failures, Lab, TraceError
from poolkit.kernels import lookup
from poolkit.trace import segments
from poolkit.trace.history import history_of
from poolkit.trace.index import KEYS, Index, Marks, build_index, hashes_of
from poolkit.trace.lineage import lineage
from poolkit.trace.opened import Opened
from poolkit.trace.snapshot import Snapshot
from poolkit.trace.store import Store
from tests.reference.lookup import blocks_of, paired
from tests.trace.scanned import Scanned, scanned_history

# What a run writes; what persons write is tested where they do.
WRITTEN = {name: keys for name, keys in KEYS.items() if name not in ("custody", "amendments", "approvals", "recalls")}
OFTEN = Failures(late_plate=0.4, failed_plate=0.1, failed_internal_control=0.05, tube_not_received=0.05)


class Filled:
    """A store of two days, each with its evening, in row groups of a few rows, and a mixture in the laboratory."""

    def __init__(self, root: Path) -> None:
        self.path = root / "store"
        self.days: list[Day] = []
        with pytest.MonkeyPatch.context() as patched, Lab.open(self.path) as lab:
            patched.setattr(segments, "ROWS_A_GROUP", 16)
            patched.setattr(segments, "_ROWS_A_SEGMENT", 64)
            for seed in (30, 31):
                date = f"2022-04-{seed - 29:02}"
                made = poolkit.simulate_day(160, 0.04, seed, date=date, failures=OFTEN, tube_size=3)
                self.run(lab, root / f"day {seed}", made.day)
                evening = poolkit.simulate_evening(made.day, made.truth, lab.orders(), seed)
                self.run(lab, root / f"evening {seed}", evening)
            self.run(lab, root / "mixture", mixed(self.days[-2]))

    def run(self, lab: Lab, folder: Path, day: Day) -> None:
        poolkit.write_day(day, folder)
        lab.run(folder)
        self.days.append(day)

    def snapshots(self) -> tuple[Snapshot, Scanned]:
        store = Store(self.path, create=False)
        now = store.snapshot()
        store.close()
        return now, Scanned(now.opened, now.segments)


def mixed(day: Day) -> Day:
    """Return a mixture of some samples of a day, and the first tubes of another."""
    samples = day.samples["sample_id"].to_pylist()[40:44]
    pools = pa.table({"pool_id": ["M1"], "formed": ["laboratory"], "n_members": [4], "stage": [2]})
    members = pa.table({"pool_id": ["M1"] * 4, "sample_id": samples, "slot": [1, 2, 3, 4]})
    more = poolkit.simulate_day(20, 0.0, 77, date="2022-04-03").day
    return dataclasses.replace(more, pools=pools, members=members)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return Filled(tmp_path_factory.mktemp("filled"))


def test_the_store_has_something_of_everything(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    assert {commit for commit, _ in indexed.segments} == {1, 2, 3, 4, 5}
    for name in WRITTEN:
        assert indexed.table(name).num_rows, name
    assert sum(segment.table == "results" for _, segment in indexed.segments) > 5
    assert indexed.table("samples")["recollect_of"].null_count < indexed.table("samples").num_rows


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in WRITTEN.items() for key in keys])
def test_rows_are_found_by_every_key_column(filled: Filled, name: str, key: str) -> None:
    indexed, scanned = filled.snapshots()
    column = indexed.table(name)[key]
    texts = pa.concat_arrays(column.chunks).flatten() if pa.types.is_list(column.type) else column.drop_null()
    distinct = sorted(set(texts.cast(pa.string()).to_pylist()))
    some = [*distinct[:: max(1, len(distinct) // 12)], "nobody's", ""]
    for wanted in ([some[0]], some, [*distinct, *(f"nobody's {n}" for n in range(100))]):
        found, twin = indexed.find(name, **{key: wanted}), scanned.find(name, **{key: wanted})
        assert found.rows.to_pylist() == twin.rows.to_pylist()
        assert found.commits.tolist() == twin.commits.tolist()
        assert found.segments.tolist() == twin.segments.tolist()
        assert found.places.tolist() == twin.places.tolist()
    assert indexed.rows(name, **{key: ["nobody's"]}).num_rows == 0


def test_only_row_groups_that_may_hold_a_text_are_read(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    sample = indexed.table("samples")["sample_id"][77].as_py()
    ((_, groups),) = indexed.catalogue.groups("samples", pa.array([sample]))
    assert groups is not None
    assert len(groups) == 1
    assert indexed.catalogue.groups("samples", pa.array(["nobody's"])) == []
    # The results of a first day stand as its samples do, so that they need no entries of their own.
    (index,) = [
        indexed.opened.index(each) for commit, each in indexed.segments if each.table == "index" and commit == 1
    ]
    of_results = range(index._firsts["results"][0], sum(index._firsts["results"]))
    assert not np.isin(index._words[-index._said["n_entries"] :] & ((1 << index._code_bits) - 1), of_results).any()


def test_every_barcode_has_the_same_trace_by_index_and_by_scan(filled: Filled) -> None:
    indexed, scanned = filled.snapshots()
    samples, wells = indexed.table("samples"), indexed.table("wells")
    children = samples.filter(pa.compute.is_valid(samples["recollect_of"])).to_pylist()
    rows = samples.to_pylist()[::83] + children[:1]
    ids = {row[name] for row in rows for name in ("sample_id", "subject_id", "tube_id")}
    ids |= {f"{row['plate_id']}/{row['well']}" for row in wells.to_pylist()[::43]}
    ids |= {"M1", *wells["plate_id"].to_pylist()[:1], *indexed.table("runs")["run_id"].to_pylist()[-1:]}
    for any_id in sorted(ids):
        assert lineage(indexed, any_id).to_pylist() == lineage(scanned, any_id).to_pylist(), any_id


def test_history_is_that_of_a_scan(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    nothing = Day(indexed.table("samples").slice(0, 0))
    plate = filled.days[0].wells.slice(0, 90)
    days = [nothing, Day(nothing.samples, plate), dataclasses.replace(filled.days[3], runs=None), *filled.days]
    for n_commits in range(1, 6):
        before = [(commit, segment) for commit, segment in indexed.segments if commit <= n_commits]
        snapshot = Snapshot(indexed.opened, before)
        for day in days:
            found, twin = history_of(snapshot, day), scanned_history(snapshot, day)
            assert found is not None
            assert twin is not None
            for name in ("samples", "pools", "members", "wells", "runs", "calls", "orders"):
                assert getattr(found, name).to_pylist() == getattr(twin, name).to_pylist(), name


def test_open_samples_are_those_whose_newest_result_is_not_final(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    for n_commits in range(1, 6):
        snapshot = Snapshot(indexed.opened, [each for each in indexed.segments if each[0] <= n_commits])
        status = {row["sample_id"]: row["status"] for row in snapshot.table("results").to_pylist()}
        assert status
        unsettled = [sample for sample, said in status.items() if said not in ("negative", "positive")]
        assert snapshot.open_samples().to_pylist() == unsettled
        assert snapshot.results_of(list(status)).to_pylist() == snapshot.results().to_pylist()
    assert unsettled


def test_a_commit_without_an_index_is_scanned(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    without = Snapshot(indexed.opened, [(c, each) for c, each in indexed.segments if (c, each.table) != (2, "index")])
    for sample in indexed.table("samples")["sample_id"].to_pylist()[::31]:
        assert lineage(without, sample).to_pylist() == lineage(indexed, sample).to_pylist()
    assert without.open_samples().to_pylist() == indexed.open_samples().to_pylist()
    for day in filled.days[2:4]:
        assert history_of(without, day) == history_of(indexed, day)


@pytest.mark.parametrize("share", [None, 0.0, 0.01, 0.5, 0.999])
def test_an_index_that_is_missing_or_cut(filled: Filled, tmp_path: Path, share: float | None) -> None:
    store = Path(shutil.copytree(filled.path, tmp_path / "store"))
    with Lab.open(store) as lab:
        sample = lab.table("samples")["sample_id"][0].as_py()
        path = next(iter(sorted(store.glob("segments/*/index-0000.bin"))))
        data = path.read_bytes()
        path.unlink() if share is None else path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(TraceError, match="the store is broken") as caught:
            lab.trace(sample)
    assert str(path) in str(caught.value)


def test_no_byte_of_an_index_leads_out_of_it(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    index = next(each for _, each in indexed.segments if each.table == "index")
    path = Path(indexed.opened.files.where(index.path))
    whole = np.fromfile(path, np.uint8)
    hashes = hashes_of(indexed.table("samples")["sample_id"])
    n_refused = 0
    for place in np.random.default_rng(5).integers(0, whole.size, 300).tolist():
        broken = whole.copy()
        broken[place] ^= 255
        try:
            index = Index("index", broken)
            _, codes = index.find(hashes)
            for name in WRITTEN:
                assert index.blocks(name, codes).size <= sum(index.groups.get(name, []))
        except TraceError:
            n_refused += 1
    assert 0 < n_refused < 300


def test_an_index_is_made_again_as_it_was(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    for commit in range(1, 6):
        of_commit = [segment for number, segment in indexed.segments if number == commit]
        (index,) = (segment for segment in of_commit if segment.table == "index")
        again = segments.rebuild_index(indexed.opened.files, of_commit)
        assert again == Path(indexed.opened.files.where(index.path)).read_bytes()


texts = st.text("ab", max_size=4)


@given(st.lists(st.lists(texts, max_size=9), max_size=40), st.lists(texts, max_size=9))
def test_an_index_finds_every_block_that_holds_a_text(blocks: list[list[str]], wanted: list[str]) -> None:
    marks = Marks.of("orders")
    for block in blocks:
        marks.add(pa.table({"sample_id": pa.array(block, pa.string())}))
    index = Index("index", np.frombuffer(build_index([marks]), np.uint8))
    owners, codes = index.find(hashes_of(pa.array(wanted, pa.string())))
    assert set(zip(owners.tolist(), codes.tolist(), strict=True)) == blocks_of(blocks, wanted)


@given(st.lists(st.integers(0, 20), max_size=30), st.lists(st.integers(0, 20), max_size=30))
def test_rows_are_paired_in_order(hashes: list[int], others: list[int]) -> None:
    rows = np.empty(len(hashes), np.int32)
    lookup.pair(np.array(hashes, np.uint64), np.array(others, np.uint64), rows)
    assert rows.tolist() == paired(hashes, others, 8192)


def test_what_stands_in_another_order_is_given_up() -> None:
    others = np.arange(30_000, dtype=np.uint64)
    hashes = others + np.uint64(10**9)
    hashes[-1] = 0
    rows = np.empty(hashes.size, np.int32)
    lookup.pair(hashes, others, rows)
    assert (rows == -1).all()


def test_files_are_opened_once(filled: Filled) -> None:
    indexed, _ = filled.snapshots()
    opened = Opened(indexed.opened.files)
    segment = next(each for _, each in indexed.segments if each.table == "index")
    assert opened.index(segment) is opened.index(segment)


@pytest.mark.parametrize("how", ["missing", "wrong_size"])
def test_the_doctor_makes_a_lost_index_again(filled: Filled, tmp_path: Path, how: str) -> None:
    store = Path(shutil.copytree(filled.path, tmp_path / "store"))
    path = next(iter(sorted(store.glob("segments/*/index-0000.bin"))))
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-7])
    with Lab.open(store) as lab, pytest.MonkeyPatch.context() as patched:
        patched.setattr(segments, "ROWS_A_GROUP", 16)
        told = [(row["kind"], row["fixed"]) for row in lab.doctor().to_pylist()]
        assert told == [(how, False)]
        assert not path.exists() or path.read_bytes() != data
        told = [(row["kind"], row["fixed"]) for row in lab.doctor(fix=True).to_pylist()]
        assert told == [(how, True)]
        assert path.read_bytes() == data
        assert lab.doctor().num_rows == 0
        assert lab.verify().problems == ()


def test_the_doctor_makes_no_other_segment_again(filled: Filled, tmp_path: Path) -> None:
    store = Path(shutil.copytree(filled.path, tmp_path / "store"))
    next(store.glob("segments/*/calls-0000.parquet")).unlink()
    with Lab.open(store) as lab:
        assert [(row["kind"], row["fixed"]) for row in lab.doctor(fix=True).to_pylist()] == [("missing", False)]
