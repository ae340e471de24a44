"""Results against the truth."""

import pyarrow as pa
import pytest

import poolkit
from poolkit.errors import SchemaError
from poolkit.schemas import RESULTS
from poolkit.simulation import TRUTH, compare_with_truth


def truth(*infected: bool) -> pa.Table:
    rows = [
        {"sample_id": f"S{n}", "subject_id": f"P{n}", "infected": each, "log10_load": None, "tube_id": "T"}
        for n, each in enumerate(infected)
    ]
    return pa.Table.from_pylist(rows, schema=TRUTH.schema)


def results(*status: str) -> pa.Table:
    made = poolkit.process(poolkit.simulate_day(len(status), 0.0, 1).day).results.to_pylist()
    rows = [
        row | {"sample_id": f"S{n}", "status": each} for (n, each), row in zip(enumerate(status), made, strict=True)
    ]
    return pa.Table.from_pylist(rows[::-1], schema=RESULTS.schema)


def test_counts_by_truth_and_status() -> None:
    found = compare_with_truth(truth(True, True, False, False), results("positive", "negative", "negative", "pending"))
    nobody = dict.fromkeys(("negative", "positive", "suspect", "invalid", "pending"), 0)
    assert found == {
        "infected": nobody | {"positive": 1, "negative": 1},
        "not_infected": nobody | {"negative": 1, "pending": 1},
    }


def test_further_results_are_not_counted() -> None:
    found = compare_with_truth(truth(True), results("positive", "positive", "negative"))
    assert sum(sum(counts.values()) for counts in found.values()) == 1


def test_nobody() -> None:
    found = compare_with_truth(TRUTH.empty(), RESULTS.empty())
    assert [set(counts.values()) for counts in found.values()] == [{0}, {0}]


def test_a_sample_without_a_result() -> None:
    with pytest.raises(SchemaError, match="has no result"):
        compare_with_truth(truth(True, False), results("positive"))
