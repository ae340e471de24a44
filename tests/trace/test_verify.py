"""Attacks on a store, one by one: each is found, and named by what it is and where."""

import copy
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit import TraceError
from poolkit.lab.proofs import prove_result
from poolkit.trace.database import COMMITS, SEGMENTS
from poolkit.trace.doctor import examine
from poolkit.trace.heads import FIRST, seal
from poolkit.trace.journal import JOURNAL
from poolkit.trace.keys import KeyRing
from poolkit.trace.prove import check_proof
from poolkit.trace.record import columns_of, line_of
from poolkit.trace.store import Store
from tests.trace.signed import checked, make, said

N_COMMITS = 3


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.new(tmp_path_factory.mktemp("keys") / "lab.key")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, ring: KeyRing) -> Path:
    return make(tmp_path_factory.mktemp("signed"), ring)


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory, ring: KeyRing) -> Path:
    return make(tmp_path_factory.mktemp("another"), ring, seed=50)


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def edit(path: Path, *statements: tuple[str, tuple[Any, ...]]) -> None:
    ledger = sqlite3.connect(path / "ledger.sqlite")
    with ledger:
        for statement, values in statements:
            assert ledger.execute(statement, values).rowcount > 0
    ledger.close()


def records(path: Path) -> list[Any]:
    store = Store(path, create=False)
    try:
        return store.ledger.records()
    finally:
        store.close()


def found(path: Path, **options: Any) -> str:
    """What verification finds, or why it refuses to begin."""
    try:
        return "\n".join(said(path, **options))
    except TraceError as refused:
        return str(refused)


def test_a_sound_store(whole: Path, ring: KeyRing) -> None:
    for rows in (False, True):
        seen: list[tuple[int, int]] = []
        public = ring.public_pem()
        result = checked(whole, public=public, rows=rows, progress=lambda *told, seen=seen: seen.append(told))
        assert result.problems == ()
        assert (result.n_commits, result.n_signed, result.n_lagging) == (N_COMMITS, N_COMMITS, 0)
        assert (result.n_rows > 0) is rows
        assert seen[-1] == (result.n_bytes, result.n_bytes)
        assert result.n_bytes == sum(each.stat().st_size for each in (whole / "segments").rglob("*.*"))
        assert said(whole, kept=[commit.head for commit, _ in records(whole)]) == []


@pytest.mark.parametrize("table", ["results", "samples", "index"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_flipped_byte(path: Path, table: str, share: float) -> None:
    segment = next(each for _, some in records(path) for each in some if each.table == table)
    data = bytearray((path / segment.path).read_bytes())
    data[int(share * (len(data) - 1))] ^= 1
    (path / segment.path).write_bytes(data)
    (problem,) = said(path)
    assert problem.startswith(f"{segment.path}: its bytes were changed; expected SHA-256 {segment.sha256[:16]}")


def test_missing_cut_and_swapped_segments(path: Path) -> None:
    _, segments = records(path)[1]
    first, second, third, fourth = (path / each.path for each in segments[:4])
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    bytes_of_third = third.read_bytes()
    third.write_bytes(fourth.read_bytes())
    fourth.write_bytes(bytes_of_third)
    problems = said(path)
    assert problems[0].startswith(f"{segments[0].path}: missing: ")
    n_bytes = segments[1].n_bytes
    assert problems[1] == f"{segments[1].path}: expected {n_bytes} bytes, found {n_bytes - 1}"
    assert [each.partition(": ")[0] for each in problems] == [each.path for each in segments[:4]]


def test_swapped_segments_of_one_size_are_named(path: Path) -> None:
    """Two segments that only differ in their bytes, as the ledger could have had them."""
    _, segments = records(path)[0]
    one = segments[0]
    other = replace(segments[1], n_bytes=one.n_bytes)
    (path / other.path).write_bytes((path / one.path).read_bytes())
    edit(path, ("UPDATE segments SET n_bytes = ? WHERE path = ?", (one.n_bytes, other.path)))
    assert any(problem.startswith(f"{other.path}: swapped: it holds the bytes of {one.path}") for problem in said(path))


@pytest.mark.parametrize("column", [column.name for column in COMMITS.columns])
def test_an_edited_column_of_a_commit(path: Path, ring: KeyRing, column: str) -> None:
    commit = columns_of(records(path)[1][0])
    old = commit[column]
    new: Any = 7 if column == "commit_id" else edited(column, old)
    edit(
        path,
        ("UPDATE segments SET commit_id = ? WHERE commit_id = 2 AND ? = 7", (7, new))
        if column == "commit_id"
        else ("UPDATE commits SET source = source", ()),
        (f"UPDATE commits SET {column} = ? WHERE commit_id = 2", (new,)),
    )
    # The journal is edited likewise, so that only hashes and signatures are left.
    (path / JOURNAL).write_bytes(b"".join(line_of(*record) for record in records(path)))
    problems = said(path, public=ring.public_pem())
    place = "commit 7" if column == "commit_id" else "commit 2"
    assert any(problem.startswith(f"{place}: ") for problem in problems)
    words = {
        "commit_id": "expected commit 2 here: commits were dropped, added or put in another order",
        "previous": "follows head",
        "root": "its segments in the ledger are not those that were committed",
        "key_id": "not by the key given",
        "signature": "not by the key given",
    }
    assert words.get(column, "its row in the ledger was edited") in "\n".join(problems)


def edited(column: str, old: Any) -> Any:
    if column in ("committed_at", "computed_at"):
        return old.replace("2", "1", 1)
    if column == "summary":
        return '{"n_samples":1}'
    if column in ("root", "head", "previous", "signature", "key_id"):
        return ("0" if old[0] != "0" else "1") + old[1:]
    return f"{old or 'somebody'}x"


@pytest.mark.parametrize("column", [column.name for column in SEGMENTS.columns])
def test_an_edited_column_of_a_segment(path: Path, column: str) -> None:
    (_, segments) = records(path)[1]
    old = segments[1]
    new: Any = {
        "commit_id": 3,
        "position": 77,
        "table_name": "wells" if old.table != "wells" else "calls",
        "path": segments[2].path,
        "n_rows": old.n_rows + 1,
        "n_bytes": old.n_bytes + 1,
    }.get(column)
    if new is None:
        was = getattr(old, column)
        new = ("0" if was[0] != "0" else "1") + was[1:]
    if column == "commit_id":
        edit(path, ("UPDATE segments SET position = 77 WHERE commit_id = 2 AND position = 1", ()))
    where = "position = 77" if column == "commit_id" else "commit_id = 2 AND position = 1"
    edit(path, (f"UPDATE segments SET {column} = ? WHERE {where}", (new,)))
    (path / JOURNAL).write_bytes(b"".join(line_of(*record) for record in records(path)))
    assert "commit 2: its segments in the ledger are not those that were committed" in said(path)


@pytest.mark.parametrize("text", ["", "zz", "AB" * 32, None, 5, b"\xff"])
@pytest.mark.parametrize("column", ["committed_at", "summary", "head", "signature"])
def test_columns_that_hold_nothing_that_a_commit_writes(path: Path, ring: KeyRing, column: str, text: Any) -> None:
    if text is None and column != "signature":
        return
    edit(path, (f"UPDATE commits SET {column} = ? WHERE commit_id = 2", (text,)))
    assert "commit 2: " in found(path, public=ring.public_pem())


@pytest.mark.parametrize("column", ["n_rows", "n_bytes", "salt_key", "sha256"])
@pytest.mark.parametrize("value", ["zz", "AB" * 32, b"\xff", -1, 2**62])
def test_columns_that_hold_nothing_that_a_segment_writes(path: Path, column: str, value: Any) -> None:
    edit(path, (f"UPDATE segments SET {column} = ? WHERE commit_id = 2 AND position = 1", (value,)))
    assert "commit 2" in found(path)


def test_the_same_thing_written_in_another_way(path: Path) -> None:
    """What reads alike but is not as it was written would pass every hash over what was read."""
    edit(path, ("UPDATE commits SET committed_at = replace(committed_at, 'T', ' ') WHERE commit_id = 2", ()))
    assert "commit 2: committed_at: not as a commit writes it" in found(path)


def test_segments_of_no_commit(path: Path) -> None:
    """Somebody's rows under a number that no commit has would be read, but stand in no head."""
    for number in (9, 0, -1):
        edit(
            path,
            ("DELETE FROM segments WHERE commit_id NOT IN (1, 2, 3) OR 1 = ?", (0,))
            if number != 9
            else ("UPDATE commits SET source = source", ()),
            (
                "INSERT INTO segments SELECT ?, 0, path, table_name, n_rows, n_bytes, sha256, rows_root, salt_key "
                "FROM segments WHERE commit_id = 1 AND position = 0",
                (number,),
            ),
        )
        assert f"commit {number}: has segments in the ledger but was never committed" in found(path)


def test_reordered_commits(path: Path) -> None:
    edit(
        path,
        ("UPDATE commits SET commit_id = -commit_id WHERE commit_id > 1", ()),
        ("UPDATE commits SET commit_id = 5 + commit_id WHERE commit_id < 0", ()),
        ("UPDATE segments SET commit_id = -commit_id WHERE commit_id > 1", ()),
        ("UPDATE segments SET commit_id = 5 + commit_id WHERE commit_id < 0", ()),
    )
    problems = said(path)
    for number in (2, 3):
        assert any(each.startswith(f"commit {number}: follows head") for each in problems)
        assert f"commit {number}: its row in the ledger was edited, or it was committed to another store" in problems


def test_a_dropped_commit(path: Path) -> None:
    edit(path, ("DELETE FROM segments WHERE commit_id = 2", ()), ("DELETE FROM commits WHERE commit_id = 2", ()))
    problems = said(path)
    assert "commit 3: expected commit 2 here: commits were dropped, added or put in another order" in problems
    assert any(each.startswith("commit 3: follows head") for each in problems)


def test_a_cut_end_is_seen_by_a_head_that_was_kept(path: Path) -> None:
    kept = records(path)[-1][0].head
    edit(path, ("DELETE FROM segments WHERE commit_id = 3", ()), ("DELETE FROM commits WHERE commit_id = 3", ()))
    assert said(path) == ["commit 3: the ledger does not have it, but the journal does"]
    lines = (path / JOURNAL).read_bytes().splitlines(keepends=True)
    (path / JOURNAL).write_bytes(b"".join(lines[:2]))
    assert said(path) == []
    (problem,) = said(path, kept=[kept])
    assert problem.startswith(f"head {kept[:16]}…: no commit has it among 2: the store's end was cut off")


def rewritten(path: Path, ring: KeyRing | None) -> None:
    """Compute every head again after an edit of the first commit, as somebody would who knows how."""
    store = Store(path, create=False)
    store_id, known = store.store_id, store.ledger.records()
    store.close()
    previous, lines, statements = FIRST, [], []
    for commit, segments in known:
        now = replace(commit, source=f"{commit.source} edited", previous=previous)
        now = replace(now, **seal(store_id, now, segments, None if ring is None else ring.sign)._asdict())
        if ring is None:
            now = replace(now, key_id=commit.key_id, signature=commit.signature)
        previous = now.head
        lines.append(line_of(now, segments))
        values = columns_of(now)
        named = ", ".join(f"{name} = ?" for name in values)
        statements.append((f"UPDATE commits SET {named} WHERE commit_id = {now.commit_id}", tuple(values.values())))
    edit(path, *statements)
    (path / JOURNAL).write_bytes(b"".join(lines))


def test_a_past_written_anew_is_seen_by_signatures_and_kept_heads(path: Path, ring: KeyRing, tmp_path: Path) -> None:
    kept = [commit.head for commit, _ in records(path)]
    rewritten(path, None)
    assert said(path) == []
    problems = said(path, public=ring.public_pem())
    assert [each.partition(":")[0] for each in problems] == ["commit 1", "commit 2", "commit 3"]
    assert all("not by the key given, or the head was edited" in each for each in problems)
    rewritten(path, KeyRing.new(tmp_path / "thief.key"))
    assert len(said(path, public=ring.public_pem())) == N_COMMITS
    rewritten(path, ring)
    assert said(path, public=ring.public_pem()) == []
    assert len(said(path, public=ring.public_pem(), kept=kept)) == N_COMMITS


def test_the_wrong_key_and_no_signature(path: Path, ring: KeyRing, tmp_path: Path) -> None:
    other = KeyRing.new(tmp_path / "other.key")
    assert len(said(path, public=other.public_pem())) == N_COMMITS
    edit(path, ("UPDATE commits SET key_id = NULL, signature = NULL WHERE commit_id = 2", ()))
    assert "commit 2: expected a signature, found none" in said(path, public=ring.public_pem())
    with pytest.raises(TraceError, match="no public key"):
        said(path, public=b"nothing")


def test_the_store_of_another_laboratory(path: Path, another: Path) -> None:
    kept = records(path)[-1][0].head
    other_id = json.loads((another / "store.json").read_bytes())["store_id"]
    assert said(another, kept=[kept])
    shutil.rmtree(path / "segments")
    shutil.copytree(another / "segments", path / "segments")
    assert len(said(path)) == sum(len(segments) for _, segments in records(path))
    edit(path, ("UPDATE store SET value = ? WHERE name = 'store_id'", (other_id,)))
    with pytest.raises(TraceError, match="the data is another store's"):
        said(path)
    shutil.copy(another / "store.json", path / "store.json")
    problems = said(path)
    for number in range(1, N_COMMITS + 1):
        assert f"commit {number}: its row in the ledger was edited, or it was committed to another store" in problems


def test_an_edited_journal(path: Path) -> None:
    journal = path / JOURNAL
    data = journal.read_bytes()
    lines = data.splitlines(keepends=True)
    for edit_of in (lines[1].replace(b'"run"', b'"ran"'), b"{}\n", b"\xff\n", b"\n", lines[1].replace(b",", b", ", 1)):
        journal.write_bytes(lines[0] + edit_of + lines[2])
        assert said(path) == ["commit 2: ledger and journal say different things of it"]
    journal.write_bytes(data + lines[2])
    assert said(path) == ["commit 4: the ledger does not have it, but the journal does"]
    journal.write_bytes(data[:-1] + b"\x0b")
    assert said(path) == ["commit 3: ledger and journal say different things of it"]


@pytest.mark.parametrize("n_lines", range(N_COMMITS + 1))
def test_a_journal_that_lags_is_no_contradiction(path: Path, n_lines: int) -> None:
    """Who is killed between ledger and journal leaves out a line, or half of one."""
    journal = path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    for half in (b"", b"".join(lines[n_lines : n_lines + 1])[:40]):
        journal.write_bytes(b"".join(lines[:n_lines]) + half)
        result = checked(path)
        assert result.problems == ()
        assert result.n_lagging == N_COMMITS - n_lines
        store = Store(path, create=False)
        assert ("journal" in examine(store, fix=False)["kind"].to_pylist()) is (n_lines < N_COMMITS)
        store.close()


def test_an_edited_identity_is_refused(path: Path) -> None:
    identity = path / "store.json"
    data = identity.read_bytes()
    for place in range(len(data)):
        identity.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
        with pytest.raises(TraceError):
            Store(path, create=False)


# Proofs.


@pytest.fixture(scope="module")
def proof(whole: Path) -> dict[str, Any]:
    return proof_of(whole)


def proof_of(path: Path, at: int = 0) -> dict[str, Any]:
    store = Store(path, create=False)
    try:
        known = store.snapshot()
        told: dict[str, Any] = json.loads(json.dumps(prove_result(store, known, sample_ids(path)[at])))
        return told
    finally:
        store.close()


def sample_ids(path: Path) -> list[str]:
    store = Store(path, create=False)
    try:
        ids: list[str] = store.snapshot().results()["sample_id"].to_pylist()
        return ids
    finally:
        store.close()


def test_a_proof_is_checked_without_the_store(path: Path, ring: KeyRing) -> None:
    store = Store(path, create=False)
    rows = store.snapshot().results().to_pylist()
    proofs = [prove_result(store, store.snapshot(), row["sample_id"]) for row in rows[::7]]
    with pytest.raises(TraceError, match="nothing to prove"):
        prove_result(store, store.snapshot(), "nobody")
    store.close()
    told = [json.dumps(each) for each in proofs]
    shutil.rmtree(path)
    for row, text in zip(rows[::7], told, strict=True):
        assert check_proof(json.loads(text), public=ring.public_pem()) == row
        others = [other["sample_id"] for other in rows if other["sample_id"] != row["sample_id"]]
        assert not any(other in text for other in others)


def test_a_proof_has_a_hash_for_each_level(proof: dict[str, Any]) -> None:
    assert 0 < len(proof["path"]) <= (proof["segment"]["n_rows"] - 1).bit_length()
    assert 0 < len(proof["segment_path"]) <= (proof["n_segments"] - 1).bit_length()


def leaves(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    yield at
    for name, value in inside:
        yield from leaves(value, (*at, name))


def changes(value: Any) -> list[Any]:
    """Other values for a part of a document: near ones, and of every other type."""
    near: list[Any] = [None, True, False, 0, 1, -1, 2**70, 0.5, "", "x", "00", [], {}, ["x"], [None]]
    if isinstance(value, str):
        near += [value + " ", value + "0", value[:-1], value.upper(), value.swapcase(), "1" + value[1:], list(value)]
    elif isinstance(value, bool) or value is None:
        near += [not value]
    elif isinstance(value, int | float):
        near += [value + 1, value - 1, -value, str(value), 2 * value, value + 0.5]
    elif isinstance(value, list):
        near += [value[1:], value[::-1], [*value, "00" * 32], value * 2]
    return [other for other in near if json.dumps(other) != json.dumps(value)]


def test_every_changed_part_of_a_proof_is_refused(proof: dict[str, Any], ring: KeyRing) -> None:
    row = check_proof(proof, public=ring.public_pem())
    accepted = set()
    for at in leaves(proof):
        if not at:
            continue
        for other in changes(part(proof, at)):
            changed = copy.deepcopy(proof)
            part(changed, at[:-1])[at[-1]] = other
            try:
                assert check_proof(changed, public=ring.public_pem()) == row
            except TraceError:
                continue
            accepted.add(at)
    # How many segments there are is no more than the way up; where another number has the same way, it says nothing.
    assert accepted <= {("n_segments",)}
    for at in leaves(proof):
        if at and isinstance(at[-1], str):
            changed = copy.deepcopy(proof)
            del part(changed, at[:-1])[at[-1]]
            with pytest.raises(TraceError):
                check_proof(changed, public=ring.public_pem())
            changed = copy.deepcopy(proof)
            part(changed, at[:-1])["more"] = 1
            with pytest.raises(TraceError):
                check_proof(changed, public=ring.public_pem())
    turned = dict(reversed(proof.items()))
    assert check_proof(turned, public=ring.public_pem()) == row


def part(document: Any, at: tuple[Any, ...]) -> Any:
    for name in at:
        document = document[name]
    return document


def test_the_parts_of_two_proofs_are_not_mixed(whole: Path, ring: KeyRing, proof: dict[str, Any]) -> None:
    other = proof_of(whole, -1)
    assert proof["row"] != other["row"]
    for name, value in proof.items():
        if value != other[name]:
            with pytest.raises(TraceError):
                check_proof(proof | {name: other[name]}, public=ring.public_pem())


def test_an_unsigned_proof_needs_a_head_that_was_kept(tmp_path: Path, ring: KeyRing) -> None:
    unsigned = proof_of(make(tmp_path, None, n_days=1))
    row = check_proof(unsigned, kept=[unsigned["head"]])
    assert row["sample_id"] == unsigned["row"]["sample_id"]
    with pytest.raises(TraceError, match="no key signed this commit"):
        check_proof(unsigned, public=ring.public_pem(), kept=[unsigned["head"]])
    with pytest.raises(TraceError, match="not among the heads that were kept"):
        check_proof(unsigned, kept=["00" * 32])
    with pytest.raises(TraceError, match="nothing to check against"):
        check_proof(unsigned)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(), some, max_size=4),
)


@given(document=JSON)
def test_any_document_is_refused_by_name(ring: KeyRing, document: Any) -> None:
    with pytest.raises(TraceError):
        check_proof(document, public=ring.public_pem())


@given(data=st.data())
def test_any_document_in_place_of_a_part_is_refused_by_name(
    proof: dict[str, Any], ring: KeyRing, data: st.DataObject
) -> None:
    changed = copy.deepcopy(proof)
    at = data.draw(st.sampled_from([at for at in leaves(proof) if at and at != ("n_segments",)]))
    other = data.draw(JSON)
    if json.dumps(other) == json.dumps(part(proof, at)):
        return
    part(changed, at[:-1])[at[-1]] = other
    with pytest.raises(TraceError):
        check_proof(changed, public=ring.public_pem())
