"""Alarms: the worked series, every chart against its slow twin, days that say nothing, limits that keep their word."""

import tomllib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from scipy.stats import norm

import poolkit
from poolkit import DesignError
from poolkit.surveillance import alarm, mean_run_length, plot_alarms
from poolkit.surveillance.run_length import reference_share
from tests.reference import alarms as twin

GOLDEN = tomllib.loads((Path(__file__).parents[1] / "golden" / "surveillance" / "series.toml").read_text("utf-8"))
SERIES = GOLDEN["counts"]
# A day without pools in the baseline and one after it, and a day with a single pool.
POOLS = pd.DataFrame(
    {
        "day": pd.date_range("2022-03-01", periods=14),
        "positive": [1, 0, 2, 1, 0, 1, 1, 2, 0, 1, 0, 1, 0, 9],
        "tested": [40, 40, 38, 40, 0, 41, 40, 40, 0, 1, 40, 40, 39, 40],
    }
)


def alarmed(found):
    return found.loc[found["alarm"], "day"].tolist()


@pytest.mark.parametrize("name", ["c1", "c2"])
def test_c1_and_c2_of_the_worked_series(name):
    worked = GOLDEN[name]
    found = alarm(SERIES, method=f"ears-{name}", threshold=float(norm.isf(0.001)))
    first = worked["from_day"] - 1
    assert found["upper"][:first].isna().all()
    assert found["upper"][first:].tolist() == pytest.approx(worked["upper"], abs=1e-6)
    assert alarmed(found) == worked["alarms"]


def test_c3_of_the_worked_series():
    worked = GOLDEN["c3"]
    found = alarm(SERIES, method="ears-c3")
    assert found["statistic"][: worked["from_day"] - 1].isna().all()
    assert found["statistic"][worked["from_day"] - 1 :].tolist() == pytest.approx(worked["statistic"], abs=1e-6)
    assert alarmed(found) == worked["alarms"]


@pytest.mark.parametrize("name", ["standard", "rossi"])
def test_cusum_of_the_worked_series(name):
    worked = GOLDEN[name]
    chosen = {each: worked[each] for each in ("expected", "reference", "limit")}
    found = alarm(SERIES, method="cusum", transform=name, **chosen)
    early = {"standard": (4, "fifth_day"), "rossi": (9, "tenth_day")}[name]
    assert found["statistic"][early[0]] == pytest.approx(worked[early[1]], abs=1e-6)
    assert found["statistic"][worked["from_day"] - 1 :].tolist() == pytest.approx(worked["statistic"], abs=1e-6)
    assert alarmed(found) == worked["alarms"]


COUNTS = st.lists(st.integers(0, 30), max_size=30)


@given(COUNTS, st.integers(2, 9), st.floats(0.5, 4.0), st.floats(0.1, 2.0))
def test_ears_equals_the_slow_twin(counts, baseline, threshold, least):
    given = {"baseline": baseline, "minimum_sd": least}
    for method, gap in (("ears-c1", 0), ("ears-c2", 2)):
        found = alarm(counts, method=method, threshold=threshold, **given)
        for each, row in zip(twin.ears(counts, baseline, gap, threshold, least), found.itertuples(), strict=True):
            if each is None:
                assert np.isnan(row.upper)
                assert not row.alarm
            else:
                assert (row.statistic, row.upper) == pytest.approx(each, rel=1e-9, abs=1e-9)
    third = alarm(counts, method="ears-c3", **given)["statistic"]
    wanted = [np.nan if each is None else each for each in twin.ears_c3(counts, baseline, least)]
    assert third.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


@given(COUNTS, st.floats(0.5, 20.0), st.floats(0.0, 2.0), st.sampled_from(["standard", "rossi"]))
def test_cusum_equals_the_slow_twin(counts, expected, reference, transform):
    given = {"expected": expected, "reference": reference, "transform": transform, "limit": 2.5}
    found = alarm(counts, method="cusum", **given)
    assert found["statistic"].tolist() == pytest.approx(twin.cusum(counts, expected, reference, transform), abs=1e-9)
    # A count above the one that a day may reach alarms. Of Rossi's deviates none is below that of no count.
    count = found["count"]
    assert found["alarm"][count > found["upper"] + 1e-6].all()
    assert not found["alarm"][count < found["upper"] - 1e-6].any()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), min_size=3, max_size=8))
def test_exact_limits_equal_the_slow_twin(days):
    table = pd.DataFrame(days, columns=["positive", "tested"])
    alpha = 0.0123
    found = alarm(table, method="ears-c1", baseline=2, alpha=alpha)
    counted = alarm(table["positive"], method="ears-c1", baseline=2, alpha=alpha)
    for t in range(2, len(days)):
        before, then = int(table["positive"][t - 2 : t].sum()), int(table["tested"][t - 2 : t].sum())
        positive, tested = days[t]
        chance = twin.as_or_more_counts(positive, before, 2)
        assert norm.sf(counted["statistic"][t]) == pytest.approx(chance, rel=1e-6)
        assert counted["alarm"][t] == (chance <= alpha)
        assert twin.as_or_more_counts(int(counted["upper"][t]) + 1, before, 2) <= alpha
        if not tested:
            assert np.isnan(found["statistic"][t])
            assert not found["alarm"][t]
            continue
        chance = twin.as_or_more_pools(positive, tested, before, then)
        assert norm.sf(found["statistic"][t]) == pytest.approx(chance, rel=1e-6)
        assert found["alarm"][t] == (chance <= alpha)
        reach = int(found["upper"][t])
        assert twin.as_or_more_pools(reach, tested, before, then) > alpha
        assert reach == tested or twin.as_or_more_pools(reach + 1, tested, before, then) <= alpha


def test_charts_of_pools_by_hand():
    found = alarm(POOLS, method="binomial-cusum", share=0.03, odds_ratio=2.0, limit=4.0)
    each, total = reference_share(0.03, 2.0), 0.0
    assert 0.03 < each < 2 * 0.03 / (1 + 0.03)
    for positive, tested, statistic in found[["positive", "tested", "statistic"]].values.tolist():
        total = max(0.0, total + positive - tested * each)
        assert statistic == pytest.approx(total)
    assert alarmed(found) == [pd.Timestamp("2022-03-14")]
    smooth, variance = 0.03, 0.0
    found = alarm(POOLS, method="ewma", share=0.03, weight=0.3, limit=3.0)
    for positive, tested, statistic, limit in found[["positive", "tested", "statistic", "limit"]].values.tolist():
        if tested:
            smooth = 0.7 * smooth + 0.3 * positive / tested
            variance = 0.49 * variance + 0.09 * 0.03 * 0.97 / tested
        assert (statistic, limit) == pytest.approx((smooth, 0.03 + 3 * variance**0.5))
    assert (found["alarm"] == (found["statistic"] > found["limit"])).all()
    assert alarmed(found)[-1] == pd.Timestamp("2022-03-14")


@pytest.mark.parametrize("method", ["binomial-cusum", "ewma"])
def test_estimated_share_and_limit(method):
    found = alarm(POOLS, method=method)
    assert found["statistic"][:7].isna().all()
    assert found["expected"][7] == pytest.approx(40 * (6 + 0.5) / (239 + 1))
    assert alarmed(found)[-1] == pd.Timestamp("2022-03-14")


@pytest.mark.parametrize("method", ["binomial-cusum", "ewma", "ears-c1", "ears-c2"])
@pytest.mark.parametrize(
    ("positive", "tested"),
    [([0] * 12, [0] * 12), ([0] * 12, [1] * 12), ([5] * 12, [5] * 12), ([0] * 11 + [1], [1] * 12)],
)
def test_pools_at_the_limits(method, positive, tested):
    table = pd.DataFrame({"positive": positive, "tested": tested})
    found = alarm(table, method=method, **({"alpha": 0.01} if method.startswith("ears") else {"limit": 3.0}))
    if len(set(positive)) == 1:
        assert not found["alarm"].any()
    told = found["statistic"].dropna()
    assert np.isfinite(told).all()
    if not any(tested) and method.startswith("ears"):
        assert told.empty


def test_counts_without_spread():
    """Seven days without a case: one case is two floors of the standard deviation, two are above the limit."""
    assert alarmed(alarm([0] * 7 + [1], method="ears-c1")) == []
    assert alarmed(alarm([0] * 7 + [2], method="ears-c1")) == [8]
    assert alarm([0] * 7 + [1], method="ears-c1", minimum_sd=0.0)["statistic"].iloc[-1] == np.inf
    assert alarm([0] * 8, method="ears-c1", minimum_sd=0.0)["statistic"].iloc[-1] == 0.0
    assert alarm([0] * 8, method="cusum", limit=4.0)["expected"].iloc[-1] == pytest.approx(0.5 / 7)
    assert alarm([], method="ears-c1").empty


def test_days_that_are_alike():
    """A busy Monday stands out among all days, and not among Mondays."""
    days = pd.date_range("2022-01-03", periods=70)
    table = pd.DataFrame({"day": days, "count": np.where(days.day_of_week == 0, 30, 2 + np.arange(70) % 3)})
    assert len(alarmed(alarm(table, method="ears-c1", baseline=4))) > 5
    assert alarmed(alarm(table, method="ears-c1", baseline=4, alike="weekdays")) == []
    weekend = pd.DataFrame({"day": days, "count": np.where(days.day_of_week >= 5, 20, 2)})
    assert alarmed(alarm(weekend, method="ears-c1", alike="weekends")) == []
    assert alarmed(alarm(weekend, method="ears-c1", baseline=4)) != []


def test_days_not_reported_are_in_no_baseline():
    gap = [4, 6, None, 5, 3, 7, None, 5, 6, 20]
    found = alarm(gap, method="ears-c1")
    assert found["upper"].iloc[-1] == pytest.approx(twin.ears([4, 6, 5, 3, 7, 5, 6, 20], 7, 0, 3, 0.5)[-1][1])
    assert alarmed(found) == [10]
    for asked in ({"method": "cusum", "limit": 5.0}, {"method": "ears-c3"}):
        assert not alarm(gap, **asked)["alarm"][[2, 6]].any()
    missing = POOLS.assign(tested=POOLS["tested"].astype(float).where(POOLS.index != 13))
    assert not alarm(missing, method="ewma", share=0.03, limit=3.0)["alarm"].iloc[-1]


def test_takes_arrow_and_whole_days():
    table = pa.table({"day": [1, 2, 4, 5], "count": [1, 2, 3, 30]})
    assert alarmed(alarm(table, method="ears-c1", baseline=3)) == [5]
    assert poolkit.alarm is alarm


@pytest.mark.parametrize(("share", "tested", "true", "limit"), [(0.1, 6, 0.4, 2.0), (0.05, 10, 0.3, 3.0)])
def test_run_length_of_pools_is_exact(share, tested, true, limit):
    found = mean_run_length(method="binomial-cusum", share=share, tested=tested, true=true, limit=limit)
    centre = Fraction(tested * reference_share(share, 2.0)).limit_denominator(20)
    wanted, left = twin.run_length([x - centre for x in range(tested + 1)], twin.binomial(tested, true), limit, 60)
    assert left < 1e-12
    assert found == pytest.approx(wanted, rel=1e-9)


def test_run_length_of_counts_is_exact():
    found = mean_run_length(method="cusum", expected=4.0, true=7.0, reference=0.5, limit=1.5)
    wanted, left = twin.run_length([x - 5 for x in range(31)], twin.poisson(7.0, 30), 3, 60)
    assert left < 1e-9
    assert found == pytest.approx(wanted, rel=1e-6)


def test_run_length_by_cells_agrees_with_simulation(small):
    """Charts drawn and stopped after a fixed number of days, which none reaches."""
    n, days = (400, 150) if small else (4000, 200)
    draw = np.random.default_rng(3)
    counts = draw.poisson(8.0, (n, days))
    score = (counts - 15 + 2 * np.sqrt(5.0 * counts)) / (2 * 5**0.5) - 0.5
    positive = draw.binomial(20, 0.2, (n, days))
    top = 0.1 + 2.5 * (0.09 / 20 * 0.2 / 1.8) ** 0.5
    total, smooth = np.zeros(n), np.full(n, 0.1)
    runs = np.full((2, n), days + 1)
    for t in range(days):
        total = np.maximum(0.0, total + score[:, t])
        smooth = 0.8 * smooth + 0.2 * positive[:, t] / 20
        for run, over in zip(runs, (total >= 2.5, smooth > top), strict=True):
            run[(run > days) & over] = t + 1
    found = [
        mean_run_length(method="cusum", expected=5.0, true=8.0, limit=2.5, transform="rossi"),
        mean_run_length(method="ewma", share=0.1, tested=20, true=0.2, limit=2.5),
    ]
    for run, mean in zip(runs, found, strict=True):
        assert (run <= days).all()
        assert abs(mean - run.mean()) < 4 * run.std() / n**0.5 + 0.02 * mean


def test_limit_keeps_its_word():
    table = pd.DataFrame({"positive": [2] * 12, "tested": [30] * 12})
    limit = float(alarm(table, method="binomial-cusum", share=0.06, false_alarm_days=100)["limit"].iloc[0])
    quiet = {"method": "binomial-cusum", "share": 0.06, "tested": 30}
    assert mean_run_length(**quiet, limit=limit) >= 100
    assert mean_run_length(**quiet, limit=0.9 * limit) < 100


@pytest.mark.parametrize("tested", [1, 5000])
@pytest.mark.parametrize("method", ["binomial-cusum", "ewma"])
def test_limits_are_found_for_few_and_many_pools(method, tested):
    found = alarm(pd.DataFrame({"positive": [tested // 50] * 3, "tested": tested}), method=method, share=0.02)
    assert found["limit"].gt(0.0).all()
    assert not found["alarm"].any()


def test_charts_that_never_alarm():
    assert mean_run_length(method="binomial-cusum", share=0.1, tested=5, true=0.0, limit=1.0) == np.inf
    assert mean_run_length(method="ewma", share=0.5, tested=1, limit=9.0) == np.inf


def test_names_all_that_is_wrong():
    table = pd.DataFrame({"day": [2, 2], "count": [-1, 0.5]})
    wrong = {"method": "other", "alike": "weekends", "baseline": 1, "alpha": 2.0, "weight": 0.0, "odds_ratio": 1.0}
    wrong |= {"transform": "other", "limit": -1.0}
    with pytest.raises(DesignError) as refused:
        alarm(table, **wrong)
    assert {problem.where for problem in refused.value.problems} == {"day", "count", *wrong}
    with pytest.raises(DesignError, match="ewma needs positive and tested pools"):
        alarm([1, 2, 3], method="ewma")
    with pytest.raises(DesignError, match="cusum of pools needs"):
        alarm(POOLS, method="cusum")
    with pytest.raises(DesignError, match="alpha: is not for ears-c3, but for ears-c1, ears-c2"):
        alarm([1, 2], method="ears-c3", alpha=0.01)
    with pytest.raises(DesignError, match=r"positive: must not be more than tested \(rows 1\)"):
        alarm(pd.DataFrame({"positive": [1, 2], "tested": [1, 1]}), method="ewma")
    with pytest.raises(DesignError, match="count: missing"):
        alarm(pd.DataFrame({"cases": [1]}))
    with pytest.raises(DesignError, match="day: must be dates, such as 2021-01-31, or whole numbers"):
        alarm(pd.DataFrame({"day": ["soon"], "count": [1]}))
    with pytest.raises(DesignError) as refused:
        mean_run_length(method="cusum", limit=0.0, true=-1.0)
    assert {problem.where for problem in refused.value.problems} == {"limit", "expected", "true"}
    with pytest.raises(DesignError) as refused:
        mean_run_length(method="ewma", limit=3.0, true=2.0, weight=2.0)
    assert {problem.where for problem in refused.value.problems} == {"share", "tested", "true", "weight"}


def test_options_of_other_methods_are_refused():
    counts = [4, 6, 5, 3, 7, 5, 6, 4, 5, 8]
    with pytest.raises(DesignError) as refused:
        alarm(counts, method="cusum", alpha=0.01, threshold=3.0, share=0.1)
    assert {each.where for each in refused.value.problems} == {"alpha", "threshold", "share"}
    with pytest.raises(DesignError, match="threshold: give either it or alpha"):
        alarm(counts, alpha=0.01, threshold=2.0)
    with pytest.raises(DesignError, match=r"baseline: must be whole days, found 7.5"):
        alarm(counts, baseline=7.5)
    with pytest.raises(DesignError, match=r"count: must be whole and not negative \(rows 1\)"):
        alarm([1, np.inf, 2])


def test_days_are_those_of_the_place():
    dates = pd.date_range("2021-01-01", periods=40)
    counts = np.where(dates.day_of_week >= 5, 30, 5)
    there = pd.DataFrame({"day": dates.tz_localize("Asia/Shanghai"), "count": counts})
    # In Greenwich these midnights are the day before, and Saturdays would be Fridays.
    found = alarm(there, alike="weekends", baseline=4)
    assert not found["alarm"].any()
    assert found["expected"].dropna().isin([5.0, 30.0]).all()
    series = pd.Series(counts, index=dates)
    assert alarm(series, alike="weekends", baseline=4)["expected"].equals(found["expected"])
    assert alarm(series)["day"].tolist() == dates.tolist()


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ([1.0, 2.5, 3.0], r"day: must be dates or whole numbers \(rows 1\)"),
        (pd.array([1, None, 3], dtype="Int64"), r"day: must not be missing \(rows 1\)"),
        ([pd.Timestamp("2021-01-01"), None, pd.Timestamp("2021-01-03")], r"day: must not be missing \(rows 1\)"),
        (["1/2/2021", "2/2/2021", "3/2/2021"], "day: must be dates, such as 2021-01-31"),
        ([True, False, True], r"day: must be dates or whole numbers \(rows 0, 1, 2\)"),
    ],
)
def test_days_that_are_none(days, message):
    with pytest.raises(DesignError, match=message):
        alarm(pd.DataFrame({"day": days, "count": [1, 2, 3]}))


def test_takes_a_mapping_and_days_as_floats():
    counts = [4, 6, 5, 3, 7, 5, 6, 4, 5, 8]
    found = alarm({"day": np.arange(10.0), "count": counts})
    assert found["upper"].equals(alarm(counts)["upper"])


def test_run_length_of_very_many_a_day():
    # As good as normal: a one-sided cusum of normal scores with k = 0.5 and h = 5 runs for 930 days.
    assert mean_run_length(method="cusum", limit=5.0, expected=1e6) == pytest.approx(930.0, rel=0.02)


def test_run_length_refuses_what_is_no_chart():
    with pytest.raises(DesignError) as refused:
        mean_run_length(method="cusum", limit=5.0, expected=2.0, reference=-3.0, transform="root")
    assert {each.where for each in refused.value.problems} == {"reference", "transform"}
    with pytest.raises(DesignError, match=r"tested: must be a whole number from 1, found 10\.5"):
        mean_run_length(method="ewma", limit=3.0, share=0.1, tested=10.5)


def test_plots():
    for found, label in (
        (alarm(SERIES, method="ears-c2"), "Positives (count a day)"),
        (alarm(SERIES, method="ears-c3"), "Statistic (standard deviations)"),
        (alarm(POOLS, method="ewma", share=0.03, limit=3.0), "Pools positive (%)"),
    ):
        _, mine = pyplot.subplots()
        assert plot_alarms(found, ax=mine) is mine
        assert mine.get_ylabel() == label
        red = sum(bar.get_facecolor()[:3] == pytest.approx((0.8353, 0.3686, 0.0), abs=0.01) for bar in mine.patches)
        assert red == found["alarm"].sum() + 1  # and that of the legend
        pyplot.close("all")
