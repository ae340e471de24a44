"""The best design: against all there are on small sizes, with its limits, its neighbours and its pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit import (
    Assay,
    DesignError,
    characteristics,
    choose,
    frontier,
    nested_pools,
    plot_frontier,
    plot_wrong_prevalence,
    wrong_prevalence,
)
from tests.reference import characteristics as twin

RATES = st.sampled_from([0.5, 0.8, 0.95, 0.99, 1.0])
ASSAYS = st.one_of(
    st.builds(Assay, RATES, RATES), st.builds(lambda a, b, c: Assay(((1, a), (6, b)), c), RATES, RATES, RATES)
)
AIMS = st.sampled_from(["tests", "tests_per_correct", "cost"])


def designs_of(n, n_stages, pieces):
    """Give every pool of n that is split so many times, as lists of groups of each stage."""
    waiting = [[[n]]]
    for _ in range(n_stages - 1):
        waiting = [[*stages, groups] for stages in waiting for groups in _all_splits(stages[-1], pieces)]
    return waiting


def _all_splits(sizes, pieces):
    if not sizes:
        yield []
        return
    for parts in pieces(sizes[0], sizes[0]):
        for rest in _all_splits(sizes[1:], pieces):
            yield [*parts, *rest]


def value(found, aim, risks):
    if aim == "tests_per_correct":
        return found.tests_per_correct
    share = float(np.mean(risks))
    errors = 20.0 * share * (1 - found.sensitivity) + 7.0 * (1 - share) * (1 - found.specificity)
    return found.tests_per_sample + (errors if aim == "cost" else 0.0)


@given(st.floats(0.001, 0.5), ASSAYS, ASSAYS, AIMS, st.integers(1, 3))
def test_equal_risks_against_all_partitions(prevalence, assay, alone, aim, n_stages):
    largest = {1: 6, 2: 6, 3: 4}[n_stages]
    limits = {"max_pool": largest, "max_stages": n_stages + 1, "max_rounds": n_stages + 1}
    prices = {"cost_missed": 20.0, "cost_false": 7.0}
    chosen = choose(prevalence, assay=assay, alone=alone, objective=aim, **limits, **prices)
    ours = min(chosen.table[chosen.table["family"].str.match("indiv|two|hier")]["value"])
    every = [
        value(characteristics(nested_pools(*stages), prevalence=prevalence, assay=assay, alone=alone), aim, prevalence)
        for n in range(1, largest + 1)
        for stages in designs_of(n, n_stages, twin.partitions)
    ]
    # Testing alone is among them, as the pool of one.
    assert ours == pytest.approx(min(every), rel=1e-10)
    assert chosen.value == pytest.approx(value(chosen.characteristics, aim, prevalence), rel=1e-12)


@given(st.lists(st.floats(0.001, 0.6), min_size=2, max_size=5), ASSAYS, ASSAYS, AIMS, st.integers(1, 2))
def test_different_risks_against_all_splits_in_order(risks, assay, alone, aim, n_stages):
    risks = sorted(risks)
    n = len(risks)
    limits = {"max_stages": n_stages + 1, "max_rounds": n_stages + 1}
    prices = {"cost_missed": 20.0, "cost_false": 7.0}
    chosen = choose(risks=risks, assay=assay, alone=alone, objective=aim, **limits, **prices)
    ours = min(chosen.table[chosen.table["family"].str.match("indiv|two|hier")]["value"])
    every = []
    for first in twin.compositions(n, n):
        stages = [[first]] if n_stages == 1 else [[first, groups] for groups in _all_splits(first, twin.compositions)]
        for each in stages:
            found = characteristics(nested_pools(*each), risks=risks, assay=assay, alone=alone)
            every.append(value(found, aim, risks))
    assert ours == pytest.approx(min(every), rel=1e-10)


def test_arrays_against_all_rectangles(small):
    largest = 6 if small else 15
    for aim in ("tests", "tests_per_correct", "cost"):
        for master in (False, True):
            assay = Assay(((1, 0.99), (225, 0.8)), 0.98)
            limits = {"max_pool": largest, "max_stages": 1, "max_rounds": 3}
            prices = {"cost_missed": 20.0, "cost_false": 7.0}
            table = choose(0.03, assay=assay, objective=aim, **limits, **prices).table.set_index("family")
            every = [
                value(characteristics(f"array-{a}x{b}{'-master' * master}", prevalence=0.03, assay=assay), aim, 0.03)
                for a in range(2, largest + 1)
                for b in range(2, largest + 1)
                if not master or a * b <= largest
            ]
            assert table.loc["array with master" if master else "array", "value"] == pytest.approx(
                min(every), rel=1e-12
            )


def test_arrays_of_different_risks():
    risks = np.linspace(0.001, 0.2, 12)
    table = choose(risks=risks, assay=Assay(0.95, 0.99), max_rounds=2).table.set_index("family")
    every = [
        characteristics(f"array-{a}x{b}", risks=risks, assay=Assay(0.95, 0.99), arrange=how).tests_per_sample
        for a, b in ((2, 6), (3, 4), (4, 3), (6, 2))
        for how in ("sorted", "gradient", "spiral")
    ]
    assert table.loc["array", "value"] == pytest.approx(min(every), rel=1e-12)
    shuffled = np.random.default_rng(0).permutation(risks)
    chosen = choose(risks=shuffled, assay=Assay(0.95, 0.99), max_rounds=2)
    assert chosen.table["value"].tolist() == pytest.approx(
        choose(risks=risks, assay=Assay(0.95, 0.99), max_rounds=2).table["value"].tolist(), rel=1e-12
    )
    assert sorted(chosen.order.tolist()) == list(range(12))


def test_every_infected_sample_is_found_as_often_as_asked():
    assay = Assay(((1, 0.99), (50, 0.85)), 0.995)
    free = choose(0.01, assay=assay, max_pool=50)
    for least in (0.8, 0.9, 0.95, 0.98):
        chosen = choose(0.01, assay=assay, max_pool=50, min_sensitivity=least)
        assert (chosen.table["sensitivity"] >= least - 1e-12).all()
        assert chosen.characteristics.individuals["sensitivity"].min() >= least - 1e-12
        assert chosen.value >= free.value
    risks = np.linspace(0.001, 0.1, 12)
    some = choose(risks=risks, assay=assay, min_sensitivity=0.95)
    assert some.characteristics.individuals["sensitivity"].min() >= 0.95 - 1e-12
    with pytest.raises(DesignError, match=r"no design finds every infected sample with 0\.995"):
        choose(0.01, assay=assay, min_sensitivity=0.995)


def test_limits_of_rounds_stages_and_pools():
    for rounds in (1, 2, 3, 4):
        for largest in (1, 3, 10):
            chosen = choose(0.02, max_pool=largest, max_stages=4, max_rounds=rounds)
            assert (chosen.table["rounds"] <= rounds).all()
            assert (chosen.table["largest_pool"] <= largest).all()
            assert "individual" in set(chosen.table["family"])
            assert chosen.table["value"].is_monotonic_increasing
            assert chosen.table["family"].is_unique
            assert chosen.value == chosen.table["value"][0]
    assert choose(0.02, max_pool=1).name == "individual"
    assert choose(0.6).name == "individual"


@pytest.mark.parametrize("prevalence", [0.0, 1e-9, 1.0])
def test_limits_of_prevalence(prevalence):
    chosen = choose(prevalence, assay=Assay(0.95, 0.99), max_pool=20)
    assert np.isfinite(chosen.table.select_dtypes("number").to_numpy()).all()
    by_risk = choose(risks=[prevalence] * 6, assay=Assay(0.95, 0.99))
    assert np.isfinite(by_risk.table.select_dtypes("number").to_numpy()).all()


def test_a_sensitivity_that_counts_is_told_exactly():
    assay = Assay(0.8, 0.99, "independent")
    chosen = choose(0.05, assay=assay, max_pool=6, max_rounds=2, seed=1)
    rows = chosen.table.set_index("family")
    assert not rows.loc["array", "exact"]
    told = characteristics(rows.loc["two-stage", "design"], prevalence=0.05, assay=assay)
    assert rows.loc["two-stage", "value"] == told.tests_per_sample


def test_nothing_is_on_the_frontier_that_another_beats():
    assay = Assay(((1, 0.98), (20, 0.85)), 0.995)
    table = frontier(0.02, assay=assay, max_pool=12, max_stages=3)
    figures = table[["tests_per_sample", "sensitivity", "rounds"]].to_numpy()
    for one in figures:
        better = (figures[:, 0] <= one[0]) & (figures[:, 1] >= one[1]) & (figures[:, 2] <= one[2])
        assert better.sum() == 1
    for rounds in (2, 3):
        best = choose(0.02, assay=assay, max_pool=12, max_rounds=rounds)
        assert table[table["rounds"] <= rounds]["tests_per_sample"].min() == pytest.approx(best.value, rel=1e-12)
    assert table["tests_per_sample"].is_monotonic_increasing
    for name, tests in zip(table["design"], table["tests_per_sample"], strict=True):
        if name.startswith(("array", "two-stage", "hierarchical")):
            found = characteristics(name, prevalence=0.02, assay=assay)
            assert tests == pytest.approx(found.tests_per_sample, rel=1e-12)
    least = frontier(0.02, assay=assay, max_pool=12, min_sensitivity=0.9)
    assert least["sensitivity"].min() >= 0.9


def test_a_wrong_prevalence_costs_something():
    table = wrong_prevalence(0.01, assay=Assay(0.95, 0.99), max_pool=16)
    at = table.set_index("prevalence")
    assert at.loc[0.01, "excess"] == pytest.approx(0.0, abs=1e-12)
    assert (table["excess"] >= -1e-12).all()
    assert at.loc[0.1, "excess"] > 0.02
    given = wrong_prevalence(0.01, design="two-stage-16", true=[0.001, 0.2])
    assert given["design"].tolist() == ["two-stage-16"] * 2
    assert given["best_value"].tolist() == [choose(p).value for p in (0.001, 0.2)]
    with pytest.raises(DesignError, match="true: must hold at least one"):
        wrong_prevalence(0.01, true=[])
    with pytest.raises(DesignError, match="true: must be from 0 to 1, found 3"):
        wrong_prevalence(0.01, true=[3.0])


def test_plots_draw_what_the_frames_say():
    table = frontier(0.02, assay=Assay(((1, 0.98), (20, 0.85)), 0.995), max_pool=8)
    ax = plot_frontier(table)
    assert ax.get_xlabel() == "infected samples found, %"
    drawn = np.concatenate([line.get_xydata() for line in ax.lines if line.get_linestyle() == "None"])
    told = table.assign(x=100 * table["sensitivity"])[["x", "tests_per_sample"]].to_numpy()
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, told))
    table = wrong_prevalence(0.01, max_pool=8)
    assert plot_wrong_prevalence(table, ax=ax) is ax
    line = plot_wrong_prevalence(table).lines[0].get_xydata()
    assert line[:, 0].tolist() == pytest.approx((100 * table["prevalence"]).tolist())
    assert line[:, 1].tolist() == table["value"].tolist()


def test_what_cannot_be_chosen_is_said_at_once():
    with pytest.raises(DesignError) as error:
        choose(2.0, objective="best", cost_false=-1, max_pool=0, max_stages=0, min_sensitivity=2.0)  # type: ignore[arg-type]
    assert str(error.value) == (
        "nothing to choose, 6 problem(s):\n"
        "  - prevalence: must be from 0 to 1, found 2\n"
        "  - objective: must be one of tests, tests_per_correct, cost, found best\n"
        "  - cost_false: must be at least 0, found -1\n"
        "  - max_pool: must be at least 1, and whole, found 0\n"
        "  - max_stages: must be at least 1, and whole, found 0\n"
        "  - min_sensitivity: must be from 0 to 1, found 2"
    )
    with pytest.raises(DesignError, match=r"(?s)max_pool: .* whole, found 2.5.*max_rounds: .* found 0"):
        choose(0.01, max_pool=2.5, max_rounds=0)  # type: ignore[arg-type]
    with pytest.raises(DesignError, match="give either a prevalence or risks"):
        choose()
    with pytest.raises(DesignError, match="9 stages and pools of 100 are too many to try them all"):
        choose(0.01, max_stages=9)
