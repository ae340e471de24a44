"""A simulated day goes through the pipeline: a clean one leaves nothing to find, and its evening settles it."""

import pyarrow.compute as pc
import pytest

from poolkit.pipeline import process
from poolkit.protocols import protocol_names
from poolkit.schemas import History
from poolkit.simulation import Failures, simulate_day, simulate_evening


def n_with(table, column, value):
    return pc.sum(pc.equal(table[column], value)).as_py() or 0


@pytest.mark.parametrize("name", protocol_names())
def test_a_clean_day_has_no_findings_and_its_evening_settles_it(name):
    calm = Failures.none()
    made = simulate_day(4000, 0.02, 31, protocol=name, failures=calm)
    outcome = process(made.day, protocol=name)
    assert outcome.findings.num_rows == 0
    statuses = set(outcome.results["status"].to_pylist())
    assert statuses == {"negative", "suspect"}
    evening = simulate_evening(made.day, made.truth, outcome.orders, 32, protocol=name, failures=calm)
    history = History(
        samples=made.day.samples,
        pools=outcome.pools,
        members=outcome.members,
        wells=made.day.wells,
        runs=outcome.runs,
        calls=outcome.calls,
        orders=outcome.orders,
    )
    settled = process(evening, protocol=name, history=history)
    assert set(settled.findings["kind"].to_pylist()) <= {"discordant_pool"}
    assert n_with(settled.results, "status", "pending") == 0
    infected = set(made.truth.filter(made.truth["infected"])["subject_id"].to_pylist())
    positive = settled.results.filter(pc.equal(settled.results["status"], "positive"))["subject_id"].to_pylist()
    assert set(positive) <= infected
    assert len(set(positive)) > 0.8 * len(infected)
