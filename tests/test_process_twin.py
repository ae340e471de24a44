"""`poolkit.process` against its slow twin, on random days with every mistake that the field has shown."""

import pyarrow as pa
import pytest
from hypothesis import given

import poolkit
from tests.reference import day as twin
from tests.strategies import random_days, to_day, to_history, to_protocol

NONE_KNOWN = {name: [] for name in ("samples", "pools", "members", "wells", "runs", "calls", "orders")}


def same_findings(found: list, expected: list) -> None:
    named = [{(row["kind"], row["severity"], tuple(row["ids"])) for row in rows} for rows in (found, expected)]
    assert named[0] == named[1]


def in_order(calls: list) -> list:
    return sorted(calls, key=lambda row: (row["run_id"], row["well"]))


def same_rows(found: list, expected: list, columns: tuple) -> None:
    assert [{name: row[name] for name in columns} for row in found] == [
        {name: row[name] for name in columns} for row in expected
    ]


def same_probabilities(found: list, expected: list) -> None:
    for row, other in zip(found, expected, strict=True):
        if other["probability"] is None:
            assert row["probability"] is None, row
        else:
            assert row["probability"] == pytest.approx(other["probability"], rel=1e-12, abs=1e-300), row


@given(random_days())
def test_random_days_as_the_twin(drawn):
    """Calls, statuses, evidence, orders, probabilities and findings, over days that continue each other."""
    protocol = to_protocol(drawn.protocol)
    history = None
    for day in drawn.days:
        expected = twin.process(day.tables, drawn.protocol, at=day.at, history=history)
        found = poolkit.process(
            to_day(day.tables),
            protocol=protocol,
            at=day.at,
            history=None if history is None else to_history(history),
        )
        same_findings(found.findings.to_pylist(), expected["findings"])
        same_rows(
            in_order(found.calls.to_pylist()),
            in_order(expected["calls"]),
            ("run_id", "well", "plate_id", "specimen_id", "call", "reasons"),
        )
        results = found.results.to_pylist()
        same_rows(
            results, expected["results"], ("sample_id", "subject_id", "status", "evidence", "protocol", "decided_at")
        )
        same_rows(
            found.orders.to_pylist(),
            expected["orders"],
            ("order_id", "sample_id", "action", "reason", "issued_at", "due_at"),
        )
        same_probabilities(results, expected["results"])
        same_rows(found.pools.to_pylist(), expected["pools"], twin.POOL)
        same_rows(found.runs.to_pylist(), expected["runs"], ("run_id", "plate_id", "started_at", "ended_at"))
        history = twin.continue_history(NONE_KNOWN if history is None else history, day.tables, expected)


@given(random_days(most_days=1))
def test_how_a_day_came_encoded_changes_nothing(drawn):
    """Sliced, chunked and dictionary-encoded tables give the same outcome as plain ones."""
    protocol, day = to_protocol(drawn.protocol), to_day(drawn.days[0].tables)
    plain = poolkit.process(day, protocol=protocol, at=drawn.days[0].at)
    other = {}
    for name in ("samples", "wells", "readings", "pools", "members"):
        table = getattr(day, name)
        doubled = pa.concat_tables([table.slice(0, 1), table.slice(0, 1), table])
        sliced = doubled.slice(2).combine_chunks() if table.num_rows else table
        chunks = pa.concat_tables([sliced.slice(0, 2), sliced.slice(2)])
        columns = [
            column.dictionary_encode() if pa.types.is_string(column.type) else column for column in chunks.columns
        ]
        other[name] = pa.table(columns, names=table.column_names)
    encoded = poolkit.process(poolkit.Day(runs=day.runs, **other), protocol=protocol, at=drawn.days[0].at)
    for name in ("pools", "members", "calls", "results", "orders", "findings"):
        assert getattr(encoded, name).to_pylist() == getattr(plain, name).to_pylist()
