"""The slow twins of surveillance and of households, where a hand can follow them."""

from math import log

import pytest

from tests.reference import alarms, households, nowcasts, regression


@pytest.mark.parametrize("model", ["beta-binomial", "madsen", "morel-neerchal"])
def test_two_of_a_household_correlate_as_said(model):
    p, r = 0.2, 0.3
    both = households.fate((1, 1), model, p, r)
    one = households.fate((1, 0), model, p, r)
    assert both + one == pytest.approx(p)
    assert (both - p * p) / (p * (1 - p)) == pytest.approx(r)
    assert both + 2 * one + households.fate((0, 0), model, p, r) == pytest.approx(1.0)


def test_a_pool_of_two_and_a_retest():
    """Risks of a half: three of four truths hold an infected sample; the retest of the first says it is not."""
    tests = [((0, 1), 1, 0.9, 0.1), ((0,), 0, 0.9, 0.1)]
    by_hand = 0.25 * (0.9 * 0.1 + 0.9 * 0.9 + 0.9 * 0.1 + 0.1 * 0.9)
    assert regression.log_likelihood([0.0, 0.0], tests, "logit") == pytest.approx(log(by_hand))


def test_a_chart_that_alarms_one_day_in_four():
    mean, left = alarms.run_length([0, 1], [0.75, 0.25], 1, 200)
    assert mean == pytest.approx(4.0)
    assert left == pytest.approx(0.75**201)


def test_delays_of_three_days():
    """By day 3: of day 1 two after a day and one after two; of day 2 one at once and one after a day."""
    rows = [(1, 2), (1, 2), (1, 3), (2, 2), (2, 3)]
    # One of three took two days; of those that took at most one, three of four took one.
    assert nowcasts.share_reported(rows, 3, 2) == pytest.approx([2 / 3 * 1 / 4, 2 / 3, 1.0])
