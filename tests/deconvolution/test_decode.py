"""`decode`: three answers, honest numbers, and what it refuses."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit import Assay, DesignError, SchemaError, decode
from tests.deconvolution.decoding import batches
from tests.reference import decoding as twin

GOOD = Assay(0.98, 0.999)


def tables(pools: dict, calls: list) -> tuple[pa.Table, pa.Table]:
    rows = [(pool, sample) for pool, members in pools.items() for sample in members]
    members = pa.table({"pool_id": [pool for pool, _ in rows], "sample_id": [sample for _, sample in rows]})
    columns = {"specimen_id": [name for name, _ in calls], "call": [call for _, call in calls]}
    return members, pa.table(columns, schema=pa.schema({"specimen_id": pa.string(), "call": pa.string()}))


def decoded(pools, calls, **how) -> dict:
    found = decode(*tables(pools, calls), **how)
    return {row["sample_id"]: row for row in found.samples.to_pylist()}


def answers(pools, calls, **how) -> dict:
    return {name: row["answer"] for name, row in decoded(pools, calls, **how).items()}


DORFMAN = {"P1": ["A", "B", "C"], "P2": ["D", "E", "F"]}


@given(batch=batches(), suspect=st.booleans())
def test_every_row_agrees_with_the_definitions(batch, suspect):
    pools = {f"P{k}": [f"S{s}" for s in members] for k, members in enumerate(batch.pools) if len(members) > 1}
    every = sorted({sample for members in pools.values() for sample in members}, key=lambda name: int(name[1:]))
    calls, at = [], {name: k for k, name in enumerate(every)}
    kept = []
    for k, (members, (yes, no)) in enumerate(zip(batch.pools, batch.looks, strict=True)):
        specimen = f"P{k}" if len(members) > 1 else f"S{members[0]}"
        if specimen in pools or specimen in at:
            calls += [(specimen, "suspect" if suspect else "positive")] * yes + [(specimen, "negative")] * no
            calls.append((specimen, "invalid"))
            kept.append(([at[f"S{s}"] for s in members], (yes, no)))
    priors = [batch.priors[int(name[1:])] for name in every]
    prior = pa.table({"sample_id": pa.array(every, pa.string()), "probability": pa.array(priors, pa.float64())})
    rows = decoded(pools, calls, prior=prior, assay=batch.assay)
    if not every:
        assert rows == {}
        return
    wanted, _ = twin.posterior([m for m, _ in kept], [looks for _, looks in kept], priors, batch.reactive)
    read = {every[s] for members, (yes, no) in kept if yes + no for s in members}
    for name, row in rows.items():
        if name not in read:
            assert row["probability"] is None
            assert row["answer"] == "retest"
            assert row["certainty"] is None
        elif wanted is None:
            assert row["probability"] is None or row["certainty"] != "unconverged"
        else:
            assert row["probability"] == pytest.approx(wanted[at[name]], rel=1e-9, abs=1e-12)
            assert row["certainty"] in {"definite", "exact"}
    # Nobody of a positive pool is left out of sight.
    for members, (yes, _) in kept:
        if yes:
            assert {rows[every[s]]["answer"] for s in members} != {"negative"}


def test_a_positive_pool_asks_for_its_members_and_retests_answer_it():
    calls = [("P1", "positive"), ("P2", "negative")]
    assert answers(DORFMAN, calls, assay=GOOD) == dict.fromkeys("ABC", "retest") | dict.fromkeys("DEF", "negative")
    calls += [("A", "negative"), ("B", "positive"), ("C", "negative")]
    assert answers(DORFMAN, calls, assay=GOOD) == dict.fromkeys("ACDEF", "negative") | {"B": "positive"}


def test_a_positive_pool_whose_members_are_all_negative_is_contradicted_and_retested():
    calls = [("P1", "positive"), ("P2", "negative"), *((name, "negative") for name in "ABC")]
    for assay in (GOOD, Assay()):
        found = decode(*tables(DORFMAN, calls), assay=assay)
        assert found.samples["answer"].to_pylist() == ["retest"] * 3 + ["negative"] * 3
        assert found.pools["fit"].to_pylist() == ["contradicted", "explained"]
    # By a perfect assay it cannot be, and no number is given for those whom it concerns.
    assert found.samples["probability"].to_pylist() == [None] * 3 + [0.0] * 3
    assert found.components["method"].to_pylist() == ["impossible", "elimination"]


def test_an_invalid_pool_says_nothing_and_clears_nobody():
    found = decode(*tables(DORFMAN, [("P1", "invalid")]), assay=GOOD)
    assert found.samples["answer"].to_pylist() == ["retest"] * 6
    assert found.samples["probability"].null_count == 6
    assert found.pools["says"].to_pylist() == ["unknown"] * 2


def test_ties_are_named():
    array = {"R1": ["A", "B"], "R2": ["C", "D"], "C1": ["A", "C"], "C2": ["B", "D"]}
    rows = decoded(array | {"Q": ["E", "F"]}, [(name, "positive") for name in [*array, "Q"]], prior=0.01)
    assert [rows[name]["tie_group"] for name in "ABCDEF"] == [0, 0, 0, 0, 1, 1]
    assert rows["A"]["probability"] == pytest.approx(0.5, abs=0.01)


def test_an_overload_is_said():
    pools = {f"R{k}": [f"{k}{j}" for j in range(3)] for k in range(3)}
    pools |= {f"C{j}": [f"{k}{j}" for k in range(3)] for j in range(3)}
    calls = [(name, "positive") for name in pools]
    for rated, wanted in ((None, None), (2, True), (3, False)):
        assert decode(*tables(pools, calls), rated=rated).components["overloaded"].to_pylist() == [wanted]


def test_what_a_missed_infection_costs_moves_the_answer():
    calls = [("P1", "negative"), ("P2", "negative")]
    dear = answers(DORFMAN, calls, assay=Assay(0.9, 0.999), prior=0.05, cost_missed=1000.0)
    cheap = answers(DORFMAN, calls, assay=Assay(0.9, 0.999), prior=0.05, cost_missed=100.0)
    assert set(dear.values()) == {"retest"}
    assert set(cheap.values()) == {"negative"}


def test_every_problem_is_named():
    members, calls = tables(DORFMAN, [("P1", "negative"), ("X", "negative")])
    with pytest.raises(SchemaError, match=r"specimen_id: X is neither a pool nor a sample of members \(rows 1\)"):
        decode(members, calls)
    with pytest.raises(SchemaError, match="P1 is both a pool and a sample"):
        decode(*tables({"P1": ["A", "P1"]}, [("P1", "negative")]))
    calls = calls.slice(0, 1)
    with pytest.raises(SchemaError, match="prior: must be between 0 and 1, found 2"):
        decode(members, calls, prior=2.0)
    with pytest.raises(SchemaError, match="sample_id: A has no prior"):
        decode(members, calls, prior=pa.table({"sample_id": ["B"], "probability": [0.1]}))
    with pytest.raises(
        DesignError, match=r"(?s)tolerance: must be at least 0, found -1.*cost_false: must be at least 1"
    ):
        decode(members, calls, tolerance=-1, cost_false=0.0)
    with pytest.raises(DesignError, match="cost_missed"):
        decode(members, calls, cost_missed=math.nan)


def test_no_row_gives_no_row():
    found = decode(*tables({}, []))
    assert (found.samples.num_rows, found.pools.num_rows, found.components.num_rows) == (0, 0, 0)
    assert repr(found) == "Decoded(samples=0, pools=0, components=0)"


def test_probabilities_are_calibrated_and_better_than_the_rules(small):
    n_pools, size, assay = (60 if small else 4000), 8, Assay(0.9, 0.99)
    rng = np.random.default_rng(5)
    risk = rng.choice([0.005, 0.05, 0.2], n_pools * size)
    infected = rng.random(risk.size) < risk
    chance = assay.reactive(size)
    calls = []
    for pool, n_infected in enumerate(infected.reshape(n_pools, size).sum(1)):
        reacts = rng.random() < chance[size, n_infected]
        calls.append((f"P{pool}", "positive" if reacts else "negative"))
        if reacts:
            # Half of the members were retested so far.
            for sample in range(pool * size, pool * size + size // 2):
                says = rng.random() < chance[1, int(infected[sample])]
                calls.append((f"S{sample}", "positive" if says else "negative"))
    pools = {f"P{k}": [f"S{s}" for s in range(k * size, (k + 1) * size)] for k in range(n_pools)}
    prior = pa.table({"sample_id": [f"S{s}" for s in range(risk.size)], "probability": risk})
    found = decode(*tables(pools, calls), prior=prior, assay=assay)
    probability = found.samples["probability"].to_numpy()
    for part in np.array_split(np.argsort(probability), 10):
        expected, seen = probability[part].sum(), infected[part].sum()
        spread = math.sqrt((probability[part] * (1 - probability[part])).sum())
        assert abs(seen - expected) <= 3.5 * spread + 1.0
    said = dict(calls)
    positive = np.repeat([said[f"P{k}"] == "positive" for k in range(n_pools)], size)
    rule = positive & np.array([said.get(f"S{s}") != "negative" for s in range(risk.size)])
    assert ((probability - infected) ** 2).mean() < (rule ^ infected).mean()


def test_the_public_names_are_there():
    assert poolkit.decode is decode
    assert poolkit.Decoded.__name__ == "Decoded"
