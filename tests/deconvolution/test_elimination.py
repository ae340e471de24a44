"""Elimination against its slow twin, and what it must never do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from poolkit.deconvolution.posterior import graph_of
from poolkit.kernels import components, elimination
from poolkit.kernels.elimination import READS_NEGATIVE, READS_NOTHING, READS_POSITIVE
from tests.deconvolution.decoding import batches
from tests.reference import decoding as twin

READS = {"negative": READS_NEGATIVE, "positive": READS_POSITIVE, None: READS_NOTHING}
STANDING = ("open", "cleared", "definite", "doubtful")
FIT = ("explained", "contradicted", "unknown")


def eliminated(graph, reads, tolerance):
    codes = np.array([READS[read] for read in reads], np.int8)
    found = elimination.Eliminated(np.empty(graph.starts.size - 1, np.int8), np.empty(codes.size, np.int8))
    elimination.eliminate(graph, codes, tolerance, found)
    return codes, found


def reads_of(looks):
    return ["positive" if yes else "negative" if no else None for yes, no in looks]


@given(batch=batches(), tolerance=st.integers(0, 2))
def test_it_is_its_slow_twin(batch, tolerance):
    reads = reads_of(batch.looks)
    codes, found = eliminated(batch.graph, reads, tolerance)
    standing, fit = twin.eliminate(batch.n_samples, batch.pools, reads, tolerance)
    assert [STANDING[code] for code in found.standing] == standing
    assert [FIT[code] for code in found.fit] == fit
    group = np.empty(batch.n_samples, np.int32)
    n_groups = elimination.indistinct(batch.graph, codes, found.standing, group)
    assert [np.flatnonzero(group == k).tolist() for k in range(n_groups)] == twin.indistinct(
        batch.n_samples, batch.pools, reads, standing
    )


@given(batch=batches())
def test_components_are_numbered_by_their_first_sample(batch):
    number = np.empty(batch.n_samples, np.int32)
    live, every = np.ones(len(batch.pools), np.bool_), np.ones(batch.n_samples, np.bool_)
    n = components.connect(batch.graph, live, every, np.empty(batch.n_samples, np.int32), number)
    wanted = twin.components(batch.n_samples, batch.pools)
    assert [np.flatnonzero(number == k).tolist() for k in range(n)] == wanted


@given(batch=batches(), data=st.data())
def test_perfect_calls_never_clear_a_positive_and_what_is_definite_is_infected(batch, data):
    truth = data.draw(st.lists(st.booleans(), min_size=batch.n_samples, max_size=batch.n_samples))
    reads = ["positive" if any(truth[sample] for sample in members) else "negative" for members in batch.pools]
    reads = [data.draw(st.sampled_from([read, read, None])) for read in reads]
    codes, found = eliminated(batch.graph, reads, 0)
    for infected, code in zip(truth, found.standing, strict=True):
        assert not (infected and STANDING[code] == "cleared")
        assert infected or STANDING[code] != "definite"
        assert STANDING[code] != "doubtful"
    assert "contradicted" not in {FIT[code] for code in found.fit}
    infected = np.zeros(1, np.int32)
    elimination.at_least(batch.graph, codes, found, np.zeros(batch.n_samples, np.int32), infected)
    assert infected[0] <= sum(truth)


def test_two_negative_pools_are_needed_where_one_may_be_wrong():
    pools = [[0, 1], [0, 2], [1, 2], [0]]
    graph = batch_graph(pools, 3)
    _, strict = eliminated(graph, ["negative", "positive", "positive", None], 0)
    _, tolerant = eliminated(graph, ["negative", "positive", "positive", None], 1)
    assert [STANDING[code] for code in strict.standing] == ["cleared", "cleared", "definite"]
    assert [STANDING[code] for code in tolerant.standing] == ["open", "open", "open"]


def test_a_positive_pool_whose_members_were_all_cleared_takes_them_back():
    _, found = eliminated(batch_graph([[0, 1], [0], [1], [2]], 3), ["positive", "negative", "negative", "negative"], 0)
    assert [STANDING[code] for code in found.standing] == ["doubtful", "doubtful", "cleared"]
    assert [FIT[code] for code in found.fit] == ["contradicted", "explained", "explained", "explained"]


def batch_graph(pools, n_samples):
    pool = np.repeat(np.arange(len(pools), dtype=np.int32), [len(members) for members in pools])
    return graph_of(pool, np.array([s for members in pools for s in members], np.int32), len(pools), n_samples)
