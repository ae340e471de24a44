"""What is planned is what is run: characteristics against calls that `decode` reads."""

import numpy as np
import pyarrow as pa
import pytest

import poolkit as pk
from poolkit import Assay, characteristics
from poolkit.planning import staged

GRID = [
    ("two-stage-8", 0.05, "retest"),
    ("hierarchical-9-3-1", 0.05, "retest"),
    ("hierarchical-12-5-1", 0.02, "retest"),
    ("array-4x4", 0.06, None),
    ("array-3x6", 0.04, None),
    ("array-3x3-master", 0.05, "retest"),
    ("hypercube-3-3", 0.03, "retest"),
    ("partitions-2x5", 0.04, "retest"),
    ("kirkman-9x12", 0.05, "retest"),
    ("sperner-15", 0.02, "retest"),
]
ASSAY = Assay(((1, 0.98), (12, 0.86)), 0.97)


def decoded(design, n_blocks, prevalence, assay, seed):
    """Run blocks of a design stage by stage, whom to test next as `decode` says; return tests a block and calls."""
    n = design.block * n_blocks
    layout = design.layout(n)
    stream = np.random.default_rng(seed)
    infected = stream.random(n) < np.resize(prevalence, n)
    table = design.table(n)
    sizes = np.diff(layout.offsets)
    n_infected = np.add.reduceat(infected[layout.members].astype(np.int64), layout.offsets[:-1])
    reacts = stream.random(sizes.size) < assay.reactive(int(sizes.max()))[sizes, n_infected]
    open_ = np.ones(n, np.bool_)
    tested = np.zeros(sizes.size, np.bool_)
    pool_of = np.repeat(np.arange(sizes.size), sizes)
    ids = np.array(table["pool_id"].to_pylist())[layout.offsets[:-1]]
    for stage in range(1, int(layout.stage.max()) + 1):
        held = np.bincount(pool_of[open_[layout.members]], minlength=sizes.size) > 0
        tested |= (layout.stage == stage) & held
        said = np.where(reacts[tested], "positive", "negative")
        rows = pa.table({"specimen_id": pa.array(ids[tested]), "call": pa.array(said)})
        members = table.filter(pa.array(tested[pool_of])).select(["pool_id", "sample_id"])
        answers = pk.decode(members, rows, prior=0.01).samples
        open_ = np.ones(n, np.bool_)
        place = np.array([int(each[1:]) - 1 for each in answers["sample_id"].to_pylist()])
        open_[place] = np.array(answers["answer"].to_pylist()) != "negative"
    alone = np.where(infected, assay.reactive(1)[1, 1], assay.reactive(1)[1, 0])
    called = open_ & (stream.random(n) < alone)
    block = np.arange(n) // design.block
    tests = np.bincount(block[layout.members[layout.offsets[:-1]]], weights=tested, minlength=n_blocks)
    tests += np.bincount(block, weights=open_, minlength=n_blocks)
    return tests, infected.reshape(n_blocks, -1), called.reshape(n_blocks, -1)


def within(found, name, part, whole, extra):
    """Hold a share over independent blocks within four standard errors of what was planned."""
    share, planned = part.sum() / whole.sum(), getattr(found, name)
    error = (part - share * whole).std(ddof=1) / (whole.mean() * part.size**0.5)
    # Where few are infected all may come out alike: the plan itself says how much they could have differed.
    error = max(error, (planned * (1.0 - planned) / whole.sum()) ** 0.5)
    gap = abs(share - planned)
    assert gap <= 4.0 * np.hypot(error, extra.get(name, 0.0)) + 1e-9, (name, share, planned, error)


@pytest.mark.parametrize("risks", [False, True], ids=["one prevalence", "risks"])
@pytest.mark.parametrize(("name", "prevalence", "unmatched"), GRID)
def test_a_design_runs_as_it_is_planned(name, prevalence, unmatched, risks, small):
    design = pk.design(name)
    n_blocks = (400 if small else 30_000) // design.block
    of_each = prevalence * np.linspace(0.2, 1.8, design.block) if risks else prevalence
    tests, infected, called = decoded(design, n_blocks, of_each, ASSAY, seed=5)
    given = {"risks": of_each} if risks else {"prevalence": prevalence}
    n_drawn = 2_000 if small else 40_000
    found = characteristics(name, **given, assay=ASSAY, unmatched=unmatched, n_drawn=n_drawn, seed=6)
    errors = found.standard_errors
    gap = abs(tests.mean() - found.expected_tests)
    assert gap <= 4.0 * np.hypot(tests.std(ddof=1) / n_blocks**0.5, errors.get("expected_tests", 0.0))
    within(found, "sensitivity", (called & infected).sum(axis=1), infected.sum(axis=1), errors)
    within(found, "specificity", (~called & ~infected).sum(axis=1), (~infected).sum(axis=1), errors)
    within(found, "ppv", (called & infected).sum(axis=1), called.sum(axis=1), errors)
    within(found, "npv", (~called & ~infected).sum(axis=1), (~called).sum(axis=1), errors)


@pytest.mark.parametrize(
    "name", ["two-stage-10", "hierarchical-12-4-1", "hierarchical-16-8-4-1", "hypercube-3-3-master"]
)
def test_a_layout_runs_as_it_is_planned(name, small):
    """Cleared is cleared: the kernel that runs layouts against infected samples."""
    layout = pk.design(name).layout(pk.design(name).block)
    n_sets = 2_000 if small else 40_000
    infected = staged.independent_sets(layout.n_samples, 0.04, n_sets, seed=1)
    ran = staged.run(layout, infected, assay=ASSAY, seed=2)
    found = characteristics(name, prevalence=0.04, assay=ASSAY)
    assert found.exact
    by_stage = ran.tests.astype(float)
    error = by_stage.std(axis=0, ddof=1) / n_sets**0.5
    assert (np.abs(by_stage.mean(axis=0) - found.stages) <= 4.0 * error + 1e-9).all()
    total = by_stage.sum(axis=1)
    if found.variance is not None:
        spread = ((total - total.mean()) ** 2).std(ddof=1) / n_sets**0.5
        assert abs(total.var(ddof=1) - found.variance) <= 4.0 * spread
    hit = np.bitwise_count(ran.open & infected).sum(axis=1)
    n_infected = np.bitwise_count(infected).sum(axis=1)
    share = hit.sum() / n_infected.sum()
    off = (hit - share * n_infected).std(ddof=1) / (n_infected.mean() * n_sets**0.5)
    assert abs(0.98 * share - found.sensitivity) <= 4.0 * off
