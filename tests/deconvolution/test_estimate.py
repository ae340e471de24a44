"""Prevalence, errors and over-dispersion from pools and their retests: twin, batches, coverage and a real campaign."""

import csv
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import poolkit
from poolkit.deconvolution.estimate import NAMES, PRIOR
from poolkit.kernels import estimate as kernels
from tests.reference import adaptive as twin

LOOKS = st.tuples(st.integers(0, 2), st.integers(0, 2))
RATE = st.floats(0.001, 0.999)


@settings(max_examples=50)
@given(LOOKS, st.lists(LOOKS, min_size=1, max_size=7), st.tuples(RATE, RATE, RATE, st.floats(0.001, 0.9)))
def test_the_likelihood_of_a_pool_is_its_twin(pool_looks, member_looks, point):
    total = np.empty(1)
    kernels.log_likelihood(
        np.array([point]),
        np.array([len(member_looks)]),
        np.array([pool_looks]),
        np.array([0, len(member_looks)]),
        np.array([(*looks, 1) for looks in member_looks]),
        np.array([3.0]),
        total,
    )
    assert total[0] == pytest.approx(
        3.0 * twin.pool_log_likelihood(pool_looks, member_looks, *point), rel=1e-9, abs=1e-9
    )


def batch(random, n_pools, size, prevalence, sensitivity, specificity, overdispersion, *, name=""):
    """Two-stage testing of pools whose members share a risk."""
    total = 1.0 / overdispersion - 1.0
    risk = random.beta(prevalence * total, (1.0 - prevalence) * total, n_pools)
    truth = random.random((n_pools, size)) < risk[:, None]

    def reacts(infected):
        return random.random() < (sensitivity if infected else 1.0 - specificity)

    members, calls = [], []
    for k in range(n_pools):
        pool = f"P{name}{k}"
        members += [(pool, f"S{name}{k}.{j}") for j in range(size)]
        calls.append((pool, reacts(truth[k].any())))
        if calls[-1][1]:
            calls += [(f"S{name}{k}.{j}", reacts(truth[k, j])) for j in range(size)]
    return tables(members, [(specimen, "positive" if yes else "negative") for specimen, yes in calls])


def tables(members, calls):
    pool, sample = zip(*members, strict=True) if members else ((), ())
    specimen, call = zip(*calls, strict=True) if calls else ((), ())
    text = pa.string()
    return (
        pa.table({"pool_id": pa.array(pool, text), "sample_id": pa.array(sample, text)}),
        pa.table({"specimen_id": pa.array(specimen, text), "call": pa.array(call, text)}),
    )


def test_intervals_hold_the_truth_as_often_as_they_say(small):
    """Truth drawn from the stated prior, so an interval of 80 % holds it 80 % of the times, whatever the data."""
    random, n_tries, level = np.random.default_rng(11), 4 if small else 60, 0.8
    prior = PRIOR | {"prevalence": (1.0, 9.0)}
    hits = dict.fromkeys(NAMES, 0)
    for _ in range(n_tries):
        truth = {name: random.beta(*prior[name]) for name in NAMES}
        members, calls = batch(random, 10 if small else 60, 4 if small else 8, **truth)
        found = poolkit.estimate(members, calls, prior=prior, level=level)
        for name in NAMES:
            estimated = getattr(found, name)
            assert 0.0 <= estimated.low <= estimated.value <= 1.0
            hits[name] += estimated.low <= truth[name] <= estimated.high
    low, high = stats.binom.ppf([0.0005, 0.9995], n_tries, level)
    assert all(low <= hits[name] <= high for name in NAMES), hits


def test_batches_one_after_the_other_are_all_at_once():
    random = np.random.default_rng(2)
    truth = {"prevalence": 0.05, "sensitivity": 0.95, "specificity": 0.99, "overdispersion": 0.1}
    parts = [batch(random, 20, 5, **truth, name=f"{k}-") for k in range(3)]
    together = poolkit.estimate(*(pa.concat_tables(each) for each in zip(*parts, strict=True)))
    found = None
    for members, calls in parts:
        found = poolkit.estimate(members, calls, earlier=found)
    assert found == together
    assert found.n_pools == 60
    # What is forgotten does not count, and what is half forgotten counts half.
    last = poolkit.estimate(*parts[2])
    assert poolkit.estimate(*parts[2], earlier=together, memory=0.0) == last
    assert poolkit.estimate(*parts[2], earlier=together, memory=0.5).n_pools == 20 + 30


def test_it_feeds_the_next_batch():
    random = np.random.default_rng(4)
    truth = {"prevalence": 0.03, "sensitivity": 0.97, "specificity": 0.995, "overdispersion": 0.02}
    members, calls = batch(random, 150, 8, **truth)
    found = poolkit.estimate(members, calls)
    people = pa.table({"sample_id": [f"N{k}" for k in range(30)], "probability": [found.prior] * 30})
    nobody = members.slice(0, 0), calls.slice(0, 0)
    then = poolkit.next_pools(*nobody, prior=people, assay=found.assay)
    assert then.members["sample_id"].to_pylist() == people["sample_id"].to_pylist()
    assert found.assay == poolkit.Assay(found.sensitivity.value, found.specificity.value)


def test_nothing_read_leaves_the_prior():
    found = poolkit.estimate(*tables([("P1", "S1")], []), level=0.9)
    for name in NAMES:
        low, high = stats.beta.ppf([0.05, 0.95], *PRIOR[name])
        estimated = getattr(found, name)
        assert estimated.value == pytest.approx(stats.beta.mean(*PRIOR[name]), abs=0.02)
        assert estimated.low == pytest.approx(low, abs=0.04)
        assert estimated.high == pytest.approx(high, abs=0.04)


def test_retests_of_chosen_members_are_not_taken_for_all():
    """Who is in a second pool is looked at because of it: the looks at members of such a pool are left out."""
    members = [("P1", f"S{k}") for k in range(6)]
    calls = [("P1", "positive"), ("S0", "positive")]
    then = [("P2", "S0"), ("P2", "S1")]
    with_second = poolkit.estimate(*tables(members + then, [*calls, ("P2", "positive")]))
    assert with_second == poolkit.estimate(*tables(members, calls[:1]))
    assert with_second != poolkit.estimate(*tables(members, calls))


def test_the_kilifi_campaign_is_overdispersed(shared):
    """Agoti et al. 2020: 75 of 250 pools of six were reactive, 128 of their members positive; 104 were to be expected.

    The data set's own counts; the same share of infected in pools filled at random would make 104 reactive.
    """
    with (shared / "data/kemri/pool_data.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    said = {True: "negative", False: "positive"}
    pools = {f"P{row['poolnumber']}": said[row["pool_ct"] == "Negative"] for row in rows}
    alone = [(f"S{row['no']}", said[row["expand_ct"] == "Negative"]) for row in rows if row["expand_ct"]]
    members = [(f"P{row['poolnumber']}", f"S{row['no']}") for row in rows]
    found = poolkit.estimate(*tables(members, [*pools.items(), *alone]))
    n_reactive = sum(call == "positive" for call in pools.values())
    n_positive = sum(call == "positive" for _, call in alone)
    assert (n_reactive, n_positive, found.n_pools) == (75, 128, 250)
    assert 250 * (1 - (1 - n_positive / 1500) ** 6) == pytest.approx(103.6, abs=0.05)
    assert found.overdispersion.low > 0.1
    assert found.overdispersion.value == pytest.approx(0.252, abs=0.002)
    assert found.prevalence.low < n_positive / 1500 < found.prevalence.high
    assert found.specificity.value == pytest.approx(0.9725, abs=0.002)
    # What was found explains how many pools reacted, which independence does not.
    spread = found.overdispersion.value / (1 - found.overdispersion.value)
    clear = np.prod([(1 - found.prior + i * spread) / (1 + i * spread) for i in range(6)])
    reactive = found.sensitivity.value * (1 - clear) + (1 - found.specificity.value) * clear
    assert 250 * reactive == pytest.approx(75, abs=8)


def test_what_is_impossible_is_said_at_once():
    with pytest.raises(poolkit.DesignError, match=re.escape("memory: must be from 0 to 1, found 2")) as caught:
        poolkit.estimate(*tables([], []), memory=2.0, level=1.0, prior={"rho": (1, 1), "prevalence": (0, 1)})
    assert len(caught.value.problems) == 4
