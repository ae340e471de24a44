"""Blocks too large for every truth: the searches against each other, against the truth, and what they admit."""

import math
import sys

import numpy as np
import pyarrow as pa
import pytest

import poolkit
from poolkit import Assay
from poolkit.deconvolution.posterior import EFFORT, evidence_of, graph_of, posterior_of
from poolkit.kernels.posterior import APPROXIMATED, ENUMERATED, PROPAGATED, SEARCHED, UNCONVERGED

NOISY = Assay(0.98, 0.995)


def drawn(name, n_infected, assay, seed):
    """Return the graph of one block, what was read of it, and who is infected."""
    plan = poolkit.design(name)
    layout = plan.layout(plan.block)
    rng = np.random.default_rng(seed)
    infected = np.zeros(plan.block, np.bool_)
    infected[rng.choice(plan.block, n_infected, replace=False)] = True
    sizes = np.diff(layout.offsets)
    pool = np.repeat(np.arange(sizes.size, dtype=np.int32), sizes)
    count = np.bincount(pool, weights=infected[layout.members], minlength=sizes.size).astype(int)
    yes = (rng.random(sizes.size) < assay.reactive(int(sizes.max()))[sizes, count]).astype(np.int32)
    graph = graph_of(pool, layout.members, sizes.size, plan.block)
    return graph, evidence_of(graph, yes, 1 - yes, assay), infected


def test_a_proved_search_is_the_enumeration(small):
    for seed in range(2 if small else 12):
        graph, read, infected = drawn("array-4x4", 2, NOISY, seed)
        prior = np.full(infected.size, 0.05)
        every = posterior_of(graph, read, prior, EFFORT._replace(n_open=0, n_enumerated=16))
        by_search = posterior_of(graph, read, prior, EFFORT._replace(n_open=0, n_enumerated=0, n_steps=10**8))
        assert every.beliefs.method.tolist() == [ENUMERATED]
        assert by_search.beliefs.method.tolist() == [SEARCHED]
        assert by_search.beliefs.error[0] <= 1e-9
        assert by_search.beliefs.probability == pytest.approx(every.beliefs.probability, abs=1e-9)
        assert by_search.beliefs.margin == pytest.approx(every.beliefs.margin, abs=1e-6)
        assert by_search.beliefs.tied.tolist() == every.beliefs.tied.tolist()


def test_likely_sets_and_propagation_are_near_what_is_proved(small):
    for seed in range(1 if small else 6):
        graph, read, infected = drawn("array-4x4", 1, NOISY, seed)
        prior = np.full(infected.size, 0.02)
        proved = posterior_of(graph, read, prior, EFFORT).beliefs.probability
        likely = posterior_of(graph, read, prior, EFFORT._replace(n_open=0, n_enumerated=0, n_proved=0, reach=12.0))
        assert likely.beliefs.method.tolist() == [APPROXIMATED]
        assert likely.beliefs.probability == pytest.approx(proved, abs=0.01)
        passed = posterior_of(graph, read, prior, EFFORT._replace(n_open=0, n_enumerated=0, n_proved=0, n_likely=-1))
        assert passed.beliefs.method.tolist() == [PROPAGATED]
        assert passed.beliefs.probability == pytest.approx(proved, abs=0.05)


def test_what_did_not_come_to_rest_says_so():
    graph, read, infected = drawn("array-4x4", 2, NOISY, 0)
    hasty = EFFORT._replace(n_open=0, n_enumerated=0, n_proved=0, n_likely=-1, n_rounds=1)
    found = posterior_of(graph, read, np.full(infected.size, 0.05), hasty)
    assert found.beliefs.method.tolist() == [UNCONVERGED]


@pytest.mark.parametrize(
    ("name", "n_infected", "assay", "at_least"),
    [("kirkman-45x105", 5, Assay(), 0.8), ("reed-solomon-48x384", 4, NOISY, 0.75)],
)
def test_the_most_probable_set_is_mostly_the_truth(name, n_infected, assay, at_least, small):
    n = 1 if small else 60
    right, surprise = 0, 0.0
    for seed in range(n):
        graph, read, infected = drawn(name, n_infected, assay, seed)
        found = posterior_of(graph, read, np.full(infected.size, n_infected / infected.size), EFFORT).beliefs
        right += found.likely.tolist() == infected.tolist()
        surprise += found.probability.sum() - n_infected
        assert (found.method < UNCONVERGED).all()
        assert (found.probability >= 0.0).all() and (found.probability <= 1.0).all()  # noqa: PT018
    assert right >= at_least * n - 3.0 * math.sqrt(n * at_least * (1 - at_least)) * small
    assert abs(surprise) <= 0.25 * n


def test_blocks_are_decoded_each_for_itself(small):
    """Threads, the order of blocks and what stands beside a block change nothing."""
    n_blocks = 3 if small else 40
    blocks = [drawn("array-8x12", 2, NOISY, seed) for seed in range(n_blocks)]
    pool, sample, yes = [], [], []
    n_pools = blocks[0][0].offsets.size - 1
    for k, (graph, read, _) in enumerate(blocks):
        sizes = np.diff(graph.offsets)
        pool.append(np.repeat(np.arange(n_pools), sizes) + k * n_pools)
        sample.append(graph.members + k * 96)
        yes.append(read.table[read.kind, 0] < 1.0)
    yes = np.concatenate(yes).astype(np.int32)
    graph = graph_of(
        np.concatenate(pool).astype(np.int32),
        np.concatenate(sample).astype(np.int32),
        n_pools * n_blocks,
        96 * n_blocks,
    )
    together = posterior_of(graph, evidence_of(graph, yes, 1 - yes, NOISY), np.full(96 * n_blocks, 0.02), EFFORT)
    for k, (one, read, _) in enumerate(blocks):
        alone = posterior_of(one, read, np.full(96, 0.02), EFFORT).beliefs.probability
        assert together.beliefs.probability[96 * k : 96 * (k + 1)].tolist() == alone.tolist()


def test_a_block_of_a_design_by_name():
    plan = poolkit.design("array-4x6")
    names = [f"P{k}" for k in range(1, 11)]
    reactive = {"P1", "P10"}
    calls = pa.table({"specimen_id": names, "call": ["positive" if name in reactive else "negative" for name in names]})
    found = poolkit.decode(plan.members(24), calls, prior=0.01, assay=Assay(0.98, 0.9999), rated=1)
    assert found.samples["answer"].to_pylist().count("positive") == 1
    assert found.components["overloaded"].to_pylist() == [False]
    assert found.components["method"].to_pylist() == ["pool states"]


def test_belief_propagation_alone_makes_nobody_positive(monkeypatch):
    plan = poolkit.design("array-4x6")
    names, reactive = [f"P{k}" for k in range(1, 11)], {"P1", "P10"}
    calls = pa.table({"specimen_id": names, "call": ["positive" if name in reactive else "negative" for name in names]})
    hurried = EFFORT._replace(n_nested=0, n_open=0, n_enumerated=0, n_proved=0, n_likely=-1)
    monkeypatch.setattr(sys.modules["poolkit.deconvolution.decode"], "EFFORT", hurried)
    found = poolkit.decode(plan.members(24), calls, prior=0.01, assay=Assay(0.98, 0.9999))
    assert found.components["method"].to_pylist() == ["belief propagation"]
    assert max(found.samples["probability"].to_pylist()) > 0.98
    assert set(found.samples["answer"].to_pylist()) == {"negative", "retest"}
