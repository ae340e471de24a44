"""Corrections and recalls: nothing is written over, a second person decides, and what was withdrawn stays withdrawn."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import poolkit
from poolkit import Lab, TraceError
from poolkit.protocols import load_protocol


class Both:
    """A folder of a day and of its evening."""

    def __init__(self, root: Path) -> None:
        self.day, self.evening = root / "day", root / "evening"
        made = poolkit.simulate_day(400, 0.02, seed=5)
        poolkit.write_day(made.day, self.day)
        with Lab.open(root / "first") as lab:
            lab.run(self.day)
            poolkit.write_day(poolkit.simulate_evening(made.day, made.truth, lab.orders(), seed=5), self.evening)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("both"))


@pytest.fixture
def lab(both: Both, tmp_path: Path) -> Iterator[Lab]:
    with Lab.open(tmp_path / "store") as opened:
        opened.run(both.day)
        yield opened


def of(lab: Any, sample_id: str) -> dict[str, Any]:
    (row,) = [row for row in lab.results().to_pylist() if row["sample_id"] == sample_id]
    return row


def some(lab: Lab, status: str) -> str:
    return next(row["sample_id"] for row in lab.results().to_pylist() if row["status"] == status)


def test_a_correction_counts_when_another_person_approved_it(lab: Lab) -> None:
    sample = some(lab, "negative")
    before = of(lab, sample)
    asked = lab.amend(sample, status="positive", reason="tubes were swapped", actor="A1")
    assert (asked.kind, asked.actor) == ("amend", "A1")
    assert of(lab, sample) == before
    assert lab.amendments()["amendment_id"].to_pylist() == [f"amendment/{sample}/1"]
    with pytest.raises(TraceError, match="A1 asked for it; expected another person"):
        lab.approve(asked.source, actor="A1")
    counted = lab.approve(asked.source, actor="B2")
    after = of(lab, sample)
    assert (after["status"], after["probability"], after["evidence"]) == ("positive", None, f"amendment/{sample}/1")
    assert after["subject_id"] == before["subject_id"]
    assert lab.amendments().num_rows == 0
    # What was said before is still there, and can be asked for.
    assert of(lab.at(commit=1), sample) == before
    assert of(lab.at(time=counted.committed_at), sample) == after
    versions = [row for row in lab.table("results").to_pylist() if row["sample_id"] == sample]
    assert versions == [before, after]
    steps = {row["step"]: row["detail"] for row in lab.trace(sample).to_pylist()}
    assert steps["amended"] == f"amendment/{sample}/1: A1 asks for positive, because: tubes were swapped; 1 to approve"
    assert steps["approved"] == f"amendment/{sample}/1: by B2"
    with pytest.raises(TraceError, match="counts already"):
        lab.approve(asked.source, actor="C3")


def test_the_same_request_again_changes_nothing(lab: Lab) -> None:
    sample = some(lab, "negative")
    first = lab.amend(sample, status="positive", reason="why", actor="A1")
    assert lab.amend(sample, status="positive", reason="why", actor="A1").commit_id == first.commit_id
    again = lab.amend(sample, status="positive", reason="why", actor="A1")
    assert again.repeated
    done = lab.approve(first.source, actor="B2")
    assert lab.approve(first.source, actor="B2").repeated
    assert len(lab.commits()) == done.commit_id == 3


def test_without_a_second_person_it_counts_at_once(lab: Lab) -> None:
    alone = load_protocol("cn-10in1-2020").revised("1+alone", source="a decision", amendment_approvals=0)
    sample = some(lab, "negative")
    lab.amend(sample, status="suspect", reason="a call from the ward", actor="A1", protocol=alone)
    assert of(lab, sample)["status"] == "suspect"
    # Who is not settled has an order.
    (order,) = [row for row in lab.orders().to_pylist() if row["sample_id"] == sample]
    assert (order["action"], order["reason"]) == ("recollect", "amendment")


def test_a_later_run_without_new_evidence_lets_a_correction_stand(both: Both, lab: Lab) -> None:
    suspect = some(lab, "suspect")
    asked = lab.amend(suspect, status="negative", reason="why", actor="A1")
    lab.approve(asked.source, actor="B2")
    others = [row["sample_id"] for row in lab.results().to_pylist() if row["status"] == "suspect"]
    assert suspect not in lab.orders()["sample_id"].to_pylist()
    lab.run(both.evening)
    answered = of(lab, suspect)
    read_again = {row["recollect_of"] for row in lab.table("samples").to_pylist() if row["recollect_of"]}
    if suspect in read_again:
        # A new swab was read: that is new evidence, and it speaks.
        assert not answered["evidence"].startswith("amendment/")
    else:
        assert answered["evidence"] == asked.source
    assert any(of(lab, other)["status"] in ("negative", "positive") for other in others)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sample_id": "nobody's"}, "expected a sample of this store, found none"),
        ({"status": "fine"}, "expected one of negative, positive"),
        ({"status": "negative"}, "is negative already"),
        ({"reason": "  "}, "reason: must say something"),
        ({"actor": ""}, "actor: must say something"),
    ],
)
def test_what_cannot_be_corrected(lab: Lab, given: dict[str, str], words: str) -> None:
    asked = {"sample_id": some(lab, "negative"), "status": "positive", "reason": "why", "actor": "A1"} | given
    with pytest.raises(TraceError, match="nothing to amend") as caught:
        lab.amend(asked.pop("sample_id"), **asked)
    assert words in str(caught.value)
    assert len(lab.commits()) == 1


def test_only_what_was_asked_for_is_approved(lab: Lab) -> None:
    with pytest.raises(TraceError, match="expected an amendment of this store, found none"):
        lab.approve("amendment/nobody's/1", actor="B2")


def test_moments(lab: Lab) -> None:
    assert lab.at(commit=0).results().num_rows == 0
    first = lab.commits()[0]
    assert lab.at(time=first.committed_at).results().equals(lab.results())
    assert lab.at(time=datetime(2000, 1, 1, tzinfo=UTC)).commits() == []
    for wrong in ({}, {"commit": 1, "time": first.committed_at}, {"commit": 9}, {"time": datetime(2000, 1, 1)}):  # noqa: DTZ001
        with pytest.raises(TraceError, match="no such moment"):
            lab.at(**wrong)


def a_lot(lab: Lab) -> str:
    return str(lab.table("runs")["extraction_lot"][0].as_py())


def test_a_recall_names_everybody_released_first(lab: Lab) -> None:
    lot = a_lot(lab)
    rows = lab.recall(lot=lot).to_pylist()
    runs = {row["run_id"] for row in lab.table("runs").to_pylist() if lot == row["extraction_lot"]}
    resting = {
        row["sample_id"]: row["status"]
        for row in lab.results().to_pylist()
        if row["evidence"] and row["evidence"].split("/")[1] in runs
    }
    assert {row["sample_id"]: row["status"] for row in rows} == resting
    assert len(rows) > 50
    released = [row["released_at"] is not None for row in rows]
    assert released == sorted(released, reverse=True)
    assert all((row["status"] in ("negative", "positive")) == told for row, told in zip(rows, released, strict=True))


@pytest.mark.parametrize("action", ["rerun", "recollect"])
def test_what_was_recalled_settles_nothing_until_it_is_read_again(both: Both, lab: Lab, action: str) -> None:
    lot = a_lot(lab)
    recalled = lab.recall(lot=lot)["sample_id"].to_pylist()
    commit = lab.order_recall(lot=lot, action=action, reason="lot withdrawn", actor="A1")
    assert commit.kind == "orders"
    assert {of(lab, sample)["status"] for sample in recalled[:20]} == {"pending"}
    orders = {row["sample_id"]: (row["action"], row["reason"]) for row in lab.orders().to_pylist()}
    assert {orders[sample] for sample in recalled} == {(action, "recall")}
    assert any(row["step"] == "recalled" for row in lab.trace(recalled[0]).to_pylist())
    lab.run(both.evening)
    now = {row["sample_id"]: row for row in lab.results().to_pylist()}
    after = Counter(now[sample]["status"] for sample in recalled)
    # The evening brought new swabs of some; of nobody was the recalled reading believed again.
    assert after["pending"] > 0
    runs = {row["run_id"] for row in lab.table("recalls").to_pylist()}
    for sample in recalled:
        if now[sample]["status"] in ("negative", "positive"):
            assert now[sample]["evidence"].split("/")[1] not in runs
    still = {row["sample_id"]: row["action"] for row in lab.orders().to_pylist()}
    waiting = [sample for sample in recalled if now[sample]["status"] == "pending"]
    assert {still[sample] for sample in waiting} == {action}


def test_a_recall_that_means_nobody(lab: Lab) -> None:
    with pytest.raises(TraceError, match="expected a run of this store, found none"):
        lab.recall(lot="no such lot")
    with pytest.raises(TraceError, match="expected a lot, instrument, operator, plate, run or window"):
        lab.recall()
    with pytest.raises(TraceError, match="expected rerun or recollect"):
        lab.order_recall(lot=a_lot(lab), action="retest", reason="why", actor="A1")
    first = lab.order_recall(lot=a_lot(lab), action="rerun", reason="why", actor="A1")
    again = lab.order_recall(lot=a_lot(lab), action="rerun", reason="why", actor="A1")
    assert (again.commit_id, again.repeated) == (first.commit_id, True)
    with pytest.raises(TraceError, match="no current result rests on what was named and is not withdrawn already"):
        lab.order_recall(lot=a_lot(lab), action="rerun", reason="once more", actor="A1")
