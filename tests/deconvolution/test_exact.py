"""The exact posteriors against the sum over all 2^n truths."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit import Assay
from poolkit.deconvolution.posterior import EFFORT, evidence_of, posterior_of
from poolkit.kernels.posterior import IMPOSSIBLE, NESTED, PROPAGATED, SWEPT
from tests.deconvolution.decoding import LOOKS, Batch, batches
from tests.reference import decoding as twin


def believed(batch, effort=EFFORT):
    evidence = evidence_of(batch.graph, batch.n_reactive, batch.n_negative, batch.assay)
    return posterior_of(batch.graph, evidence, np.array(batch.priors), effort)


def check(batch, found, within=1e-12):
    wanted, truths = twin.posterior(batch.pools, batch.looks, batch.priors, batch.reactive)
    if wanted is None:
        assert found.conflict.any() or np.isinf(found.beliefs.error).any()
        return
    assert not found.conflict.any()
    assert found.beliefs.probability == pytest.approx(wanted, rel=within, abs=within)
    best, second = truths[0][0], truths[1][0]
    likely = tuple(found.beliefs.likely.astype(int).tolist())
    assert twin.weight(likely, batch.pools, batch.looks, batch.priors, batch.reactive) == pytest.approx(best, rel=1e-8)
    assert all(size <= sum(truth) for weight, truth in truths if weight > best * (1 + 1e-12) for size in [sum(likely)])
    margins = list(found.beliefs.margin)
    alone = np.flatnonzero((found.part < 0) & (found.state < 0))
    if not alone.size and second > 0.0 and margins:
        assert min(margins) == pytest.approx(math.log(best / second), rel=1e-6, abs=1e-6)
    top = {truth for weight, truth in truths if weight >= best * (1 - 1e-10)}
    assert found.beliefs.tied.tolist() == [len({truth[sample] for truth in top}) > 1 for sample in range(len(wanted))]


@given(batch=batches())
def test_enumeration_is_the_sum_over_every_truth(batch):
    check(batch, believed(batch, EFFORT._replace(n_nested=0, n_open=0)))


@given(batch=batches())
def test_the_search_leaves_out_no_more_than_it_says(batch):
    effort = EFFORT._replace(n_nested=0, n_open=0, n_enumerated=0, n_steps=10**8)
    found = believed(batch, effort)
    check(batch, found, within=1e-9)


@given(batch=batches())
def test_a_hasty_search_says_what_it_may_be_wrong_by(batch):
    found = believed(batch, EFFORT._replace(n_nested=0, n_open=0, n_enumerated=0, error=0.3))
    wanted, _ = twin.posterior(batch.pools, batch.looks, batch.priors, batch.reactive)
    if wanted is not None:
        error = np.concatenate((found.beliefs.error, [0.0]))[found.part]
        assert (np.abs(found.beliefs.probability - wanted) <= error + 1e-12).all()


@st.composite
def nested_batches(draw, most: int = 9):
    """Cut the samples into pools, and those again, each level read or not."""
    batch = draw(batches(most))
    pools = []

    def cut(low, high):
        pools.append(list(range(low, high)))
        if high - low > 1 and draw(st.booleans()):
            at = draw(st.integers(low + 1, high - 1))
            cut(low, at)
            if draw(st.booleans()):
                cut(at, high)

    cut(0, batch.n_samples)
    looks = draw(st.lists(LOOKS, min_size=len(pools), max_size=len(pools)))
    return batch._replace(pools=pools, looks=looks)


@given(batch=nested_batches())
def test_nested_pools_are_the_sum_over_every_truth(batch):
    found = believed(batch)
    check(batch, found)
    assert set(found.beliefs.method.tolist()) <= {NESTED, IMPOSSIBLE}


@given(batch=nested_batches())
def test_propagation_is_exact_where_pools_do_not_cross(batch):
    pools = batch.pools[:1] + [[sample] for sample in range(batch.n_samples)]
    batch = batch._replace(pools=pools, looks=(batch.looks * batch.n_samples * 2)[: len(pools)])
    found = believed(batch, EFFORT._replace(n_nested=0, n_open=0, n_enumerated=0, n_proved=0, n_likely=-1))
    wanted, _ = twin.posterior(batch.pools, batch.looks, batch.priors, batch.reactive)
    if wanted is not None and PROPAGATED in found.beliefs.method:
        assert found.beliefs.probability == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_sixteen_samples_of_crossing_pools(seed, small):
    """The same 2^16 truths, weighed by numpy."""
    n = 8 if small else 16
    rng = np.random.default_rng(seed)
    pools = [np.sort(rng.choice(n, rng.integers(2, 7), replace=False)) for _ in range(9)]
    looks = rng.integers(0, 3, (9, 2))
    priors = rng.random(n) * 0.6
    batch = Batch(n, pools, looks.tolist(), priors.tolist(), Assay(((1, 0.97), (6, 0.85)), 0.97, "independent"))
    truths = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    weights = np.where(truths == 1, priors, 1 - priors).prod(axis=1)
    for members, (yes, no) in zip(pools, looks, strict=True):
        chance = np.array([batch.reactive(len(members), k) for k in range(len(members) + 1)])
        chance = chance[truths[:, members].sum(axis=1)]
        weights *= chance**yes * (1 - chance) ** no
    wanted = weights @ truths / weights.sum()
    assert believed(batch).beliefs.probability == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@given(batch=batches())
def test_a_sweep_over_pool_states_is_the_sum_over_every_truth(batch):
    batch = batch._replace(assay=Assay(batch.assay.sensitivity, batch.assay.specificity))
    found = believed(batch, EFFORT._replace(n_nested=0, n_enumerated=0))
    check(batch, found)
    assert set(found.beliefs.method.tolist()) <= {SWEPT, IMPOSSIBLE}
