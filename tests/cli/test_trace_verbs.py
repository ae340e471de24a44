"""What auditors and outbreak teams type: recalls, corrections, proofs, journeys, and SQL."""

import json
import shutil
from pathlib import Path

import pytest

import poolkit as library
from tests.cli.commands import document, poolkit
from tests.cli.conftest import Lab


@pytest.fixture
def store(lab: Lab, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lab.store, tmp_path / "store"))


def negative(store: Path) -> str:
    with library.Lab.open(store, create=False) as lab:
        return next(row["sample_id"] for row in lab.results().to_pylist() if row["status"] == "negative")


def lot_of(store: Path) -> str:
    with library.Lab.open(store, create=False) as lab:
        return str(lab.table("runs")["extraction_lot"][0].as_py())


def test_a_recall_and_its_orders(store: Path, tmp_path: Path) -> None:
    lot = lot_of(store)
    told = document("recall", "--store", store, "--lot", lot, "--out", tmp_path / "recalled.csv")
    assert told["samples"] == len(told["recalled"]) > 100
    assert told["commit"] is None
    assert told["recalled"][0]["released_at"] is not None
    assert (tmp_path / "recalled.csv").read_text(encoding="utf-8").count("\n") == told["samples"] + 1
    shown = poolkit("recall", "--store", store, "--lot", lot).stdout
    assert f"{told['samples']:,} samples, {told['released']:,} of them released" in shown
    assert "negative: withdraw the negative, tell the person" in shown
    why = ("--reason", "lot withdrawn", "--actor", "A1")
    ordered = document("recall", "--store", store, "--lot", lot, "--order", "rerun", *why)
    assert ordered["commit"] == 3
    assert document("orders", "--store", store)["by_action"]["rerun"] >= told["samples"]
    window = ("--from", "2022-04-01T00:00:00+08:00", "--to", "2022-04-03T00:00:00+08:00")
    assert document("recall", "--store", store, *window)["samples"] > told["samples"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--lot", "nobody's"), "expected a run of this store, found none"),
        ((), "expected a lot, instrument, operator, plate, run or window"),
        (("--from", "2022-04-01T00:00:00Z"), "expected both, found one"),
        (("--from", "once", "--to", "later"), "expected times as"),
        (("--plate", "P", "--order", "rerun"), "needs --reason and --actor"),
        (("--plate", "P", "--order", "retest", "--reason", "r", "--actor", "a"), "expected rerun or recollect"),
    ],
)
def test_recalls_that_are_refused(lab: Lab, words: tuple[str, ...], what: str) -> None:
    assert what in poolkit("recall", "--store", lab.store, *words, status=2).stderr


def test_a_correction_by_two_persons(store: Path) -> None:
    sample = negative(store)
    why = ("--reason", "tubes were swapped", "--store", store)
    asked = poolkit("amend", sample, "--status", "positive", "--actor", "A1", *why).stdout
    assert f"amendment/{sample}/1: waits for approval by another person" in asked
    assert [row["amendment_id"] for row in document("amendments", "--store", store)["amendments"]] == [
        f"amendment/{sample}/1"
    ]
    refused = poolkit("approve", f"amendment/{sample}/1", "--actor", "A1", "--store", store, status=2)
    assert "expected another person to approve it" in refused.stderr
    assert "counts now" in poolkit("approve", f"amendment/{sample}/1", "--actor", "B2", "--store", store).stdout
    assert "0 amendments waiting" in poolkit("amendments", "--store", store).stdout
    steps = " ".join(poolkit("trace", sample, "--store", store).stdout.split())
    assert "A1 asks for positive" in steps


def test_signed_proven_and_verified(lab: Lab, tmp_path: Path) -> None:
    key, pem, store, proof = (tmp_path / name for name in ("lab.key", "pub.pem", "store", "proof.json"))
    made = document("key", "new", key)
    assert poolkit("key", "public", key, "--out", pem).stdout.startswith("written to")
    run = document("run", lab.folder / "day", "--store", store, "--key", key)
    assert run["key_id"] == made["key_id"]
    sound = document("verify", "--store", store, "--key", pem, "--head", run["head"], "--rows")
    assert (sound["sound"], sound["head"], sound["signatures"]) == (True, run["head"], 1)
    assert "sound: nothing was changed" in poolkit("verify", "--store", store, "--key", pem).stdout
    sample = negative(store)
    proof.write_text(poolkit("prove", sample, "--store", store).stdout, encoding="utf-8")
    assert document("check", proof, "--key", pem)["row"]["sample_id"] == sample
    assert "signed by key" in poolkit("check", proof, "--key", pem).stdout
    heads = tmp_path / "heads"
    heads.write_text(f"{run['head']}\n", encoding="utf-8")
    assert document("check", proof, "--head", heads)["holds"]
    changed = json.loads(proof.read_text(encoding="utf-8"))
    changed["row"]["status"] = "positive"
    proof.write_text(json.dumps(changed), encoding="utf-8")
    assert "is not what was committed" in poolkit("check", proof, "--key", pem, status=2).stderr
    proof.write_text("[]", encoding="utf-8")
    assert "expected one JSON object" in poolkit("check", proof, "--key", pem, status=2).stderr
    (segment,) = store.glob("segments/*/results-0000.parquet")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    found = document("verify", "--store", store, "--key", pem, status=1)
    assert [each["where"] for each in found["problems"]] == [segment.relative_to(store).as_posix()]
    assert "its bytes were changed" in poolkit("verify", "--store", store, status=1).stdout


def test_journeys_and_turnaround(lab: Lab, tmp_path: Path) -> None:
    with library.Lab.open(lab.store, create=False) as opened:
        tube = opened.table("samples")["tube_id"][0].as_py()
    told = document("journey", tube, "--store", lab.store)["journey"]
    assert [row["event"] for row in told][:3] == ["collected", "plated", "read"]
    assert tube in poolkit("journey", tube, "--store", lab.store).stdout
    by_hour = document("turnaround", "--store", lab.store, "--by", "hour", "--out", tmp_path / "hours.csv")
    legs = document("turnaround", "--store", lab.store)["turnaround"]
    reached = {row["leg"]: row["n"] for row in legs}
    assert (
        sum(row["n"] for row in by_hour["turnaround"] if row["leg"] == "collected to read")
        == reached["collected to read"]
    )
    assert "Turnaround in minutes" in poolkit("turnaround", "--store", lab.store, "--by", "site").stdout
    assert (tmp_path / "hours.csv").exists()


def test_reconciliation(lab: Lab, store: Path) -> None:
    told = document("reconcile", "--store", lab.store, "--store", store)
    assert "report_without_well" not in told["by_kind"]
    assert "in_two_stores" not in told["by_kind"]
    assert "Over 2 store(s)" in poolkit("reconcile", "--store", lab.store, "--store", store).stdout


def test_sql(lab: Lab, tmp_path: Path) -> None:
    query = "SELECT status, count(*) AS n FROM current_results GROUP BY status ORDER BY status"
    told = document("sql", query, "--store", lab.store, "--out", tmp_path / "counts.csv")
    assert told["columns"] == ["status", "n"]
    with library.Lab.open(lab.store, create=False) as opened:
        statuses = opened.results()["status"].to_pylist()
    assert {row["status"]: row["n"] for row in told["rows"]} == {each: statuses.count(each) for each in set(statuses)}
    assert "negative" in poolkit("sql", query, "--store", lab.store).stdout
    assert "the question cannot be answered" in poolkit("sql", "SELECT nothing", "--store", lab.store, status=2).stderr
