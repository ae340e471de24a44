"""Nowcasts: delays by their slow twin, intervals that hold what comes, days on which nothing is outstanding."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

import poolkit
from poolkit import DesignError
from poolkit.surveillance import nowcast, plot_nowcast
from tests.reference import nowcasts as twin

ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), min_size=3, max_size=60)


@given(ROWS, st.integers(6, 14))
def test_share_reported_equals_the_slow_twin(rows, as_of):
    rows = [(sampled, sampled + delay) for sampled, delay in rows]
    seen = [each for each in rows if each[1] <= as_of]
    table = pd.DataFrame(rows, columns=["sampled", "reported"])
    if not seen:
        with pytest.raises(DesignError, match="nothing is reported yet"):
            nowcast(table, as_of=as_of)
        return
    found = nowcast(table, as_of=as_of, n_draws=20)
    longest = max(reported - sampled for sampled, reported in seen)
    share = twin.share_reported(seen, as_of, longest)
    wanted = [share[min(as_of - day, longest)] for day in found["day"]]
    assert found["share_reported"].tolist() == pytest.approx(wanted)
    counted = [sum(sampled == day for sampled, _ in seen) for day in found["day"]]
    assert found["reported"].tolist() == counted
    assert (found["low"] >= found["reported"]).all()
    assert (found["high"] >= found["low"]).all()
    # What is older than any delay is complete.
    old = found["day"] <= as_of - longest
    assert (found["expected"] == found["reported"])[old].all()


@settings(max_examples=30)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 7))
def test_outstanding_samples_are_beta_binomial(positive, negative, outstanding):
    """One day that is wholly reported and one that is not; the weight of the prior is the likeliest."""
    rows = [(1, 2, 1)] * 5 + [(1, 2, 0)] * 95 + [(3, 3, 1)] * positive + [(3, 3, 0)] * negative
    rows += [(3, None, None)] * outstanding
    found = nowcast(pd.DataFrame(rows, columns=["sampled", "reported", "positive"]), as_of=3).iloc[-1]
    share = (5 + positive + 0.5) / (100 + positive + negative + 1)

    def likelihood(weight):
        a, b = weight * share, weight * (1 - share)
        first = twin.beta_binomial(100, a, b)[5]
        return first * twin.beta_binomial(positive + negative, a, b)[positive]

    weight = max(np.geomspace(1.0, 1e4, 33), key=likelihood)
    chances = twin.beta_binomial(outstanding, weight * share + positive, weight * (1 - share) + negative)
    mean = sum(k * chance for k, chance in enumerate(chances))
    assert found["expected"] == pytest.approx(positive + mean, rel=1e-6)
    assert found["outstanding"] == outstanding
    sums = np.cumsum(chances)
    assert sums[int(found["high"]) - positive] >= 0.975 - 1e-9
    low = int(found["low"]) - positive
    assert low == 0 or sums[low - 1] < 0.025


def day_after_day(draw, n_days, mean):
    """Positives of some days with delays of 0 to 4 days, and how many there are in the end."""
    counts = draw.poisson(mean, n_days)
    sampled = np.repeat(np.arange(n_days), counts)
    delay = draw.choice(5, sampled.size, p=[0.1, 0.4, 0.3, 0.15, 0.05])
    return pd.DataFrame({"sampled": sampled, "reported": sampled + delay}), counts


def test_intervals_hold_what_comes(small):
    """Of 95 % intervals of days still open, by simulation at least 92 % hold (all sizes drawn with a seed)."""
    draw = np.random.default_rng(1)
    held, n = 0, 50 if small else 250
    off = []
    for seed in range(n):
        table, counts = day_after_day(draw, 30, 25.0)
        found = nowcast(table, as_of=29, seed=seed, n_draws=400, max_delay=4)
        open_ = found.iloc[-3:]
        true = counts[-3:]
        held += ((open_["low"] <= true) & (true <= open_["high"])).sum()
        off += (open_["expected"] - true).tolist()
    assert held / (3 * n) > 0.92
    assert abs(np.mean(off)) < 4 * np.std(off) / len(off) ** 0.5 + 0.5


def test_known_samples_hold_what_comes(small):
    draw = np.random.default_rng(2)
    held, n = 0, 50 if small else 150
    for _ in range(n):
        sampled = np.repeat(np.arange(10), 80)
        share = draw.beta(4.0, 76.0, 10)
        ill = draw.random(800) < share[sampled]
        reported = sampled + draw.choice(3, 800, p=[0.3, 0.5, 0.2])
        table = pd.DataFrame({"sampled": sampled, "reported": reported, "positive": ill})
        late = table["reported"] > 9
        table["positive"] = table["positive"].astype(float).where(~late)
        table["reported"] = table["reported"].astype(float).where(~late)
        open_ = nowcast(table, as_of=9).iloc[-2:]
        true = np.bincount(sampled, ill)[-2:]
        held += ((open_["low"] <= true) & (true <= open_["high"])).sum()
    assert held / (2 * n) > 0.92


def test_days_are_dates_and_the_same_seed_gives_the_same():
    table, _ = day_after_day(np.random.default_rng(4), 12, 9.0)
    dated = table.apply(lambda column: pd.Timestamp("2022-03-01") + pd.to_timedelta(column, unit="D"))
    found, again = nowcast(table, as_of=11), nowcast(dated, as_of="2022-03-12")
    assert again["day"].iloc[-1] == pd.Timestamp("2022-03-12")
    assert again["high"].tolist() == found["high"].tolist()
    assert nowcast(table, as_of=11, seed=1)["expected"].iloc[-1] == pytest.approx(found["expected"].iloc[-1], rel=0.05)
    assert poolkit.nowcast is nowcast


def test_nothing_outstanding():
    """All results on the day itself: what is seen is all there is. A day without a sample has none."""
    found = nowcast({"sampled": [1, 1, 3], "reported": [1, 1, 3]}, as_of=4)
    assert found["reported"].tolist() == [2, 0, 1, 0]
    assert found[["expected", "low", "high"]].values.tolist() == [[each] * 3 for each in (2, 0, 1, 0)]
    none = nowcast({"sampled": [1, 2, 2], "reported": [1, 2, None], "positive": [0, 0, None]}, as_of=2)
    assert none["reported"].sum() == 0
    assert 0.0 < none["expected"].iloc[1] < 1.0


def test_names_all_that_is_wrong():
    with pytest.raises(DesignError) as refused:
        nowcast({"sampled": [1]}, as_of=1, level=1.0, n_draws=0)
    assert {problem.where for problem in refused.value.problems} == {"reported", "level", "n_draws"}
    with pytest.raises(DesignError, match=r"reported: must not be before sampled \(rows 1\)"):
        nowcast({"sampled": [1, 2], "reported": [1, 1]}, as_of=3)
    with pytest.raises(DesignError, match=r"positive: must be there where results are outstanding"):
        nowcast({"sampled": [1, 2], "reported": [1, None]}, as_of=3)
    with pytest.raises(DesignError, match=r"positive: must be 0 or 1 where reported \(rows 0\)"):
        nowcast({"sampled": [1, 2], "reported": [1, 2], "positive": [None, 1]}, as_of=3)
    with pytest.raises(DesignError, match=r"sampled: must not be missing \(rows 0\)"):
        nowcast({"sampled": [None, 2], "reported": [1, 2]}, as_of=3)
    with pytest.raises(DesignError, match="max_delay: results took 2 days"):
        nowcast({"sampled": [1], "reported": [3]}, as_of=3, max_delay=1)


def test_plot():
    table, _ = day_after_day(np.random.default_rng(4), 12, 9.0)
    found = nowcast(table, as_of=11)
    _, mine = pyplot.subplots()
    assert plot_nowcast(found, ax=mine) is mine
    tops = [bar.get_y() + bar.get_height() for bar in mine.patches[12:]]
    assert tops == pytest.approx(found["expected"].tolist())
    pyplot.close("all")


def test_days_are_those_of_the_place():
    sampled = ["2021-01-01T00:30", "2021-01-02T23:00", "2021-01-02T06:00"]
    reported = ["2021-01-02T01:00", "2021-01-03T02:00", None]
    rows = {"positive": [1, 1, None]}
    plain = {name: pd.to_datetime(pd.Series(each)) for name, each in (("sampled", sampled), ("reported", reported))}
    there = {name: column.dt.tz_localize("Asia/Shanghai") for name, column in plain.items()}
    found = nowcast(pd.DataFrame(there | rows), as_of="2021-01-03")
    assert found["day"].dt.strftime("%m-%d").tolist() == ["01-01", "01-02", "01-03"]
    assert found.equals(nowcast(pd.DataFrame(plain | rows), as_of="2021-01-03"))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"as_of": "2021-01-03"}, "as_of: must be dates as the days of the samples are"),
        ({"as_of": None}, "as_of: must be a day"),
        ({"as_of": "soon"}, "as_of: must be dates, such as 2021-01-31"),
        ({"as_of": 3, "max_delay": -1}, "max_delay: must be whole days, found -1"),
    ],
)
def test_refuses_days_that_do_not_go_together(asked, message):
    with pytest.raises(DesignError, match=message):
        nowcast({"sampled": [1, 2], "reported": [1, 3]}, **asked)


def test_parts_of_days_are_refused():
    with pytest.raises(DesignError) as refused:
        nowcast({"sampled": [1.5, 2.0], "reported": [2.0, 2.5]}, as_of=3)
    assert [(each.where, each.rows) for each in refused.value.problems] == [("sampled", (0,)), ("reported", (1,))]
