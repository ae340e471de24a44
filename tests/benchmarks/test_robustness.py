"""What goes wrong when the world is not as assumed, and that the table of it says so."""

import numpy as np
import pytest
from scipy import stats

from benchmarks import robustness
from benchmarks.robustness import WORLDS, World, run


@pytest.fixture(scope="module")
def size(small):
    return 200 if small else 10_000


def within(found, expected, n):
    """Whether so many per 1000 of n are found as often as expected, but for one time in ten thousand."""
    low, high = stats.binom.ppf([5e-5, 1 - 5e-5], round(n), expected / 1000.0)
    return low <= found / 1000.0 * n <= high


@pytest.mark.parametrize("design", ["two-stage-10", "array-5x5"])
def test_as_assumed_the_probabilities_are_the_shares(design, size):
    row = run(World("as assumed"), design, n=size, seed=3)
    assert within(row.missed, row.missed_expected, size)
    assert within(row.false, row.false_expected, size * robustness.PREVALENCE)
    tests = {
        "two-stage-10": 0.1 + 1 - (1 - robustness.PREVALENCE) ** 10,
        "array-5x5": 0.4 + robustness.PREVALENCE + (1 - robustness.PREVALENCE) * (1 - 0.98**4) ** 2,
    }
    # The formulas are for a perfect test, which retests a little more: what it misses, this test does not retest.
    assert row.tests == pytest.approx(tests[design], rel=0.5 if size < 1000 else 0.1)


def test_what_a_wrong_world_does(size):
    rows = {
        (world.name, design): run(world, design, n=size, seed=5) for world in WORLDS for design in ("two-stage-10",)
    }
    found = {name: row for (name, _), row in rows.items()}
    base = found["as assumed"]
    # A wrong prior changes what is believed and nothing that is measured.
    for name, factor in (("prior 4x too low", 0.25), ("prior 4x too high", 4.0)):
        assert (found[name].tests, found[name].sensitivity) == (base.tests, base.sensitivity)
        assert found[name].missed_expected / base.missed_expected == pytest.approx(factor, rel=1.0)
        assert (found[name].missed_expected < base.missed_expected) == (factor < 1)
    if size < 1000:  # shares of a few hundred samples say no more
        return
    # Infected samples that stand together spare retests, and confirm each other more than is believed.
    assert found["households together"].tests < 0.75 * base.tests
    assert found["households together"].false < found["households together"].false_expected
    assert found["households apart"].tests == pytest.approx(base.tests, rel=0.1)
    # What the laboratory does not know of, it believes better than it is.
    assert found["2 % of aliquots missing"].sensitivity < base.sensitivity + 0.02
    diluted = found["false negatives by dilution"]
    assert diluted.sensitivity == pytest.approx(0.78 * 0.98, abs=0.08)
    assert diluted.missed > 2 * diluted.missed_expected


def test_households_do_not_change_the_prevalence():
    random = np.random.default_rng(1)
    for world in WORLDS:
        truth = robustness.infected(random, 200_000, world)
        assert truth.mean() == pytest.approx(robustness.PREVALENCE, abs=0.002)
