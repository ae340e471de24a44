"""The posterior of a pool and its retests against the sum over every truth."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poolkit
from poolkit.deconvolution.priors import PRIORS
from tests.reference import day as twin
from tests.strategies import to_day

MORNING = datetime(2024, 5, 6, 8, tzinfo=UTC)
CT = {"positive": 20.0, "suspect": 38.0, "negative": None}
LOOKS = st.lists(st.sampled_from(list(CT)), max_size=3)


def protocol() -> poolkit.Protocol:
    preset = poolkit.load_protocol("de-lolli")
    return preset.revised(
        "test",
        source="made up for the test",
        verified=False,
        targets=("N",),
        targets_for_positive=1,
        internal_control=None,
        ct_internal=None,
        ct_positive=37.0,
        ct_limit=40.0,
        controls={},
        max_pool_size=8,
        validated_pool_size=8,
        sensitivity=((1, 0.97), (4, 0.9), (8, 0.7)),
        specificity=0.985,
    )


def day_of(pool_looks: list, single_looks: list) -> poolkit.Day:
    samples = [
        {
            "sample_id": f"S{k}",
            "subject_id": f"A{k}",
            "site_id": "site",
            "collected_at": MORNING,
            "kind": "person",
            "tube_id": "T",
            "slot": k + 1,
            "group_id": None,
            "recollect_of": None,
        }
        for k in range(len(single_looks))
    ]
    wells, runs, readings = [], [], []
    every = [("T", look) for look in pool_looks]
    every += [(f"S{k}", look) for k, looks in enumerate(single_looks) for look in looks]
    for number, (specimen, look) in enumerate(every):
        ended = MORNING + timedelta(hours=number + 1)
        wells.append({"plate_id": f"P{number}", "well": "A01", "content": "specimen", "specimen_id": specimen})
        runs.append(
            {
                "run_id": f"R{number}",
                "plate_id": f"P{number}",
                "instrument_id": "I",
                "started_at": ended,
                "ended_at": ended,
            }
        )
        readings.append({"run_id": f"R{number}", "well": "A01", "target": "N", "ct_cycles": CT[look]})
    return to_day({"samples": samples, "wells": wells, "runs": runs, "readings": readings, "pools": [], "members": []})


@settings(max_examples=60)
@given(
    pool_looks=LOOKS,
    members=st.lists(st.tuples(LOOKS, st.floats(1e-9, 0.999)), min_size=2, max_size=8),
)
def test_each_member_with_a_prior_of_its_own(pool_looks, members):
    single_looks = [looks for looks, _ in members]
    names = [f"S{k}" for k in range(len(members))]
    priors = dict(zip(names, (prior for _, prior in members), strict=True))
    rules = protocol()
    table = pa.Table.from_pylist(
        [{"sample_id": name, "probability": prior} for name, prior in priors.items()], schema=PRIORS.schema
    )
    outcome = poolkit.process(day_of(pool_looks, single_looks), protocol=rules, prior=table)
    values = {"sensitivity": rules.sensitivity, "specificity": rules.specificity}
    as_looks = {name: [{"call": look} for look in looks] for name, looks in zip(names, single_looks, strict=True)}
    of_pool = [{"call": look} for look in pool_looks]
    for row, looks in zip(outcome.results.to_pylist(), single_looks, strict=True):
        if not pool_looks and not looks:
            assert row["probability"] is None
        else:
            wanted = twin.posterior(row["sample_id"], names, of_pool, as_looks, priors, values)
            assert row["probability"] == pytest.approx(wanted, rel=1e-10)


def test_one_prior_for_all_and_the_protocols_own():
    day = day_of(["negative"], [[], []])
    by_protocol, by_hand, other = (
        poolkit.process(day, protocol=protocol(), prior=prior).results["probability"].to_pylist()
        for prior in (None, protocol().prior_prevalence, 0.5)
    )
    assert by_protocol == by_hand
    assert other[0] > by_hand[0]


@pytest.mark.parametrize("prior", [-0.1, 1.5, float("inf")])
def test_a_prior_that_is_no_probability_is_named(prior):
    with pytest.raises(poolkit.SchemaError, match=f"prior: must be between 0 and 1, found {prior}"):
        poolkit.process(day_of(["negative"], [[], []]), protocol=protocol(), prior=prior)


def test_a_prior_table_that_names_a_sample_twice_is_refused():
    twice = pa.table({"sample_id": ["S0", "S0"], "probability": [0.1, 0.2]})
    with pytest.raises(poolkit.SchemaError, match="duplicate key S0"):
        poolkit.process(day_of(["negative"], [[], []]), protocol=protocol(), prior=twice)
